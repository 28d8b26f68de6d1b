"""
What `afterword up` runs: which children, in which order, and what of the settings they take anew at a SIGHUP.

How they are kept alive and replaced is `app.processes.supervisor`. The socket that web
listens on is bound here and handed down, so that no request is lost while one web takes over from another.
"""

from __future__ import annotations

import os
import pkgutil
import socket
from collections.abc import Callable, Collection, Mapping
from contextlib import closing, suppress
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

import structlog

from app import wiring
from app.adapters.sql.rehearsal import rehearse
from app.adapters.sql.store import SqlStore
from app.errors import ConfigError, StoreUnavailable
from app.log import steady_stdout
from app.ops import password
from app.processes import web_probe
from app.processes.child import ChildSpec, is_told, tell_ready
from app.processes.garbage import without_collecting
from app.processes.home_lock import hold_home, listen_on
from app.processes.parent_death import die_with_parent, kernel_ties_to_parent
from app.processes.supervisor import Renewal, Supervisor
from app.settings.changes import names_by_field, settings_fingerprint
from app.settings.environment import Settings, load_settings
from workers.storage_at_start import refuse_unfit_storage

_log = structlog.get_logger(__name__)

# The drain: jobs longer than this are left to their lease.
DRAIN_S = 25.0

_WEB, _DISPATCHER, _WORKERS, _VALKEY = range(4)

# 19 MB that only web needs.
_ONLY_WEB = {
    "app.web.bounded_worker",
    "app.web.group_commit",
    "app.web.deferred_response",
    "app.ops",
    "app.web.gunicorn_app",
    "app.web.application",
}
# Commands, and what only they use.
_NOT_SERVICE = {
    "app.__main__",
    "app.adapters.sql.migrations",
    "app.cli",
    "app.demo",
    "app.simulator",
    "workers.__main__",
}


def run_up(settings: Settings) -> int:
    """
    The whole service: embedded Valkey unless REDIS_URL, migrations, web, workers, dispatcher. Returns the
    exit code of `Supervisor.run`.

    Raises:
        HeldByAnother: Another `up` holds the home, or another process the port. Exit 75.
        Away: Something needed is not there. Exit 69.
        ConfigError: Exit 78.
    """
    from app.adapters.redis import embedded_server

    told = settings_fingerprint()
    with hold_home(settings.home), closing(listen_on(settings.host, settings.port)) as listener:
        settings = password.with_password(settings)
        specs: list[ChildSpec] = []
        if settings.redis_url is None:
            embedded_server.find_binary()
            specs.append(_valkey_spec(settings, listener))
        refuse_unfit_redis(settings)
        _migrate_if_possible(settings)
        refuse_unfit_storage(settings)
        service = _Service(settings, preload(settings), told, listener)
        return Supervisor([*specs, *service.specs()], renew=service.renew, on_stop=listener.close).run()


class _Service:
    """The settings that the children run with, and those children."""

    def __init__(
        self, settings: Settings, store: SqlStore, told: Mapping[str, Any], listener: socket.socket
    ) -> None:
        self._settings, self._store, self._told, self._listener = settings, store, told, listener

    def specs(self) -> list[ChildSpec]:
        return [
            _web_spec(self._settings, self._listener),
            *worker_specs(self._settings, self._store, drop=self._listener.close),
            _dispatcher_spec(self._settings, self._told, drop=self._listener.close),
        ]

    def renew(self) -> Renewal:
        """Reads everything anew. Raises `ConfigError`, or another of ours, when it cannot be run with."""
        told = settings_fingerprint()
        read = load_settings()
        settings, waits = with_changes(self._settings, password.with_password(read))
        wiring.open_service(settings)  # connects to nothing: whatever cannot be made is a problem now
        for warning in settings.warnings:
            _log.warning("setting_questionable", about=warning)
        about = {"changed": changed_names(self._settings, settings), "waits_for_restart": waits}
        # These stand on disk and are not what the service runs with: `check` goes on saying so.
        told["digests"] |= dict.fromkeys(waits, "waits for a restart")
        self._settings, self._told = settings, told
        return Renewal(self.specs(), about)


def with_changes(running: Settings, read: Settings) -> tuple[Settings, list[str]]:
    """
    The settings to go on with (of those read anew what may change while running, else those of the start),
    and the names of the changed ones that wait for a restart.
    """
    reloaded, fixed = names_by_field(reload=True), names_by_field(reload=False)
    taken = {*reloaded, "warnings"}
    waiting = {field for field in fixed if getattr(running, field) != getattr(read, field)}
    if "home" in waiting:  # both lie in the home unless told otherwise
        waiting -= {
            field
            for field in ("database_url", "storage_url")
            if str(getattr(read, field)).endswith(str(getattr(running, field)).rpartition("/")[2])
        }
    if waiting & {"region", "api_base_url"} and running.api_key != read.api_key:
        # A key belongs to its region: it would only be refused at the old one.
        taken.discard("api_key")
        waiting.add("api_key")
    changed = running.model_copy(update={field: getattr(read, field) for field in taken})
    return changed, sorted({**fixed, **reloaded}[field] for field in waiting)


def changed_names(before: Settings, after: Settings) -> list[str]:
    """Which settings differ, by name; never a value."""
    names = names_by_field(reload=True)
    return sorted({names[field] for field in names if getattr(before, field) != getattr(after, field)})


