"""
What Recall keeps beside a recording: who spoke when, and who was there. PURE.

Source: https://docs.recall.ai/docs/download-schemas, https://docs.recall.ai/docs/speaker-timeline,
https://docs.recall.ai/docs/meeting-participants-events
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from app.recall import json_fields
from app.recall.json_fields import Unreadable

MAX_BYTES = 20_000_000
_MOST_S = 1_000_000.0  # eleven days: whatever is more is no time in a recording


class SpeechEntry(NamedTuple):
    """Seconds from the start of the recording. `end_s` None: not said, and no other entry follows."""

    speaker: str | None
    start_s: float
    end_s: float | None


def read_timeline(body: bytes) -> tuple[SpeechEntry, ...]:
    """
    Who spoke when. An entry without an end lasts until the next one begins.

    Raises:
        Unreadable: Not a list of entries, or one has no beginning: it must not be taken for silence.
    """
    entries = []
    for entry in _list(body):
        start_s = _seconds(entry, "start_timestamp")
        if start_s is None:
            raise Unreadable("an entry of the timeline has no beginning")
        entries.append(SpeechEntry(_speaker(entry), start_s, _seconds(entry, "end_timestamp")))
    entries.sort(key=lambda entry: entry.start_s)
    nexts: list[float | None] = [*(entry.start_s for entry in entries[1:]), None]
    return tuple(
        entry._replace(end_s=next_s) if entry.end_s is None else entry
        for entry, next_s in zip(entries, nexts, strict=False)
    )


def has_people(body: bytes) -> bool:
    """
    Whether the list of participants has any besides the bot. Nothing in it marks the bot; so one who was
    alone and is not the host is taken for it.

    Raises:
        Unreadable: Not a list of participants.
    """
    people = _list(body)
    return len(people) > 1 or any(person.get("is_host") is not False for person in people)


def _list(body: bytes) -> list[Mapping[str, Any]]:
    if len(body) > MAX_BYTES:
        raise Unreadable("over-long")
    try:
        entries = json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("not JSON") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Unreadable("not a list of entries")
    return entries


def _seconds(entry: Mapping[str, Any], name: str) -> float | None:
    """`absolute` is left aside: it is another clock's."""
    value = json_fields.at(entry, name, "relative")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return max(0.0, float(value)) if is_number and abs(value) < _MOST_S else None


def _speaker(entry: Mapping[str, Any]) -> str | None:
    """Null before the first event of a meeting."""
    own_id = json_fields.at(entry, "participant", "id")
    name = json_fields.at(entry, "participant", "name")
    return str(own_id) if isinstance(own_id, int | str) else name if isinstance(name, str) else None
