"""
Which jobs a worker does: calls of the functions in one list, with whole numbers, as our own dispatcher writes
them. Everything else in the queue is dropped before anything that it names is resolved or imported.

RQ would run whatever importable function a job names, its callbacks, its webhooks and its dependents: write
access to Redis would be the right to run anything here. All of RQ's ways to a job in a worker (taking,
maintenance, repetition) go through `fetch`, and what is run is what that returned: there a job is looked at.

Must change together: `JOBS` and how a job is written in `app.adapters.redis.job_queue`; a newer RQ may add
fields.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar

import structlog
from redis import Redis
from redis.exceptions import RedisError, ResponseError
from rq import Queue as RqJobs
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus, validate_job_id
from rq.utils import as_text
from rq.worker_registration import REDIS_WORKER_KEYS, WORKERS_BY_QUEUE_KEY

from app.adapters.redis.errors import is_of_another_type
from app.adapters.redis.job_queue import (
    FAILURE_TTL_S,
    FIELDS,
    JOBS,
    KILLED_HORSES,
    LONGEST_FIELD_BYTES,
    LONGEST_JOB_S,
    RESULT_TTL_S,
    read_call,
)

Functions = Mapping[str, Callable[..., object]]

_LARGEST_NUMBER = 2**63 - 1
_SAY_EVERY_S = 60.0

# Of some fields only what stands here; a few are read for themselves.
_FIXED: Mapping[str, Sequence[bytes]] = {
    "status": [state.value.encode() for state in JobStatus],
    "result_ttl": [str(RESULT_TTL_S).encode()],
    "failure_ttl": [str(FAILURE_TTL_S).encode()],
    "retries_left": [str(left).encode() for left in range(KILLED_HORSES + 1)],
    "retry_intervals": [b"[0]"],  # at once: there is no scheduler
}
_READ_APART = frozenset({"data", "origin", "timeout"})
_FREE = FIELDS - _FIXED.keys() - _READ_APART
# RQ writes what it says of a failure here when a job is put back; it is not read again.
_UNREAD = frozenset({"exc_info"})

_log = structlog.get_logger(__name__)


class ForeignJob(NoSuchJobError):
    """Not one of our jobs. RQ passes over jobs that do not exist, and so it does with these."""


class Dropped:
    """How many were dropped: a line at once for the first, then one a minute with their number."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.total = self._number = 0
        self._said_at = float("-inf")

    def note(self, why: str) -> None:
        """One more. `why` is of ours, never what stood in the job."""
        self.total += 1
        self._number += 1
        self._why = why
        self.say()

    def say(self) -> None:
        """Writes the line when it is due."""
        if not self._number or self._clock() < self._said_at + _SAY_EVERY_S:
            return
        _log.warning(
            "foreign_jobs_dropped",
            count=self._number,
            latest=self._why,
            about="only our own programs may write to this Redis: look at who else can",
        )
        self._number, self._said_at = 0, self._clock()


dropped = Dropped()


def functions_of(names: Mapping[str, int] = JOBS) -> Functions:
    """The functions by their names, imported now."""
    parts = {name: name.rpartition(".") for name in names}
    return {name: getattr(import_module(module), function) for name, (module, _, function) in parts.items()}


class OwnJob(Job):
    """A job that is checked as it is read. `functions` and `queue_name` are set by `classes_for`."""

    functions: ClassVar[Functions] = {}
    arguments: ClassVar[Mapping[str, int]] = {}
    queue_name = ""

    @classmethod
    def fetch(cls, id: str, connection: Redis | None = None, serializer: Any = None) -> Job:
        """RQ's. Raises `NoSuchJobError` for a job that is not ours, after removing it."""
        assert connection is not None
        try:
            return super().fetch(id, connection, serializer)
        except NoSuchJobError as error:
            if isinstance(error, ForeignJob):
                drop(cls.queue_name, id, connection, why=str(error))
            raise
        except RedisError as error:
            if not is_of_another_type(error):
                raise
            drop(cls.queue_name, id, connection, why="not a job")
        except Exception as error:  # whatever RQ's parsers make of what a stranger wrote
            drop(cls.queue_name, id, connection, why=type(error).__name__)
        raise ForeignJob("dropped")

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """RQ's, of the fields that are ours alone. Raises `ForeignJob`."""
        fields = {as_text(name): value for name, value in raw_data.items() if value}
        kept = {name.encode(): value for name, value in fields.items() if _is_ours(name, value)}
        strange = fields.keys() - {as_text(name) for name in kept} - _UNREAD - _READ_APART
        if strange:
            raise ForeignJob("a field that our jobs have not")
        if fields.get("origin") != self.queue_name.encode():
            raise ForeignJob("of another queue")
        timeout = fields.get("timeout", b"")
        if not re.fullmatch(rb"[0-9]{1,4}", timeout) or not 1 <= int(timeout) <= LONGEST_JOB_S:
            raise ForeignJob("another time limit")
        call = self._call(fields.get("data", b""))
        ours = {"result_ttl": str(RESULT_TTL_S), "failure_ttl": str(FAILURE_TTL_S), "data": json.dumps(call)}
        kept |= {b"origin": fields["origin"], b"timeout": timeout}
        super().restore(kept | {name.encode(): text.encode() for name, text in ours.items()})

    def _call(self, data: bytes) -> list[Any]:
        """What is called, as RQ's serializer writes it."""
        name, _, arguments, named = call = read_call(data)
        is_fit = all(type(n) is int and 0 <= n <= _LARGEST_NUMBER for n in arguments) and not named
        if is_fit and name in self.functions and len(arguments) == self.arguments[name]:
            return call
        raise ForeignJob("another function or other arguments")

    @property
    def func(self) -> Callable[..., object]:
        """From the list; nothing is imported by name."""
        return self.functions[self.func_name or ""]


