"""A lock on an open file that is waited for a while. Imports the standard library alone, see `venv_lock`."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable


def take(
    lock: Callable[[int, int], None], fd: int, kind: int, *, within_s: float, look_every_s: float = 0.02
) -> bool:
    """
    Whether the lock was had in that time: `fcntl.flock` or `fcntl.lockf`, of the kind `LOCK_EX` or `LOCK_SH`.
    Raises `OSError`: there are no locks on such a file.
    """
    ends_at = time.monotonic() + within_s
    while True:
        try:
            lock(fd, kind | fcntl.LOCK_NB)
            return True
        except (BlockingIOError, PermissionError):  # EAGAIN, and what some systems say of a record lock
            if time.monotonic() >= ends_at:
                return False
            time.sleep(look_every_s)
