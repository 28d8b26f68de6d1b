"""
When a word and a cue are shown: a time for every word, whatever the provider left out, and for every cue a
place in which the speaker has no other.

All times are seconds from the start of the recording.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from app.transcripts.model import Word

LEAST_S, MOST_S = 1.0, 7.0
"""How long a cue is shown."""

CHARS_PER_S = 20.0
"""What can be read. What has no time is taken to be said as fast."""

MOST_TRIED = 64
"""Gaps between a speaker's cues that are looked at for one that is in their way; else it comes last."""

LAST_S = 99 * 3600.0
"""SubRip knows two digits of hours: a later time is read as unknown."""

_BRIEF_S = 0.001  # to the next millisecond, where there is no room for more


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word, or a piece of one, with times that are always there; `end_s` >= `start_s`."""

    text: str
    start_s: float
    end_s: float


def timed(words: Sequence[Word], *, begins_s: float) -> list[TimedWord]:
    """
    Words of one sentence with a time each.

    Args:
        begins_s: Where the words begin if none has a time.
    """
    spans = [_span(word) for word in words]
    whole = [TimedWord(word.text, *span) for word, span in zip(words, spans, strict=True) if span is not None]
    if len(whole) == len(words):
        return _told_apart(whole)
    known = [index for index, span in enumerate(spans) if span is not None]
    if not known:
        return _spread(words, begins_s, begins_s + _sum_s(words))
    first = spans[known[0]]
    assert first is not None
    result = _spread(words[: known[0]], max(0.0, first[0] - _sum_s(words[: known[0]])), first[0])
    for index, following in zip(known, (*known[1:], len(words)), strict=True):
        span = spans[index]
        assert span is not None
        result.append(TimedWord(words[index].text, *span))
        between = words[index + 1 : following]
        after = spans[following] if following < len(words) else None
        result += _spread(between, span[1], after[0] if after is not None else span[1] + _sum_s(between))
    return _told_apart(result)


def _span(word: Word) -> tuple[float, float] | None:
    """Start and end of what is said; None where neither is known."""
    start_s, end_s = (None if at is None or at > LAST_S else at for at in (word.start_s, word.end_s))
    if start_s is None and end_s is None:
        return None
    if start_s is None:
        assert end_s is not None
        return max(0.0, end_s - _reading_s(word)), end_s
    if end_s is None or end_s < start_s:
        end_s = start_s + _reading_s(word)
    length_s = end_s - start_s
    return start_s + word.within[0] * length_s, start_s + word.within[1] * length_s


def _reading_s(word: Word) -> float:
    return (len(word.text) + 1) / CHARS_PER_S


def _sum_s(words: Iterable[Word]) -> float:
    return sum(map(_reading_s, words))


def _spread(words: Sequence[Word | TimedWord], start_s: float, end_s: float) -> list[TimedWord]:
    """Over a time, by their letters."""
    whole = sum(len(word.text) for word in words) or 1
    each_s, spread, at = max(0.0, end_s - start_s) / whole, [], 0
    for word in words:
        begins, at = at, at + len(word.text)
        spread.append(TimedWord(word.text, start_s + begins * each_s, start_s + at * each_s))
    return spread


def _told_apart(words: list[TimedWord]) -> list[TimedWord]:
    """Neighbours with one and the same time are an utterance cut into words: shared out by their letters."""
    if all(one.start_s != other.start_s for one, other in pairwise(words)):
        return words
    result: list[TimedWord] = []
    for (start_s, end_s), run in groupby(words, key=lambda word: (word.start_s, word.end_s)):
        result += _spread(list(run), start_s, end_s)
    return result


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown at once: one or two lines of one speaker. `ordinal` is the speaker's."""

    ordinal: int
    label: str
    lines: tuple[str, ...]
    start_s: float
    end_s: float


class Places:
    """Where each speaker is heard, so that no two cues of one overlap: sixteen bytes a cue, and no text."""

    def __init__(self) -> None:
        self._taken: dict[int, array[float]] = {}  # starts and ends in turn, ascending

    def place(self, cue: Cue, *, before_s: float) -> Cue:
        """
        The cue where its speaker has no other, and shown as long as a reader needs.

        Args:
            before_s: Where the next cue of any speaker begins: the time to read ends there.
        """
        taken = self._taken.setdefault(cue.ordinal, array("d"))
        index, start_s = _free(taken, cue)
        next_s = taken[index] if index < len(taken) else float("inf")
        chars = sum(map(len, cue.lines))
        end_s = min(cue.end_s, start_s + MOST_S)
        wanted_s = start_s + min(MOST_S, max(LEAST_S, chars / CHARS_PER_S))
        if end_s < wanted_s:
            end_s = wanted_s if start_s > cue.start_s else max(end_s, min(wanted_s, before_s))
        end_s = round(min(max(end_s, start_s + _BRIEF_S), next_s), 3)
        _take(taken, index, start_s, end_s)
        return replace(cue, start_s=start_s, end_s=end_s)


def _free(taken: array[float], cue: Cue) -> tuple[int, float]:
    """Where in `taken` the cue goes, and its start: its own, or the end of what is in the way."""
    index, start_s = bisect_right(taken, cue.start_s), cue.start_s
    needed_s = min(LEAST_S, max(_BRIEF_S, cue.end_s - cue.start_s))
    if index % 2:
        start_s, index = taken[index], index + 1
    for found in range(index, min(index + 2 * MOST_TRIED, len(taken)), 2):
        if taken[found] - start_s >= needed_s:
            return found, start_s
        start_s = taken[found + 1]
    return len(taken), max(start_s, taken[-1] if taken else 0.0)


def _take(taken: array[float], index: int, start_s: float, end_s: float) -> None:
    """Noted; what touches the one before becomes one with it."""
    if index and taken[index - 1] >= start_s:
        taken[index - 1] = end_s
    else:
        taken[index:index] = array("d", (start_s, end_s))
