"""
One RQ worker process: one queue, a horse forked per job.

RQ's own command line cannot set what matters here, so the worker is built in code. One queue each,
always: with two, RQ takes jobs by BLPOP and loses what it took when it dies. No scheduler, no remote
commands (whoever may write to Redis could otherwise kill jobs; and the listening thread would be
forked into every horse).
"""

from __future__ import annotations

import gc
import logging
import os
import time
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
from redis import Redis
from redis.exceptions import RedisError, ResponseError
from rq import Queue as RqJobs
from rq import Worker, worker_registration
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from app.adapters.rq_queue import connect
from app.core.durations import growing
from workers.lifeline import die_with_parent

if TYPE_CHECKING:
    from redis.client import Pipeline
    from rq.job import Job

# An idle worker wakes every WORKER_TTL_S - 15 s and gives up on a silent Redis 10 s later; RQ's 420 s
# means 405 s without maintenance, and 415 s of hanging on a dead connection.
WORKER_TTL_S = 20
MAINTENANCE_EVERY_S = 15
HEARTBEAT_EVERY_S = 10
_LONGEST_WAIT_S = 5.0

# Under RQ's own prefix: where RQ may write, this may.
_WRITTEN_KEY, _WRITTEN_TTL_S = "rq:afterword:worker_can_write", 60
# By the first word of Redis' answer; redis-py has classes of its own, with telling names, for the others.
# https://github.com/valkey-io/valkey/blob/9.0.0/src/server.c (writeCommandsDeniedByDiskError)
_REFUSALS = {"MISCONF": "it takes no writes, because it cannot write its own file: is its disk full?"}

_log = structlog.get_logger(__name__)


class AfterwordWorker(Worker):
    """RQ's forking worker with our time limits, tied to its parent, its horses tied to it."""

    max_connection_wait_time = _LONGEST_WAIT_S  # RQ: 60 s after Redis is back
    log_result_lifespan = False

    def __init__(self, queue: str, connection: Redis, *, name: str) -> None:
        # A name of its own for each start: RQ refuses the name of a killed worker for a minute.
        super().__init__(
            [RqJobs(queue, connection=connection, serializer=JSONSerializer)],
            name=f"{name}-{uuid4().hex[:8]}",
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL_S,
            maintenance_interval=MAINTENANCE_EVERY_S,
            job_monitoring_interval=HEARTBEAT_EVERY_S,
        )

    def subscribe(self) -> None:
        """No remote commands: see above."""

    def _shutdown(self) -> None:
        # RQ stops an idle worker by raising from the signal handler. Where that lands in a redis-py
        # `__del__`, which swallows everything, the wish would be forgotten: `heartbeat` remembers it.
        # And a busy one writes to Redis from the handler; without Redis that would end the job.
        self._stop_requested = True
        if self.get_state() != WorkerStatus.BUSY:
            raise StopRequested

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """RQ's, and registers again after a FLUSHALL: else a living worker is counted as absent."""
        super().heartbeat(timeout, pipeline)
        if pipeline is not None:
            return
        if self._stop_requested and self.get_state() != WorkerStatus.BUSY:
            raise StopRequested
        if self.birth_date and not self.connection.hexists(self.key, "birth"):
            self.connection.hset(self.key, mapping=self.serialize())
            worker_registration.register(self)

    def main_work_horse(self, job: Job, queue: RqJobs) -> None:
        """In the horse: dies with the worker, then does the job."""
        assert self.pid is not None
        die_with_parent(self.pid)
        super().main_work_horse(job, queue)


def run_worker(redis_url: str, queue: str, *, name: str) -> None:
    """
    Works until SIGTERM (the running job is finished first) or until Redis fails at a bad moment.

    To be called in a forked child's main thread; whoever forked it starts it again.

    Args:
        redis_url: See `app.adapters.rq_queue.connect`.
        queue: The one queue.
        name: For people: the beginning of its name in Redis.
    """
    wait_for_redis(redis_url)
    gc.collect()
    gc.freeze()  # before the horses: untouched pages stay shared
    lost = _LostRedis()
    logging.getLogger("rq.worker").addFilter(lost)
    try:
        worker = AfterwordWorker(queue, connect(redis_url, patience="worker"), name=name)
        # RQ says three lines per job; the service says what was decided.
        worker.work(logging_level="WARNING")
    except RedisError as error:
        lost.tell(error)
        raise SystemExit(69) from error
    if lost.is_told:
        raise SystemExit(69)


class _LostRedis(logging.Filter):
    """One line of ours instead of RQ's "found an unhandled exception, quitting..." with its traceback."""

    is_told = False

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, RedisError):
            return True
        self.tell(error)
        return False

    def tell(self, error: RedisError) -> None:
        if not self.is_told:  # RQ's farewell to Redis fails as well
            _log.warning("worker_lost_redis", cause=why_refused(error), pid=os.getpid())
        self.is_told = True


def why_refused(error: BaseException) -> str:
    """A plain sentence where Redis' own code has one, else the error's kind; never what was sent."""
    code = str(error).partition(" ")[0]
    return (
        _REFUSALS.get(code, type(error).__name__)
        if isinstance(error, ResponseError)
        else type(error).__name__
    )


def wait_for_redis(redis_url: str, *, longest_wait_s: float = _LONGEST_WAIT_S) -> None:
    """Returns when Redis takes a write; says once that it waits, and once for how long it did."""
    client = connect(redis_url, patience="web")
    began_at = time.monotonic()
    waits = 0
    while True:
        try:
            # Not a ping alone: a worker writes its name first, and would die of a refusal.
            client.set(_WRITTEN_KEY, b"", ex=_WRITTEN_TTL_S)
            break
        except RedisError as error:
            if waits == 0:
                _log.warning("waiting_for_redis", cause=why_refused(error))
            time.sleep(growing(0.1, waits, longest_wait_s))
            waits += 1
    client.close()
    if waits:
        _log.info("redis_is_back", waited_s=round(time.monotonic() - began_at, 1))
