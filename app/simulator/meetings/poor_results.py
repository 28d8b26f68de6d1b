"""
Poor results: transcripts that are whole files and yet not what was said, as providers deliver them.

Sources: https://docs.recall.ai/docs/speaker-timeline (speech before the first event has no speaker); the rest
is what a quality check looks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from app.simulator.meetings.dice import Dice

Turns = list[dict[str, Any]]
PERCENT = "a whole number of at least 1"

# Word of a script's `bodies`, and what it takes.
KINDS: Mapping[str, str] = {
    "thin": PERCENT, "cut_off": PERCENT, "wrong_language": "a word", "disordered": "", "one_speaker": "",
    "null_first": "",
}  # fmt: skip


def changed(turns: Turns, kind: str, argument: str = "") -> Turns:
    """
    The turns as a poor result has them; those given are not changed.

    Args:
        kind: One of KINDS.
        argument: Of `thin` and `cut_off`: how many words of a hundred are kept, spread over the meeting or
            its first ones. Of `wrong_language`: the language code that all turns bear.
    """
    return _CHANGED[kind](turns, argument)


def _thin(turns: Turns, argument: str) -> Turns:
    percent = int(argument)
    return _keeping(turns, lambda place, of: place * percent // 100 != (place + 1) * percent // 100)


def _cut_off(turns: Turns, argument: str) -> Turns:
    percent = int(argument)
    return _keeping(turns, lambda place, of: place < max(1, of * percent // 100))


def _keeping(turns: Turns, is_kept: Callable[[int, int], bool]) -> Turns:
    """Only some words, by their place among all; a turn that has none left goes too."""
    of, place, kept = sum(len(turn["words"]) for turn in turns), 0, []
    for turn in turns:
        words = [word for n, word in enumerate(turn["words"], place) if is_kept(n, of)]
        place += len(turn["words"])
        if words:
            kept.append({**turn, "words": words})
    return kept


def _wrong_language(turns: Turns, argument: str) -> Turns:
    return [{**turn, "language_code": argument} for turn in turns]


def _disordered(turns: Turns, argument: str) -> Turns:
    shuffled = Dice("disordered", len(turns)).shuffled(turns)
    return shuffled[::-1] if shuffled == turns else shuffled


def _one_speaker(turns: Turns, argument: str) -> Turns:
    return [{**turn, "participant": turns[0]["participant"]} for turn in turns]


def _null_first(turns: Turns, argument: str) -> Turns:
    """Without a speaker until the second one begins."""
    first = turns[0]["participant"] if turns else None
    until = next((n for n, turn in enumerate(turns) if turn["participant"] != first), len(turns))
    unknown = dict.fromkeys(first or {})
    return [{**turn, "participant": unknown} if n < until else turn for n, turn in enumerate(turns)]


_CHANGED: Mapping[str, Callable[[Turns, str], Turns]] = {
    "thin": _thin,
    "cut_off": _cut_off,
    "wrong_language": _wrong_language,
    "disordered": _disordered,
    "one_speaker": _one_speaker,
    "null_first": _null_first,
}
