"""
The one place that names concrete classes: settings in, working parts out. Imports inside functions,
so that each process loads what it uses.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog

from app.settings.environment import Settings, load_settings
from app.settings.object_stores import is_object_store
from app.settings.workspaces import workspaces_of

if TYPE_CHECKING:
    from app.adapters.redis.job_queue import RqQueue
    from app.adapters.sql.search_index import SqlSearchIndex
    from app.adapters.sql.store import SqlStore
    from app.announce.lanes import Lanes
    from app.announce.offers import Offers
    from app.announce.payload import Payloads
    from app.announce.schedule import Schedule
    from app.orchestrator.command_context import Workspace
    from app.orchestrator.ports_blobs import ResultBlobs
    from app.orchestrator.search_upkeep import SearchUpkeep
    from app.orchestrator.service import Service
    from app.orchestrator.timing import Timing
    from app.settings.workspaces import WorkspaceSettings
    from app.web.application import WebParts
    from app.web.health import Readiness


def migrate(settings: Settings) -> None:
    """Brings the database to this program's schema. Raises `ConfigError` when it is newer."""
    from app.adapters.sql import migrations
    from app.processes.home_lock import make_home

    make_home(settings.home)
    migrations.migrate(settings.database_url)
    open_store(settings).first_start()


def open_store(settings: Settings) -> SqlStore:
    from app.adapters.sql import store as sql_store

    return sql_store.open_store(settings.database_url, makes_file=False)  # migrations make it


def redis_url(settings: Settings) -> str:
    """REDIS_URL, else the embedded server of this home."""
    from app.adapters.redis import embedded_server

    return settings.redis_url or embedded_server.url(settings.home)


def ask_queue_id(store: SqlStore) -> str:
    """What is in the names of this database's queues. Raises `StoreUnavailable`."""
    from app.adapters.sql.installation import QUEUE_ID

    return store.identity(QUEUE_ID)


def open_queue(settings: Settings, *, store: SqlStore | None = None, queue_id: str | None = None) -> RqQueue:
    """The queue; connects when first used, and then asks `store` for the `queue_id` that is not known."""
    from app.adapters.redis.job_queue import RqQueue

    ask = functools.partial(ask_queue_id, store or open_store(settings))
    return RqQueue(redis_url(settings), settings.workers, _timing(settings), queue_id or ask)


def _timing(settings: Settings) -> Timing:
    from app.orchestrator.timing import Timing

    return Timing().scaled(settings.time_scale)


def open_blobs(settings: Settings) -> ResultBlobs:
    """Connects to nothing. Raises `BlobError` where a store's own settings are wrong."""
    if is_object_store(settings.storage_url):
        from app.adapters import object_store_url

        return object_store_url.from_url(settings.storage_url, settings.storage_environment)
    from app.adapters import local_files

    return local_files.from_url(settings.storage_url)


def open_workspace(described: WorkspaceSettings, *, time_scale: float) -> Workspace:
    """Its client, and its policy."""
    from app.clock import SystemClock
    from app.orchestrator.command_context import Workspace
    from app.recall.client import RecallClient
    from app.recall.http_exchange import HttpTimeouts

    client = RecallClient(
        described.api_base_url,
        described.api_key,
        HttpTimeouts().scaled(time_scale),
        clock=SystemClock(),
        log=structlog.get_logger(),
    )
    return Workspace(described.name, client, described.policy)


def open_service(
    settings: Settings,
    *,
    queue_id: str | None = None,
    workspaces: Mapping[str, WorkspaceSettings] | None = None,
    store: SqlStore | None = None,
) -> Service:
    """Everything a worker needs; connects when first used. `workspaces`: instead of those of the settings."""
    from app.announce.news import News
    from app.clock import SystemClock
    from app.orchestrator.service import Service

    _hide_secrets(settings)
    described = workspaces_of(settings) if workspaces is None else workspaces
    store = store or open_store(settings)
    queue = open_queue(settings, store=store, queue_id=queue_id)
    return Service(
        store=store,
        queue=queue,
        blobs=open_blobs(settings),
        clock=SystemClock(),
        workspaces={
            name: open_workspace(one, time_scale=settings.time_scale) for name, one in described.items()
        },
        timing=_timing(settings),
        scratch=settings.home / "scratch",
        log=structlog.get_logger(),
        search=open_search_upkeep(settings, store, workspaces=described, queue=queue),
        announce=News(settings.endpoints),
    )


def open_search_index(settings: Settings, store: SqlStore) -> SqlSearchIndex:
    """The index of what was said; with SQLite in a file of its own. Connects when first used."""
    if not store.is_sqlite:
        from app.adapters.sql.search_postgresql import PostgresqlSearchIndex

        return PostgresqlSearchIndex(store)
    from app.adapters.sql.search_sqlite import SqliteSearchIndex

    return SqliteSearchIndex(settings.database_url)


def open_search_upkeep(
    settings: Settings,
    store: SqlStore,
    *,
    workspaces: Mapping[str, WorkspaceSettings],
    queue: RqQueue | None = None,
) -> SearchUpkeep:
    """What keeps the index up, for workers, the dispatcher and `render --index`. `queue`: to go on later."""
    from app.adapters.sql.search_results import StoredResults
    from app.orchestrator.search_upkeep import SearchUpkeep

    return SearchUpkeep(
        open_search_index(settings, store),
        StoredResults(store),
        open_blobs(settings),
        structlog.get_logger(),
        unwanted=[name for name, one in workspaces.items() if not one.policy.search],
        ask=queue.ask_index if queue is not None else lambda after: None,
    )


