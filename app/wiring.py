"""
The one place that names concrete classes: settings in, working parts out. Imports inside functions,
so that each process loads what it uses.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import structlog

from app.config import Settings, load_settings, prepare_home

if TYPE_CHECKING:
    from app.adapters.blobs import LocalBlobs
    from app.adapters.rq_queue import RqQueue
    from app.adapters.sql_store import SqlStore
    from app.service import Service
    from app.task import Workspace
    from app.web import CachedReadiness, WebParts

DEFAULT_WORKSPACE = "default"

__all__ = [
    "DEFAULT_WORKSPACE",
    "load_settings",
    "migrate",
    "open_blobs",
    "open_queue",
    "open_service",
    "open_store",
    "prepare_home",
    "redis_url",
    "web_parts",
]


def migrate(settings: Settings) -> None:
    """Brings the database to this program's schema. Raises `ConfigError` when it is newer."""
    from app.adapters import migrations

    prepare_home(settings)
    migrations.migrate(settings.database_url)
    open_store(settings).first_start()


def open_store(settings: Settings) -> SqlStore:
    from app.adapters import sql_store

    return sql_store.open_store(settings.database_url)


def redis_url(settings: Settings) -> str:
    """REDIS_URL, else the embedded server of this home."""
    from app.adapters import valkey_server

    return settings.redis_url or valkey_server.url(settings.home)


def ask_queue_id(store: SqlStore) -> str:
    """What is in the names of this database's queues. Raises `StoreUnavailable`."""
    from app.adapters.sql_identity import QUEUE_ID

    return store.identity(QUEUE_ID)


def open_queue(settings: Settings, *, store: SqlStore | None = None, queue_id: str | None = None) -> RqQueue:
    """
    The queue; connects when first used.

    Args:
        store: Is asked for the id in the queues' names, at the first use. Without it one is opened.
        queue_id: That id, where it is known.
    """
    from app.adapters.rq_queue import RqQueue

    ask = functools.partial(ask_queue_id, store or open_store(settings))
    return RqQueue(redis_url(settings), settings.workers, settings.durations, queue_id or ask)


def open_blobs(settings: Settings) -> LocalBlobs:
    from app.adapters import blobs

    return blobs.from_url(settings.storage_url)


def open_workspace(settings: Settings) -> Workspace:
    """The workspace of the RECALL_* settings."""
    from app.clock import SystemClock
    from app.recall.client import RecallClient
    from app.task import Workspace

    client = RecallClient(
        settings.api_base_url,
        settings.api_key,
        settings.durations,
        clock=SystemClock(),
        log=structlog.get_logger(),
    )
    return Workspace(DEFAULT_WORKSPACE, client, settings.policy)


def open_service(settings: Settings, *, queue_id: str | None = None) -> Service:
    """Everything a worker needs; connects when first used. For `queue_id` see `open_queue`."""
    from app.clock import SystemClock
    from app.service import Service

    _hide_secrets(settings)
    workspace = open_workspace(settings)
    store = open_store(settings)
    return Service(
        store=store,
        queue=open_queue(settings, store=store, queue_id=queue_id),
        blobs=open_blobs(settings),
        clock=SystemClock(),
        workspaces={workspace.name: workspace},
        scratch=settings.home / "scratch",
        log=structlog.get_logger(),
    )


def web_parts(settings: Settings | None = None) -> WebParts:
    """What the Flask application is made of; read from the environment when not given."""
    import app.ops.metrics  # noqa: F401  # before gunicorn forks; later it would be 4 MB in each process
    from app.inbox import Committer
    from app.readiness import Readiness
    from app.web import WebParts

    settings = settings or load_settings()
    _hide_secrets(settings)
    store = open_store(settings)
    queue = open_queue(settings, store=store)
    readiness = Readiness(store, queue, open_blobs(settings))
    return WebParts(
        secrets_by_workspace={DEFAULT_WORKSPACE: settings.webhook_secrets},
        committer=Committer(store, queue.wake_inbox),
        readiness=readiness.ask,
        ops=functools.partial(_mount_ops, settings=settings, store=store, queue=queue),
        metrics=_metrics_of(store, queue),
    )


def _hide_secrets(settings: Settings) -> None:
    """A bare API key has no shape by which a log line could be cleaned: it is named."""
    from app import log

    token = getattr(settings, "metrics_token", None)
    own = (settings.api_key, settings.ops_password, token, settings.database_url, settings.redis_url)
    log.hide([value for value in own if value and not value.startswith("sqlite")])


def _mount_ops(app: Any, *, settings: Settings, store: SqlStore, queue: RqQueue) -> None:
    from app.ops import rq_board
    from app.ops.heartbeats import Beater

    token = getattr(settings, "metrics_token", None)
    names = lambda: queue.names  # noqa: E731  # asked when first needed
    rq_board.mount(
        app,
        redis_url=redis_url(settings),
        names=names,
        password=settings.ops_password,
        metrics_token=token,
    )
    # Called by gunicorn.conf.py in each process that serves.
    app.extensions["afterword.in_worker"] = lambda: Beater(store, "web").run_in_thread()


def _metrics_of(store: SqlStore, queue: RqQueue) -> Callable[[], bytes]:
    from app.errors import AfterwordError
    from app.web import CachedReadiness

    def asking(check_write: Callable[[], None]) -> CachedReadiness:
        def ask() -> tuple[Mapping[str, object], bool]:
            try:
                check_write()
            except AfterwordError:
                return {}, False
            return {}, True

        return CachedReadiness(ask)  # a scraper that hammers costs one write a second

    return functools.partial(
        _metrics, store, queue, {"database": asking(store.check_write), "queue": asking(queue.check_write)}
    )


def _metrics(store: SqlStore, queue: RqQueue, writable: Mapping[str, CachedReadiness]) -> bytes:
    from app.errors import QueueUnavailable, StoreUnavailable
    from app.ops import metrics

    takes_writes = [part for part, ask in writable.items() if ask()[1]]
    try:
        counts, beats = store.counts(), store.heartbeats()
    except StoreUnavailable:
        counts, beats = None, {}
    try:
        queues = queue.counts()
    except QueueUnavailable:
        queues = None
    return metrics.render(counts, queues, heartbeats=beats, takes_writes=takes_writes)
