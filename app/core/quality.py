"""
What follows when a finished transcript falls short: the verdicts, and what the policy says to each. PURE.

How a verdict is found is `app.transcripts.quality`'s, where the same names stand as `Verdict`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Action = Literal["accept", "flag", "fall-back"]

SPOKEN, SILENT, EMPTY = "spoken", "silent", "empty"
# All verdicts on what is a transcript, the best first: of two results the one with the better verdict is the
# current one.
RANKED = (
    *(SPOKEN, "disordered", "thin", "one_speaker_of_many", "cut_off", "wrong_language"),
    *(SILENT, EMPTY),
)
WITHOUT_WORDS = frozenset({SILENT, EMPTY})
_BY_WEIGHT: tuple[Action, ...] = ("accept", "flag", "fall-back")


@dataclass(frozen=True, slots=True)
class Quality:
    """
    What follows from each verdict. `fall-back`: one further provider is tried, within the budget, and the
    better of the two is the result.
    """

    evidence: Literal["free", "timeline"] = "free"  # "timeline": the recording's is read for every transcript
    empty: Action = "fall-back"
    silent: Action = "accept"
    thin: Action = "flag"
    cut_off: Action = "flag"
    wrong_language: Action = "flag"
    disordered: Action = "flag"
    one_speaker_of_many: Action = "flag"
    min_coverage: float = 0.5  # share of the timeline's speech below which a transcript is thin

    def action(self, verdict: str | None) -> Action:
        """What follows; `accept` for a verdict that is not in the table."""
        found: Action = getattr(self, verdict) if verdict in RANKED[1:] else "accept"
        return found

    def calls_for_another(self, verdict: str | None) -> bool:
        """Whether a further attempt may be paid because of it."""
        return self.action(verdict) == "fall-back"

    def weightiest(self, found: Collection[str]) -> str | None:
        """Of several verdicts on one transcript the one that is reported: by what follows, then the worst."""
        return max(
            found, key=lambda one: (_BY_WEIGHT.index(self.action(one)), RANKED.index(one)), default=None
        )

    def is_flagged(self, verdict: str | None) -> bool:
        """
        Whether a person is to look at a result with this verdict. Words that called for another attempt and
        are the result all the same are such, too.
        """
        action = self.action(verdict)
        return action == "flag" or (action == "fall-back" and verdict not in WITHOUT_WORDS)

    @property
    def tells_silence_apart(self) -> bool:
        """Whether an empty transcript is flagged and that of a silent room is not."""
        return self.empty == "flag" and self.silent == "accept"


def is_better(verdict: str | None, words: int, *, verdict_before: str | None, words_before: int) -> bool:
    """
    Whether of two results the later one is the current one: the better verdict by `RANKED`; where they are
    equal, more words; where those are equal, too, the later.
    """
    before, after = _rank(verdict_before), _rank(verdict)
    return after < before or (after == before and words >= words_before)


def has_better_verdict(verdict: str | None, *, before: str | None) -> bool:
    """Whether it is better than that of a result which is published."""
    return _rank(verdict) < _rank(before)


def _rank(verdict: str | None) -> int:
    return RANKED.index(verdict) if verdict in RANKED else len(RANKED)
