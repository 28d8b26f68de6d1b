"""
One supervised child: how it is forked, how its end is told, how it is stopped.

When it is started again is `app.processes.supervisor`. A child runs a Python function in a session of its
own, so that Ctrl-C in a terminal reaches the supervisor only, and so that its whole group can be killed by
its number.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import NoReturn

import structlog

from app.errors import AfterwordError, ConfigError
from app.log import name_child
from app.processes.parent_death import die_with_parent, name_process

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

FIRST_BACKOFF_S = 0.2
LONGEST_BACKOFF_S = 5.0
HEALTHY_AFTER_S = 10.0
# Of a child that cannot live every death is told until the waits are long; then one in so many, each minute.
_TOLD_DEATHS = 6
_THEN_EACH = 12

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A process to keep alive."""

    name: str
    start: Callable[[], None]  # runs in the child; its return is exit 0
    stop_order: int = 0  # all of a lower number have ended before those of a higher one are asked to
    grace_s: float = 5.0  # between SIGTERM and SIGKILL
    # Asked (in the supervisor) after the first start; the children after it in the list wait for it, but no
    # longer than `ready_within_s` from that start, and not once it has died.
    is_ready: Callable[[], bool] | None = None
    ready_within_s: float = 10.0
    tells_ready: bool = False  # instead of being asked it calls `tell_ready`
    ready_line: Mapping[str, str] | None = None  # of the log line `ready`, when it is so for the first time
    on_ready: Callable[[], None] | None = None  # done then
    outlives_reload: bool = False  # a reload of the settings leaves it alone


@dataclass(frozen=True, slots=True)
class Ending:
    """How a child ended, in a person's words: "exit 1", "SIGKILL"."""

    how: str
    lived_s: float
    was_killed: bool


