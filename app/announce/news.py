"""
What is announced of a change, and to whom. PURE.

Written in the commit of the state, so that what has ended is announced, and nothing else is. A result is
announced when it becomes the one that readers should take: never a candidate, which has no manifest yet. A
recording that is skipped or erased is not announced; a result after a failure is.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterator
from typing import Any

from app.adapters.sql.finding import Listed
from app.adapters.sql.tables import transcription_id
from app.core.state import Phase, Transcription
from app.orchestrator.records import Announcement
from app.results.transcription_object import transcription_object
from app.settings.outgoing import Endpoint, OutgoingEvent

_IDS = uuid.UUID(
    "0f5b3c52-7a34-5b0e-8d55-1c7e0d5c9b11"
)  # never change: receivers know announcements by these
# Read when it is sent, from the stored files.
_LATER = ("segments", "text", "waits_for", "next_at")


class News:
    """What is said to which endpoint: called with the state before and after each commit."""

    def __init__(self, endpoints: Collection[Endpoint]) -> None:
        self._endpoints = tuple(endpoints)

    def __call__(self, before: Transcription, after: Transcription) -> tuple[Announcement, ...]:
        return tuple(self._announcements(before, after)) if self._endpoints else ()

    def _announcements(self, before: Transcription, after: Transcription) -> Iterator[Announcement]:
        metadata, facts = dict(after.metadata), ""
        for event in events_of(before, after):
            for endpoint in self._endpoints:
                if endpoint.wants(event, after.workspace, metadata):
                    facts = facts or json.dumps(facts_of(after))
                    transcript_id = transcript_of(after)
                    webhook_id = webhook_id_of(after, event, endpoint.name)
                    yield Announcement(webhook_id, endpoint.name, event, transcript_id, facts)


def events_of(before: Transcription, after: Transcription) -> Iterator[OutgoingEvent]:
    """What a change is, seen from outside."""
    # An extra without words leaves the result as it was: that was announced.
    is_new = before.phase is not after.phase and before.extra is None
    if after.phase is Phase.STORED and (is_new or before.current != after.current):
        yield OutgoingEvent.COMPLETED
        if after.is_flagged:
            yield OutgoingEvent.FLAGGED
    elif after.phase is Phase.FAILED and is_new:
        yield OutgoingEvent.FAILED


def transcript_of(after: Transcription) -> str | None:
    """The result; of a failure the last transcript that was made for it, where there is one."""
    if after.phase is Phase.STORED:
        return after.current
    return next((a.transcript_id for a in reversed(after.attempts) if a.transcript_id), None)


def webhook_id_of(after: Transcription, event: str, endpoint: str) -> str:
    """The same however often it is sent, decided or restored from a backup."""
    named = (
        transcription_id(after.workspace, after.recording_id),
        event,
        transcript_of(after) or "",
        endpoint,
    )
    return str(uuid.uuid5(_IDS, "/".join(named)))


def facts_of(after: Transcription) -> dict[str, Any]:
    """The transcription as it is now, without what stands in its files."""
    row_id = transcription_id(after.workspace, after.recording_id)
    at = after.first_heard_at
    told = transcription_object(Listed(row_id, 0, after, at, at, after.completed_at))
    for name in _LATER:
        told.pop(name, None)
    if told["reason"] is not None:
        told["error"] = {"code": told["reason"], "message": told["next_step"] or told["reason"]}
    return told
