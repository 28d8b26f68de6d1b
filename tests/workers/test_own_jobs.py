"""
What a stranger with write access to Redis can make a worker do: nothing. A real worker on a real Valkey is
given jobs that name other functions, callbacks, webhooks, dependents, odd arguments, and what is no job.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Callback, Queue, Repeat, Retry
from rq.job import Job
from rq.serializers import JSONSerializer

from app.adapters.redis.job_queue import JOBS, RqQueue, connect, queue_name
from app.orchestrator.records import Offerable
from app.orchestrator.timing import Timing
from tests.workers.programs import Program, eventually
from tests.workers.visible_jobs import JOBS as VISIBLE_JOBS
from workers import own_jobs
from workers.own_jobs import Dropped
from workers.rq_worker import AfterwordWorker

Start = Callable[[str], Program]

QUEUE = "recall-0a1b"
TERMS: dict[str, Any] = {
    "timeout": 360,
    "result_ttl": 60,
    "failure_ttl": 86_400,
    "retry": Retry(max=3),
}
TOUCH = "tests.workers.visible_jobs.touch"
BOMB = "tests.workers.test_own_jobs.bomb"
WORKER = f"""
import structlog
structlog.configure(processors=[structlog.processors.JSONRenderer()])
from workers import rq_worker
from tests.workers.visible_jobs import JOBS
rq_worker.MAINTENANCE_EVERY_S = 1
rq_worker.WORKER_TTL_S = 16  # RQ looks around after 15 s less
def work(): rq_worker.run_worker({{url!r}}, {QUEUE!r}, name="worker-1", jobs=JOBS)
sys.exit(Supervisor([ChildSpec("worker-1", work, grace_s=5)], PrintedLog()).run())
"""


def bomb(*_args: object) -> None:
    """Leaves a trace, wherever it is called."""
    Path(os.environ["AFTERWORD_TEST_FOLDER"], "crater").touch()


class Bomb:
    """Unpickled, it leaves a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.path),))


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def worker(program: Start, redis_url: str, redis: Redis) -> Program:
    running = program(WORKER.format(url=redis_url))
    eventually(lambda: redis.scard(f"rq:workers:{QUEUE}") == 1)
    return running


def queue(redis: Redis) -> Queue:
    return Queue(QUEUE, connection=redis, serializer=JSONSerializer)


def enqueue(redis: Redis, function: str = TOUCH, args: Any = (1,), **changes: Any) -> Job:
    return queue(redis).enqueue_call(function, args=args, **(TERMS | changes))


def waiting(redis: Redis, function: str = TOUCH, args: Any = (1,), **changes: Any) -> Job:
    """A job that is written and in no queue."""
    job = queue(redis).create_job(function, args=args, **(TERMS | changes))
    job.save()
    return job


def written(redis: Redis, field: str, value: bytes) -> None:
    """A job of ours, in which one field is another, pushed only now."""
    job = waiting(redis)
    redis.hset(job.key, field, value)
    redis.rpush(f"rq:queue:{QUEUE}", job.id)


def burst(redis_url: str) -> None:
    """A worker of ours in this process, until nothing waits."""
    worker = AfterwordWorker(QUEUE, connect(redis_url, timeouts="worker"), name="w", jobs=VISIBLE_JOBS)
    try:
        worker.work(burst=True, logging_level="CRITICAL")
    finally:
        for logger in map(logging.getLogger, ("rq.worker", "rq.job")):  # set by RQ for the whole process
            logger.setLevel(logging.NOTSET)
            logger.handlers.clear()


def settles(redis: Redis, worker: Program, folder: Path) -> None:
    """A job of ours that came later is done by the same worker; nothing of what came before was."""
    enqueue(redis, args=(99,))
    eventually((folder / "done-99").exists)
    assert not (folder / "crater").exists()
    assert not (folder / "done-1").exists()
    assert worker.events("child_died") == [], worker.output.read_text()
    assert "Traceback" not in worker.output.read_text()


