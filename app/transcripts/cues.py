"""
Sentences in, subtitle cues out: what is shown at once, in the order of the transcript.

Where the limits collide they yield from the end of this list: the same words, no overlap unless two people
speak, two lines of 42 columns (a wide character takes two), 20 characters a second, one second at least. A
word is never cut but in scripts that write without blanks. Sources of the limits:
https://partnerhelp.netflixstudios.com/hc/en-us/articles/215758617
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

from app.transcripts.cue_times import LEAST_S, MOST_S, Cue, Places, TimedWord, timed
from app.transcripts.model import Sentence, Speaker, Word
from app.transcripts.text import blank_between, is_unspaced, join

LINE_COLUMNS = 42
LOOK_AHEAD = 8
"""Cues of others that begin among so many later ones keep the time to read short."""

_AFTER_LATIN = "\u0370"  # where Latin letters and accents end, none of which is wide
_PAUSE_S = 0.5  # a good place to cut
_APART_S = 1.0  # words further apart are not shown together to make up a second
_CLAUSE = re.compile(r"[,;:،؛、，；：—–-][\"'”’»)]*$")


@dataclass(slots=True)
class _Group:
    """Words to be shown at once."""

    speaker: Speaker
    words: list[TimedWord]

    @property
    def start_s(self) -> float:
        return min(word.start_s for word in self.words)

    @property
    def end_s(self) -> float:
        return max(word.end_s for word in self.words)


class CueBuilder:
    """Holds the last words and `LOOK_AHEAD` cues; of the rest where each speaker was heard."""

    def __init__(self) -> None:
        self._last: _Group | None = None
        self._waiting: deque[Cue] = deque()
        self._places = Places()
        self._heard_s = 0.0  # where the last sentence ended

    def feed(self, sentence: Sentence) -> Iterator[Cue]:
        """The cues that are complete with one more sentence."""
        words = [piece for word in sentence.words for piece in _pieces(word)]
        begins_s = self._heard_s
        if self._last is not None and sentence.starts_turn:
            begins_s = max(begins_s, self._last.start_s + LEAST_S)
        spoken = timed(words, begins_s=begins_s)
        self._heard_s = spoken[-1].end_s
        for part in _parts(spoken):
            group = _Group(sentence.speaker, part)
            if self._last is not None and not sentence.starts_turn and _may_join(self._last, group):
                self._last.words += part
                continue
            yield from self._close()
            self._last = group

    def finish(self) -> Iterator[Cue]:
        """What is left."""
        yield from self._close()
        while self._waiting:
            yield self._placed()

    def _close(self) -> Iterator[Cue]:
        group, self._last = self._last, None
        if group is None:
            return
        lines = _lines([word.text for word in group.words])
        start_s, end_s = round(group.start_s, 3), round(group.end_s, 3)
        self._waiting.append(Cue(group.speaker.ordinal, group.speaker.label, lines, start_s, end_s))
        if len(self._waiting) > LOOK_AHEAD:
            yield self._placed()

    def _placed(self) -> Cue:
        cue = self._waiting.popleft()
        later = (other.start_s for other in self._waiting if other.start_s >= cue.end_s)
        return self._places.place(cue, before_s=min(later, default=float("inf")))


def columns(text: str) -> int:
    """How wide a text is shown; wide and full-width characters take two columns."""
    if text.isascii() or max(text) < _AFTER_LATIN:
        return len(text)
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _pieces(word: Word) -> Iterator[Word]:
    """A word too long for a line is cut between characters of a script without blanks, and nowhere else."""
    whole = columns(word.text)
    if whole <= LINE_COLUMNS:
        yield word
        return
    about = whole / ceil(whole / (LINE_COLUMNS - 1))  # as long as each other, and none of one character
    begin, end = word.within
    each, length = (end - begin) / len(word.text), 0
    at, cut = 0, 0
    for index, (char, following) in enumerate(pairwise(word.text), start=1):
        length += columns(char)
        if is_unspaced(char, following) and not unicodedata.category(following).startswith("M"):
            cut = index
        if length >= about and cut > at:
            yield replace(word, text=word.text[at:cut], within=(begin + at * each, begin + cut * each))
            at, length = cut, columns(word.text[cut:index])
    yield replace(word, text=word.text[at:], within=(begin + at * each, end))


def _parts(words: list[TimedWord]) -> list[list[TimedWord]]:
    """A sentence in as many parts as fit, halved at the best place until each does."""
    if len(words) == 1 or _fits(words):
        return [words]
    cut = _best_cut(words)
    return _parts(words[:cut]) + _parts(words[cut:])


def _fits(words: Sequence[TimedWord]) -> bool:
    starts, ends = (word.start_s for word in words), (word.end_s for word in words)
    if max(ends) - min(starts) > MOST_S:
        return False
    texts = [word.text for word in words]
    return columns(join(texts)) <= LINE_COLUMNS or _break_at(texts) is not None


def _best_cut(words: Sequence[TimedWord]) -> int:
    """Near the middle, sooner after a comma or before a pause."""
    widths = [columns(word.text) + 1 for word in words]
    whole, left, best = sum(widths), 0, (float("inf"), 1)
    for index in range(1, len(words)):
        left += widths[index - 1]
        cost = abs(2 * left - whole) / whole
        if _CLAUSE.search(words[index - 1].text[-4:]):
            cost -= 0.3
        if words[index].start_s - words[index - 1].end_s > _PAUSE_S:
            cost -= 0.3
        best = min(best, (cost, index))
    return best[1]


def _may_join(before: _Group, after: _Group) -> bool:
    """Short ones, close together, are read as one."""
    is_short = min(before.end_s - before.start_s, after.end_s - after.start_s) < LEAST_S
    is_close = -_APART_S < after.start_s - before.end_s < _APART_S
    return is_short and is_close and _fits([*before.words, *after.words])


def _lines(texts: Sequence[str]) -> tuple[str, ...]:
    whole = join(texts)
    if columns(whole) <= LINE_COLUMNS:
        return (whole,)
    cut = _break_at(texts)
    return (whole,) if cut is None else (join(texts[:cut]), join(texts[cut:]))


def _break_at(texts: Sequence[str]) -> int | None:
    """
    Before which word the second line begins, so that both fit, are about as long, and the first ends at a
    comma where it can. A number never stands alone in the second: readers of SubRip take it for a cue's.
    """
    best: tuple[float, int] | None = None
    left, whole = 0, columns(join(texts))
    if whole > 2 * LINE_COLUMNS + 1:
        return None
    ends_in_number = texts[-1].isdecimal()
    for index in range(1, len(texts)):
        left += columns(texts[index - 1])
        if left > LINE_COLUMNS:
            break
        gap = len(blank_between(texts[index - 1], texts[index]))
        right = whole - left - gap
        is_number = ends_in_number and all(text.isdecimal() for text in texts[index:])
        if right <= LINE_COLUMNS and not is_number:
            cost = abs(left - right) - (20 if _CLAUSE.search(texts[index - 1][-4:]) else 0)
            best = min(best or (cost, index), (cost, index))
        left += gap
    return None if best is None else best[1]
