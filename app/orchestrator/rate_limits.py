"""Places in Recall's rates, for questions to Recall outside a command: probes, keys that are new, passes."""

from __future__ import annotations

from app.core.policy import Policy
from app.errors import RecallBusy
from app.orchestrator.command_context import READS_PER_WINDOW
from app.orchestrator.ports import Clock, RateLimits


def next_slot(store: RateLimits, workspace: str, rate: str, policy: Policy) -> float:
    """Takes the next place of a rate ("list", "retrieve"); its time by the database's clock."""
    gap_s = policy.durations.rate_window_s / READS_PER_WINDOW[rate]
    return store.reserve(workspace, rate, gap_s=gap_s)


def await_slot(
    store: RateLimits, clock: Clock, workspace: str, rate: str, policy: Policy, *, at_most_s: float
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
