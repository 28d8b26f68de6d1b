"""
What a verified delivery says: Recall's webhook bodies into events. PURE.

Kinds, codes and fields are open sets: Recall adds to them without notice, so an unknown one is a
note, never an error. Bodies of older workspaces are read too (`type` for `event`, ids beside the
objects, `data.status` for `data.data`).
Sources: https://docs.recall.ai/docs/recording-webhooks, https://docs.recall.ai/docs/bot-status-change-events
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.core import events
from app.recall import json_fields
from app.recall.json_fields import Unreadable
from app.recall.limits import EventName, failure_cause

MAX_DELIVERY_BYTES = 1024 * 1024
_KIND = re.compile(r"[A-Za-z0-9_.-]{1,100}")


@dataclass(frozen=True, slots=True)
class Decoded:
    """One delivery, understood: either an event of a recording, or a note why there is nothing to do."""

    kind: str
    recording_id: str | None
    event: events.Event | None
    note: str | None
    happened_at: float | None  # Recall's own time of it, seconds since the epoch, where it says one


def decode_delivery(body: bytes, *, at: float) -> Decoded:
    """
    The event in a webhook body, received `at`: seconds since the epoch by the database's clock.

    Raises:
        Unreadable: Signed, but not something we can read: not JSON, no kind, an id that is no UUID.
    """
    payload = json_fields.json_object(body, at_most=MAX_DELIVERY_BYTES)
    kind = payload.get("event") or payload.get("type")
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise Unreadable("no name of an event")
    happened_at = _happened_at(payload)
    read = _EVENTS.get(kind)
    if read is None:
        return Decoded(kind, _loose_recording_id(payload), None, _note(kind, payload), happened_at)
    recording_id = _strict_id(payload, "recording")
    return Decoded(kind, recording_id, read(payload, recording_id, at), None, happened_at)


def ordinal_of(marker: Any, recording_id: str | None) -> int | None:
    """
    Which attempt of ours a marker names; None for a transcript that is not ours.

    The marker is `metadata.afterword = "<recording id>/<ordinal>"`. One of another recording is not
    ours here: its metadata was copied.
    """
    if not isinstance(marker, str) or recording_id is None:
        return None
    match = re.fullmatch(r"(.{36})/([1-9])", marker)
    return int(match[2]) if match and match[1].lower() == recording_id else None


_Body = Mapping[str, Any]


def _recording_done(body: _Body, recording_id: str, at: float) -> events.Event:
    data = json_fields.at(body, "data")
    bot_id, metadata = json_fields.bot_and_metadata(data, json_fields.at(data, "recording"))
    return events.RecordingDone(at, bot_id=bot_id, metadata=metadata)


def _transcript(body: _Body, recording_id: str) -> tuple[str, int | None]:
    marker = json_fields.at(body, "data", "transcript", "metadata", json_fields.OUR_KEY)
    return _strict_id(body, "transcript"), ordinal_of(marker, recording_id)


def _transcript_failed(body: _Body, recording_id: str, at: float) -> events.Event:
    code = _sub_code(body)
    return events.TranscriptFailed(at, *_transcript(body, recording_id), code, failure_cause(code))


_EVENTS: dict[str, Callable[[_Body, str, float], events.Event]] = {
    EventName.RECORDING_DONE: _recording_done,
    EventName.RECORDING_FAILED: lambda body, _, at: events.RecordingFailed(at, sub_code=_sub_code(body)),
    EventName.RECORDING_DELETED: lambda body, _, at: events.RecordingDeleted(at),
    EventName.TRANSCRIPT_DONE: lambda body, id, at: events.TranscriptDone(at, *_transcript(body, id)),
    EventName.TRANSCRIPT_FAILED: _transcript_failed,
    EventName.TRANSCRIPT_DELETED: lambda body, id, at: events.TranscriptDeleted(at, *_transcript(body, id)),
}
assert set(_EVENTS) == set(EventName), "every event to be ticked has a reader"


def _strict_id(body: _Body, what: str) -> str:
    value, beside = (json_fields.at(body, "data", *path) for path in ((what, "id"), (f"{what}_id",)))
    value = beside if value is None else value
    if value is None:
        raise Unreadable(f"no {what} id")
    canonical = json_fields.canonical_id(value)
    if canonical is None:
        raise Unreadable(f"the {what} id is not a UUID")
    return canonical


def _loose_recording_id(body: _Body) -> str | None:
    """For display beside a note; legacy status changes keep it inside the status."""
    for path in (("recording", "id"), ("recording_id",), ("status", "recording_id")):
        if found := json_fields.canonical_id(json_fields.at(body, "data", *path)):
            return found
    return None


# Where the state of a thing is said. Recall's guide names the second, its payloads show the first;
# the others are of older workspaces. https://docs.recall.ai/docs/async-transcription
_STATES = (("data", "data"), ("data", "status"), ("status",), ("data", "bot", "status"), ("data",))


def _sub_code(body: _Body) -> str | None:
    found = (json_fields.code(json_fields.at(body, *place, "sub_code")) for place in _STATES)
    return next((word for word in found if word), None)


def _happened_at(body: _Body) -> float | None:
    for place in _STATES:
        for name in ("updated_at", "created_at"):
            moment = json_fields.seconds_since_epoch(json_fields.at(body, *place, name))
            if moment is not None:
                return moment
    return None


def _note(kind: str, body: _Body) -> str:
    """The code is told where the kind alone says nothing, as in `bot.status_change`."""
    status = json_fields.code(json_fields.at(body, "data", "status", "code"))
    return f"nothing to do: {kind} ({status})" if status else f"nothing to do: {kind}"