def _migrate_if_possible(settings: Settings) -> None:
    """
    A database that cannot be written now (a full disk) but has its tables is no reason not to start:
    deliveries are answered 503, and all goes on by itself when it can be.
    """
    from app.adapters.sql import migrations

    try:
        _migrate_apart(settings)
    except StoreUnavailable as error:
        if not migrations.has_newest_tables(settings.database_url):
            raise
        _log.error("database_away_at_start", cause=str(error))


def refuse_unfit_redis(settings: Settings) -> None:
    """Raises `ConfigError` where REDIS_URL leads to a server in cluster mode or too old; not one away."""
    if settings.redis_url is None:
        return
    from app.adapters.redis import errors, job_queue

    with closing(job_queue.connect(settings.redis_url, timeouts="web")) as client:
        why = errors.why_unfit(client)
    if why is not None:
        raise ConfigError([why])


def _migrate_apart(settings: Settings) -> None:
    """In a process of its own: what Alembic loads, 8 MB, would stay in the memory of every child."""
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
    with suppress(ChildProcessError):  # where children are ignored no status is kept
        status = os.waitpid(pid, 0)[1]
    if status != 0:
        wiring.migrate(settings)


def worker_specs(
    settings: Settings, store: SqlStore, *, drop: Callable[[], object] = lambda: None
) -> list[ChildSpec]:
    """
    `worker-1` … `worker-N` for commands, `inbox` for deliveries and `outgoing` for announcements: one queue
    each. `drop` is called first in each, to close what is not its own.
    """
    from app.adapters.redis.job_queue import INBOX, OUTGOING, RECALL

    queues = {f"worker-{n + 1}": RECALL for n in range(settings.workers)} | {INBOX: INBOX, OUTGOING: OUTGOING}
    return [
        ChildSpec(
            name,
            partial(_work, settings, store, queue, name, drop),
            stop_order=_WORKERS,
            grace_s=DRAIN_S,
            tells_ready=True,
        )
        for name, queue in queues.items()
    ]


def _work(settings: Settings, store: SqlStore, queue: str, name: str, drop: Callable[[], object]) -> None:
    from app.adapters.redis.job_queue import OUTGOING
    from workers import outgoing
    from workers.rq_worker import work_for

    drop()
    tell_ready()  # Redis may be away; it is as much away for the one before
    if queue == OUTGOING:
        outgoing.work(settings, store)
    else:
        work_for(settings, store, queue, name)


def _valkey_spec(settings: Settings, listener: socket.socket) -> ChildSpec:
    from app.adapters.redis import embedded_server

    def serve() -> None:
        listener.close()
        raise SystemExit(embedded_server.serve(settings.home, guard=kernel_ties_to_parent, is_told=is_told()))

    return ChildSpec(
        "valkey",
        serve,
        stop_order=_VALKEY,
        grace_s=10.0,  # its last fsync waits for a busy disk
        is_ready=partial(embedded_server.is_ready, settings.home),
        # The others do without it: they would only find it away and say so. Web must not wait long.
        ready_within_s=2.0,
        outlives_reload=True,
    )


def _tell_ready_at_the_last(worker: Any) -> None:
    """A worker of gunicorn's has its handlers now; with the last one the web is ready."""
    if worker.age >= worker.cfg.workers:
        tell_ready()


def _web_spec(settings: Settings, listener: socket.socket) -> ChildSpec:
    def serve() -> None:
        from app.web.application import create_app
        from app.web.gunicorn_app import run_gunicorn

        run_gunicorn(
            lambda: create_app(wiring.web_parts(settings)),
            bind=f"fd://{listener.detach()}",  # gunicorn closes it
            post_worker_init=_tell_ready_at_the_last,
        )

    return ChildSpec(
        "web",
        serve,
        stop_order=_WEB,
        grace_s=DRAIN_S + 2.0,
        tells_ready=True,
        ready_within_s=0.0,  # the others do without it; that it is ready is only told
        ready_line=web_probe.addresses(settings.host, settings.port),
        on_ready=lambda: password.announce(settings, steady_stdout()),
    )


def _dispatcher_spec(settings: Settings, told: Mapping[str, Any], *, drop: Callable[[], object]) -> ChildSpec:
    up = os.getpid()

    def dispatch() -> None:
        from workers.dispatcher import run_dispatcher

        drop()
        run_dispatcher(settings, told=told, up=up)

    return ChildSpec("dispatcher", dispatch, stop_order=_DISPATCHER, grace_s=3.0, tells_ready=True)


def preload(settings: Settings, *, is_with_web: bool = True) -> SqlStore:
    """
    Imports what children may need, once, before the forks. What is imported later could be of another
    version, checked out meanwhile; and five workers then cost 69 MiB in all rather than 61 each. Returns the
    workers' store, not connected, with its SQL compiled.
    """
    unwanted = _NOT_SERVICE if is_with_web else _NOT_SERVICE | _ONLY_WEB
    with without_collecting():
        for package in ("app", "workers"):
            _import_all(import_module(package), unwanted)
        import_module("langcodes")  # which reading commands import only where a language is compared
    store = wiring.open_store(settings)
    # Connects to nothing and is thrown away; it imports what it names only when asked.
    wiring.open_service(settings, store=store)
    try:
        rehearse(store)
    except Exception as error:  # whatever it is, the service starts: each horse then compiles for itself
        _log.info("not_rehearsed", cause=type(error).__name__)
    store.close()
    return store


def _import_all(package: ModuleType, unwanted: Collection[str]) -> None:
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if found.name not in unwanted:
            module = import_module(found.name)
            if found.ispkg:
                _import_all(module, unwanted)
