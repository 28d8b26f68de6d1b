"""The real clock; implements `ports.Clock`."""

from __future__ import annotations

import sys
import time


class SystemClock:
    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def boottime(self) -> float:
        """
        Seconds that also pass while the machine sleeps.

        Linux's monotonic clock stops in suspend, hence CLOCK_BOOTTIME; macOS's `mach_continuous_time`
        is what Python's CLOCK_MONOTONIC_RAW reads there, and it goes on.
        """
        clock_id = time.CLOCK_BOOTTIME if sys.platform == "linux" else time.CLOCK_MONOTONIC_RAW
        return time.clock_gettime(clock_id)
