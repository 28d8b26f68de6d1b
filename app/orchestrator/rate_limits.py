"""
Places in Recall's rates: for a command, which may come back for a place that is far away, and for questions
outside a command (probes, keys that are new, passes), which wait or are given up.
"""

from __future__ import annotations

from collections.abc import Callable

from app.core.policy import Policy
from app.errors import RecallBusy
from app.orchestrator.outcome import Later
from app.orchestrator.ports import Clock, RateLimits
from app.orchestrator.records import Slot
from app.recall.limits import READS_PER_WINDOW, SHARED_LIMIT, Rate

# Windows of a rate that a command sleeps through rather than lose what it has read. Its lease is renewed.
_LONGEST_SLEEP = 2


class CommandRates:
    """One command's places in the rates of its workspace. Mutable in one thing: `brought` is used once."""

    def __init__(
        self,
        store: RateLimits,
        clock: Clock,
        workspace: str,
        policy: Policy,
        *,
        now: Callable[[], float],  # the database's clock
        brought: Slot | None = None,
    ) -> None:
        self._store, self._clock, self._now = store, clock, now
        self._workspace, self._policy = workspace, policy
        self._brought = brought

    def wait_for(self, rate: Rate, *, may_defer: bool) -> Later | None:
        """None when the next place of the rate has come. `may_defer`: a far one may be come back for."""
        durations = self._policy.durations
        slot = self._slot(rate)
        wait_s = slot.at - self._now()
        if wait_s > durations.slot_worth_sleeping_s and may_defer:
            return Later(wait_s, "rate", slot)
        if wait_s > _LONGEST_SLEEP * durations.rate_window_s:
            return Later(wait_s, "rate")
        if wait_s > 0:
            self._clock.sleep(wait_s)
        return None

    def push_back(self, rate: Rate, *, after_s: float) -> None:
        """Recall answered 429: no command gets a place before its Retry-After."""
        for of_rate in SHARED_LIMIT[rate]:
            self._store.push_rate(self._workspace, of_rate, after_s=after_s)

    def _slot(self, rate: Rate) -> Slot:
        brought, self._brought = self._brought, None
        # A slot of long ago is gone: using many of those at once would be a burst.
        late_at_most_s = self._policy.durations.slot_late_at_most_s
        if brought is not None and brought.rate == rate and brought.at >= self._now() - late_at_most_s:
            return brought
        return Slot(rate, next_slot(self._store, self._workspace, rate, self._policy))


def next_slot(store: RateLimits, workspace: str, rate: Rate, policy: Policy) -> float:
    """Takes the next place of a rate ("list", "retrieve"); its time by the database's clock."""
    gap_s = policy.durations.rate_window_s / READS_PER_WINDOW[rate]
    return store.reserve(workspace, rate, gap_s=gap_s)


def await_slot(
    store: RateLimits, clock: Clock, workspace: str, rate: Rate, policy: Policy, *, at_most_s: float
) -> None:
    """
    Returns when the next place of a rate has come.

    Raises:
        RecallBusy: It is more than `at_most_s` away, and lost.
    """
    wait_s = next_slot(store, workspace, rate, policy) - store.now()
    if wait_s > at_most_s:
        raise RecallBusy("rate", retry_after_s=wait_s)
    clock.sleep(max(0.0, wait_s))
