"""
What the speakers of a transcript are called, found before its first word is rendered: names by id, and labels
in the place of names, which no reader should meet. `200-0` is a voice of participant 200 (separate streams
and the provider's diarization together, https://docs.recall.ai/docs/diarization); `A`, `0`, `S1`, `spk_0` are
a provider's own (machine diarization).

A label is told from a person called "3-D" or "J" by the whole transcript: Recall gives a person an id, and
names without one are labels where all are, a provider's first one (A, 0, 1) among them; beside other names
without an id, where such a first voice of the same participant is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from app.transcripts.model import Turn
from app.transcripts.text import display_id, display_name

MOST_NAMES = 20_000
"""Of so many participants the names are looked ahead for; of further ones the first name counts."""

MOST_LISTED_BYTES = 20_000_000

# What meeting programs show until a person has a name there. A telephone number may be masked.
_DEVICE = re.compile(
    r".*(?<![a-zß-ɏ])(?:iphone|ipad|ipod|galaxy|android|macbook|pixel \d|call-in user)(?![a-zß-ɏ]).*"
    r"|(?=(?:\D*\d){3})\+?[\d\s().\-/*x\u2010-\u2015\u2022\u2026\u00b7]{7,}",
    re.IGNORECASE,
)
_LABEL = re.compile(r"(?:[0-9]{1,20}-)?(?:([A-Z]{1,2})|(?:S|speaker_|spk_)?([0-9]{1,3}))")


@dataclass(frozen=True, slots=True)
class Roster:
    """
    The names of one transcript.

    Attributes:
        names: By participant id.
        labels: What stands in the place of names; empty where those are names.
        people: Name by participant id as Recall's list has them, for the labels that say an id.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()
    people: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs_people(self) -> bool:
        """Whether labels say participant ids: Recall's list of participants then has the names."""
        return any("-" in label for label in self.labels)

    def with_people(self, people: Mapping[str, str]) -> Roster:
        """The same with the names of participants; see `people_listed`."""
        return replace(self, people=people)

    def called(self, label: str) -> tuple[str, str | None]:
        """
        What a reader sees for one of `labels`, and the id of the participant where it is certain.

        `200-0` is the participant if no other voice is in that stream, else `NAME, voice 2`, two people at
        one device perhaps, without the id; `Participant 200` where no name is known.
        """
        participant_id, dash, voice = label.rpartition("-")
        if not dash:
            return f"Speaker {self._letters(voice)}", None
        name = display_name(self.people.get(participant_id)) or f"Participant {participant_id}"
        voices = sorted(_place(each) for each in self.labels if each.startswith(f"{participant_id}-"))
        if len(voices) == 1:
            return name, participant_id
        return f"{name}, voice {voices.index(_place(label)) + 1}", None

    def _letters(self, label: str) -> str:
        """A label that counts, as letters: Deepgram's 0 is AssemblyAI's A."""
        letters, number = _parts(label)
        if letters:
            return letters
        first = min(int(digits) for _, digits in map(_parts, self.labels) if digits)
        place, letters = int(number) - min(first, 1), ""
        while place >= 0:
            place, letter = divmod(place, 26)
            letters, place = chr(ord("A") + letter) + letters, place - 1
        return letters


def roster_of(turns: Iterable[Turn]) -> Roster:
    """
    The roster of all turns, without `people`.

    An id's name is the last that is not a device's, else the last.
    """
    names: dict[str, str] = {}
    labels: set[str] = set()
    has_others = False
    for turn in turns:
        shown, known = display_name(turn.name), turn.participant_id
        if shown is None:
            continue
        if known is None:
            is_label = _LABEL.fullmatch(shown) is not None and len(labels) < MOST_NAMES
            has_others = has_others or not (is_label or shown in labels)
            labels |= {shown} if is_label else set()
            continue
        if known not in names and len(names) >= MOST_NAMES:
            continue
        if known not in names or _is_device(names[known]) or not _is_device(shown):
            names[known] = shown
    return Roster(names, frozenset(labels if _are_all(labels) and not has_others else _certain(labels)))


def people_listed(stream: BinaryIO) -> dict[str, str]:
    """
    Name by participant id of Recall's list of participants; empty for what is no such list.

    Source: https://docs.recall.ai/docs/download-schemas
    """
    content = stream.read(MOST_LISTED_BYTES + 1)
    try:
        listed = json.loads(content) if len(content) <= MOST_LISTED_BYTES else None
    except (ValueError, RecursionError):
        listed = None
    people: dict[str, str] = {}
    for person in listed if isinstance(listed, list) else ():
        id, name = (person.get("id"), person.get("name")) if isinstance(person, dict) else (None, None)
        if isinstance(id, int | str) and isinstance(name, str) and len(people) < MOST_NAMES:
            people[display_id(str(id)) or ""] = name
    return people


def _is_device(name: str) -> bool:
    return _DEVICE.fullmatch(name) is not None


def _are_all(labels: Iterable[str]) -> bool:
    """Whether all say an id or none does, and one is the first that its provider gives."""
    labels = list(labels)
    return any(map(_is_first, labels)) and len({"-" in label for label in labels}) == 1


def _certain(labels: Iterable[str]) -> set[str]:
    """Those of participants of whom the first voice is there."""
    labels = list(labels)
    participants = {label.rpartition("-")[0] for label in labels if _is_first(label)} - {""}
    return {label for label in labels if label.rpartition("-")[0] in participants}


def _is_first(label: str) -> bool:
    return _place(label)[1:] in ((0, "A"), (0, ""), (1, ""))


def _parts(label: str) -> tuple[str, str]:
    """The letters or the digits of a label's voice."""
    found = _LABEL.fullmatch(label)
    assert found is not None
    return found[1] or "", found[2] or ""


def _place(label: str) -> tuple[int, int, str]:
    """Sorts voices as their provider counts: 2 before 10, Z before AA."""
    letters, digits = _parts(label)
    return len(letters), int(digits or 0), letters
