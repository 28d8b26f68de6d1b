"""
Time, and what happens later.

One factor divides every duration of the simulated Recall; "simulated seconds" are those of Recall's
documents. Nothing here touches wall-clock stamps (`created_at`, signatures): those are always real.
"""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

Task = Callable[[], object]

# Svix sends in parallel too; a storm of 50 deliveries must be able to arrive at one moment.
MAX_THREADS = 64


def wall() -> datetime:
    """Real time, aware UTC: the only source of stamps that leave the simulator."""
    return datetime.now(UTC)


class SimClock:
    """A monotonic clock in simulated seconds, `scale` times as fast as the real one, and movable forwards."""

    def __init__(self, scale: float = 1.0) -> None:
        if not (scale > 0 and math.isfinite(scale)):
            raise ValueError("the time scale must be a positive number")
        self.scale = scale
        self.moved = threading.Condition()
        self._closed = threading.Event()
        self._shift_s = 0.0

    def is_closed(self) -> bool:
        """Whether the simulator has ended."""
        return self._closed.is_set()

    def now(self) -> float:
        """Simulated seconds since some fixed moment."""
        return time.monotonic() * self.scale + self._shift_s

    def advance(self, simulated_s: float) -> None:
        """Move time forward: everything that falls due in between happens now, in order."""
        with self.moved:
            self._shift_s += simulated_s
            self.moved.notify_all()

    def sleep(self, simulated_s: float) -> None:
        """Block the caller; ends early when time is moved past the end or the simulator closes."""
        until = self.now() + simulated_s
        with self.moved:
            while not self.is_closed() and (left_s := until - self.now()) > 0:
                self.moved.wait(left_s / self.scale)

    def retry_after_s(self, simulated_s: float) -> int:
        """What a `Retry-After` header says for a simulated wait: whole REAL seconds, at least 1."""
        return max(1, math.ceil(simulated_s / self.scale))

    def close(self) -> None:
        """Wake every sleeper for good."""
        with self.moved:
            self._closed.set()
            self.moved.notify_all()


class Timers:
    """One thread that watches the clock, and a pool of at most MAX_THREADS daemon threads for what is due."""

    def __init__(self, clock: SimClock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Task]] = []
        self._order = itertools.count()
        self._due: list[Task] = []
        self._idle = 0
        self._threads = 0
        self._work = threading.Condition()
        threading.Thread(target=self._watch, name="simulator-timers", daemon=True).start()

    def after(self, simulated_s: float, task: Task) -> None:
        """Run `task` in a thread of the pool once `simulated_s` have passed; 0 means at once."""
        if simulated_s <= 0:
            self._submit(task)
            return
        with self._clock.moved:
            heapq.heappush(self._heap, (self._clock.now() + simulated_s, next(self._order), task))
            self._clock.moved.notify_all()

    def clear(self) -> None:
        """Forget everything that has not begun."""
        with self._clock.moved:
            self._heap.clear()
        with self._work:
            self._due.clear()

    def close(self) -> None:
        """End the pool; a task that runs is not interrupted (its thread is a daemon)."""
        self.clear()
        with self._work:
            self._work.notify_all()

    def _watch(self) -> None:
        clock = self._clock
        while not clock.is_closed():
            with clock.moved:
                while not clock.is_closed() and (not self._heap or self._heap[0][0] > clock.now()):
                    left_s = (self._heap[0][0] - clock.now()) / clock.scale if self._heap else None
                    # A wait beyond a day overflows the platform's timer on some systems.
                    clock.moved.wait(None if left_s is None else min(left_s, 86_400.0))
                if clock.is_closed():
                    return
                task = heapq.heappop(self._heap)[2]
            self._submit(task)

    def _submit(self, task: Task) -> None:
        with self._work:
            self._due.append(task)
            if len(self._due) > self._idle and self._threads < MAX_THREADS:
                self._threads += 1
                threading.Thread(target=self._serve, name="simulator-pool", daemon=True).start()
            self._work.notify()

    def _serve(self) -> None:
        while True:
            with self._work:
                self._idle += 1
                while not self._due and not self._clock.is_closed():
                    self._work.wait()
                self._idle -= 1
                if self._clock.is_closed():
                    return
                task = self._due.pop(0)
            try:
                task()
            except Exception:  # one broken task must not take a thread of the pool along
                traceback.print_exc()
