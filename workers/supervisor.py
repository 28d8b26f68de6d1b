"""
Keeps a list of children alive, and ends them in order. What `afterword up` runs is `run_up`.

It knows restarts (0.2 s growing to 5 s, anew after 10 s of life), the order of starting (the list; a
child may hold back those after it until it is ready or has died) and of stopping (web, dispatcher, workers,
Valkey). It refuses to know what the children do. It has no threads - it forks - and no state but the
pids: SIGKILL takes all children with it (workers.lifeline), and the next `up` takes over.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, Any

import structlog

from app.errors import AfterwordError, BlobsUnavailable, ConfigError, StoreUnavailable
from workers import listening
from workers.children import HANDLED, Child, ChildSpec
from workers.hold import ensure_port_free, hold_home
from workers.lifeline import die_with_parent

if TYPE_CHECKING:
    from app.config import Settings

_log = structlog.get_logger(__name__)

__all__ = ["ChildSpec", "Supervisor", "hold_home", "preload_workers", "run_up", "worker_specs"]

# A signal that comes twice at once is one wish: a terminal and a wrapper both pass Ctrl-C on.
_SAME_WISH_S = 0.25
_LOOK_EVERY_S = 1.0
_READY_LOOK_EVERY_S = 0.05

# The drain: jobs longer than this are left to their lease.
DRAIN_S = 25.0

_WEB, _DISPATCHER, _WORKERS, _VALKEY = range(4)


class Supervisor:
    """Runs children until SIGTERM, SIGINT or SIGHUP. Main thread only; one at a time."""

    def __init__(self, children: Sequence[ChildSpec], log: Any = None) -> None:
        """
        Args:
            children: In the order of their first start.
            log: A structlog logger; every start, death and stop is one line.
        """
        self._children = [Child(spec) for spec in children]
        self._log = log if log is not None else structlog.get_logger(__name__)
        self._wishes: list[int] = []
        self._last_wish_at = float("-inf")
        self._wakeup = -1

    def run(self) -> int:
        """
        Returns:
            0 after everything ended in its time; 1 when something had to be killed; 130 after Ctrl-C.
        """
        gc.collect()
        gc.freeze()  # untouched pages stay shared with the children
        with self._signals():
            try:
                while not self._wishes:
                    self._tend()
                    self._pause()
                is_clean = self._stop()
            finally:
                self._kill_the_rest()
        if self._wishes[0] == signal.SIGINT:
            return 130
        return 0 if is_clean else 1

    # -- living ------------------------------------------------------------------------------------
    def _tend(self) -> None:
        for child in self._children:
            now = time.monotonic()
            self._note_death(child, now)
            if child.pid is None and child.start_again_at <= now:
                child.start(now)
                self._log.info("child_started", child=child.spec.name, pid=child.pid, starts=child.starts)
            if child.is_watched(now) and child.look() and child.spec.ready_line is not None:
                self._log.info("ready", **child.spec.ready_line)
            if child.holds_back(now):
                return

    def _note_death(self, child: Child, now: float) -> None:
        pid = child.pid
        ending = child.reap(now)
        if ending is not None:
            self._log.error(
                "child_died",
                child=child.spec.name,
                pid=pid,
                how=ending.how,
                lived_s=ending.lived_s,
                starts_again_in_s=round(child.start_again_at - now, 1),
            )

    def _pause(self) -> None:
        """Until a signal, or until the next child is to be started."""
        now = time.monotonic()
        waits = [max(0.0, c.start_again_at - now) for c in self._children if c.pid is None and c.starts]
        if any(c.starts == 0 or c.is_watched(now) for c in self._children):
            waits.append(_READY_LOOK_EVERY_S)
        self._sleep(min([_LOOK_EVERY_S, *waits]))

    def _sleep(self, seconds: float) -> None:
        select.select([self._wakeup], [], [], seconds)
        with suppress(BlockingIOError):
            os.read(self._wakeup, 4096)

    # -- ending ------------------------------------------------------------------------------------
    def _stop(self) -> bool:
        """True when every child ended in its own time."""
        self._log.info("stopping", cause=signal.Signals(self._wishes[0]).name)
        is_clean = True
        for order in sorted({child.spec.stop_order for child in self._children}):
            group = [child for child in self._children if child.spec.stop_order == order and child.pid]
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
            if any(child.pid for child in group):
                self._sleep(0.1)
        return is_clean

    def _kill_the_rest(self) -> None:
        left = [child for child in self._children if child.pid]
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
        before = {sig: signal.signal(sig, self._on_signal) for sig in HANDLED}
        before_fd = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
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
        now = time.monotonic()
        if now - self._last_wish_at > _SAME_WISH_S:
            self._wishes.append(signum)
        self._last_wish_at = now


# -- the real children -------------------------------------------------------------------------------
def run_up(settings: Settings) -> int:
    """
    The whole service: embedded Valkey unless REDIS_URL, migrations, web, workers, dispatcher.

    Returns:
        The exit code: see `Supervisor.run`.

    Raises:
        HeldByAnother: Another `up` holds the home, or another process the port. Exit 75.
        Away: Something needed is not there. Exit 69.
        ConfigError: Exit 78.
    """
    from app.adapters import valkey_server
    from app.ops.password import with_password

    with hold_home(settings.home):
        settings = with_password(settings)
        ensure_port_free(settings.host, settings.port)
        specs: list[ChildSpec] = []
        if settings.redis_url is None:
            valkey_server.find_binary()
            specs.append(_valkey_spec(settings))
        _migrate_if_possible(settings)
        _tell_of_storage(settings)
        specs += [_web_spec(settings), *worker_specs(settings), _dispatcher_spec(settings)]
        preload_workers(settings)
        import_module("app.web")
        return Supervisor(specs).run()


def _migrate_if_possible(settings: Settings) -> None:
    """
    A database that cannot be written now (a full disk) but has its tables is no reason not to start:
    deliveries are answered 503, and all goes on by itself when it can be.
    """
    from app.adapters import migrations

    try:
        _migrate_apart(settings)
    except StoreUnavailable as error:
        if not migrations.has_newest_tables(settings.database_url):
            raise
        _log.error("database_away_at_start", cause=str(error))


def _tell_of_storage(settings: Settings) -> None:
    """Not a reason to refuse deliveries either, but a mistyped STORAGE_URL should be heard of at once."""
    from app import wiring

    try:
        wiring.open_blobs(settings).check()
    except BlobsUnavailable as error:
        _log.error("storage_unavailable", cause=str(error))
    except AfterwordError as error:  # an address that never will be one
        raise ConfigError([str(error)]) from error


def _migrate_apart(settings: Settings) -> None:
    """In a process of its own: what Alembic loads, 8 MB, would stay in the memory of every child."""
    from app import wiring

    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            die_with_parent(parent)
            wiring.migrate(settings)
        except BaseException:  # nothing is lost: the parent meets the same trouble and says it
            os._exit(1)
        os._exit(0)
    status = 1
    with suppress(ChildProcessError):  # whoever started us ignores its children: no status is kept
        status = os.waitpid(pid, 0)[1]
    if status != 0:
        wiring.migrate(settings)


def worker_specs(settings: Settings) -> list[ChildSpec]:
    """`worker-1` … `worker-N` for commands and `inbox` for deliveries: one queue each."""
    from app.adapters.rq_queue import INBOX, RECALL

    queues = {f"worker-{n + 1}": RECALL for n in range(settings.workers)} | {INBOX: INBOX}
    return [
        ChildSpec(name, partial(_work, settings, queue, name), stop_order=_WORKERS, grace_s=DRAIN_S)
        for name, queue in queues.items()
    ]


def _work(settings: Settings, queue: str, name: str) -> None:
    from workers.worker import work_for

    work_for(settings, queue, name)


def _valkey_spec(settings: Settings) -> ChildSpec:
    from app.adapters import valkey_server
    from workers.lifeline import kernel_ties_to_parent

    def serve() -> None:
        raise SystemExit(valkey_server.serve(settings.home, guard=kernel_ties_to_parent))

    is_ready = partial(valkey_server.is_ready, settings.home)
    return ChildSpec(
        "valkey",
        serve,
        stop_order=_VALKEY,
        grace_s=10.0,  # its last fsync waits for a busy disk
        is_ready=is_ready,
        # The others do without it: they would only find it away and say so. Web must not wait long.
        ready_within_s=2.0,
    )


def _web_spec(settings: Settings) -> ChildSpec:
    def serve() -> None:
        from app import wiring
        from app.serve import run_gunicorn
        from app.web import create_app

        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        run_gunicorn(lambda: create_app(wiring.web_parts(settings)), bind=f"{host}:{settings.port}")

    return ChildSpec(
        "web",
        serve,
        stop_order=_WEB,
        grace_s=DRAIN_S + 2.0,
        is_ready=partial(listening.answers, settings.host, settings.port),
        ready_within_s=0.0,  # nobody waits for it; it is only told
        ready_line=listening.addresses(settings.host, settings.port),
    )


def _dispatcher_spec(settings: Settings) -> ChildSpec:
    def dispatch() -> None:
        from workers.dispatcher import run_dispatcher

        run_dispatcher(settings)

    return ChildSpec("dispatcher", dispatch, stop_order=_DISPATCHER, grace_s=3.0)


def preload_workers(settings: Settings) -> None:
    """Imported once, before the forks: five workers then cost 69 MiB in all rather than 61 each."""
    from app import wiring

    for module in ("workers.dispatcher", "workers.jobs", "workers.worker"):
        import_module(module)
    # Wiring imports what it names only when asked, which every horse would do anew: 60 ms of the 65 that a
    # job then costs. What is opened here connects to nothing and is thrown away.
    wiring.open_service(settings)
