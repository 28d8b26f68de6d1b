"""
How long after a fault the service works again, seen from outside: from its end until Recall gets the first
create for a recording whose meeting ended after it. That create needs a delivery accepted, stored and
applied, a command handed over, and a worker: everything that had to come back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Recovery:
    """`took_s` is None when nothing was done any more."""

    fault: str
    is_kill: bool
    took_s: float | None


@dataclass(slots=True)
class _Watch:
    fault: str
    is_kill: bool
    ended_at: float


@dataclass(slots=True)
class Recoveries:
    """
    Watches the bill after every fault.

    Args:
        has_create: Whether Recall got a create for this recording; asked very often.
    """

    has_create: Callable[[str], bool]
    _found: list[Recovery] = field(default_factory=list)
    _open: list[_Watch] = field(default_factory=list)
    _arrived: list[tuple[float, str]] = field(default_factory=list)
    _outages: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        threading.Thread(target=self._watch, name="recoveries", daemon=True).start()

    def arrived(self, recording_id: str) -> None:
        """A meeting has ended just now; its `recording.done` is on its way, on time."""
        with self._lock:
            self._arrived.append((time.monotonic(), recording_id))

    def ended(self, fault: str, *, is_kill: bool = False) -> None:
        """A fault is over. While something else is away there is nothing to measure."""
        with self._lock:
            if self._outages == 0:
                self._open.append(_Watch(fault, is_kill, time.monotonic()))

    @contextmanager
    def during(self, fault: str) -> Iterator[None]:
        """An outage; what was being watched when it began is not held against the service."""
        with self._lock:
            self._outages += 1
            self._open.clear()
        try:
            yield
        finally:
            with self._lock:
                self._outages -= 1
            self.ended(fault)

    def finish(self) -> list[Recovery]:
        """Everything measured; what is still open never recovered."""
        self._look()
        self._stop.set()
        with self._lock:
            last_arrival = self._arrived[-1][0] if self._arrived else 0.0
            # A fault after the last meeting has nothing to show that it was overcome.
            unanswered = [watch for watch in self._open if watch.ended_at < last_arrival]
            return [*self._found, *(Recovery(w.fault, w.is_kill, None) for w in unanswered)]

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_EVERY_S):
            self._look()

    def _look(self) -> None:
        with self._lock:
            if not self._open:
                self._arrived = self._arrived[-1:]
                return
            now = time.monotonic()
            worked = [at for at, recording_id in self._arrived if self.has_create(recording_id)]
            last = max(worked, default=float("-inf"))
            for watch in [watch for watch in self._open if watch.ended_at <= last]:
                self._open.remove(watch)
                self._found.append(Recovery(watch.fault, watch.is_kill, now - watch.ended_at))
