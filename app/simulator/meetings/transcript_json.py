"""
The meetings of the simulator: what was said in a recording, as Recall's normalised transcript JSON.

Each kind is a conversation written for this project (`content/KIND.txt`); the seed chooses names, companies
and figures and moves every word a little. Has the shape of a transcript (newer and older artifacts, machine
diarisation) and nothing about HTTP, recordings or how the files are read (`script`), spoken
(`speech`) or, for the long one, put together (`workshop`). Nothing is read before the first
meeting is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from app.simulator.meetings import workshop as meetings_workshop
from app.simulator.meetings.dice import Dice
from app.simulator.meetings.script import Line, Script, choose, fill, load
from app.simulator.meetings.speech import Conversation, spoken_at

SILENT = "silent"
LONG = "long_workshop"
WRITTEN: tuple[str, ...] = (
    "standup",
    "invoice_call",
    "incident_review",
    "spanish_neighbours",
    "hiring_interview",
    "design_critique",
    "german_handover",
    "sales_call",
    "hebrew_school_play",
    "board_update",
    "bilingual_warehouse",
    "one_to_one",
    "japanese_timetable",
    "user_research",
    "french_kitchen",
    "clinic_scheduling",
    "room_discussion",
    "filipino_outreach",
    "older_choir",
    "short_checkin",
)
"""The kinds a seed alone may lead to, in the order in which consecutive seeds lead to them."""

KINDS: tuple[str, ...] = (*WRITTEN, LONG, SILENT)
"""Every kind there is."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """
    One meeting that took place.

    Attributes:
        kind: One of KINDS.
        title: As a calendar would show it.
        language: BCP 47; of most of what is said. Single turns may be in another.
        duration_s: Length of the recording, seconds; later than the last word.
        turns: Recall's normalised asynchronous transcript, ready for `json.dumps`; empty without speech.
            Source: https://docs.recall.ai/docs/async-transcription
    """

    kind: str
    title: str
    language: str
    duration_s: float
    turns: list[dict[str, Any]]


def make_meeting(seed: int, *, kind: str | None = None) -> Meeting:
    """
    Make the meeting a seed stands for; equal arguments give equal meetings, on every machine.

    Args:
        seed: Any integer.
        kind: One of KINDS. None takes the next of WRITTEN, so that meetings of consecutive seeds differ;
            a megabyte of workshop or a silence must be asked for.

    Raises:
        ValueError: No such kind.
    """
    kind = WRITTEN[seed % len(WRITTEN)] if kind is None else kind
    if kind not in KINDS:
        raise ValueError(f"no meeting of the kind {kind!r}; there are {', '.join(KINDS)}")
    if kind == SILENT:
        return Meeting(kind, "Meeting", "en-US", round(Dice(seed, kind).between(70, 900), 2), [])
    script = load(kind)
    # Streams of their own, so that a corrected sentence renames no speaker.
    facts = _facts(script, Dice(seed, kind, "facts"))
    lines = _lines(kind, script, seed=seed, facts=facts)
    clock = Conversation(Dice(seed, kind, "speech"), now_s=Dice(seed, kind, "start").between(0.4, 6.0))
    turns = _turns(lines, clock, participants=_participants(script, facts, seed=seed), script=script)
    title, language = fill(script.header["title"], facts), script.header["language"]
    return Meeting(kind, title, language, round(clock.now_s + 2.5, 2), turns)


def _facts(script: Script, dice: Dice) -> dict[str, str]:
    """What the seed chose: `ana` is a first name, as people say it; `ana in full` the display name."""
    facts = choose(script.sections[0].choices, dice, facts={})
    for role in script.roles:
        facts[f"{role.key} in full"] = facts[role.key]
        facts[role.key] = facts[role.key].split()[0]
    return facts


def _lines(kind: str, script: Script, *, seed: int, facts: dict[str, str]) -> list[Line]:
    if kind == LONG:
        return meetings_workshop.lines_of(script, Dice(seed, kind, "composition"), facts=facts)
    return [line.filled(facts) for section in script.sections for line in section.lines]


def _turns(
    lines: Iterable[Line],
    clock: Conversation,
    *,
    participants: Mapping[str, dict[str, Any]],
    script: Script,
) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for line in lines:
        turn: dict[str, Any] = {"participant": dict(participants[line.speaker])}
        if script.header.get("style") != "older":
            turn["language_code"] = line.language or script.header["language"]
        turn["words"] = spoken_at(clock.say(line.speaker, line.text, overlaps=line.overlaps))
        turns.append(turn)
    return turns


def _participants(script: Script, facts: Mapping[str, str], *, seed: int) -> dict[str, dict[str, Any]]:
    style = script.header.get("style", "plain")
    letters_or_numbers = Dice(seed, "labels").one_of((ascii_uppercase, "0123456789"))
    people: dict[str, dict[str, Any]] = {}
    for place, role in enumerate(script.roles):
        name = facts[f"{role.key} in full"]
        if style == "machine":
            # A provider that diarises has voices, not participants.
            people[role.key] = _participant(None, letters_or_numbers[place], marks=frozenset())
        elif style == "older":
            people[role.key] = {"id": place + 1, "name": name}
        else:
            people[role.key] = _participant(place + 1, name, marks=role.marks)
    return people


def _participant(number: int | None, name: str, *, marks: frozenset[str]) -> dict[str, Any]:
    return {
        "id": number,
        # A speaker of whom Recall's bot had no active-speaker event yet stays nameless.
        "name": None if "unnamed" in marks else name,
        "is_host": None if number is None or "phone" in marks else "host" in marks,
        "platform": _platform(number, marks),
        "extra_data": None,
        "email": f"{'.'.join(name.lower().split())}@example.org" if "email" in marks else None,
    }


def _platform(number: int | None, marks: frozenset[str]) -> str | None:
    if number is None:
        return None
    return "desktop" if "desktop" in marks else "unknown"
