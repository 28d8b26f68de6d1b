"""
One RQ worker process: one queue, a horse forked per job.

RQ's own command line cannot set what matters here, so the worker is built in code. One queue each,
always: with two, RQ takes jobs by BLPOP and loses what it took when it dies. No scheduler, no remote
commands and no suspension (other programs of the same Redis could otherwise stop jobs; and the listening
thread would be forked into every horse). Which jobs are done, see `own_jobs`.
"""

from __future__ import annotations

import gc
import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue as RqJobs
from rq import Worker, worker_registration
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from app import wiring
from app.adapters.redis.errors import is_of_another_type, why_unusable
from app.adapters.redis.job_queue import JOBS, connect, queue_name
from app.core.durations import growing
from app.errors import StoreUnavailable
from app.log import redact_text
from app.processes.heartbeats import Beater
from app.processes.parent_death import die_with_parent
from workers import own_jobs
from workers.jobs import use_settings

if TYPE_CHECKING:
    from redis.client import Pipeline
    from rq.job import Job

    from app.adapters.sql.store import SqlStore
    from app.settings.environment import Settings

# An idle worker wakes every WORKER_TTL_S - 15 s and gives up on a silent Redis 10 s later; RQ's 420 s
# means 405 s without maintenance, and 415 s of hanging on a dead connection.
WORKER_TTL_S = 20
MAINTENANCE_EVERY_S = 15
HEARTBEAT_EVERY_S = 10
_LONGEST_WAIT_S = 5.0
_SAME_OUTAGE_S = 30.0  # between two of RQ's lines; its waits, and those of the connection, are shorter

# Under RQ's own prefix: where RQ may write, this may.
_WRITTEN_KEY, _WRITTEN_TTL_S = "rq:afterword:worker_can_write", 60

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")


class AfterwordWorker(Worker):
    """RQ's forking worker with our time limits, tied to its parent, its horses tied to it."""

    max_connection_wait_time = _LONGEST_WAIT_S  # RQ: 60 s after Redis is back
    log_result_lifespan = False

    def __init__(
        self,
        queue: str,
        connection: Redis,
        *,
        name: str,
        beat: Callable[[], None] = lambda: None,
        jobs: Mapping[str, int] = JOBS,
    ) -> None:
        """`queue`: RQ's name of it; `name`: how its name in Redis begins; `beat`: called every few s."""
        job_class, queue_class = own_jobs.classes_for(queue, own_jobs.functions_of(jobs), jobs)
        self._beat = beat
        # A name of its own for each start: RQ refuses the name of a killed worker for a minute.
        super().__init__(
            [queue_class(queue, connection=connection, serializer=JSONSerializer)],
            name=f"{name}-{queue.rpartition('-')[2]}-{uuid4().hex[:8]}",
            connection=connection,
            job_class=job_class,
            queue_class=queue_class,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL_S,
            maintenance_interval=MAINTENANCE_EVERY_S,
            job_monitoring_interval=HEARTBEAT_EVERY_S,
        )

    def subscribe(self) -> None:
        """No remote commands: see above."""

    def check_for_suspension(self, burst: bool) -> None:
        """`rq suspend`, said to all workers of a Redis, is not said to us: see above."""

    def run_maintenance_tasks(self) -> None:
        """RQ's, of our queue alone; what cannot be read there is removed: the dispatcher offers again."""
        try:
            self.clean_registries()  # type: ignore[no-untyped-call]
        except Exception as error:
            if isinstance(error, RedisError) and not is_of_another_type(error):
                raise
            (queue,) = self.queues
            own_jobs.empty(queue)
            _log.warning("queue_emptied", cause=type(error).__name__)

    def _shutdown(self) -> None:
        # RQ stops an idle worker by raising from the signal handler. Where that lands in a redis-py
        # `__del__`, which swallows everything, the wish would be forgotten: `heartbeat` keeps it.
        # And a busy one writes to Redis from the handler; without Redis that would end the job.
        self._stop_requested = True
        if self.get_state() != WorkerStatus.BUSY:
            raise StopRequested

    def handle_job_failure(
        self, job: Job, queue: RqJobs, started_job_registry: Any = None, exc_string: str = ""
    ) -> None:
        """RQ's, without what looks like a secret: Redis keeps the text for a day, and the board shows it."""
        super().handle_job_failure(job, queue, started_job_registry, redact_text(exc_string))

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """RQ's, and registers again where that is lost: else a living worker is counted as absent."""
        super().heartbeat(timeout, pipeline)
        if not self.is_horse:
            self._beat()
            own_jobs.dropped.say()
        if pipeline is not None:
            return
        if self._stop_requested and self.get_state() != WorkerStatus.BUSY:
            raise StopRequested
        if self.birth_date and not self._is_registered():
            self.connection.hset(self.key, mapping=self.serialize())
            worker_registration.register(self)

    def _is_registered(self) -> bool:
        by_queue = worker_registration.WORKERS_BY_QUEUE_KEY % self.queues[0].name
        has_hash = self.connection.hexists(self.key, "birth")
        return bool(has_hash and self.connection.sismember(by_queue, self.key))

    def register_birth(self) -> None:
        """RQ's, after what would make it fail is removed."""
        own_jobs.remove_other_types(self.queues[0])
        super().register_birth()  # type: ignore[no-untyped-call]

    def main_work_horse(self, job: Job, queue: RqJobs) -> None:
        """In the horse: dies with the worker, then does the job."""
        assert self.pid is not None
        die_with_parent(self.pid)
        super().main_work_horse(job, queue)


