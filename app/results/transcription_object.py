"""
The transcription as the outside sees it: bota.dev's object, and what operators need beside it.

Shape: https://docs.bota.dev/api-reference/transcriptions/get-transcription
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from app.adapters.sql.finding import Listed, Pending
from app.adapters.sql.queries import Shown
from app.core.cost import amount_of
from app.core.state import ENDS, Attempt, AttemptStatus, Phase, Transcription
from app.errors import BlobMissing, TranscriptUnreadable
from app.orchestrator.next_steps import next_step
from app.orchestrator.ports_blobs import Blobs
from app.results.stored_files import open_result_file
from app.transcripts.manifest import ManifestUnreadable, parse_manifest
from app.transcripts.result_folder import MANIFEST, folder_of

_STATUS = {
    Phase.NEW: "pending",
    Phase.CREATING: "processing",
    Phase.TRANSCRIBING: "processing",
    Phase.FETCHING: "processing",
    Phase.STORED: "completed",
    Phase.FAILED: "failed",
    Phase.SKIPPED: "failed",
    Phase.ERASED: "failed",
}


# Under which metadata a meeting's name is kept: Recall has no field for it, so products use one of their own.
_TITLES = ("title", "meeting_title", "meeting_name", "name", "subject", "topic")
# Nothing was made at Recall, or the request never left; of the open ones it is not known yet.
_UNPAID = frozenset({AttemptStatus.CLAIMED, AttemptStatus.REFUSED})
_UNKNOWN = frozenset({AttemptStatus.SENDING, AttemptStatus.UNKNOWN})
# What a command that is due later waits for, where it was not put off for a cause of its own.
_WAITS = {
    "create_transcript": "the create",
    "look_up_transcript": "a look at Recall's list of its transcripts",
    "ask_transcript": "the transcript, which is being made; Recall is asked if no webhook comes",
    "fetch_transcript": "the finished transcript, to be fetched",
    "publish_transcript": "its manifest, to be written",
    "render_transcript": "its missing formats, to be written",
    "ask_recording": "the recording, which Recall is asked about",
    "prune_transcript": "room at Recall's limit of transcripts",
    "await_provider": "a provider: all that are left are passed over",
    "begin_extra": "a further transcript, to be begun",
}
_CAUSES = {
    "account": "the account, which Recall refuses",
    "key_sees_nothing_here": "an API key that sees the recordings known here",
    "key_sees_no_known_recording": "an API key that sees the recordings known here",
    "rate": "its turn at Recall's rates",
    "rate_of_the_bot": "its turn at Recall's rates",
    "workspace_unknown": "its workspace, which the configuration no longer has",
    "daily_budget": "the next day: the daily budget is reached",
}


def colour_of(phase: Phase) -> str:
    """On a terminal."""
    return {Phase.STORED: "green", Phase.FAILED: "red", Phase.SKIPPED: "dim"}.get(phase, "yellow")


def is_paid(attempt: Attempt) -> bool | None:
    """Whether a transcript was made for it at Recall, whatever became of it; None while that is not known."""
    if attempt.status in _UNKNOWN or (attempt.status in _UNPAID and attempt.is_doubtful):
        return None
    return attempt.status not in _UNPAID


def number_paid(state: Transcription) -> int:
    """Attempts that are known to be charged for."""
    return sum(is_paid(attempt) is True for attempt in state.attempts)


def cost_of(state: Transcription) -> dict[str, Any] | None:
    """
    What its attempts are estimated at, in the currency of the latest; None where nothing is known of it.
    `is_complete`: no attempt that may be charged for lacks a price or a length, or has another currency.
    """
    costs = [a.cost for a in state.attempts if a.cost is not None]
    if not costs:
        return None
    currency = costs[-1].currency
    same = [cost.micros for cost in costs if cost.currency == currency]
    charged = sum(not a.is_unpaid for a in state.attempts)
    return {"amount": amount_of(sum(same)), "currency": currency, "is_complete": len(same) == charged}


def title_of(state: Transcription) -> str | None:
    """The meeting's name, by the metadata of the recording or its bot."""
    lowered = {key.lower(): value for key, value in state.metadata}
    return next((lowered[name] for name in _TITLES if lowered.get(name)), None)


def pairs_of(state: Transcription) -> list[str]:
    """The metadata as `key=value`; a value that is null is said so."""
    return [f"{key}={'null' if value is None else value}" for key, value in state.metadata]


