"""
Turns in, sentences out.

Neighbouring turns of one speaker become one speaker turn, which is cut into sentences at end
punctuation of many scripts; at a full stop `abbreviations` is asked. Deliberately simple: a rule that can be
said in one line, or none. A wrong cut costs a reader a line break; no word is ever lost or moved.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import accumulate

from app.transcripts.abbreviations import is_abbreviation
from app.transcripts.model import Sentence, Speaker, Turn, Word
from app.transcripts.roster import Roster
from app.transcripts.speakers import Speakers
from app.transcripts.text import join, visible_parts

MAX_WORDS = 60
"""No sentence is longer: providers without punctuation would otherwise make one of an hour."""

LONG_WORDS = 20
"""From this length on, a pause ends a sentence. Before it, people are thinking."""

PAUSE_S = 1.2

MAX_HEADS, FREE_HEADS = 30, 1_000_000
"""
Each sentence repeats who speaks. Where that has come to so many times the text, and a million bytes, only
length ends a sentence: "! ! !" under a long name would make gigabytes of megabytes.
"""

# Latin, CJK, Arabic and Urdu, Devanagari, Ethiopic, Armenian, Burmese, Khmer; then what closes a quotation.
_END = re.compile(r"([.…]+|[!?。！？｡．؟۔।॥።፧։၊။។៕‼⁇⁈⁉])[\"'”’»›)\]}」』）】》〉]*$")
_TAIL_CHARS = 64
"""As much of a word's end is looked at: longer than any abbreviation, short for a hostile row of dots."""


def words_of(word: Word) -> list[Word]:
    """The parts of a word that a sentence may end between, each with the word's times; none if blank."""
    parts = visible_parts(word.text)
    if len(parts) == 1:
        return [word] if parts[0] == word.text else [replace(word, text=parts[0])]
    whole = sum(map(len, parts)) or 1
    ends = list(accumulate(len(part) / whole for part in parts))
    return [
        Word(part, word.start_s, word.end_s, (begin, end))
        for part, begin, end in zip(parts, (0.0, *ends), ends, strict=False)
    ]


def ends_sentence(word: str, following: str, language: str | None = None) -> bool:
    """
    Whether a sentence ends between two words of one speaker.

    `?`, `!` and their kin in other scripts always end one. A full stop does not before a lower-case
    letter, between digits, and after an initial or an abbreviation of the language (BCP 47).
    """
    word = word[-_TAIL_CHARS:]
    mark = _END.search(word)
    if mark is None:
        return False
    if mark[1][0] not in ".…":
        return True
    head = next((char for char in following if char.isalnum()), "")
    stem = word[: mark.start()]
    if head.islower() or (head.isdigit() and stem[-1:].isdigit()):
        return False
    return not is_abbreviation(stem.lstrip("\"'“‘«‹([{"), following, language)


def _ends_long_run(words: list[Word], following: Word) -> bool:
    if len(words) >= MAX_WORDS:
        return True
    end_s, start_s = words[-1].end_s, following.start_s
    if len(words) < LONG_WORDS or end_s is None or start_s is None:
        return False
    return start_s - end_s > PAUSE_S


class SentenceBuilder:
    """Holds the unfinished sentence of the current speaker, and nothing else of the transcript."""

    def __init__(self, roster: Roster) -> None:
        self.speakers = Speakers(roster)
        self._speaker: Speaker | None = None
        self._language: str | None = None
        self._words: list[Word] = []
        self._starts_turn = False
        self._heads = self._chars = 0  # of all sentences: bytes of who speaks, and characters said

    def feed(self, turn: Turn, words: Iterable[Word]) -> Iterator[Sentence]:
        """
        Take the visible words of a turn (see `words_of`) and yield the sentences that they complete.

        The last sentence stays open: the next turn may be the same speaker's.
        """
        speaker = self.speakers.identify(turn.participant_id, turn.name)
        is_other = self._speaker is None or speaker.ordinal != self._speaker.ordinal
        if is_other or turn.language != self._language:
            yield from self.finish()
        if is_other:
            self._speaker, self._starts_turn = speaker, True
        self._language = turn.language
        for word in words:
            if self._words and self._is_over(word):
                yield from self.finish()
            self._words.append(word)

    def finish(self) -> Iterator[Sentence]:
        """Yield the open sentence, if there is one."""
        if self._speaker is None or not self._words:
            return
        words, self._words = tuple(self._words), []
        starts_turn, self._starts_turn = self._starts_turn, False
        text = join(word.text for word in words)
        self._chars += len(text)
        self._heads += len(f"{self._speaker.label}{self._speaker.participant_id}".encode())
        yield Sentence(self._speaker, self._language, words, text, starts_turn)

    def _is_over(self, following: Word) -> bool:
        if self._heads > MAX_HEADS * self._chars + FREE_HEADS:
            return len(self._words) >= MAX_WORDS
        last = self._words[-1].text
        is_end = ends_sentence(last, following.text, self._language)
        return is_end or _ends_long_run(self._words, following)
