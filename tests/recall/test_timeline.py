"""Recall's speaker timeline and list of participants, and what is not to be taken for silence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.recall.json_fields import Unreadable
from app.recall.timeline import MAX_BYTES, SpeechEntry, has_people, read_timeline


def entry(who: Any, start: Any, end: Any = None) -> dict[str, Any]:
    """As https://docs.recall.ai/docs/download-schemas has it."""
    return {
        "participant": {"id": who, "name": None, "is_host": None, "platform": "unknown", "extra_data": None},
        "start_timestamp": {"absolute": "2026-11-28T10:00:00Z", "relative": start},
        "end_timestamp": None if end is None else {"absolute": None, "relative": end},
    }


def read(entries: Any) -> tuple[SpeechEntry, ...]:
    return read_timeline(json.dumps(entries).encode())


def test_entries_come_by_their_beginning_and_one_without_an_end_lasts_until_the_next() -> None:
    assert read([entry(2, 9.5, 12), entry(100, 0, None), entry(None, 4, 9.5)]) == (
        SpeechEntry("100", 0.0, 4.0),
        SpeechEntry(None, 4.0, 9.5),
        SpeechEntry("2", 9.5, 12.0),
    )
    assert read([entry("a", -0.5)]) == (SpeechEntry("a", 0.0, None),)
    assert read([]) == ()


def test_a_speaker_without_an_id_goes_by_the_name() -> None:
    named = entry(None, 0, 1) | {"participant": {"name": "Ana"}}
    assert read([named, entry(1, 2, 3) | {"participant": None}]) == (
        SpeechEntry("Ana", 0.0, 1.0),
        SpeechEntry(None, 2.0, 3.0),
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html>",
        b"[1]",
        b"[" * 100_000,
        b" " * (MAX_BYTES + 1),
        *(json.dumps([entry(1, start)]).encode() for start in (None, "4", True, 1e9)),
        json.dumps([{"participant": {"id": 1}}]).encode(),
    ],
)
def test_what_is_no_timeline_is_not_taken_for_silence(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_timeline(body)


@pytest.mark.parametrize(
    ("people", "has_any"),
    [
        ([], False),
        ([{"id": 1, "name": "Notetaker", "is_host": False}], False),
        ([{"id": 1, "name": "Ana", "is_host": True}], True),
        ([{"id": 1, "name": "Ana", "is_host": None}], True),
        ([{"id": 1, "is_host": False}, {"id": 2, "is_host": False}], True),
    ],
)
def test_one_who_was_alone_and_is_no_host_is_the_bot(people: list[Any], *, has_any: bool) -> None:
    assert has_people(json.dumps(people).encode()) is has_any
