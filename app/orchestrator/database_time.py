"""
The database's clock for one step: read once, carried on for a moment by this machine's uptime.

Events bear this time. Nothing that decides whether a request is sent once more is measured by it: ages of
sends are the database's own (`ports.Sends.send_times`).
"""

from __future__ import annotations

from collections.abc import Callable

# Of a clock that is set meanwhile, no more than this much goes unnoticed.
_CARRIED_AT_MOST_S = 2.0


class DatabaseTime:
    """
    Args:
        asked: The database's clock, which showed `at` a moment ago.
        boottime: See `ports.Clock.boottime`.
    """

    def __init__(self, asked: Callable[[], float], boottime: Callable[[], float], at: float) -> None:
        self._asked, self._boottime = asked, boottime
        self._at, self._read_s = at, boottime()

    def now(self) -> float:
        """Seconds since the epoch, by the database's clock."""
        passed_s = self._boottime() - self._read_s
        if not 0 <= passed_s <= _CARRIED_AT_MOST_S:
            self._at, passed_s = self._asked(), 0.0
            self._read_s = self._boottime()  # after: the time that the question took is not added
        return self._at + passed_s
