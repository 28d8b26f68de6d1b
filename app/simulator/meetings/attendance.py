"""
Who was there and who spoke when: the three files of a recording's participant events.

Source: https://docs.recall.ai/docs/download-schemas; what varies, https://docs.recall.ai/docs/speaker-timeline
(where the platform tells of changes of the speaker only, an entry lasts until the next begins).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

Json = dict[str, Any]
Turns = list[Json]

# Word of a script, and what it takes. `none` has no address, `missing` an address without a file behind it.
PARTICIPANTS: Mapping[str, str] = {
    "ok": "", "none": "", "missing": "", "garbage": "", "empty": "", "bot": "",
    "people": "a whole number of at least 1",
}  # fmt: skip
TIMELINES: Mapping[str, str] = {
    "ok": "", "none": "", "missing": "", "garbage": "", "empty": "", "short": "", "changes": "",
    "null_first": "",
}  # fmt: skip

_FIELDS = ("id", "name", "is_host", "platform", "extra_data")
_SHORT_S = 0.4
# Where a machine tells the voices apart, one device was in the meeting.
_ROOM: Json = {"id": 100, "name": "Meeting room", "is_host": True, "platform": "unknown", "extra_data": None}
_BOT: Json = {"id": 101, "name": "Notetaker", "is_host": False, "platform": "unknown", "extra_data": None}


def participants(turns: Turns, kind: str = "ok", number: int = 0) -> list[Json]:
    """
    The list of participants, each with its address.

    Args:
        kind: `ok`, those who speak; `bot`, the bot alone; `people`, so many who say nothing; `empty`.
    """
    match kind:
        case "empty":
            return []
        case "bot":
            return [{**_BOT, "email": None}]
        case "people":
            return [{**_ROOM, "id": 200 + n, "name": f"Guest {n + 1}", "email": None} for n in range(number)]
    spoke = {person["id"]: person for person in map(_person, turns)}
    addresses = {turn["participant"].get("id"): turn["participant"].get("email") for turn in turns}
    return [{**person, "email": addresses.get(id)} for id, person in spoke.items()]


def timeline(turns: Turns, kind: str = "ok", *, duration_s: float, started_at: datetime) -> list[Json]:
    """
    The speaker timeline.

    Args:
        kind: `ok`, an entry for each speaker's turn; `short`, none lasts a second; `changes`, each until the
            next begins; `null_first`, the first without a speaker; `empty`.
        duration_s: Of the recording; its end is the last entry's with `changes`.
    """
    spoken = [] if kind == "empty" else _spoken(turns)
    if kind == "short":
        spoken = [(person, start_s, min(end_s, start_s + _SHORT_S)) for person, start_s, end_s in spoken]
    if kind == "changes":
        ends = [*(start_s for _, start_s, _ in spoken[1:]), duration_s]
        spoken = [(person, start_s, end_s) for (person, start_s, _), end_s in zip(spoken, ends, strict=False)]
    if kind == "null_first" and spoken:
        spoken[0] = (dict.fromkeys(_FIELDS), *spoken[0][1:])
    return [
        {
            "participant": person,
            "start_timestamp": _moment(start_s, started_at),
            "end_timestamp": _moment(end_s, started_at),
        }
        for person, start_s, end_s in spoken
    ]


def events(turns: Turns, *, started_at: datetime) -> list[Json]:
    """Joins at the beginning, and each begin and end of speech."""
    told = [(0.0, "join", person) for person in {p["id"]: p for p in map(_person, turns)}.values()]
    for person, start_s, end_s in _spoken(turns):
        told += [(start_s, "speech_on", person), (end_s, "speech_off", person)]
    told.sort(key=lambda event: event[0])
    return [
        {
            "id": number,
            "action": action,
            "participant": person,
            "timestamp": _moment(at_s, started_at),
            "data": None,
        }
        for number, (at_s, action, person) in enumerate(told, start=1)
    ]


def _person(turn: Json) -> Json:
    person = {name: turn["participant"].get(name) for name in _FIELDS}
    return person if person["id"] is not None else _ROOM


def _spoken(turns: Turns) -> list[tuple[Json, float, float]]:
    """Who, from and until when, in seconds; neighbouring turns of one person are one."""
    spoken: list[tuple[Json, float, float]] = []
    for turn in turns:
        person = _person(turn)
        start_s, end_s = (
            turn["words"][place][which]["relative"]
            for place, which in ((0, "start_timestamp"), (-1, "end_timestamp"))
        )
        if spoken and spoken[-1][0]["id"] == person["id"]:
            start_s, end_s = spoken[-1][1], max(end_s, spoken.pop()[2])
        spoken.append((person, start_s, end_s))
    return spoken


def _moment(at_s: float, started_at: datetime) -> Json:
    at = started_at + timedelta(seconds=at_s)
    return {"absolute": at.isoformat(timespec="microseconds"), "relative": round(at_s, 3)}
