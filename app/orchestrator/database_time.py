"""
The database's clock for one step: read once, carried on for a moment by this machine's uptime.

Events bear this time. Nothing that decides whether a request is sent once more is measured by it: ages of
sends are the database's own (`ports.Sends.send_times`).
"""

from __future__ import annotations

from typing import Protocol

# Of a clock that is set meanwhile, no more than this much goes unnoticed.
_CARRIED_AT_MOST_S = 2.0


class _Now(Protocol):
    def now(self) -> float: ...


class _BootTime(Protocol):
    def boottime(self) -> float: ...


class DatabaseTime:
    """
    Args:
        at: What the database's clock showed a moment ago.
    """

    def __init__(self, store: _Now, clock: _BootTime, at: float) -> None:
        self._store, self._clock = store, clock
        self._at, self._read_s = at, clock.boottime()

    def now(self) -> float:
        """Seconds since the epoch, by the database's clock."""
        passed_s = self._clock.boottime() - self._read_s
        if not 0 <= passed_s <= _CARRIED_AT_MOST_S:
            self._at, passed_s = self._store.now(), 0.0
            self._read_s = self._clock.boottime()  # after: the time that the question took is not added
        return self._at + passed_s
