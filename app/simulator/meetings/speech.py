"""
When each word of a conversation is said: a voice per speaker, about 150 English words a minute all told.

Letters, pauses, who may interrupt whom, and the JSON of a word; nothing about screenplays. A
voice never speaks two words at once; two voices may.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.simulator.meetings.dice import Dice

# French sets a blank before these marks, and a provider hands them over attached: by one that does not break.
_BLANK_INSIDE_A_WORD = re.compile(r"(?<=«) | (?=[?!:;»])")
_SILENCE = re.compile(r"\((\d+(?:\.\d+)?)\)")
_CLAUSE_ENDS, _SENTENCE_ENDS = (",", ";", ":", "、", "،", "--"), (".", "?", "!", "…", "。", "？", "！")
_ATTACK_S, _LETTER_S, _DIGIT_S, _SYLLABIC_S = 0.07, 0.047, 0.14, 0.13


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its punctuation; seconds from the start of the recording."""

    text: str
    start_s: float
    end_s: float


@dataclass(slots=True)
class Conversation:
    """The clock of one conversation; ask it for turn after turn."""

    dice: Dice
    now_s: float  # when the last of all words so far ended
    _paces: dict[str, float] = field(default_factory=dict)
    _silent_from_s: dict[str, float] = field(default_factory=dict)  # of each voice
    _last_turn_s: tuple[float, float] | None = None

    def say(self, speaker: str, text: str, *, overlaps: bool = False) -> list[Word]:
        """
        The words of the next turn.

        Args:
            speaker: Whose voice; each has a pace of its own.
            text: Words separated by blanks; `(2.5)` is a silence in seconds.
            overlaps: Begin before the turn before has ended (unless this voice is itself still speaking).
        """
        pace = self._paces.setdefault(speaker, self.dice.between(0.92, 1.12))
        at_s = self._begin_s(speaker, overlaps=overlaps)
        words: list[Word] = []
        for token in _BLANK_INSIDE_A_WORD.sub("\u00a0", text).split(" "):
            if silence := _SILENCE.fullmatch(token):
                at_s += float(silence[1])
                continue
            if words:
                at_s += self._pause_s(words[-1].text) * pace
            end_s = at_s + _duration_s(token) * pace * self.dice.between(0.82, 1.2)
            words.append(Word(token, round(at_s, 3), round(end_s, 3)))
            at_s = end_s
        self._silent_from_s[speaker] = at_s
        self._last_turn_s = (words[0].start_s, at_s)
        self.now_s = max(self.now_s, at_s)
        return words

    def _begin_s(self, speaker: str, *, overlaps: bool) -> float:
        if overlaps and self._last_turn_s is not None:
            started_s, ended_s = self._last_turn_s
            # Less than the whole turn, so that turns stay in the order of their beginnings.
            reach_s = min(self.dice.between(0.3, 1.4), 0.7 * (ended_s - started_s))
            return max(ended_s - reach_s, self._silent_from_s.get(speaker, 0.0))
        return self.now_s + self.dice.between(0.12, 1.0)

    def _pause_s(self, before: str) -> float:
        if before.endswith(_SENTENCE_ENDS):
            return self.dice.between(0.3, 0.8)
        if before.endswith(_CLAUSE_ENDS):
            return self.dice.between(0.12, 0.34)
        return self.dice.between(0.01, 0.08)


def spoken_at(words: Iterable[Word]) -> list[dict[str, object]]:
    """The words as Recall writes them; `absolute` is null in every asynchronous transcript."""
    return [
        {
            "text": word.text,
            "start_timestamp": {"relative": word.start_s, "absolute": None},
            "end_timestamp": {"relative": word.end_s, "absolute": None},
        }
        for word in words
    ]


def _duration_s(token: str) -> float:
    return _ATTACK_S + sum(_letter_s(letter) for letter in token)


def _letter_s(letter: str) -> float:
    if letter.isdigit():
        return _DIGIT_S
    if not letter.isalpha():
        return 0.0
    # From the CJK radicals on, a character is a syllable or more.
    return _SYLLABIC_S if ord(letter) >= 0x2E80 else _LETTER_S
