"""
Rules about money: what each attempt is estimated at, and the wait for a day's budget.

An attempt has its cost from the claim on, and no longer once it is known that nothing was made: a definite
refusal gives it back, an unknown outcome keeps it. It is corrected when the recording's length is known.
"""

from __future__ import annotations

from dataclasses import replace

from app.core import events, reasons
from app.core.commands import CreateTranscript
from app.core.cost import ASSUMED_S, Cost, day_of
from app.core.policy import Policy
from app.core.rules_recording import suspend
from app.core.state import Attempt, Phase, Transcription
from app.core.step import Step, failed, ignore


def priced(before: Transcription, after: Transcription, policy: Policy, *, at: float) -> Transcription:
    """With the cost of each attempt that changed, or of all where the recording's length did."""
    is_corrected = after.duration_s not in (None, before.duration_s)
    if not is_corrected and after.attempts == before.attempts:
        return after
    lines = tuple(
        _priced(line, before.attempt_of(ordinal=line.ordinal), after.duration_s, policy, at=at)
        if is_corrected or line.is_unpaid or line.cost is None
        else line
        for line in after.attempts
    )
    return after if lines == after.attempts else replace(after, attempts=lines)


def _priced(
    line: Attempt, old: Attempt | None, duration_s: float | None, policy: Policy, *, at: float
) -> Attempt:
    if line.is_unpaid:
        return line if line.cost is None else replace(line, cost=None)
    prices = policy.prices
    if duration_s is None and prices.daily_budget:
        duration_s = ASSUMED_S
    if duration_s is None:
        return line
    is_separate = policy.separate_streams_of(line.provider)
    micros = prices.estimate(line.provider, duration_s, separate_streams=is_separate)
    if micros is None:
        return line
    is_claimed_now = old is None or old.is_unpaid
    day = line.cost.day if line.cost is not None else day_of(at if is_claimed_now else line.since)
    return replace(line, cost=Cost(micros, prices.currency, day))


def on_daily_budget_reached(t: Transcription, e: events.DailyBudgetReached, p: Policy) -> Step:
    """
    The claim would have gone beyond what is left of the day: it comes back, at the latest with the next day,
    and after a day of waiting it ends by its name.
    """
    t = replace(t, duration_s=e.duration_s or t.duration_s)
    line = t.attempt_of(ordinal=e.ordinal)
    is_waiting = line.is_unsent if line is not None else t.planned == e.ordinal
    if t.phase is not Phase.CREATING or not is_waiting:
        return ignore(t, "this attempt is not waiting to be sent")
    since = t.daily_budget_wait_since or e.at
    if e.at - since >= p.durations.give_up_s:
        reason = reasons.DAILY_BUDGET_REACHED
        return failed(t, reason, None, at=e.at) if line is None else suspend(t, line, reason, at=e.at)
    key_serial = line.key_serial if line is not None else 0
    wait_s = min(e.wait_s, p.durations.daily_budget_again_s)
    again = CreateTranscript(e.ordinal, e.provider, key_serial, after_s=wait_s)
    return Step(replace(t, daily_budget_wait_since=since), (again,))


def goes_over_budget(t: Transcription) -> Step | None:
    """A person pays beyond the day's budget for what waits for it: it is sent now. None: nothing waits."""
    if t.phase is not Phase.CREATING or not t.daily_budget_wait_since:
        return None
    t = replace(t, exceeds_daily_budget=True)
    line = t.open_attempt
    if line is None:  # it is planned anew
        return Step(replace(t, planned=None))
    return Step(t, (CreateTranscript(line.ordinal, line.provider, line.key_serial),))
