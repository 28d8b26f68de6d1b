"""
When an announcement that failed is sent again: Svix's schedule, eight tries in 27 h 35 min. PURE.

Source: https://docs.svix.com/retries
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from app.core.durations import Scaled, seconds

_AFTER_FAILURE = (5, 300, 1800, 7200, 18_000, 36_000, 36_000)  # units after the first try, the second, …
_JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Schedule(Scaled):
    """Seconds. `timeout_s`: from the beginning of a connection until the answer's headers are there."""

    unit_s: float = seconds(1)  # of the schedule
    busy_s: float = seconds(60)  # at least, after no answer in time and after 429
    retry_after_at_most_s: float = seconds(36_000)
    timeout_s: float = seconds(15, floor=2)
    lease_s: float = seconds(30, floor=6)  # longer than the time-out: a lease that ends is of a dead process
    open_s: float = seconds(60, floor=1)  # of an endpoint's circuit breaker, the first time
    probe_s: float = seconds(20, floor=3)
    storage_again_s: float = seconds(10)
    offer_again_s: float = seconds(15, floor=4)

    def next_after_s(
        self, tries: int, *, status: int | None, cause: str, retry_after_s: float, dice: float
    ) -> float | None:
        """
        Seconds until the next try; None when this was the last.

        Args:
            tries: Those made, from 1.
            status: Of the answer; None: there was none, and `cause` says why.
            retry_after_s: What the answer asks for, 0.0 when nothing.
            dice: From 0 to 1: tries that failed together are not repeated together.
        """
        if tries > len(_AFTER_FAILURE):
            return None
        base_s = _AFTER_FAILURE[tries - 1] * self.unit_s
        if status == 429 or (status is None and cause in ("timeout", "connect_timeout")):
            base_s = max(base_s, self.busy_s)
        spread_s = base_s * (1 + _JITTER * (2 * dice - 1))
        return max(spread_s, min(retry_after_s, self.retry_after_at_most_s))


def retry_after_s(headers: Mapping[str, str], *, now: datetime) -> float:
    """
    What an answer asks for: seconds or a date; 0.0 when it is absent or nonsense.

    Source: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    said = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    if re.fullmatch(r"[0-9]{1,9}", said):
        return float(said)
    try:
        then = parsedate_to_datetime(said)
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0
    aware = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max((aware - now).total_seconds(), 0.0)
