"""
What Recall keeps beside a recording anyway: who spoke when, and who was there. One read and one download,
nothing is charged. Before an empty transcript is paid for again it is asked whether there was speech at all;
by the policy, every transcript is held against the timeline.

Where there is a timeline, it alone says whether a recording is silent; else the list of participants does.
Where there is neither (a recording of the Desktop SDK, one whose files have expired), nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from app.errors import DownloadBlocked
from app.orchestrator.command_context import CommandContext
from app.orchestrator.effects.scratch import scratch_folder
from app.orchestrator.outcome import Later, Unanswered
from app.recall.json_fields import Unreadable
from app.recall.timeline import MAX_BYTES, has_people, read_timeline
from app.recall.types import RecordingFacts
from app.transcripts import quality

_T = TypeVar("_T")
_GONE = frozenset({"http_404", "http_410"})  # the address is there, and no file behind it


def ask_recording(context: CommandContext) -> RecordingFacts | Unanswered | None:
    """
    The recording of a transcript; None where the policy wants nothing of it, or Recall has not answered for
    too long: worth a wait of some minutes, and never a result.
    """
    if not context.policy.participants and context.policy.quality.evidence != "timeline":
        return None
    ask = partial(context.recall.recording, context.recording_id)
    # Its place in the rate is waited for here: one to come back with would be used up by the question before.
    facts = context.read("retrieve", ask, may_defer=False)
    if _is_worth_a_wait(context) or not isinstance(facts, Unanswered):
        return facts
    _left_out(context, "recording_not_read")
    return None


def timeline_of(context: CommandContext, facts: RecordingFacts) -> tuple[quality.Speech, ...] | None:
    """Who spoke when; None where that cannot be had now: it is no reason to wait."""
    if facts.timeline_url is None:
        return None
    try:
        return _read(context, facts.timeline_url, _timeline)
    except (DownloadBlocked, Unreadable) as trouble:
        _left_out(context, str(trouble))
    return None


def is_silent(context: CommandContext, facts: RecordingFacts) -> bool | Later:
    """
    Whether nothing was spoken, for certain. Money hangs on it: trouble at the download is worth a wait of
    some minutes.
    """
    for url, read in ((facts.timeline_url, _is_silent), (facts.participants_url, _is_deserted)):
        if url is None:
            continue
        try:
            return _read(context, url, read)
        except Unreadable as trouble:
            _left_out(context, trouble.reason)
        except DownloadBlocked as blocked:
            if blocked.cause not in _GONE and _is_worth_a_wait(context):
                return Later(context.policy.durations.blocked_first_s, blocked.cause)
            _left_out(context, blocked.cause)
    return False


def _is_worth_a_wait(context: CommandContext) -> bool:
    """As long as a running attempt is left alone before it is asked about."""
    waited_s = context.now() - context.leased.wanted_since
    return waited_s < context.policy.durations.first_ask_s


def _read(context: CommandContext, url: str, read: Callable[[bytes], _T]) -> _T:
    """Raises `DownloadBlocked` and `Unreadable`."""
    with scratch_folder(context) as folder:
        target = folder / "evidence.json"
        context.recall.download(url, target, keep_going=context.renewer.raise_if_lost)
        with target.open("rb") as stream:
            return read(stream.read(MAX_BYTES + 1))


def _timeline(body: bytes) -> tuple[quality.Speech, ...]:
    return tuple(quality.Speech(*entry) for entry in read_timeline(body))


def _is_silent(body: bytes) -> bool:
    return quality.is_silent(_timeline(body))


def _is_deserted(body: bytes) -> bool:
    return not has_people(body)


def _left_out(context: CommandContext, cause: str) -> None:
    context.log.warning("evidence_left_out", recording=context.recording_id, cause=cause)
