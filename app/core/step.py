"""
What one rule returns, and how two rules follow each other. `machine.decide` turns a step into a
`Decision` by settling the state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.core.commands import Command, PublishTranscript
from app.core.policy import CEILING, Policy
from app.core.quality import WITHOUT_WORDS
from app.core.state import ENDS, AttemptStatus, Phase, Transcription


@dataclass(frozen=True, slots=True)
class Step:
    state: Transcription
    commands: tuple[Command, ...] = ()
    ignored: str | None = None  # why nothing follows from the event
    alarm: str | None = None  # something a person must see, e.g. money lost

    def then(self, later: Step) -> Step:
        """The later step's state; commands of both; one ignored part does not hide the other."""
        if not self.commands and not self.alarm and later.ignored is None:
            return later
        return Step(later.state, (*self.commands, *later.commands), None, self.alarm or later.alarm)


def budget(t: Transcription, policy: Policy) -> int:
    """How many paid attempts this recording may have in all; an extra is the last of them."""
    if t.extra is not None:
        return t.extra.ordinal
    return min(max(policy.attempts, t.budget), CEILING)


def ignore(t: Transcription, why: str, *, alarm: str | None = None) -> Step:
    return Step(t, ignored=why, alarm=alarm)


def failed(t: Transcription, reason: str, detail: str | None, *, at: float) -> Step:
    """
    An end with a name, unless there is one already or a result is being published; see `reasons`.
    A candidate that was kept is a result once nothing else may bring a better one; one with words at once: it
    is paid for, and what brings a better one later takes its place.
    """
    if t.phase in ENDS or t.publishing is not None:
        return Step(t)
    has_words = t.candidate is not None and t.candidate_verdict not in WITHOUT_WORDS
    if t.is_only_candidate or has_words:
        return complete_with_candidate(t)
    ended = replace(t, phase=Phase.FAILED, reason=reason, detail=detail, planned=None, completed_at=at)
    return Step(ended)


def complete_with_candidate(t: Transcription) -> Step:
    """
    The candidate is the result, once its manifest is written. An attempt that waits to be sent ends unpaid.
    """
    assert t.candidate is not None
    lines = tuple(replace(a, status=AttemptStatus.REFUSED) if a.is_unsent else a for a in t.attempts)
    becoming = replace(
        t, phase=Phase.FETCHING, publishing=t.candidate, attempts=lines, reason=None, detail=None
    )
    return Step(replace(becoming, planned=None, completed_at=None), (PublishTranscript(t.candidate),))
