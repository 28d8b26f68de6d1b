"""
Many announcements at once: two threads for each endpoint, so that a slow one delays no other.

A lane holds a few numbers that wait for its threads; one that is full drops what comes, and the dispatcher
offers it again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection

import structlog

from app.adapters.redis.job_queue import lane_of
from app.adapters.sql.announcements import MOST_IN_FLIGHT
from app.errors import StoreUnavailable
from app.settings.outgoing import Endpoint

MOST_WAITING = 100
_log = structlog.get_logger(__name__)


class Lanes:
    """Of all endpoints; threads begin with the first announcement of each."""

    def __init__(self, send: Callable[[int, Endpoint], object], endpoints: Collection[Endpoint]) -> None:
        self._lanes = {lane_of(endpoint.name): _Lane(send, endpoint) for endpoint in endpoints}

    def hand_over(self, announcement_id: int, lane: int) -> None:
        """Returns at once. `lane`: see `lane_of`; one of no endpoint of these settings is passed over."""
        if (found := self._lanes.get(lane)) is not None:
            found.add(announcement_id)

    def close(self, *, within_s: float) -> None:
        """Takes up nothing more, and waits for what is under way."""
        ends_at = time.monotonic() + within_s
        for lane in self._lanes.values():
            lane.stop()
        for lane in self._lanes.values():
            lane.join(ends_at)


class _Lane:
    def __init__(self, send: Callable[[int, Endpoint], object], endpoint: Endpoint) -> None:
        self._send, self._endpoint = send, endpoint
        self._waiting: deque[int] = deque()
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._is_stopped = False

    def add(self, announcement_id: int) -> None:
        with self._changed:
            if self._is_stopped or announcement_id in self._waiting or len(self._waiting) >= MOST_WAITING:
                return
            self._waiting.append(announcement_id)
            if len(self._threads) < MOST_IN_FLIGHT:
                thread = threading.Thread(target=self._run, name=f"to-{self._endpoint.name}", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify()

    def stop(self) -> None:
        with self._changed:
            self._is_stopped = True
            self._waiting.clear()
            self._changed.notify_all()

    def join(self, ends_at: float) -> None:
        for thread in self._threads:
            thread.join(max(0.0, ends_at - time.monotonic()))

    def _run(self) -> None:
        while (announcement_id := self._next()) is not None:
            try:
                self._send(announcement_id, self._endpoint)
            except StoreUnavailable as error:
                _log.info("announcement_put_off", endpoint=self._endpoint.name, cause=str(error))
            except Exception:  # the outermost line of this thread: its lease ends, and it is offered again
                _log.exception("announcement_failed", endpoint=self._endpoint.name, number=announcement_id)

    def _next(self) -> int | None:
        with self._changed:
            while not self._waiting and not self._is_stopped:
                self._changed.wait()
            return None if self._is_stopped else self._waiting.popleft()
