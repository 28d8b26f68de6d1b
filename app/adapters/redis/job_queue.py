"""
The queue on RQ: three queues, `recall` (commands, by id), `inbox` (wake-ups) and `outgoing` (announcements,
by id), JSON only.

In here: how jobs are written to Redis and what is counted there. Not in here: what a command
is, what is due, and how jobs are run (that is `workers`). Losing everything in it loses nothing: the
dispatcher offers again from the database. So there is no `unique=` (it blocks the repair of lost
jobs), no job `ttl` (it drops jobs silently), no RQ scheduler, and job ids are random.

In Redis the queues bear an id kept in the database beside their names, because two installations may share a
Redis database; every key begins with `rq:`, so that an ACL of `~rq:*` is enough.

Must change together: `JOBS` and how a job is written here, `workers/own_jobs.py`, `workers/jobs.py`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from redis import Redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, WatchError
from redis.retry import Retry as RedisRetry
from rq import Queue as RqJobs
from rq import Retry
from rq.serializers import JSONSerializer
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from app.adapters.redis.errors import forgetful, why_unusable
from app.adapters.redis.private_socket import CheckedSocket
from app.errors import QueueUnavailable, StoreUnavailable
from app.orchestrator.records import AnnouncementOffer, Offerable
from app.orchestrator.timing import Timing

INBOX = "inbox"
RECALL = "recall"
OUTGOING = "outgoing"
KINDS = (RECALL, INBOX, OUTGOING)
RECEIVE_JOB = "workers.jobs.receive"
PERFORM_JOB = "workers.jobs.perform"
RECONCILE_JOB = "workers.jobs.reconcile"
INDEX_JOB = "workers.jobs.index"
# Everything that a worker ever runs, and the number of arguments of each: whole numbers, nothing else.
JOBS: Mapping[str, int] = {RECEIVE_JOB: 0, PERFORM_JOB: 1, RECONCILE_JOB: 0, INDEX_JOB: 1}
ANNOUNCE_JOB = "workers.outgoing.announce"
OUTGOING_JOBS: Mapping[str, int] = {ANNOUNCE_JOB: 2}  # of the process that sends announcements

# What Redis holds of a job of ours. Each is short: RQ compresses the call, and some bytes more could stand
# for gigabytes.
FIELDS = frozenset({"data", "origin", "description", "status", "timeout", "result_ttl", "failure_ttl"}) | {
    *("created_at", "enqueued_at", "started_at", "ended_at", "last_heartbeat", "worker_name"),
    *("retries_left", "retry_intervals"),
}
LONGEST_FIELD_BYTES = 4096

JOBS_WAITING_PER_WORKER = 4
_ANNOUNCEMENTS_WAITING = 200  # they are handed over at once; more wait only while no process serves them
# A finished job is 4.8 kB in Redis; a minute is enough for a look at the dashboard.
RESULT_TTL_S = 60
FAILURE_TTL_S = 86_400
_KEPT: dict[str, Any] = {"result_ttl": RESULT_TTL_S, "failure_ttl": FAILURE_TTL_S}
# Under RQ's own prefix: where RQ may write, this may.
_WRITTEN_KEY, _WRITTEN_TTL_S = "rq:afterword:can_write", 60
# Two days of a busy workspace are some hundred pages, two seconds each.
LONGEST_JOB_S = 1800
# RQ uses one of these at once when a horse is killed; without any, the job would count as failed
# although it may never have started.
KILLED_HORSES = 3

Timeouts = Literal["web", "worker"]


def connect(url: str, *, timeouts: Timeouts) -> Redis:
    """
    A Redis client; nothing is sent before its first use.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        timeouts: "web": gives up within 2 s and never repeats a command by itself. redis-py's own
            defaults hang for 59 s on a stopped server and send a timed-out RPUSH twice.
            "worker": waits for blocking reads (RQ raises the time-out itself) and repeats after a
            broken connection for about a second; longer outages are the worker loop's business.

    Raises:
        SocketRefused: At its use: the process that serves the Unix socket is not to be trusted. See
            `private_socket`.
    """
    if timeouts == "web":
        retry = RedisRetry(NoBackoff(), 0)
    else:
        retry = RedisRetry(ExponentialBackoff(cap=0.5, base=0.1), 3, supported_errors=(RedisConnectionError,))
    # No name to tell: for it each new connection would parse the metadata of the installed package (6 ms of
    # 10, and 3 MB of memory no longer shared with the parent) and pay two round trips.
    checked = {"connection_class": CheckedSocket} if url.startswith("unix:") else {}
    client = Redis.from_url(
        url, socket_connect_timeout=1.0, socket_timeout=2.0, retry=retry, driver_info=None, **checked
    )
    return forgetful(client)


def queue_name(kind: str, queue_id: str) -> str:
    """RQ's name of our queue, one of `KINDS`."""
    return f"{kind}-{queue_id}"


