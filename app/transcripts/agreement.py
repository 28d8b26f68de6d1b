"""
How far two transcripts of the same recording agree, and how much of it each covers. PURE.

Neither is the truth, so no word error rate is told, which needs one: *agreement* is the share of words that
both have in the same order, of the words of both (twice the longest common subsequence by the sum of the
lengths). 1 is word for word the same; 0 is no word in common. Capitals, accents and signs make no
difference, who speaks makes none either; a number in digits is another word than the same in letters.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from app.transcripts.search_words import words_of


@dataclass(frozen=True, slots=True)
class Heard:
    """Of one transcript: its words as they are compared, and each second in which a sentence lasts."""

    words: Sequence[str]
    seconds: frozenset[int]


def heard_in(lines: Iterable[bytes]) -> Heard:
    """From `sentences.json`, line by line."""
    words: list[str] = []
    seconds: set[int] = set()
    for line in lines:
        entry = line.strip().rstrip(b",")
        if not entry.startswith(b"{"):
            continue
        sentence = json.loads(entry)
        words += words_of(sentence["text"])
        if sentence["start_s"] is not None and sentence["end_s"] is not None:
            seconds.update(range(math.floor(sentence["start_s"]), math.ceil(sentence["end_s"])))
    return Heard(words, frozenset(seconds))


def agreement(one: Heard, other: Heard) -> float:
    """From 0 to 1; of two without a word 1."""
    from rapidfuzz.distance import Indel  # here: only who compares needs it

    return Indel.normalized_similarity(one.words, other.words)


def coverage(one: Heard, all_: Collection[Heard]) -> float | None:
    """
    Of the seconds in which any of them has a sentence, the share in which this one has; None where none says
    when it was spoken.
    """
    spoken = frozenset[int]().union(*(each.seconds for each in all_))
    return len(one.seconds) / len(spoken) if spoken else None
