"""
One supervised child: how it is forked, how its end is told, how it is stopped.

It knows processes. It refuses to know why a child exists and when it should be started again (that
is `workers.supervisor`). A child runs a Python function in a session of its own, so that Ctrl-C in a
terminal reaches the supervisor only, and so that its whole group can be killed by its number.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

import structlog

from app.errors import AfterwordError, ConfigError
from app.log import name_child
from workers.lifeline import die_with_parent, name_process

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

FIRST_BACKOFF_S = 0.2
LONGEST_BACKOFF_S = 5.0
HEALTHY_AFTER_S = 10.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """
    A process to keep alive.

    `start` runs in the child; its return is exit 0. `stop_order`: all of a lower number have ended
    before those of a higher one are asked to. `grace_s`: between SIGTERM and SIGKILL. `is_ready`:
    asked (in the supervisor) after the first start; the children after it in the list wait for it,
    but no longer than `ready_within_s` from that start, and not once it has died. `ready_line`: what
    the one log line `ready` says when it is ready for the first time; without it there is none.
    """

    name: str
    start: Callable[[], None]
    stop_order: int = 0
    grace_s: float = 5.0
    is_ready: Callable[[], bool] | None = None
    ready_within_s: float = 10.0
    ready_line: Mapping[str, str] | None = None


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
    _backoff_s: float = 0.0
    _holds_back_until: float = 0.0

    def start(self, now: float) -> None:
        self.pid = fork(self.spec)
        self.started_at = now
        if self.starts == 0:
            self._holds_back_until = now + self.spec.ready_within_s
        self.starts += 1

    def reap(self, now: float) -> Ending | None:
        """The ending, once, when the process is over; sets when to start it again."""
        if self.pid is None:
            return None
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:  # somebody else took its status
            pid, status = self.pid, 0
        if pid == 0:
            return None
        self._kill_group()  # what it left behind would hold its port, or work beside its successor
        self.pid = None
        self._holds_back_until = 0.0  # what cannot live must not keep the others from living
        lived_s = now - self.started_at
        self._backoff_s = (
            FIRST_BACKOFF_S
            if lived_s >= HEALTHY_AFTER_S or self._backoff_s == 0.0
            else min(LONGEST_BACKOFF_S, self._backoff_s * 2)
        )
        self.start_again_at = now + self._backoff_s
        return _ending(status, lived_s)

    def is_watched(self, now: float) -> bool:
        """Whether anybody waits to hear that it is ready: those after it, or people."""
        is_awaited = self.holds_back(now) or self.spec.ready_line is not None
        return is_awaited and self.pid is not None and not self.was_ready

    def look(self) -> bool:
        """True once: when it is found ready for the first time."""
        self.was_ready = self.spec.is_ready is None or self.spec.is_ready()
        return self.was_ready

    def holds_back(self, now: float) -> bool:
        """Until it is first ready, but not for ever, and not when it has died."""
        return not self.was_ready and (self.starts == 0 or now < self._holds_back_until)

    def ask_to_stop(self) -> None:
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL for the process and its group; horses and other groups are tied to it by lifeline."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._kill_group()

    def _kill_group(self) -> None:
        assert self.pid is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def _ending(status: int, lived_s: float) -> Ending:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        is_named = number in signal.Signals.__members__.values()
        how = signal.Signals(number).name if is_named else f"signal {number}"
        return Ending(how, round(lived_s, 1), number == signal.SIGKILL)
    return Ending(f"exit {os.waitstatus_to_exitcode(status)}", round(lived_s, 1), was_killed=False)


def fork(spec: ChildSpec) -> int:
    """Forks a child that runs `spec.start`; returns its pid. From the main thread only."""
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    # A signal between the fork and the child's own handlers would run the supervisor's in the child.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    pid = os.fork()
    if pid == 0:
        _be_child(spec, parent)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _be_child(spec: ChildSpec, parent: int) -> NoReturn:
    status = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for sig in HANDLED:
            signal.signal(sig, signal.SIG_DFL)
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
        _log.error("child_failed", cause=str(error))
    # The outermost line of a process: what passes here would go on in a copy of the supervisor.
    except BaseException:
        _log.exception("child_failed")
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
