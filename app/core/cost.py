"""
What attempts cost: prices by the hour of recording, and the estimate of one attempt. Amounts are whole
millionths of the policy's currency, so that sums are exact; days are UTC days since 1970.

Which lines cost something is in `rules_cost`; that a day's sum stays within its budget is held by the commit
of a claim (`adapters/sql/spending`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MICROS = 1_000_000
DAY_S = 86_400
# Under a daily budget, of a recording whose length Recall does not say.
ASSUMED_S = 3600.0


def day_of(at: float) -> int:
    """The UTC day of a moment in seconds since the epoch."""
    return int(at // DAY_S)


def micros_of(amount: float) -> int:
    """Of an amount as a person writes it."""
    return round(amount * MICROS)


def amount_of(micros: int) -> float:
    """For people and programs."""
    return micros / MICROS


@dataclass(frozen=True, slots=True)
class Cost:
    """The estimate of one attempt, and the day whose budget it counts against."""

    micros: int
    currency: str
    day: int


@dataclass(frozen=True, slots=True)
class Prices:
    """A policy's `[cost]`."""

    currency: str = "USD"
    per_hour: Mapping[str, int] = field(default_factory=dict)  # by provider; one without a price is not there
    separate_streams_factor: float = 1.0  # where each participant's stream is transcribed by itself
    daily_budget: int = 0  # of all workspaces together; 0: none

    def estimate(self, provider: str, duration_s: float, *, separate_streams: bool) -> int | None:
        """Of one attempt; None for a provider without a price."""
        per_hour = self.per_hour.get(provider)
        if per_hour is None:
            return None
        factor = self.separate_streams_factor if separate_streams else 1.0
        return round(per_hour * factor * duration_s / 3600)

    def lacks(self, provider: str) -> bool:
        """Whether there is a budget that this provider's attempts cannot be held against."""
        return self.daily_budget > 0 and provider not in self.per_hour
