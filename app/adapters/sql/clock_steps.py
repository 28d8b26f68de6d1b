"""
Did the database's clock step? PURE; asked by `liveness`.

A clock cannot tell its own step from time that passed. It is held against a machine's seconds since its
start, which nothing sets: their distance is kept per start of a machine; one that grew is a step forward, one
that shrank a step back. Over a restart nothing can be told, so that a gap counts as a step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# Less is no step: clocks that are slewed, and two statements that are not one moment.
_STEP_S = 30.0
# A distance that moved by this much is noted anew, so that clocks may drift apart slowly.
_FOLLOW_S = 5.0


@dataclass(frozen=True, slots=True)
class Reading:
    """Seconds, all by the database's clock."""

    now: float
    alive: float | None  # when a process last signed; None before the first time
    distance: float | None  # this clock less the machine's seconds since its start; None when not measured
    before: float | None  # the same when this start of this machine last noted it; None when it never did

    def is_ordinary(self, quiet_s: float) -> bool:
        """Nothing has happened, and nothing is to be noted yet."""
        if self.alive is None or not -_STEP_S <= self.now - self.alive < quiet_s / 10:
            return False
        if self.distance is None:
            return True
        return self.before is not None and abs(self.distance - self.before) <= _FOLLOW_S


@dataclass(frozen=True, slots=True)
class Step:
    """What a reading came to, in seconds."""

    back_s: float = 0.0  # by how much the clock was set, or may have been; this or the next is 0
    forward_s: float = 0.0
    is_downtime: bool = False  # no process worked for longer than an ordinary day has quiet
    lost_s: float = 0.0  # in these nothing was tried, or the clock jumped over them: patience stood still

    @property
    def is_step(self) -> bool:
        """Ages that reach back beyond this moment are not to be trusted."""
        return bool(self.back_s or self.forward_s)


def judged(reading: Reading, *, quiet_s: float) -> Step:
    """
    See `Step`. Without a measure each gap that is no ordinary pause between two signs counts as a step and
    a silence: nothing says for how long no process worked, or how old a backup is.
    """
    if reading.alive is None:
        return Step()
    gap_s = reading.now - reading.alive
    if reading.distance is None or reading.before is None:
        if gap_s < -_STEP_S:
            return Step(back_s=-gap_s, is_downtime=True)
        if gap_s > quiet_s / 10 + _STEP_S:
            return Step(forward_s=gap_s, is_downtime=True, lost_s=gap_s)
        return Step(is_downtime=gap_s > quiet_s, lost_s=gap_s if gap_s > quiet_s else 0.0)
    grew_s = reading.distance - reading.before
    if grew_s < -_STEP_S or gap_s < -_STEP_S:
        back_s = max(-grew_s, -gap_s)
        is_downtime = gap_s + back_s > quiet_s
        return Step(back_s=back_s, is_downtime=is_downtime, lost_s=gap_s + back_s if is_downtime else 0.0)
    # A machine that stood still sees the clock run away; then others have signed meanwhile.
    forward_s = min(grew_s, gap_s)
    forward_s = forward_s if forward_s > _STEP_S else 0.0
    is_downtime = gap_s - forward_s > quiet_s
    return Step(forward_s=forward_s, is_downtime=is_downtime, lost_s=gap_s if is_downtime else forward_s)


def covered_s(spans: Iterable[tuple[float, float]], *, since: float) -> float:
    """Seconds after `since` that lie in one of the spans (beginning, end) at least."""
    total_s, reached = 0.0, since
    for began_at, ended_at in sorted(spans):
        total_s += max(0.0, ended_at - max(began_at, reached))
        reached = max(reached, ended_at)
    return total_s