def lane_of(endpoint: str) -> int:
    """The number that stands for an endpoint's name in a job."""
    return zlib.crc32(endpoint.encode())


def read_call(data: bytes) -> list[Any]:
    """
    The field `data` of a job: function, object, arguments, named arguments, as RQ's serializer writes them.

    Raises:
        ValueError: Not JSON, or too long.
        RecursionError: Nested too deeply.
    """
    data = data[:LONGEST_FIELD_BYTES]
    with suppress(zlib.error):  # RQ reads what is not compressed, too
        data = zlib.decompressobj().decompress(data, LONGEST_FIELD_BYTES)
    match json.loads(data):
        case [str(name), None, list(arguments), dict(named)]:
            return [name, None, arguments, named]
    raise ValueError("not a call")


# RQ lets a worker's hash live for 70 s or 80 s after a heartbeat (60 s more than the longest pause, see
# `workers.rq_worker`), and a sign comes each 10 s at most. A stopped process keeps its hash until then.
_ALIVE_ABOVE_S = 40


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """What Redis holds of one queue, in jobs; `workers` are the live RQ workers that serve it."""

    name: str
    waiting: int
    started: int
    failed: int
    stuck: int  # taken by a worker, not begun; of a killed worker if it stays above zero
    workers: int


class RqQueue:
    """Implements `app.orchestrator.ports.Queue`. Safe to share between threads and to use after a fork."""

    def __init__(
        self, redis_url: str, workers: int, timing: Timing, queue_id: str | Callable[[], str]
    ) -> None:
        """
        Args:
            redis_url: See `connect`.
            workers: Worker processes of the queue `recall`; the queue is kept as shallow as that.
            timing: For the time limit of a job.
            queue_id: In the names of our queues. A function is asked at the first use, until it answers: the
                id is in the database, which may be away when a process starts.
        """
        self._redis = connect(redis_url, timeouts="web")
        self._capacity = JOBS_WAITING_PER_WORKER * workers
        self._job_timeout_s = max(1, round(timing.job_timeout_s))
        self._queue_id = queue_id

    @cached_property
    def names(self) -> Mapping[str, str]:
        """`KINDS` to RQ's names of these queues. Raises `StoreUnavailable`."""
        queue_id = self._queue_id if isinstance(self._queue_id, str) else self._queue_id()
        return {kind: queue_name(kind, queue_id) for kind in KINDS}

    @cached_property
    def _queues(self) -> Mapping[str, RqJobs]:
        options: Any = {"connection": self._redis, "serializer": JSONSerializer}
        return {kind: RqJobs(name, **options) for kind, name in self.names.items()}

    def offer(self, items: Sequence[Offerable]) -> None:
        """Puts one job per item, all in one round trip. Raises `QueueUnavailable`."""
        if not items:
            return
        with _translated():
            self._queues[RECALL].enqueue_many(
                [
                    RqJobs.prepare_data(
                        PERFORM_JOB,
                        args=(item.id,),
                        description=item.description,
                        timeout=self._job_timeout_s,
                        **_KEPT,
                        retry=Retry(max=KILLED_HORSES),
                    )
                    for item in items
                ]
            )

    def offer_announcements(self, items: Sequence[AnnouncementOffer]) -> None:
        """One job each, as many as there is room for. Raises `QueueUnavailable`."""
        if not items:
            return
        with _translated():
            room = max(0, _ANNOUNCEMENTS_WAITING - self._waiting(OUTGOING))
            self._queues[OUTGOING].enqueue_many(
                [
                    RqJobs.prepare_data(
                        ANNOUNCE_JOB,
                        args=(item.id, lane_of(item.endpoint)),
                        description=f"tell {item.endpoint}",
                        timeout=self._job_timeout_s,
                        **_KEPT,
                    )
                    for item in items[:room]
                ]
            )

    def wake_inbox(self) -> None:
        """At most one wake-up waits. Raises `QueueUnavailable`."""
        with _translated():
            if self._waiting(INBOX) == 0:
                self._push_wake_up()

    def _push_wake_up(self) -> None:
        inbox = self._queues[INBOX]
        with self._redis.pipeline() as pipe:
            pipe.watch(inbox.key)  # type: ignore[no-untyped-call]
            if pipe.llen(inbox.key) != 0:
                return
            pipe.multi()
            inbox.enqueue_call(
                RECEIVE_JOB,
                description="apply the inbox",
                timeout=self._job_timeout_s,
                **_KEPT,
                retry=Retry(max=KILLED_HORSES),
                pipeline=pipe,
            )
            try:
                pipe.execute()
            except WatchError:
                # Another process put a wake-up there meanwhile. If a worker has taken it already, it
                # reads the inbox after our caller's commit: either way the news is seen.
                return

    def ask_reconcile(self) -> None:
        """One pass over Recall's list, by whichever worker is free. Raises `QueueUnavailable`."""
        with _translated():
            self._queues[RECALL].enqueue_call(
                RECONCILE_JOB,
                description="hold Recall's list of recordings against what we heard",
                timeout=LONGEST_JOB_S,
                **_KEPT,
            )

    def ask_index(self, after: int) -> None:
        """Goes on with indexing from this result on, some seconds long. Raises `QueueUnavailable`."""
        with _translated():
            self._queues[RECALL].enqueue_call(
                INDEX_JOB,
                args=(after,),
                description="index what is stored",
                timeout=self._job_timeout_s,
                **_KEPT,
            )

    def room(self) -> int:
        """How many more commands the queue takes now, never below 0. Raises `QueueUnavailable`."""
        with _translated():
            return max(0, self._capacity - self._waiting(RECALL))

    def ping(self) -> None:
        """Returns when Redis answers, else raises `QueueUnavailable` within 2 s."""
        with _translated():
            self._redis.ping()

    def check_write(self) -> None:
        """
        Returns when Redis takes a write, else raises `QueueUnavailable` within 2 s. A server that is full
        (`maxmemory` without eviction) or cannot save answers a ping and refuses every job.
        """
        with _translated():
            self._redis.set(_WRITTEN_KEY, b"", ex=_WRITTEN_TTL_S)

    def counts(self) -> tuple[QueueCounts, ...]:
        """Of each of `KINDS`, for metrics and health. Raises `QueueUnavailable`."""
        with _translated():
            return tuple(self._counts(kind) for kind in KINDS)

    def _waiting(self, kind: str) -> int:
        return int(self._redis.llen(self._queues[kind].key))

    def _counts(self, kind: str) -> QueueCounts:
        queue = self._queues[kind]
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.llen(queue.key)
            pipe.zcard(queue.started_job_registry.key)
            pipe.zcard(queue.failed_job_registry.key)
            pipe.llen(queue.intermediate_queue_key)
            pipe.smembers(WORKERS_BY_QUEUE_KEY % queue.name)
            waiting, started, failed, taken, worker_keys = pipe.execute()
        with self._redis.pipeline(transaction=False) as pipe:
            for key in worker_keys:
                pipe.ttl(key)
            # The set keeps the names of killed workers until RQ cleans up; -2 is a hash that has expired.
            live = sum(left == -1 or left >= _ALIVE_ABOVE_S for left in pipe.execute())
        return QueueCounts(kind, waiting, started, failed, taken, live)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except StoreUnavailable as error:
        raise QueueUnavailable(f"the queue's name is in the database: {error}") from error
    except RedisError as error:
        raise QueueUnavailable(why_unusable(error)) from error