@dataclass(slots=True)
class Child:
    """The life of one spec, over several processes. Times are of the monotonic clock, seconds."""

    spec: ChildSpec
    pid: int | None = None
    started_at: float = 0.0
    start_again_at: float = 0.0
    starts: int = 0
    was_ready: bool = False
    deaths_in_a_row: int = 0
    _ready_end: int | None = None
    _holds_back_until: float = 0.0

    @property
    def is_told(self) -> bool:
        """Whether its next start and what comes of it stand in the log: not each, when it dies on and on."""
        return self.deaths_in_a_row <= _TOLD_DEATHS or self.deaths_in_a_row % _THEN_EACH == 0

    def start(self, now: float) -> None:
        """Raises `OSError` where the system lets no process begin; it is due again as after a death."""
        self._forget_ready_end()
        self.started_at = now
        if self.starts == 0:
            self._holds_back_until = now + self.spec.ready_within_s
        self.starts += 1
        try:
            self.pid, self._ready_end = fork(self.spec, is_told=self.is_told)
        except OSError:
            self._put_off(now)
            raise

    def reap(self, now: float) -> Ending | None:
        """The ending, once, when the process is over; sets when to start it again."""
        if self.pid is None:
            return None
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:  # its status was taken elsewhere
            pid, status = self.pid, 0
        if pid == 0:
            return None
        self._send(os.killpg, signal.SIGKILL)  # what it left would hold its port, or work on beside the next
        self.pid = None
        self._forget_ready_end()
        lived_s = now - self.started_at
        if lived_s >= HEALTHY_AFTER_S:
            self.deaths_in_a_row = 0
        self._put_off(now)
        return _ending(status, lived_s)

    def _put_off(self, now: float) -> None:
        self._holds_back_until = 0.0  # what cannot live must not keep the others from living
        # Bounded: after months of it the power would be no number.
        backoff_s = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(self.deaths_in_a_row, 10))
        self.deaths_in_a_row += 1
        self.start_again_at = now + backoff_s

    def is_watched(self, now: float) -> bool:
        """Whether it matters that it is ready: for those after it, or for people."""
        is_awaited = self.holds_back(now) or self.spec.ready_line is not None
        return is_awaited and self.pid is not None and not self.was_ready

    def look(self) -> bool:
        """True once: when it is found ready for the first time."""
        if self.spec.tells_ready:
            self.was_ready = self._ready_end is not None and _is_told_ready(self._ready_end)
        else:
            self.was_ready = self.spec.is_ready is None or self.spec.is_ready()
        return self.was_ready

    def _forget_ready_end(self) -> None:
        if self._ready_end is not None:
            os.close(self._ready_end)
            self._ready_end = None

    def holds_back(self, now: float) -> bool:
        """Until it is first ready, but not for ever, and not when it has died."""
        return not self.was_ready and (self.starts == 0 or now < self._holds_back_until)

    def ask_to_stop(self) -> None:
        self._send(os.kill, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL for the process and its group; horses and other groups are tied to it by lifeline."""
        self._send(os.kill, signal.SIGKILL)
        self._send(os.killpg, signal.SIGKILL)

    def _send(self, call: Callable[[int, int], None], sig: signal.Signals) -> None:
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                call(self.pid, sig)


def _ending(status: int, lived_s: float) -> Ending:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        is_named = number in signal.Signals.__members__.values()
        how = signal.Signals(number).name if is_named else f"signal {number}"
        return Ending(how, round(lived_s, 1), number == signal.SIGKILL)
    return Ending(f"exit {os.waitstatus_to_exitcode(status)}", round(lived_s, 1), was_killed=False)


class _Self:
    """This process as a child."""

    ready_end: int | None = None
    is_told = True


def tell_ready() -> None:
    """Called in a child that `tells_ready` or in one forked by it; elsewhere, or once more, it is no harm."""
    if _Self.ready_end is not None:
        with contextlib.suppress(OSError):  # the supervisor waits for it no longer
            os.write(_Self.ready_end, b"r")


def is_told() -> bool:
    """Whether this child's trouble in starting is news: not when it has died many times already."""
    return _Self.is_told


def _is_told_ready(ready_end: int) -> bool:
    return bool(select.select([ready_end], [], [], 0)[0]) and os.read(ready_end, 1) != b""


def bury_orphans(ours: Collection[int]) -> None:
    """
    Takes the status of processes that were given to this one when their parent died (as process 1 it gets
    all of them), so that no zombies are left; never of `ours`, whose status is wanted elsewhere.
    """
    if not hasattr(os, "waitid"):  # macOS before Python 3.13, where another process is number 1
        return
    with contextlib.suppress(ChildProcessError):
        while True:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None or found.si_pid in ours:
                return
            os.waitpid(found.si_pid, os.WNOHANG)


def fork(spec: ChildSpec, *, is_told: bool = True) -> tuple[int, int | None]:
    """
    Forks a child that runs `spec.start`. From the main thread only. For `is_told` see that function. Returns
    its pid, and for a child that `tells_ready` the end of a pipe from which one byte can then be read.

    Raises:
        OSError: No process (EAGAIN), memory (ENOMEM) or descriptor (EMFILE) more; nothing is left behind.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    read_end, write_end = os.pipe() if spec.tells_ready else (None, None)
    # A signal between the fork and the child's own handlers would run the supervisor's in the child.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    try:
        pid = os.fork()
        if pid == 0:
            _Self.ready_end, _Self.is_told = write_end, is_told
            _be_child(spec, parent)
    except OSError:
        if read_end is not None:
            os.close(read_end)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if write_end is not None:
            os.close(write_end)
    return pid, read_end


def _take_signals() -> None:
    """SIGTERM is the supervisor's word; a hang-up is not for children; what came ignored stays ignored."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for sig in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(sig, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _be_child(spec: ChildSpec, parent: int) -> NoReturn:
    status = 1
    try:
        os.setsid()
        _take_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        die_with_parent(parent)
        name_process(spec.name)
        name_child(spec.name)
        spec.start()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except AfterwordError as error:  # expected, and a sentence with its remedy
        status = 78 if isinstance(error, ConfigError) else 69
        if is_told():
            _log.error("child_failed", cause=str(error))
    # The outermost line of a process: what passes here would go on in a copy of the supervisor.
    except BaseException:
        if is_told():
            _log.exception("child_failed")
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