CALLS: dict[str, Callable[[Redis, Path], object]] = {
    "any function": lambda r, f: enqueue(r, "os.system", (f"touch {f}/crater",)),
    "any function with whole numbers": lambda r, f: enqueue(r, BOMB, (1,)),
    "function of ours that is not in the list": lambda r, f: enqueue(r, "workers.jobs.use_settings", (1,)),
    "module that is not there": lambda r, f: enqueue(r, "nowhere.at.all", (1,)),
    "no arguments": lambda r, f: enqueue(r, args=()),
    "too many arguments": lambda r, f: enqueue(r, args=(1, 2)),
    "text": lambda r, f: enqueue(r, args=("1",)),
    "true": lambda r, f: enqueue(r, args=(True,)),
    "fraction": lambda r, f: enqueue(r, args=(1.0,)),
    "below zero": lambda r, f: enqueue(r, args=(-1,)),
    "huge number": lambda r, f: enqueue(r, args=(2**63,)),
    "a list": lambda r, f: enqueue(r, args=([1],)),
    "huge text": lambda r, f: enqueue(r, args=("x" * 5_000_000,)),
    "named arguments": lambda r, f: enqueue(r, args=(1,), kwargs={"number": 1}),
    "callback on success": lambda r, f: enqueue(r, on_success=Callback(BOMB)),
    "callback on failure": lambda r, f: enqueue(r, on_failure=Callback(BOMB)),
    "callback on stop": lambda r, f: enqueue(r, on_stopped=Callback(BOMB)),
    "metadata": lambda r, f: enqueue(r, meta={"a": 1}),
    "repetition": lambda r, f: enqueue(r, repeat=Repeat(times=3, interval=1)),
    "pauses between tries": lambda r, f: enqueue(r, retry=Retry(max=3, interval=[1, 2, 3])),
    "more tries than ours": lambda r, f: enqueue(r, retry=Retry(max=1000)),
    "no time limit": lambda r, f: enqueue(r, timeout=-1),
    "long time limit": lambda r, f: enqueue(r, timeout=7200),
    "expiry": lambda r, f: enqueue(r, ttl=60),
    "pickle": lambda r, f: written(r, "data", pickle.dumps((TOUCH, None, (1,), {}))),
    "pickled bomb": lambda r, f: written(r, "data", pickle.dumps(Bomb(f / "crater"))),
    "pickled bomb as metadata": lambda r, f: written(r, "meta", pickle.dumps(Bomb(f / "crater"))),
    "pickled bomb as result": lambda r, f: written(r, "result", pickle.dumps(Bomb(f / "crater"))),
    "object to call on": lambda r, f: written(r, "data", json.dumps(["touch", "x", [1], {}]).encode()),
    "no list": lambda r, f: written(r, "data", b'{"a": 1}'),
    "deep list": lambda r, f: written(r, "data", b"[" * 4000),
    "no data": lambda r, f: written(r, "data", b""),
    "what unpacks to a hundred megabytes": lambda r, f: written(r, "data", zlib.compress(b" " * 10**8, 9)),
    "callback's bare name": lambda r, f: written(r, "success_callback_name", BOMB.encode()),
    "dependency": lambda r, f: written(r, "dependency_ids", b'["x"]'),
    "of another queue": lambda r, f: written(r, "origin", b"other"),
    "unknown state": lambda r, f: written(r, "status", b"gone"),
    "unknown field": lambda r, f: written(r, "job_class", b"os.system"),
    "time that is none": lambda r, f: written(r, "enqueued_at", b"yesterday"),
    "text that is none": lambda r, f: written(r, "description", b"\xff\xfe"),
    "id with a blank": lambda r, f: r.rpush(f"rq:queue:{QUEUE}", "a b"),
    "id that is no text": lambda r, f: r.rpush(f"rq:queue:{QUEUE}", b"\xff\xfe"),
    "empty id": lambda r, f: r.rpush(f"rq:queue:{QUEUE}", b""),
    "id that names no job": lambda r, f: r.rpush(f"rq:queue:{QUEUE}", b"x" * 100),
    "id of something else": lambda r, f: (r.set("rq:job:x", "1"), r.rpush(f"rq:queue:{QUEUE}", b"x")),
}


