"""
Who is who: one stable, unique label for each speaker, given in order of first appearance.

Recall's own converter drops turns without a name; here unattributed speech is kept. Two people
of one name stay two. A participant who is named only later in the meeting (Recall knows a name
once it saw an active-speaker event) bears the name from that turn on.
"""

from __future__ import annotations

from app.transcripts.model import Speaker
from app.transcripts.text import display_name

UNKNOWN = "Unknown speaker"


class Speakers:
    """The speakers of one transcript."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, str], Speaker] = {}
        self._labels: set[str] = set()
        self._unnamed: set[int] = set()
        self._next_number: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def identify(self, participant_id: str | None, name: str | None) -> Speaker:
        """
        The speaker with this id, else of this name, else the one nobody could attribute.

        Call it only for turns in which something was said: it is what numbers the speakers.
        """
        shown = display_name(name)
        key = ("id", participant_id) if participant_id is not None else ("name", shown or "")
        speaker = self._by_key.get(key)
        if speaker is None:
            speaker = self._introduce(len(self._by_key) + 1, participant_id, shown)
        elif shown is not None and speaker.ordinal in self._unnamed:
            self._unnamed.discard(speaker.ordinal)
            speaker = self._introduce(speaker.ordinal, participant_id, shown)
        self._by_key[key] = speaker
        return speaker

    def _introduce(self, ordinal: int, participant_id: str | None, shown: str | None) -> Speaker:
        if shown is None:
            self._unnamed.add(ordinal)
        label = self._free(UNKNOWN, "{} {}") if shown is None else self._free(shown, "{} ({})")
        self._labels.add(label)
        return Speaker(ordinal, label, participant_id)

    def _free(self, label: str, numbered: str) -> str:
        """`label`, or its first numbered form that nobody bears: somebody may really be called "Sam (2)"."""
        if label not in self._labels:
            return label
        # Remembered, so that a thousand people of one name do not cost a million look-ups.
        series = numbered.format(label, "")
        number = self._next_number.get(series, 2)
        while (candidate := numbered.format(label, number)) in self._labels:
            number += 1
        self._next_number[series] = number + 1
        return candidate
