"""
Writing that never stops work: what a reader takes is written, what it does not take is dropped and counted.

The descriptor of a stream may be shared with a shell, so it is never made non-blocking, and no thread writes:
the descriptor is asked whether it takes something, and then gets no more than it takes without waiting
(PIPE_BUF for a pipe or a socket). Processes that write to one pipe exclude each other by a record lock on the
pipe itself, else two could both be told that there is room for one. A terminal says too little about its
room: it is opened anew by its name, non-blocking; where that fails it gets one byte at a time.

A reader that is slow is waited for 0.2 s, one that has stood still so far not at all.
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
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO

from app.processes import file_lock

_WRITE_TIMEOUT_S = 0.2
_COUNTERS = 64
_TOLD, _KEPT = _COUNTERS, _COUNTERS + 1
_STALLED, _FLAGS = _COUNTERS + 2, 8  # one for each stream, by its descriptor


class Dropped:
    """
    How many lines were dropped: one count for this process and all that are forked from it afterwards.

    In shared memory; processes add to counters of their own (but for every 64th, which shares one), so that
    nothing has to be locked.
    """

    def __init__(self) -> None:
        self._shared = memoryview(mmap.mmap(-1, 8 * (_STALLED + _FLAGS))).cast("Q")

    @property
    def total(self) -> int:
        """Since the start."""
        return sum(self._shared[:_COUNTERS])

    def is_stalled(self, fd: int) -> bool:
        """Whether the last line for this descriptor, by any of the processes, found no taker."""
        return bool(self._shared[_STALLED + fd % _FLAGS])

    def one_more(self, fd: int) -> None:
        self._shared[os.getpid() % _COUNTERS] += 1
        self._shared[_STALLED + fd % _FLAGS] = 1

    def flows(self, fd: int) -> int:
        """Lines flow; how many were dropped that no line has told of."""
        self._shared[_STALLED + fd % _FLAGS] = 0
        return self.total - self._shared[_TOLD]

    def told(self, lines: int) -> None:
        self._shared[_TOLD] += lines

    @property
    def unkept(self) -> int:
        """How many are not in the database's count."""
        return self.total - self._shared[_KEPT]

    def kept(self, lines: int) -> None:
        self._shared[_KEPT] += lines


class SteadyStream:
    """A text stream for whole lines, which are dropped when its pipe is closed or full, or its disk is."""

    # For all streams of the process. A signal handler may write while its thread is writing.
    _one_thread = threading.RLock()

    def __init__(self, out: TextIO, dropped: Dropped, tell: Callable[[int], str] | None = None) -> None:
        """`tell` makes the line that says how many lines were dropped, once lines flow again."""
        self.encoding = getattr(out, "encoding", None) or "utf-8"
        self.errors = "backslashreplace"
        self._out = out
        self._dropped = dropped
        self._tell = tell
        self._is_cut = False
        with contextlib.suppress(OSError, ValueError):
            out.flush()  # what is in its buffer comes first
        # Without a descriptor (a buffer in memory) it is simply written to.
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

    def writelines(self, lines: Iterable[str]) -> None:
        """As `write` of each: this stands in for `sys.stderr`, of which libraries know the whole."""
        for line in lines:
            self.write(line)

    def _write_or_drop(self, fd: int, line: bytes) -> None:
        ends_at = time.monotonic() + (0.0 if self._dropped.is_stalled(fd) else _WRITE_TIMEOUT_S)
        while True:
            if _takes(fd, ends_at):
                with _alone(fd, ends_at, is_needed=not self._is_file) as is_alone:
                    # Another may have filled it before it was ours.
                    if is_alone and _takes(fd, 0.0):
                        self._write_alone(fd, line, ends_at)
                        return
            if time.monotonic() >= ends_at:
                self._dropped.one_more(fd)
                return

    def _write_alone(self, fd: int, line: bytes, ends_at: float) -> None:
        untold = self._dropped.flows(fd)
        if untold and self._tell is not None:
            told = self._tell(untold).encode(self.encoding, "backslashreplace")
            if self._put(fd, told, ends_at):
                self._dropped.told(untold)
        if not self._put(fd, line, ends_at):
            self._dropped.one_more(fd)

    def _put(self, fd: int, line: bytes, ends_at: float) -> bool:
        """Whether all of it was taken."""
        rest = memoryview(b"\n" + line if self._is_cut else line)
        size = len(rest)
        try:
            while rest and _takes(fd, ends_at):
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


def _takes(fd: int, ends_at: float) -> bool:
    try:
        return bool(select.select([], [fd], [], max(0.0, ends_at - time.monotonic()))[1])
    except (OSError, ValueError):  # closed; or too high a number for select, which no standard stream has
        return False


@contextlib.contextmanager
def _alone(fd: int, ends_at: float, *, is_needed: bool) -> Iterator[bool]:
    """Whether no other process of ours writes there meanwhile. Where such a lock cannot be had: yes."""
    is_locked = None
    if is_needed:
        with contextlib.suppress(OSError):  # macOS: no locks on pipes
            # Its holder writes without waiting long; only one that was stopped meanwhile keeps it longer.
            within_s = ends_at - time.monotonic()
            is_locked = file_lock.take(fcntl.lockf, fd, fcntl.LOCK_EX, within_s=within_s, look_every_s=0.001)
    try:
        yield is_locked is not False
    finally:
        if is_locked:
            with contextlib.suppress(OSError):
                fcntl.lockf(fd, fcntl.LOCK_UN)