def test_jobs_that_are_not_ours_are_dropped_with_one_line_and_the_next_of_ours_is_done(
    worker: Program, redis: Redis, tmp_path: Path
) -> None:
    for foreign in CALLS.values():
        foreign(redis, tmp_path)
    settles(redis, worker, tmp_path)
    (line,) = worker.events("foreign_jobs_dropped")
    assert line["count"] == 1  # the others are counted, and told with the next line
    # Neither a job nor an entry is left; the one of another queue and the one of another type are not ours.
    eventually(lambda: not redis.llen(f"rq:queue:{QUEUE}:intermediate"), within_s=15)
    eventually(lambda: len(redis.keys("rq:job:*")) == 3, within_s=3)


@pytest.mark.parametrize("name", CALLS)
def test_each_alone_is_counted(
    redis: Redis, redis_url: str, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "names no job" in name:
        pytest.skip("nothing to drop: RQ passes over it, as over a job that was deleted")
    told = Dropped()
    monkeypatch.setattr(own_jobs, "dropped", told)
    CALLS[name](redis, tmp_path)
    burst(redis_url)
    assert told.total == 1
    assert redis.llen(f"rq:queue:{QUEUE}") == 0


def test_webhooks_of_a_job_are_not_sent(worker: Program, redis: Redis, tmp_path: Path) -> None:
    seen: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        hooks = [
            {"url": f"http://127.0.0.1:{server.server_port}/", "job_status": s}
            for s in ("finished", "failed")
        ]
        written(redis, "webhooks", json.dumps(hooks).encode())
        settles(redis, worker, tmp_path)
        server.shutdown()
    assert seen == []


def test_dependents_hung_on_a_job_of_ours_are_not_run(worker: Program, redis: Redis, tmp_path: Path) -> None:
    hung = waiting(redis, BOMB)
    job = waiting(redis, args=(98,))
    redis.sadd(f"rq:job:{job.id}:dependents", hung.id, "a b", b"\xff")
    redis.rpush(f"rq:queue:{QUEUE}", job.id)
    settles(redis, worker, tmp_path)
    assert (tmp_path / "done-98").exists()
    assert redis.llen(f"rq:queue:{QUEUE}") == 0


def test_abandoned_job_with_a_callback_is_cleaned_away_and_the_callback_is_not_called(
    worker: Program, redis: Redis, tmp_path: Path
) -> None:
    job = waiting(redis, on_failure=Callback(BOMB))
    redis.zadd(f"rq:wip:{QUEUE}", {f"{job.id}:execution": 1})
    eventually(lambda: redis.zcard(f"rq:wip:{QUEUE}") == 0, within_s=15)
    settles(redis, worker, tmp_path)


@pytest.mark.parametrize("place", ["rq:wip", "rq:queue:intermediate", "rq:failed"])
def test_nonsense_where_rq_keeps_its_books_is_removed_and_work_goes_on(
    worker: Program, redis: Redis, tmp_path: Path, place: str
) -> None:
    if place == "rq:queue:intermediate":
        key = f"rq:queue:{QUEUE}:intermediate"
        redis.rpush(key, b"\xff", "a b")
    else:
        key = f"{place}:{QUEUE}"
        members: dict[bytes, float] = {b"\xff": 1, b"without a colon": 2}
        redis.zadd(key, members)
    eventually(lambda: not redis.exists(key), within_s=15)
    settles(redis, worker, tmp_path)


@pytest.mark.parametrize("key", [f"rq:wip:{QUEUE}", f"rq:queue:{QUEUE}:intermediate"])
def test_a_key_of_another_type_is_removed(worker: Program, redis: Redis, tmp_path: Path, key: str) -> None:
    redis.set(key, "nonsense")
    eventually(lambda: redis.type(key) != b"string", within_s=15)
    eventually(lambda: worker.events("queue_emptied"))
    settles_later(redis, tmp_path)


BOOKS = (f"rq:queue:{QUEUE}", f"rq:workers:{QUEUE}", "rq:workers", f"rq:scheduled:{QUEUE}")


@pytest.mark.slow
@pytest.mark.parametrize("key", BOOKS)
@pytest.mark.parametrize("kind", ["string", "stream"])
def test_worker_starts_whatever_stands_in_the_place_of_rqs_books(
    redis: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, kind: str
) -> None:
    monkeypatch.setenv("AFTERWORD_TEST_FOLDER", str(tmp_path))
    redis.set(key, "nonsense") if kind == "string" else redis.xadd(key, {"a": "b"})
    burst(redis_url)
    enqueue(redis, args=(99,))
    burst(redis_url)
    assert (tmp_path / "done-99").exists()


@pytest.mark.slow
@pytest.mark.parametrize("member", [b"\xff", b"rq:worker:\xff"])
def test_worker_whose_name_is_no_text_does_not_empty_the_queue_for_ever(
    redis: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, member: bytes
) -> None:
    monkeypatch.setenv("AFTERWORD_TEST_FOLDER", str(tmp_path))
    redis.sadd(f"rq:workers:{QUEUE}", member)
    burst(redis_url)
    enqueue(redis, args=(99,))
    burst(redis_url)
    assert (tmp_path / "done-99").exists()


def test_living_worker_writes_its_name_again(redis: Redis, redis_url: str) -> None:
    living = AfterwordWorker(QUEUE, connect(redis_url, timeouts="worker"), name="w", jobs=VISIBLE_JOBS)
    living.register_birth()
    own_jobs.empty(living.queues[0])
    assert redis.scard(f"rq:workers:{QUEUE}") == 0
    living.heartbeat()
    assert redis.smembers(f"rq:workers:{QUEUE}") == {living.key.encode()}


def settles_later(redis: Redis, folder: Path) -> None:
    """As the dispatcher does: what is lost is offered again."""
    ends_at = time.monotonic() + 10
    while not (folder / "done-99").exists():
        assert time.monotonic() < ends_at
        enqueue(redis, args=(99,))
        time.sleep(0.2)


def test_workers_of_others_cannot_suspend_ours(worker: Program, redis: Redis, tmp_path: Path) -> None:
    redis.set("rq:suspended", 1)
    settles(redis, worker, tmp_path)


def test_remote_commands_are_not_heard(worker: Program, redis: Redis, tmp_path: Path) -> None:
    assert redis.pubsub_numpat() == 0
    assert redis.pubsub_channels("rq:*") == []


def test_what_our_own_queue_writes_is_done(redis: Redis, redis_url: str) -> None:
    ours = RqQueue(redis_url, 1, Timing(), "0a1b")
    ours.offer([Offerable(7, "fetch the transcript")])
    ours.ask_reconcile()
    ours.ask_index(7)
    ours.wake_inbox()
    for kind, functions in (("recall", ["perform", "reconcile", "index"]), ("inbox", ["receive"])):
        name = queue_name(kind, "0a1b")
        job_class, queue_class = own_jobs.classes_for(name, own_jobs.functions_of(JOBS), JOBS)
        read = queue_class(name, connection=redis, serializer=JSONSerializer).get_jobs()
        assert [job.func.__name__ for job in read] == functions
        assert all(isinstance(job, job_class) for job in read)


def test_job_of_ours_that_was_put_back_or_repeated_is_still_ours(redis: Redis, redis_url: str) -> None:
    job = enqueue(redis)
    fetched = own_class().fetch(job.id, redis, JSONSerializer)
    with redis.pipeline() as pipe:
        fetched.retry(queue(redis), pipe)
        pipe.execute()
    again = own_class().fetch(job.id, redis, JSONSerializer)
    assert again.retries_left == 2
    again._exc_info = ""  # as the board does
    again.save()
    assert own_class().fetch(job.id, redis, JSONSerializer).args == [1]


def own_class() -> type[Job]:
    return own_jobs.classes_for(QUEUE, own_jobs.functions_of(VISIBLE_JOBS), VISIBLE_JOBS)[0]


@pytest.mark.slow
def test_dropped_jobs_are_one_line_at_once_and_then_one_a_minute_with_their_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = [0.0]
    told = Dropped(clock=lambda: now[0])
    for _ in range(5):
        told.note("another function")
    now[0] = 59.0
    told.say()
    assert capsys.readouterr().out.count("foreign_jobs_dropped") == 1
    now[0] = 61.0
    told.say()
    told.say()
    said = capsys.readouterr().out
    assert said.count("foreign_jobs_dropped") == 1
    assert "4" in said
