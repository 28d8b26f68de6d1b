"""
Every duration that a policy may set or that a rule decides by, in seconds, in one place. What a process, a
socket or a page of health waits for stands where it is used: `recall/http_exchange`, `orchestrator/timing`,
`web/health`.

`AFTERWORD_TIME_SCALE` (tests, demo, chaos) divides all of them at once, and the simulator divides
its own by the same factor. A few have a floor, because a process does not start sixty times faster in a demo.

What must change together: the three numbers of the create protocol (`resend_until_s`,
`never_happened_after_s`, `stamp_max_age_s`) stand on Recall's idempotency hour.
Source of that hour: https://docs.recall.ai/reference-link/idempotency
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Self


def seconds(value: float, *, floor: float = 0.0) -> Any:
    """A field of `Scaled` that is divided, but not below its floor."""
    return field(default=value, metadata={"floor": floor})


@dataclass(frozen=True, slots=True)
class Scaled:
    """Durations that belong together."""

    def scaled(self, factor: float) -> Self:
        """The same divided by `factor` (>= 1), none below its floor."""
        changed = {
            f.name: max(getattr(self, f.name) / factor, min(f.metadata["floor"], getattr(self, f.name)))
            for f in fields(self)
            if "floor" in f.metadata
        }
        return replace(self, **changed)


@dataclass(frozen=True, slots=True)
class Durations(Scaled):
    """All waits and limits of the rules, in seconds."""

    # Asking Recall about a transcript that should be finished: after 10, 20, 40 minutes, then hourly.
    first_ask_s: float = seconds(600)
    ask_at_most_every_s: float = seconds(3600)
    give_up_s: float = seconds(86_400)

    # The create protocol. Recall keeps an Idempotency-Key for an hour after completion.
    first_look_up_s: float = seconds(2)
    resend_first_s: float = seconds(5)
    resend_at_most_every_s: float = seconds(600)
    resend_until_s: float = seconds(3000)
    never_happened_after_s: float = seconds(4200)
    second_list_after_s: float = seconds(60)
    stamp_max_age_s: float = seconds(30, floor=5)
    not_sent_wait_s: float = seconds(2)

    # What waits for a day's budget: something may have been given back, or the budget raised.
    daily_budget_again_s: float = seconds(900)

    # A provider that is down: skipped for a while, then one attempt tries it for all.
    provider_open_s: float = seconds(120)
    provider_probe_at_most_s: float = seconds(900)

    # In which form a provider reads its options: one create at a time finds it out. `app.orchestrator.forms`
    form_hold_s: float = seconds(60, floor=10)
    form_wait_s: float = seconds(5)
    form_again_s: float = seconds(86_400)

    # Reading results.
    not_yet_first_s: float = seconds(2)
    not_yet_at_most_every_s: float = seconds(60)
    gone_after_s: float = seconds(600)
    unreadable_again_s: float = seconds(60)
    # An outcome that changes nothing, while its command is still wanted, and any wait that does not end.
    put_off_first_s: float = seconds(2)
    put_off_at_most_s: float = seconds(60)
    blocked_first_s: float = seconds(2)
    blocked_at_most_every_s: float = seconds(30)

    # A worker's job has ended by then, whatever it was writing when its recording was erased.
    last_write_after_s: float = seconds(370, floor=5)

    # Whose fault: an account that refuses is probed, a recording that is not ready is asked about.
    account_probe_every_s: float = seconds(15)
    recording_ask_every_s: float = seconds(3600)
    unexplained_every_s: float = seconds(60)  # a refusal that names no cause is asked about again
    reconcile_every_s: float = seconds(600)
    poll_every_s: float = seconds(60)  # instead, when no webhooks are to be expected
    # A webhook's first three tries are over by then, and a person's look at a demo is not disturbed.
    overdue_after_s: float = seconds(600, floor=20)
    reconcile_reach_s: float = 48 * 3600.0
    news_is_old_after_s: float = seconds(3600)
    news_ahead_at_most_s: float = seconds(300, floor=10)  # of two clocks that are both about right
    # Recall's transcription needs speech; a shorter recording without a word is simply silent.
    short_recording_s: float = 60.0

    # Rates. Recall counts per minute; https://docs.recall.ai/reference/transcript_list
    rate_window_s: float = seconds(60)
    slot_worth_sleeping_s: float = seconds(2, floor=0.5)
    # However late all slots of a window are used at once, 293 of them: 293 * (60 + 1.4) / 60 is below 300.
    slot_late_at_most_s: float = seconds(1.4, floor=0.3)


def growing(first_s: float, times: int, at_most_s: float) -> float:
    """The wait before try number `times` (from 0): doubling from `first_s`, never above `at_most_s`."""
    return float(min(first_s * 2 ** min(times, 30), at_most_s))