def work_for(settings: Settings, store: SqlStore, kind: str, name: str) -> None:
    """One worker process of the service, called `name`, of the queue `RECALL` or `INBOX`."""
    queue_id = wait_for_id(partial(wiring.ask_queue_id, store))
    store.close()
    use_settings(settings, queue_id=queue_id, store=store)
    # Closed after each: a horse must not inherit a connection, and five that idle would be five too many.
    beater = Beater(store, name, after=store.close)
    run_worker(wiring.redis_url(settings), queue_name(kind, queue_id), name=name, beat=beater.beat_if_due)


def run_worker(
    redis_url: str,
    queue: str,
    *,
    name: str,
    beat: Callable[[], None] = lambda: None,
    jobs: Mapping[str, int] = JOBS,
    worker_class: type[AfterwordWorker] = AfterwordWorker,
) -> None:
    """
    Works until SIGTERM (the running job is finished first) or until Redis fails at a bad moment. To be called
    in a forked child's main thread; the supervisor starts it again.
    """
    wait_for_redis(redis_url)
    gc.collect()
    gc.freeze()  # before the horses: untouched pages stay shared
    lost = _LostRedis()
    logging.getLogger("rq.worker").addFilter(lost)
    try:
        worker = worker_class(queue, connect(redis_url, timeouts="worker"), name=name, beat=beat, jobs=jobs)
        # RQ says three lines per job; the service says what was decided.
        worker.work(logging_level="WARNING")
    except RedisError as error:
        lost.tell(error)
    if lost.is_told:
        raise SystemExit(69)


class _LostRedis(logging.Filter):
    """
    One line of ours instead of RQ's "found an unhandled exception, quitting..." with its traceback, and
    instead of all its "could not connect to Redis instance" of one outage, in words of redis-py's.
    """

    is_told = False
    _waited_at = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, RedisError):
            self.tell(error)
            return False
        given = record.args if isinstance(record.args, tuple) else ()
        error = next((one for one in given if isinstance(one, RedisError)), None)
        if error is None:
            return True
        now = time.monotonic()
        if now > self._waited_at + _SAME_OUTAGE_S:
            _log.warning("worker_lost_redis", cause=why_unusable(error), pid=os.getpid())
        self._waited_at = now
        return False

    def tell(self, error: RedisError) -> None:
        if not self.is_told:  # RQ's farewell to Redis fails as well
            _log.warning("worker_lost_redis", cause=why_unusable(error), pid=os.getpid())
        self.is_told = True


def wait_for_redis(redis_url: str) -> None:
    """Returns when Redis takes a write; says once that it waits, and once for how long it did."""
    began_at = time.monotonic()
    with closing(connect(redis_url, timeouts="web")) as client:
        # Not a ping alone: a worker writes its name first, and would die of a refusal.
        write = partial(client.set, _WRITTEN_KEY, b"", ex=_WRITTEN_TTL_S)
        _, has_waited = _once_there(
            write, RedisError, lambda error: _log.warning("waiting_for_redis", cause=why_unusable(error))
        )
    if has_waited:
        _log.info("redis_is_back", waited_s=round(time.monotonic() - began_at, 1))


def wait_for_id(ask: Callable[[], str]) -> str:
    """What the database answers, as soon as it does; says once that it waits."""
    return _once_there(
        ask, StoreUnavailable, lambda error: _log.warning("waiting_for_database", cause=str(error))
    )[0]


def _once_there(
    ask: Callable[[], _T], trouble: type[Exception], say: Callable[[Any], None]
) -> tuple[_T, bool]:
    """The answer, and whether it was waited for."""
    waits = 0
    while True:
        try:
            return ask(), waits > 0
        except trouble as error:
            if waits == 0:
                say(error)
            time.sleep(growing(0.1, waits, _LONGEST_WAIT_S))
            waits += 1
