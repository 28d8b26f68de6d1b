"""
What RQ runs: four functions, called in a horse (a process forked for one job, then gone).

The service is opened in the horse, never before the fork: a database connection must not be shared
by two processes. Settings are read once, in the worker that forks. An exception is RQ's to log, the command's
lease ends, and the dispatcher offers it again; so it does when the database is away, which is one line here.

A horse that has done its command goes on, for two seconds at most, with what is due and in no queue: most of
what a command costs is its horse. Each is taken by a lease of its own; SIGTERM takes two seconds longer.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from app import wiring
from app.errors import StoreUnavailable
from app.orchestrator.recall_list_passes import reconcile_all  # not in the function: a horse imports nothing
from app.settings.environment import Settings, load_settings

if TYPE_CHECKING:
    from app.adapters.sql.store import SqlStore
    from app.orchestrator.service import Service

# No longer: what waits in the queue must be begun before it is offered again (`offer_again_s`).
GOES_ON_S = 2.0
# One of the oldest, not the oldest: horses that look at the same moment then seldom want the same.
_LOOKS_AT = 16

_settings: Settings | None = None
_queue_id: str | None = None
_store: SqlStore | None = None
_log = structlog.get_logger(__name__)


def use_settings(settings: Settings, *, queue_id: str | None = None, store: SqlStore | None = None) -> None:
    """
    Called in the worker before it forks horses. Without it each horse reads the settings anew, and the
    database for the random id that the names of the queues carry. `store`: of these settings, without a
    connection; what it has compiled is then known to each horse.
    """
    global _settings, _queue_id, _store
    _settings, _queue_id, _store = settings, queue_id, store


def receive() -> None:
    """Applies what waits in the inbox."""
    with _put_off_without_database():
        _open().receive()


def perform(command_id: int) -> None:
    """Performs one command, if it is still due and not leased; then others, for a while."""
    with _put_off_without_database():
        work_off(_open(), command_id)


def reconcile() -> None:
    """Goes on with holding Recall's list of recordings against what we heard, for some seconds."""
    with _put_off_without_database():
        reconcile_all(_open())


def index(after: int) -> None:
    """Goes on with indexing what is stored and not in the search index, for some seconds."""
    with _put_off_without_database():
        _open().index(after)


@contextmanager
def _put_off_without_database() -> Iterator[None]:
    """No failed job and no traceback for each of a hundred commands: the dispatcher logs the outage."""
    try:
        yield
    except StoreUnavailable as error:
        _log.info("job_put_off", cause=str(error))


def work_off(service: Service, command_id: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
    """The command, and until two seconds have passed whatever else waits for a worker."""
    ends_at = monotonic() + GOES_ON_S
    service.perform(command_id)
    while monotonic() < ends_at and (further := _waiting(service)) is not None:
        try:
            service.perform(further)
        except StoreUnavailable:
            raise
        except Exception:
            # RQ will show it under the name of the job's own command, which is done.
            _log.exception("command_failed_on_the_way", command=further)
            raise


def _waiting(service: Service) -> int | None:
    """A command that is due and in no queue."""
    try:
        due = service.store.due(_LOOKS_AT, offer_again_s=service.timing.offer_again_s)
    except StoreUnavailable:
        return None  # the job's own command is done; the rest is the dispatcher's
    return random.choice(due).id if due else None


def _open() -> Service:
    return wiring.open_service(_settings or load_settings(), queue_id=_queue_id, store=_store)