def waits_for(state: Transcription, pending: Pending | None) -> str | None:
    """What a transcription that is not at an end waits for, in words; None for one that is."""
    if state.phase in ENDS or pending is None:
        return None
    what = _WAITS.get(pending.kind, pending.kind.replace("_", " "))
    cause = "account" if pending.is_held else pending.waits_for
    if cause is None:
        line = state.open_attempt
        cause = line.error if line is not None and line.status is not AttemptStatus.RUNNING else None
    if cause is None:
        return what
    return _CAUSES.get(cause, f"{what}; {cause} last time")


def next_step_of(state: Transcription, *, recording: str | None = None) -> str | None:
    """What a person can do about it, with the command to type."""
    return next_step(state.reason, recording=recording or state.recording_id, next_ordinal=state.next_ordinal)


def iso(at: float | None) -> str | None:
    """ISO 8601 in UTC, to the millisecond."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def transcription_object(listed: Listed, pending: Pending | None = None) -> dict[str, Any]:
    """Without the words; times ISO 8601 in UTC, durations in milliseconds. Every field: docs/json.md."""
    state = listed.state.outward
    waiting = waits_for(state, pending)
    return {
        "id": listed.id,
        "recording_id": state.recording_id,
        "status": _STATUS[state.phase],
        "language": state.language,
        "provider": state.provider,
        "duration_ms": None,
        "segments": None,
        "text": None,
        "error": state.reason,
        "created_at": iso(listed.first_heard_at),
        "completed_at": iso(ended_at(listed)),
        "workspace": state.workspace,
        "phase": state.phase.value,
        "bot_id": state.bot_id,
        "metadata": dict(state.metadata),
        "title": title_of(state),
        "verdict": state.verdict,
        "is_adopted": state.is_adopted(state.current),
        "reason": state.reason,
        "next_step": next_step_of(state),
        "waits_for": waiting,
        "next_at": iso(pending.due_at) if pending is not None and waiting is not None else None,
        "cost": cost_of(state),
        "attempts": [
            {
                "ordinal": a.ordinal,
                "provider": a.provider,
                "state": a.status.value,
                "transcript_id": a.transcript_id,
                "error": a.error,
                "is_paid": is_paid(a),
                "is_beside": listed.state.is_beside(a),
                "cost": None if a.cost is None else amount_of(a.cost.micros),
            }
            for a in state.attempts
        ],
    }


def ended_at(listed: Listed) -> float | None:
    """When it ended; an end may be the first that is heard, and two clocks are not compared then."""
    return None if listed.completed_at is None else max(listed.first_heard_at, listed.completed_at)


def took_s(listed: Listed) -> float | None:
    """From hearing that it is done to its end; a recording that was never heard to be has no such time."""
    ended = ended_at(listed)
    return ended - listed.first_heard_at if ended is not None and listed.state.is_recording_done else None


def full_object(shown: Shown, blobs: Blobs) -> dict[str, Any]:
    """With the words, where they are stored, and the files (keys below the storage's root)."""
    state = shown.transcription.state
    whole = transcription_object(shown.transcription, pending_of(shown))
    whole["files"] = []
    if state.current is None:
        return whole
    folder = folder_of(state.workspace, state.recording_id, state.current)
    with suppress(BlobMissing, ManifestUnreadable):
        with blobs.open(f"{folder}/{MANIFEST}") as stream:
            manifest = parse_manifest(stream.read())
        whole["files"] = [f"{folder}/{name}" for name in (*(f.name for f in manifest.files), MANIFEST)]
        whole["duration_ms"] = manifest.summary.duration_ms
        with suppress(BlobMissing, TranscriptUnreadable):
            with open_result_file(blobs, folder, "segments.json") as stream:
                whole["segments"] = json.load(stream)
            with open_result_file(blobs, folder, "transcript.txt") as stream:
                whole["text"] = stream.read().decode("utf-8")
    return whole


def duration_s_of(state: Transcription, blobs: Blobs) -> float | None:
    """Of the result, to the end of its last word; None without one. Raises `BlobsUnavailable`."""
    if state.current is None:
        return None
    key = f"{folder_of(state.workspace, state.recording_id, state.current)}/{MANIFEST}"
    with suppress(BlobMissing, ManifestUnreadable), blobs.open(key) as stream:
        return (parse_manifest(stream.read()).summary.duration_ms or 0) / 1000 or None
    return None


def pending_of(shown: Shown) -> Pending | None:
    """What is to be done next."""
    first = min(shown.commands, key=lambda command: command["due_at"], default=None)
    if first is None:
        return None
    return Pending(first["kind"], first["due_at"], bool(first["is_held"]), first["waits_for"])
