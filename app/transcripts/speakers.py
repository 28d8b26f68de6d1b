"""
Who is who: one stable, unique label for each speaker, given in order of first appearance.

Recall's own converter drops turns without a name; here unattributed speech is kept. Two people
of one name stay two. A participant may be named late (Recall has a name after an active-speaker
event), or first by a device and then by a person: so all names are read before the first label is given, see
`roster`.
"""

from __future__ import annotations

from app.transcripts.model import Speaker
from app.transcripts.roster import Roster
from app.transcripts.text import display_name

UNKNOWN = "Unknown speaker"


class Speakers:
    """The speakers of one transcript, called as its roster has them."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
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
            key, shown = ("id", participant_id), self._roster.names.get(participant_id, shown)
        speaker = self._by_key.get(key)
        if speaker is None:
            if shown in self._roster.labels:
                shown, participant_id = self._roster.called(shown)
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