class OwnQueue(RqJobs):
    """A queue whose ids are looked at before they are used, and whose jobs have no dependents."""

    @classmethod
    def lmove(cls, connection: Redis, queue_key: str, timeout: int | None) -> Any:
        """RQ's: takes an id. An entry that cannot be one is dropped."""
        while (taken := super().lmove(connection, queue_key, timeout)) is not None:
            try:
                validate_job_id(as_text(taken[1]))
                return taken
            except ValueError as error:  # also: not UTF-8
                connection.lrem(f"{queue_key}:intermediate", 0, taken[1])
                dropped.note(type(error).__name__)
        return None

    def enqueue_dependents(self, *_args: Any, **_named: Any) -> None:
        """No job of ours has any."""


def classes_for(
    queue_name: str, functions: Functions, arguments: Mapping[str, int]
) -> tuple[type[Job], type[RqJobs]]:
    """
    The classes of job and queue for a worker of the queue that RQ calls `queue_name`: what jobs call by name,
    and how many whole numbers each function takes.
    """
    own = {"queue_name": queue_name, "functions": functions, "arguments": arguments}
    job_class = type("OwnJob", (OwnJob,), own)
    return job_class, type("OwnQueue", (OwnQueue,), {"job_class": job_class})


def drop(queue_name: str, job_id: str, connection: Redis, *, why: str) -> None:
    """Takes an id out of the queue, and the job with it if it says that it is of this queue."""
    dropped.note(why)
    key = f"{Job.redis_job_namespace_prefix}{job_id}"
    connection.lrem(f"{RqJobs.redis_queue_namespace_prefix}{queue_name}:intermediate", 0, job_id)
    try:
        if connection.hget(key, "origin") == queue_name.encode():
            connection.delete(key)
    except ResponseError as error:
        if not is_of_another_type(error):
            raise


def empty(queue: RqJobs) -> None:
    """Removes what Redis holds of this queue beside the jobs; living workers write their names again."""
    queue.connection.delete(*_books(queue))
    queue.release_maintenance_lock()  # type: ignore[no-untyped-call]


def remove_other_types(queue: RqJobs) -> None:
    """Removes what is none of RQ's in the place of its books: no worker could start, or take a job."""
    books = _books(queue) | {REDIS_WORKER_KEYS: b"set"}
    for key, kind in books.items():
        if queue.connection.type(key) not in (kind, b"none"):
            queue.connection.delete(key)
            _log.warning("queue_emptied", cause=f"{key} was of another type")


def _books(queue: RqJobs) -> dict[str, bytes]:
    """What RQ keeps of a queue, and as what in Redis."""
    registries = (
        queue.started_job_registry,
        queue.finished_job_registry,
        queue.failed_job_registry,
        queue.deferred_job_registry,
        queue.scheduled_job_registry,
        queue.canceled_job_registry,
    )
    lists = dict.fromkeys((queue.key, queue.intermediate_queue_key), b"list")
    workers = {WORKERS_BY_QUEUE_KEY % queue.name: b"set"}
    return lists | workers | dict.fromkeys((registry.key for registry in registries), b"zset")


def _is_ours(name: str, value: bytes) -> bool:
    if len(value) > LONGEST_FIELD_BYTES:
        return False
    return value in _FIXED[name] if name in _FIXED else name in _FREE
