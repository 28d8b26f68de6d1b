"""
Which process writes to SQLite next: locks of our own around every write transaction.

SQLite lets a waiting writer sleep up to 100 ms between looks and has no order, so that a busy process
starves the others. Here the threads of a process queue on a mutex, and processes pass two file locks:
`-next` admits one of them to wait for `-turn`. A process that has just had the lock must pass `-next` again,
which the waiting one holds: none is overtaken twice, and only one looks often. SQLite's own lock is still
taken (other programs may write); this only orders the writers. A transaction that a sender waits for passes
`-next` by: it waits for the transaction that is running, not for those that queue.

`flock`, not `lockf`: POSIX record locks vanish when *any* descriptor of the file is closed.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import StoreUnavailable

_LOOK_EVERY_S = 0.0001  # the one that is next: a transaction takes 0.3 ms
_LOOK_SELDOM_S = 0.001  # the others
_TOO_LONG = "the database is busy: another process has been writing for seconds; see which one holds it"


class WriteLock:
    """A lock between threads and processes that gives up after a while. Not re-entrant."""

    def __init__(self, database: Path) -> None:
        self._paths = [database.with_name(f"{database.name}-{name}") for name in ("next", "turn")]
        self._mutex = threading.Lock()
        self._descriptors: list[int] = []
        weakref.finalize(self, _close, self._descriptors)

    def close(self) -> None:
        """Closes its files, unless it is held; the next use opens them again."""
        if self._mutex.acquire(blocking=False):
            try:
                _close(self._descriptors)
            finally:
                self._mutex.release()

    def forget_parent(self) -> None:
        """In a forked child: the parent's mutex may be held by a thread that does not exist here."""
        self._mutex = threading.Lock()
        # Shared with the parent: a lock on them would be the parent's too, and a copy left open would
        # keep the parent's lock alive should it be killed. Closing a copy releases nothing.
        _close(self._descriptors)

    @contextmanager
    def taken(self, *, wait_s: float, is_urgent: bool = False) -> Iterator[None]:
        """
        Holds the lock.

        Args:
            wait_s: Longest wait.
            is_urgent: Goes before those that queue; they get the lock between two of these.

        Raises:
            StoreUnavailable: Others kept it for `wait_s` seconds, or the lock files cannot be used.
        """
        deadline = time.monotonic() + wait_s
        mutex = self._mutex
        if not mutex.acquire(timeout=wait_s):
            raise StoreUnavailable(_TOO_LONG)
        try:
            write_lock = self._pass(deadline, is_urgent=is_urgent)
            try:
                yield
            finally:
                # Not by closing: a child forked meanwhile holds a copy of the descriptor.
                fcntl.flock(write_lock, fcntl.LOCK_UN)
        finally:
            mutex.release()

    def _pass(self, deadline: float, *, is_urgent: bool) -> int:
        try:
            for path in self._paths[len(self._descriptors) :]:
                self._descriptors.append(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            next_, write_lock = self._descriptors
            if is_urgent:
                _lock(write_lock, deadline, look_every_s=_LOOK_EVERY_S)
                return write_lock
            _lock(next_, deadline, look_every_s=_LOOK_SELDOM_S)
            try:
                _lock(write_lock, deadline, look_every_s=_LOOK_EVERY_S)
            finally:
                fcntl.flock(next_, fcntl.LOCK_UN)
        except OSError as error:
            raise StoreUnavailable(
                f"the lock files beside the database {self._paths[0].parent} cannot be used "
                f"({error.strerror}): make the folder writable"
            ) from error
        return write_lock


def _close(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())


def _lock(descriptor: int, deadline: float, *, look_every_s: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise StoreUnavailable(_TOO_LONG) from None
        time.sleep(look_every_s)
