"""What has happened before a scene begins."""

from __future__ import annotations

from app.core import events as ev
from app.core.events import RecordingCondition as Condition
from app.core.events import Refusal
from app.core.seen import FailureCause, Seen, TranscriptStatus

Events = tuple[ev.Event, ...]
DAY = 86_400.0
A, B = "a_async", "b_async"
T1, T2, C1, C2 = "ours-1", "ours-2", "theirs-1", "theirs-2"


def _cause(code: str | None) -> FailureCause:
    begin = (code or "").partition("_")[0]
    return {"provider": FailureCause.PROVIDER, "zoom": FailureCause.PLATFORM}.get(begin, FailureCause.OTHER)


def failed(at: float, transcript_id: str, ordinal: int | None = None, code: str | None = None) -> ev.Event:
    """By a code that names its cause: `provider_…`, `zoom_…`, or any other."""
    return ev.TranscriptFailed(at, transcript_id, ordinal, code, _cause(code))


def gone(at: float, transcript_id: str, code: str | None = None) -> ev.Event:
    return ev.TranscriptGone(at, transcript_id, code, _cause(code))


def seen(
    transcript_id: str,
    status: str,
    ordinal: int | None,
    provider: str | None,
    code: str | None = None,
    *,
    is_realtime: bool = False,
) -> Seen:
    return Seen(
        transcript_id, TranscriptStatus(status), ordinal, provider, code, is_realtime, failure=_cause(code)
    )


DONE = ev.RecordingDone(10.0)
SENDING: Events = (DONE, ev.Sending(11.0, 1, A, 0))
RUNNING: Events = (*SENDING, ev.Created(12.0, 1, T1, A))
UNKNOWN: Events = (*SENDING, ev.CreateUnknown(12.0, 1, "timeout"))
CLAIMED: Events = (*SENDING, ev.CreateRefused(12.0, 1, Refusal.RECORDING_NOT_DONE, "http_400"))
FETCHING: Events = (*RUNNING, ev.TranscriptDone(20.0, T1, 1))
STORED: Events = (*FETCHING, ev.Stored(30.0, T1, A, "en", is_empty=False))
FAILED_ONCE: Events = (*RUNNING, failed(20.0, T1, 1, "provider_error"))
SECOND_RUNNING: Events = (*FAILED_ONCE, ev.Sending(21.0, 2, B, 0), ev.Created(22.0, 2, T2, B))
ALL_FAILED: Events = (*SECOND_RUNNING, failed(30.0, T2, 2, "provider_error"))
EMPTY: Events = (*FETCHING, ev.Stored(30.0, T1, A, "en", is_empty=True))
EMPTY_LONG: Events = (*EMPTY, ev.RecordingAsked(31.0, Condition.DONE, duration_s=3_600.0))
PUBLISHING: Events = (*EMPTY, ev.RecordingAsked(31.0, Condition.DONE, duration_s=59.0))
SKIPPED: Events = (ev.RecordingDone(10.0, metadata=(("afterword", "skip"),)),)
SILENT: Events = (
    *RUNNING,
    *(ev.StillProcessing(at, T1) for at in (612.0, 1_812.0, 4_212.0)),
    ev.StillProcessing(12.0 + DAY, T1),
)
