"""
What `/v1` may take of a process: so many answers at once, each with a deadline; and of each key so many
requests a minute. The receiver's threads are its own: see `threads` in gunicorn.conf.py.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator

import structlog

from app.errors import StoreUnavailable

ANSWERS_AT_ONCE = 16  # of a process; a key alone takes at most half of them
ANSWER_DEADLINE_S = 120.0
MINUTE_S = 60.0
_BATCHES = 20  # of a minute's requests: so often a process asks for more

log = structlog.get_logger()


class Slots:
    """The answers that are under way in this process."""

    def __init__(self, number: int = ANSWERS_AT_ONCE) -> None:
        self._number = number
        self._taken: dict[str, int] = {}
        self._lock = threading.Lock()

    def take(self, name: str) -> Callable[[], None] | None:
        """What gives the slot back, which may be called more than once; None: there is none for this key."""
        with self._lock:
            mine = self._taken.get(name, 0)
            if sum(self._taken.values()) >= self._number or mine >= max(1, self._number // 2):
                return None
            self._taken[name] = mine + 1
        is_given = threading.Event()

        def give() -> None:
            with self._lock:
                if not is_given.is_set():
                    is_given.set()
                    self._taken[name] -= 1
                    if not self._taken[name]:
                        del self._taken[name]

        return give


class AnswerTooSlow(ConnectionAbortedError):
    """The reader did not take the answer in time: the connection is closed in the middle of it."""


def within_deadline(
    chunks: Iterable[bytes], *, deadline_s: float, monotonic: Callable[[], float] = time.monotonic
) -> Iterator[bytes]:
    """The same, until `deadline_s` seconds are over. A socket's own time-out bounds each chunk."""
    ends_at = monotonic() + deadline_s
    for chunk in chunks:
        if monotonic() > ends_at:
            raise AnswerTooSlow
        yield chunk


class RequestRates:
    """
    Requests per minute and key, over all processes. A process takes some at a time, so that one write to the
    database serves many requests. While that cannot be written nothing is counted: reading costs little.

    Args:
        take: See `Access.take_requests`.
    """

    def __init__(self, take: Callable[..., float | None], *, per_minute: int) -> None:
        self._take = take
        self._gap_s = MINUTE_S / per_minute
        self._batch = max(1, per_minute // _BATCHES)
        self._left: dict[str, tuple[int, float]] = {}  # by key: how many, and until when
        self._lock = threading.Lock()

    def wait_s(self, name: str) -> float | None:
        """None: go on. Else after how many seconds the key may ask again."""
        with self._lock:
            number, until = self._left.get(name, (0, 0.0))
            if number and time.monotonic() < until:
                self._left[name] = (number - 1, until)
                return None
        try:
            wait_s = self._take(name, self._batch, gap_s=self._gap_s, burst_s=MINUTE_S)
        except StoreUnavailable:
            log.info("requests_not_counted", key=name)
            return None
        if wait_s is None:
            with self._lock:
                self._left[name] = (self._batch - 1, time.monotonic() + MINUTE_S)
        return wait_s
