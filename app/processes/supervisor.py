"""
Keeps a list of children alive, replaces them without a gap when settings are read again, and ends them in
order. What `afterword up` runs with it is in `workers.up`.

Restarts wait 0.2 s growing to 5 s, anew after 10 s of life. Starting is in the order of the list; a child may
hold back those after it until it is ready or has died. It has no threads - it forks - and no state but the
pids: SIGKILL takes all children with it (app.processes.parent_death), and the next `up` takes over.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

import structlog

from app.errors import AfterwordError, ConfigError
from app.processes.child import HANDLED, Child, ChildSpec, bury_orphans

# A signal that comes twice at once is one wish: a terminal and a wrapper both pass Ctrl-C on.
_SAME_WISH_S = 0.25
_LOOK_EVERY_S = 1.0
_READY_LOOK_EVERY_S = 0.05
# Those that are to take over must be ready by then, else those that are there stay.
_TAKE_OVER_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Renewal:
    """The children for settings that were read again, and what the line `reloaded` says about them."""

    children: Sequence[ChildSpec]
    about: Mapping[str, Any]


class Supervisor:
    """
    Runs children until SIGTERM, SIGINT or SIGHUP, those of them that did not come ignored. Main thread only;
    one at a time.
    """

    def __init__(
        self,
        children: Sequence[ChildSpec],  # in the order of their first start
        log: Any = None,
        *,
        # Asked at SIGHUP where there is no controlling terminal; raises ours when all is to stay as it is.
        # Without it SIGHUP stops.
        renew: Callable[[], Renewal] | None = None,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._children = [Child(spec) for spec in children]
        self._next: list[Child] = []
        self._leaving: list[tuple[Child, float]] = []  # with the time of their SIGKILL
        self._about: Mapping[str, Any] = {}
        self._give_up_at = 0.0
        self._log = log if log is not None else structlog.get_logger(__name__)
        self._renew = None if renew is not None and _has_terminal() else renew
        self._on_stop = on_stop
        self._is_renewal_wanted = False
        self._wishes: list[int] = []
        self._last_wish_at = float("-inf")
        self._wakeup = -1

    def run(self) -> int:
        """Returns 0 after everything ended in its time; 1 when something was killed; 130 after Ctrl-C."""
        gc.collect()
        gc.freeze()  # untouched pages stay shared with the children
        with self._signals():
            try:
                while not self._wishes:
                    self._begin_renewal()
                    self._tend()
                    self._tend_next()
                    self._tend_leaving()
                    self._bury_orphans()
                    self._pause()
                is_clean = self._stop()
            finally:
                self._kill_the_rest()
        if self._wishes[0] == signal.SIGINT:
            return 130
        return 0 if is_clean else 1

    @property
    def _all(self) -> list[Child]:
        return [*self._children, *self._next, *(child for child, _ in self._leaving)]

    # -- living ------------------------------------------------------------------------------------
    def _tend(self) -> None:
        for child in self._children:
            now = time.monotonic()
            self._note_death(child, now)
            if child.pid is None and child.start_again_at <= now:
                self._start(child, now)
            if child.is_watched(now) and child.look() and child.spec.ready_line is not None:
                self._log.info("ready", **child.spec.ready_line)
                if child.spec.on_ready is not None:
                    child.spec.on_ready()
            if child.holds_back(now):
                return

    def _start(self, child: Child, now: float) -> None:
        try:
            child.start(now)
        except OSError as error:  # the others live, and would end with this process
            if child.is_told:
                self._log.error(
                    "child_not_started",
                    child=child.spec.name,
                    cause=f"{error.strerror}: see the limits on processes, memory and open files (ulimit -a)",
                    starts_again_in_s=round(child.start_again_at - now, 1),
                )
            return
        if child.is_told:
            self._log.info("child_started", child=child.spec.name, pid=child.pid, starts=child.starts)

    def _note_death(self, child: Child, now: float) -> None:
        pid = child.pid
        ending = child.reap(now)
        if ending is not None and child.is_told:
            again = {"times": child.deaths_in_a_row} if child.deaths_in_a_row > 1 else {}
            self._log.error(
                "child_died",
                child=child.spec.name,
                pid=pid,
                how=ending.how,
                lived_s=ending.lived_s,
                starts_again_in_s=round(child.start_again_at - now, 1),
                **again,
            )

    def _bury_orphans(self) -> None:
        bury_orphans({child.pid for child in self._all if child.pid is not None})

    def _pause(self) -> None:
        """Until a signal, or until the next child is to be started."""
        now = time.monotonic()
        waits = [max(0.0, c.start_again_at - now) for c in self._children if c.pid is None and c.starts]
        if self._next or any(c.starts == 0 or c.is_watched(now) for c in self._children):
            waits.append(_READY_LOOK_EVERY_S)
        self._sleep(min([_LOOK_EVERY_S, *waits]))

    def _sleep(self, seconds: float) -> None:
        select.select([self._wakeup], [], [], seconds)
        with suppress(BlockingIOError):
            os.read(self._wakeup, 4096)

    # -- being replaced ----------------------------------------------------------------------------
    def _begin_renewal(self) -> None:
        """Once the last one is over: however many were wished for meanwhile are one."""
        if not self._is_renewal_wanted or self._renew is None or self._next or self._leaving:
            return
        self._is_renewal_wanted = False
        try:
            renewal = self._renew()
        except AfterwordError as error:
            problems = list(error.problems) if isinstance(error, ConfigError) else [str(error)]
            self._log.error("reload_refused", problems=problems, consequence="everything stays as it was")
            return
        now = time.monotonic()
        self._about = renewal.about
        self._give_up_at = now + _TAKE_OVER_WITHIN_S
        self._next = [Child(spec) for spec in renewal.children]
        for child in self._next:
            self._start(child, now)

    def _tend_next(self) -> None:
        """All of the new ones take over together, or none does."""
        if not self._next:
            return
        now = time.monotonic()
        for child in self._next:
            ending = child.reap(now)
            if child.pid is None:
                how = ending.how if ending is not None else "it could not be started"
                self._give_up(f"{child.spec.name} ended before it was ready: {how}")
                return
        waiting = [child.spec.name for child in self._next if not (child.was_ready or child.look())]
        if not waiting:
            self._take_over(now)
        elif now > self._give_up_at:
            self._give_up(f"not ready in {_TAKE_OVER_WITHIN_S:g} s: {', '.join(waiting)}")

    def _take_over(self, now: float) -> None:
        old = [child for child in self._children if not child.spec.outlives_reload]
        self._children = [child for child in self._children if child.spec.outlives_reload] + self._next
        self._next = []
        for child in old:
            child.ask_to_stop()
            self._leaving.append((child, now + child.spec.grace_s))
        self._log.info("reloaded", **self._about)

    def _give_up(self, cause: str) -> None:
        for child in self._next:
            child.kill()
            self._leaving.append((child, 0.0))
        self._next = []
        self._log.error("reload_failed", cause=cause, consequence="everything stays as it was")

    def _tend_leaving(self) -> None:
        now = time.monotonic()
        for child, kill_at in self._leaving:
            if now > kill_at:
                child.kill()
            ending = child.reap(now)
            if ending is not None:
                self._log.info("child_replaced", child=child.spec.name, how=ending.how)
        self._leaving = [(child, kill_at) for child, kill_at in self._leaving if child.pid is not None]

    # -- ending ------------------------------------------------------------------------------------
    def _stop(self) -> bool:
        """True when every child ended in its own time."""
        self._log.info("stopping", cause=signal.Signals(self._wishes[0]).name)
        self._on_stop()
        is_clean = True
        for order in sorted({child.spec.stop_order for child in self._all}):
            group = [child for child in self._all if child.spec.stop_order == order and child.pid]
            is_clean = self._stop_group(group) and is_clean
            if len(self._wishes) > 1:
                self._log.warning("stopping_at_once", cause="a second signal")
                return False
        self._log.info("stopped", clean=is_clean)
        return is_clean

    def _stop_group(self, group: list[Child]) -> bool:
        began_at = time.monotonic()
        for child in group:
            child.ask_to_stop()
        is_clean = True
        while any(child.pid for child in group) and len(self._wishes) < 2:
            now = time.monotonic()
            for child in group:
                if child.pid and now > began_at + child.spec.grace_s:
                    child.kill()
                ending = child.reap(now)
                if ending is not None:
                    self._log.info("child_stopped", child=child.spec.name, how=ending.how)
                    is_clean = is_clean and not ending.was_killed
            self._bury_orphans()
            if any(child.pid for child in group):
                self._sleep(0.1)
        return is_clean

    def _kill_the_rest(self) -> None:
        left = [child for child in self._all if child.pid]
        for child in left:
            child.kill()
        ends_at = time.monotonic() + 2.0
        while any(child.pid for child in left) and time.monotonic() < ends_at:
            for child in left:
                child.reap(time.monotonic())
            time.sleep(0.01)

    # -- signals -----------------------------------------------------------------------------------
    @contextmanager
    def _signals(self) -> Iterator[None]:
        self._wakeup, write_end = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(write_end, False)
        # What came ignored (nohup, a shell's background) was meant so.
        taken = [s for s in HANDLED if s == signal.SIGCHLD or signal.getsignal(s) is not signal.SIG_IGN]
        before = {sig: signal.signal(sig, self._on_signal) for sig in taken}
        before_fd = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, taken)  # of `app.processes.early_signals`
        try:
            yield
        finally:
            signal.set_wakeup_fd(before_fd)
            for sig, handler in before.items():
                signal.signal(sig, handler)
            os.close(self._wakeup)
            os.close(write_end)

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        if signum == signal.SIGCHLD:
            return
        if signum == signal.SIGHUP and self._renew is not None:
            self._is_renewal_wanted = True
            return
        now = time.monotonic()
        if now - self._last_wish_at > _SAME_WISH_S:
            self._wishes.append(signum)
        self._last_wish_at = now


def _has_terminal() -> bool:
    """Whether there is a controlling terminal, whose end a hang-up would tell of."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