def open_lanes(settings: Settings, store: SqlStore) -> Lanes:
    """What sends announcements; connects when the first is handed over."""
    from app.announce.lanes import Lanes
    from app.announce.sender import Sender

    _hide_secrets(settings)
    payloads = open_payloads(settings)
    sender = Sender(store, payloads, open_schedule(settings), structlog.get_logger())
    return Lanes(sender.send, settings.endpoints)


def open_payloads(settings: Settings) -> Payloads:
    from app.announce.payload import Payloads

    return Payloads(open_blobs(settings), public_url=settings.public_url)


def open_schedule(settings: Settings) -> Schedule:
    from app.announce.schedule import Schedule

    return Schedule().scaled(settings.time_scale)


def open_offers(settings: Settings) -> Offers:
    """What the dispatcher offers again of announcements."""
    from app.announce.offers import Offers

    store = open_store(settings)
    return Offers(store, open_queue(settings, store=store), settings.endpoints, open_schedule(settings))


def web_parts(settings: Settings | None = None) -> WebParts:
    """What the Flask application is made of; read from the environment when not given."""
    from app.ops import metrics  # before gunicorn forks; later it would be 4 MB in each process
    from app.web.application import WebParts
    from app.web.group_commit import Committer

    settings = settings or load_settings()
    _hide_secrets(settings)
    store = open_store(settings)
    queue = open_queue(settings, store=store)
    # A pool of its own: questions that hang must not take the connections that deliveries are stored by.
    watching = open_store(settings)
    readiness = open_readiness(settings, store=watching, queue=queue)
    workspaces = workspaces_of(settings)
    providers = {key for one in workspaces.values() for key in one.policy.every_provider}
    return WebParts(
        secrets_by_workspace={name: one.webhook_secrets for name, one in workspaces.items()},
        committer=Committer(store, queue.wake_inbox),
        readiness=readiness.answer,
        ops=functools.partial(_mount_ops, settings=settings, store=watching, queue=queue),
        metrics=metrics.page(readiness, watching, providers=sorted(providers)),
        api=functools.partial(_mount_api, settings=settings, workspaces=workspaces),
    )


def open_readiness(
    settings: Settings, *, store: SqlStore | None = None, queue: RqQueue | None = None
) -> Readiness:
    """How the service is: `/readyz`, `/metrics`, `check`, `status`. Connects when it is first asked."""
    from app.web.health import Readiness, ToldAfter

    return Readiness(
        store or open_store(settings),
        queue or open_queue(settings),
        open_blobs(settings),
        workspaces=workspaces_of(settings).values(),
        endpoints=settings.endpoints,
        told=ToldAfter().scaled(settings.time_scale),
    )


def _hide_secrets(settings: Settings) -> None:
    """A bare API key has no shape by which a log line could be cleaned: it is named."""
    from app import log

    own = (
        *(one.api_key for one in workspaces_of(settings).values()),
        settings.ops_password,
        settings.metrics_token,
        *(endpoint.url for endpoint in settings.endpoints),
        settings.database_url,
        settings.redis_url,
    )
    log.hide([value for value in own if value and not value.startswith("sqlite")])


def _mount_api(app: Any, *, settings: Settings, workspaces: Mapping[str, WorkspaceSettings]) -> None:
    from app.announce.news import News
    from app.api.application import ApiParts, mount
    from app.api.erasing import Erasing
    from app.api.keys import Keyring
    from app.api.limits import RequestRates, Slots
    from app.api.objects import Results
    from app.api.ordering import open_transitions
    from app.api.processing import ProcessingConfigs
    from app.api.reading import Reading
    from app.api.routes import routes_of
    from app.api.searching import Searching
    from app.api.transcribing import Transcribing

    store = open_store(settings)  # a pool of its own, as its threads are
    policies = {name: one.policy for name, one in workspaces.items()}
    allowed = settings.policy_tables.api
    public_url = settings.public_url or ""
    results = Results(open_blobs(settings), public_url=public_url)
    reading = Reading(store, results, presigned=allowed.presigned_downloads)
    transitions = open_transitions(store, policies, News(settings.endpoints))
    transcribing = Transcribing(store, reading, transitions, policies)
    is_indexed = any(policy.search for policy in policies.values())
    searching = Searching(open_search_index(settings, store) if is_indexed else None, public_url)
    parts = ApiParts(
        keys=Keyring(store.access_keys, settings.api_keys),
        rates=RequestRates(store.take_requests, per_minute=allowed.requests_per_minute),
        routes=routes_of(
            reading,
            transcribing,
            ProcessingConfigs(store, policies),
            searching,
            Erasing(store, reading, transitions),
        ),
        slots=Slots(),
        cors_origins=frozenset(allowed.cors_origins),
    )
    mount(app, parts)


def _mount_ops(app: Any, *, settings: Settings, store: SqlStore, queue: RqQueue) -> None:
    from app.ops import rq_board
    from app.processes.heartbeats import Beater

    rq_board.mount(
        app,
        redis_url=redis_url(settings),
        names=lambda: queue.names,  # asked when first needed
        password=settings.ops_password,
        metrics_token=settings.metrics_token,
    )
    # Called by gunicorn.conf.py in each process that serves.
    app.extensions["afterword.in_worker"] = lambda: Beater(store, "web").run_in_thread()
