"""
Writing that never stops work: what a reader takes is written, what it does not take is dropped and counted.

The descriptor of a stream may be shared with a shell, so it is never made non-blocking, and no thread writes:
the descriptor is asked whether it takes something, and then gets no more than it takes without waiting
(PIPE_BUF for a pipe or a socket). Processes that write to one pipe exclude each other by a record lock on the
pipe itself, else two could both be told that there is room for one. A terminal says too little about its
room: it is opened anew by its name, non-blocking; where that fails it gets one byte at a time.

A reader that was slow so far is waited for 50 ms, one that stands still not at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import select
import stat
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

_PATIENCE_S = 0.05
_LOCK_LOOK_EVERY_S = 0.001
_TOTAL, _UNTOLD, _IS_STALLED = range(3)


class Dropped:
    """
    How many lines were dropped: one count for this process and all that are forked from it afterwards.

    Two processes that count at the same moment without a lock (not Linux) may count one.
    """

    def __init__(self) -> None:
        self._shared = memoryview(mmap.mmap(-1, 8 * 3)).cast("Q")

    @property
    def total(self) -> int:
        """Since the start."""
        return self._shared[_TOTAL]

    @property
    def is_stalled(self) -> bool:
        """Whether the last line found no taker."""
        return bool(self._shared[_IS_STALLED])

    def one_more(self) -> None:
        self._shared[_TOTAL] += 1
        self._shared[_UNTOLD] += 1
        self._shared[_IS_STALLED] = 1

    def flows(self) -> int:
        """Lines flow; how many were dropped that no line has told of."""
        self._shared[_IS_STALLED] = 0
        untold = self._shared[_UNTOLD]
        self._shared[_UNTOLD] = 0
        return untold

    def not_told(self, lines: int) -> None:
        self._shared[_UNTOLD] += lines


class SteadyStream:
    """A text stream for whole lines. A closed pipe, a full disk, a reader that stands still: lines are dropped."""

    def __init__(self, out: TextIO, dropped: Dropped, tell: Callable[[int], str] | None = None) -> None:
        """
        Args:
            out: Where to. Without a descriptor (a buffer in memory) it is simply written to.
            dropped: Gets the count.
            tell: Makes the line that says how many lines were dropped, once lines flow again.
        """
        self.encoding = getattr(out, "encoding", None) or "utf-8"
        self.errors = "backslashreplace"
        self._out = out
        self._dropped = dropped
        self._tell = tell
        self._is_cut = False
        # A signal handler may write while its thread is writing.
        self._one_thread = threading.RLock()
        with contextlib.suppress(OSError, ValueError):
            out.flush()  # what is in its buffer comes first
        self._fd, self._piece_bytes, self._is_file = _opened(out)

    def isatty(self) -> bool:
        with contextlib.suppress(OSError, ValueError):
            return self._out.isatty()
        return False

    def fileno(self) -> int:
        return self._out.fileno()

    def flush(self) -> None:
        """Nothing is kept back."""

    def write(self, text: str) -> int:
        """Writes the text whole, or drops what does not fit. Returns its length either way."""
        printable = text.encode(self.encoding, "backslashreplace")
        with self._one_thread:
            if self._fd is None:
                with contextlib.suppress(OSError, ValueError):
                    self._out.write(printable.decode(self.encoding))
                    self._out.flush()
            else:
                self._write_or_drop(self._fd, printable)
        return len(text)

    def _write_or_drop(self, fd: int, line: bytes) -> None:
        patience_s = 0.0 if self._dropped.is_stalled else _PATIENCE_S
        if not _takes(fd, patience_s):
            self._dropped.one_more()
            return
        with _alone(fd, is_needed=not self._is_file) as is_alone:
            if not is_alone:
                self._dropped.one_more()
                return
            untold = self._dropped.flows()
            if (
                untold
                and self._tell is not None
                and not self._put(fd, self._tell(untold).encode(self.encoding))
            ):
                self._dropped.not_told(untold)
            if not self._put(fd, line):
                self._dropped.one_more()

    def _put(self, fd: int, line: bytes) -> bool:
        """Whether all of it was taken."""
        rest = memoryview(b"\n" + line if self._is_cut else line)
        size = len(rest)
        try:
            while rest:
                if not _takes(fd, 0.0):
                    break
                written = os.write(fd, rest[: self._piece_bytes or len(rest)])
                rest = rest[written:]
        except OSError:  # a full disk, a closed pipe, a terminal that is gone or (non-blocking) takes no more
            pass
        self._is_cut = (self._is_cut and len(rest) == size) or 0 < len(rest) < size
        return not rest


def _opened(out: TextIO) -> tuple[int | None, int | None, bool]:
    """The descriptor to write to, how many bytes it gets at once (None: all), and whether it is a file."""
    try:
        fd = out.fileno()
        kind = os.fstat(fd).st_mode
    except (OSError, ValueError, AttributeError):
        return None, None, False
    if stat.S_ISREG(kind):
        return fd, None, True
    if not os.isatty(fd):
        return fd, select.PIPE_BUF, False
    with contextlib.suppress(OSError):
        return os.open(os.ttyname(fd), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), None, False
    return fd, 1, False


def _takes(fd: int, patience_s: float) -> bool:
    try:
        return bool(select.select([], [fd], [], patience_s)[1])
    except (OSError, ValueError):  # closed; or too high a number for select, which no standard stream has
        return False


@contextlib.contextmanager
def _alone(fd: int, *, is_needed: bool) -> Iterator[bool]:
    """Whether no other process of ours writes there meanwhile. Where such a lock cannot be had: yes."""
    try:
        is_locked = is_needed and _lock(fd)
    except TimeoutError:
        yield False
        return
    try:
        yield True
    finally:
        if is_locked:
            with contextlib.suppress(OSError):
                fcntl.lockf(fd, fcntl.LOCK_UN)


def _lock(fd: int) -> bool:
    ends_at = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            # Its holder writes without waiting; only one that was stopped meanwhile keeps it longer.
            if time.monotonic() > ends_at:
                raise TimeoutError from None
            time.sleep(_LOCK_LOOK_EVERY_S)
        except OSError:  # macOS: no locks on pipes
            return False
        else:
            return True
