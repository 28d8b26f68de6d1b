"""
Who is who: one stable, unique label for each speaker, given in order of first appearance.

Recall's own converter drops turns without a name; here unattributed speech is kept. Two people
of one name stay two. A participant may be named late (Recall has a name after an active-speaker
event), or first by a device and then by a person: so all names are read before the first label is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from app.transcripts.model import Speaker, Turn
from app.transcripts.text import display_name

UNKNOWN = "Unknown speaker"

MOST_NAMES = 20_000
"""Of so many participants the names are looked ahead for; of further ones the first name counts."""

# What meeting programs show until a person has a name there. A telephone number may be masked.
_DEVICE = re.compile(
    r".*(?<![a-zß-ɏ])(?:iphone|ipad|ipod|galaxy|android|macbook|pixel \d|call-in user)(?![a-zß-ɏ]).*"
    r"|(?=(?:\D*\d){3})\+?[\d\s().\-/*x\u2010-\u2015\u2022\u2026\u00b7]{7,}",
    re.IGNORECASE,
)


def names_of(turns: Iterable[Turn]) -> dict[str, str]:
    """Each participant id's name in all turns: the last that is not a device's, else the last."""
    names: dict[str, str] = {}
    for turn in turns:
        shown, known = display_name(turn.name), turn.participant_id
        if known is None or shown is None or (known not in names and len(names) >= MOST_NAMES):
            continue
        if known not in names or _is_device(names[known]) or not _is_device(shown):
            names[known] = shown
    return names


def _is_device(name: str) -> bool:
    return _DEVICE.fullmatch(name) is not None


class Speakers:
    """The speakers of one transcript. `names`: by participant id, as `names_of` found them."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._by_key: dict[tuple[str, str], Speaker] = {}
        self._labels: set[str] = set()
        self._next_number: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def identify(self, participant_id: str | None, name: str | None) -> Speaker:
        """
        The speaker with this id, else of this name, else the one that no turn attributes.

        Call it only for turns in which something was said: it is what numbers the speakers.
        """
        shown = display_name(name)
        key = ("name", shown or "")
        if participant_id is not None:
            key, shown = ("id", participant_id), self._names.get(participant_id, shown)
        speaker = self._by_key.get(key)
        if speaker is None:
            label = self._free(UNKNOWN, "{} {}") if shown is None else self._free(shown, "{} ({})")
            self._labels.add(label)
            speaker = self._by_key[key] = Speaker(len(self._by_key) + 1, label, participant_id)
        return speaker

    def _free(self, label: str, numbered: str) -> str:
        """`label`, or its first numbered form that is not taken: "Sam (2)" may be a person's real name."""
        if label not in self._labels:
            return label
        # Remembered, so that a thousand people of one name do not cost a million look-ups.
        series = numbered.format(label, "")
        number = self._next_number.get(series, 2)
        while (candidate := numbered.format(label, number)) in self._labels:
            number += 1
        self._next_number[series] = number + 1
        return candidate
