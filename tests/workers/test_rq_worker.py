"""Real workers and horses on a real Valkey: what a kill, a stop and an outage do to a job."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from redis import Redis
from rq import Queue as RqJobs
from rq import Retry
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer

from app.adapters.redis import embedded_server
from app.adapters.redis.job_queue import FAILURE_TTL_S, RECALL, RESULT_TTL_S, RqQueue, connect, queue_name
from app.orchestrator.timing import Timing
from tests.patience import SLOW_MACHINE
from tests.process_checks import wait_until_ready
from tests.workers.programs import Program, eventually
from tests.workers.visible_jobs import JOBS, SIGNED
from workers.rq_worker import AfterwordWorker

Start = Callable[[str], Program]

QUEUE_ID = "0a1b"
QUEUE = queue_name(RECALL, QUEUE_ID)

ONE_WORKER = """
from tests.workers.visible_jobs import JOBS
from workers.rq_worker import run_worker
def work(): run_worker({url!r}, "recall-0a1b", name="worker-1", jobs=JOBS)
sys.exit(Supervisor([ChildSpec("worker-1", work, grace_s={grace_s})], PrintedLog()).run())
"""

SERVER = """
from app.adapters.redis import embedded_server
sys.exit(embedded_server.serve(Path({home!r})))
"""

SERVER_AND_WORKER = """
from app.adapters.redis import embedded_server
from app.processes.parent_death import kernel_ties_to_parent
from tests.workers.visible_jobs import JOBS
from workers.rq_worker import run_worker
home = Path({home!r})
def serve(): sys.exit(embedded_server.serve(home, guard=kernel_ties_to_parent))
def work(): run_worker(embedded_server.url(home), "recall-0a1b", name="worker-1", jobs=JOBS)
sys.exit(Supervisor([
    ChildSpec("valkey", serve, stop_order=3, grace_s=10, is_ready=lambda: embedded_server.is_ready(home)),
    ChildSpec("worker-1", work, stop_order=2, grace_s=10),
], PrintedLog()).run())
"""


def start_worker(program: Start, url: str, grace_s: float = 25.0) -> Program:
    running = program(ONE_WORKER.format(url=url, grace_s=grace_s))
    eventually(lambda: live_workers(url) == 1)
    return running


def start_logging_worker(program: Start, url: str) -> Program:
    """One whose log lines are as those of `up`."""
    running = program("from app import log\nlog.configure('up')\n" + ONE_WORKER.format(url=url, grace_s=5))
    eventually(lambda: live_workers(url) == 1)
    return running


def live_workers(url: str) -> int:
    return RqQueue(url, 1, Timing(), QUEUE_ID).counts()[0].workers


def enqueue(url: str, function: str, *args: object) -> None:
    jobs = RqJobs(QUEUE, connection=Redis.from_url(url), serializer=JSONSerializer)
    jobs.enqueue_call(
        f"tests.workers.visible_jobs.{function}",
        args=args,
        retry=Retry(max=3),
        timeout=360,
        result_ttl=60,
        failure_ttl=86_400,
    )


def started(path: Path) -> list[int]:
    """The pids of the horses that began the job, so far."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [int(line.split()[0]) for line in lines if line.endswith("start")]


def ended(path: Path) -> list[int]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [int(line.split()[0]) for line in lines if line.endswith("end")]


def test_job_is_done_in_a_process_of_its_own(program: Start, redis_url: str, tmp_path: Path) -> None:
    up = start_worker(program, redis_url)
    enqueue(redis_url, "touch", 1)
    eventually((tmp_path / "done-1").exists)
    time.sleep(0.1)
    assert int((tmp_path / "done-1").read_text()) not in (up.process.pid, up.pid_of("worker-1"))


def test_killed_horse_is_repeated_at_once_by_the_same_worker(
    program: Start, redis_url: str, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    up = start_worker(program, redis_url)
    enqueue(redis_url, "sleep_noting", 1000)
    (horse,) = eventually(lambda: started(note))
    os.kill(horse, signal.SIGKILL)
    eventually(lambda: len(ended(note)) == 1, within_s=5)
    assert horse not in ended(note)
    assert up.events("child_died") == []


def test_killed_worker_takes_its_horse_along_and_is_started_again(
    program: Start, redis_url: str, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    up = start_worker(program, redis_url)
    enqueue(redis_url, "sleep_noting", 2000)
    (horse,) = eventually(lambda: started(note))
    os.kill(up.pid_of("worker-1"), signal.SIGKILL)
    eventually(lambda: not psutil.pid_exists(horse), within_s=2)
    up.pid_of("worker-1", start=2)
    enqueue(redis_url, "touch", 2)
    eventually((tmp_path / "done-2").exists, within_s=15)
    assert ended(note) == []


def test_killed_supervisor_leaves_neither_worker_nor_horse(
    program: Start, redis_url: str, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    up = start_worker(program, redis_url)
    enqueue(redis_url, "sleep_noting", 100000)
    eventually(lambda: started(note))
    assert len(up.descendants()) == 2
    up.process.kill()
    eventually(lambda: not up.orphans(), within_s=5)


def test_stop_waits_for_the_running_job(program: Start, redis_url: str, tmp_path: Path) -> None:
    note = tmp_path / "note"
    up = start_worker(program, redis_url)
    enqueue(redis_url, "sleep_noting", 1500)
    eventually(lambda: started(note))
    up.send(signal.SIGTERM)
    assert up.wait() == 0
    assert len(ended(note)) == 1
    assert live_workers(redis_url) == 0


def test_job_longer_than_the_drain_is_ended_with_its_horse(
    program: Start, redis_url: str, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    up = start_worker(program, redis_url, grace_s=0.5)
    enqueue(redis_url, "sleep_noting", 100000)
    eventually(lambda: started(note))
    up.send(signal.SIGTERM)
    assert up.wait(5) == 1
    eventually(lambda: not up.orphans(), within_s=2)


def test_idle_worker_stops_at_once(program: Start, redis_url: str) -> None:
    up = start_worker(program, redis_url)
    time.sleep(0.3)
    began_at = time.monotonic()
    up.send(signal.SIGTERM)
    assert up.wait() == 0
    assert time.monotonic() - began_at < 1.5 * SLOW_MACHINE


@pytest.mark.slow
def test_wish_to_stop_that_was_swallowed_is_remembered_at_the_next_heartbeat(redis_url: str) -> None:
    worker = AfterwordWorker(QUEUE, connect(redis_url, timeouts="worker"), name="worker-1")
    worker.register_birth()
    worker.heartbeat()
    with contextlib.suppress(StopRequested):  # as redis-py does in a __del__
        worker._shutdown()
    with pytest.raises(StopRequested):
        worker.heartbeat()


@pytest.mark.slow
def test_what_redis_keeps_of_a_failure_holds_no_secret(redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        queue = RqJobs(QUEUE, connection=redis, serializer=JSONSerializer)
        job = queue.enqueue_call(
            "tests.workers.visible_jobs.fail_telling",
            args=(4711,),
            timeout=360,
            result_ttl=RESULT_TTL_S,
            failure_ttl=FAILURE_TTL_S,
        )
        worker = AfterwordWorker(QUEUE, connect(redis_url, timeouts="worker"), name="w", jobs=JOBS)
        worker.work(burst=True, logging_level="CRITICAL")
        for logger in map(logging.getLogger, ("rq.worker", "rq.job")):  # set by RQ for the whole process
            logger.setLevel(logging.NOTSET)
            logger.handlers.clear()
        kept = job.latest_result()
    assert kept is not None
    assert f"RuntimeError: cannot read {SIGNED.partition('?')[0]}" in str(kept.exc_string)
    assert "4711" not in str(kept.exc_string)


def test_worker_has_one_queue_no_scheduler_and_no_thread_to_be_forked(program: Start, redis_url: str) -> None:
    up = start_worker(program, redis_url)
    assert psutil.Process(up.pid_of("worker-1")).num_threads() == 1
    (key,) = Redis.from_url(redis_url).smembers("rq:workers")
    assert Redis.from_url(redis_url).hget(key, "queues") == b"recall-0a1b"
    assert len(up.descendants()) == 1


def test_worker_that_starts_before_redis_waits_and_says_so_once(program: Start, tmp_path: Path) -> None:
    url = embedded_server.url(tmp_path)
    up = program(
        "import structlog\nstructlog.configure(processors=[structlog.processors.JSONRenderer()])\n"
        + ONE_WORKER.format(url=url, grace_s=5)
    )
    eventually(lambda: up.events("waiting_for_redis"))
    time.sleep(1)
    program(SERVER.format(home=str(tmp_path)))
    wait_until_ready(tmp_path)
    eventually(lambda: live_workers(url) == 1, within_s=6)
    assert len(up.events("waiting_for_redis")) == 1
    assert len(up.events("redis_is_back")) == 1
    assert up.events("child_died") == []


@pytest.mark.slow
def test_redis_that_refuses_writes_costs_a_worker_one_plain_line_and_is_waited_for(
    program: Start, redis_url: str, tmp_path: Path
) -> None:
    up = start_logging_worker(program, redis_url)
    admin = Redis.from_url(redis_url)
    admin.config_set("min-replicas-to-write", 1)  # as on a full disk: it answers, and takes no writes
    try:
        eventually(lambda: up.events("waiting_for_redis"), within_s=12)
        (line,) = up.events("worker_lost_redis")
        assert "min-replicas-to-write" in line["cause"]
        assert up.events("child_died")[0]["how"] == "exit 69"
        assert "Traceback" not in up.output.read_text()
        assert "unhandled exception" not in up.output.read_text()
    finally:
        admin.config_set("min-replicas-to-write", 0)
    eventually(lambda: up.events("redis_is_back"), within_s=7)
    enqueue(redis_url, "touch", 1)
    eventually((tmp_path / "done-1").exists, within_s=5)


@pytest.mark.slow
def test_redis_that_asks_for_a_password_all_at_once_is_one_plain_line_and_waited_for(
    program: Start, redis_url: str, tmp_path: Path
) -> None:
    up = start_logging_worker(program, redis_url)
    admin = Redis.from_url(redis_url)
    admin.config_set("requirepass", "Zq9")
    admin.execute_command("AUTH", "Zq9")  # type: ignore[no-untyped-call]
    admin.client_kill_filter(_type="normal", skipme=True)
    try:
        eventually(lambda: up.events("worker_lost_redis"))
        time.sleep(1)  # RQ tries again meanwhile
    finally:
        admin.config_set("requirepass", "")
    (line,) = up.events("worker_lost_redis")
    assert "refuses the user or the password" in line["cause"]
    assert "HELLO" not in up.output.read_text()
    enqueue(redis_url, "touch", 1)
    eventually((tmp_path / "done-1").exists)
    up.send(signal.SIGTERM)
    assert up.wait() == 0
    assert [event["how"] for event in up.events("child_stopped")] == ["exit 0"]


@pytest.mark.slow
def test_living_worker_is_counted_again_after_flushall(program: Start, redis_url: str) -> None:
    start_worker(program, redis_url)
    with Redis.from_url(redis_url).pipeline(transaction=True) as pipe:  # nobody comes in between
        pipe.flushall()
        pipe.dbsize()
        assert pipe.execute()[-1] == 0
    eventually(lambda: live_workers(redis_url) == 1, within_s=8)


@pytest.mark.slow
def test_job_of_a_worker_in_an_outage_is_done_soon_after_it(program: Start, tmp_path: Path) -> None:
    url = embedded_server.url(tmp_path)
    first = program(SERVER.format(home=str(tmp_path)))
    wait_until_ready(tmp_path)
    start_worker(program, url)
    first.send(signal.SIGTERM)
    first.wait()
    time.sleep(13)  # RQ's own waits would double to 8 s now
    program(SERVER.format(home=str(tmp_path)))
    wait_until_ready(tmp_path)
    enqueue(url, "touch", 1)
    eventually((tmp_path / "done-1").exists, within_s=5)


def test_killed_server_is_back_with_what_it_held_and_the_worker_goes_on(
    program: Start, tmp_path: Path
) -> None:
    home = tmp_path / "a home"
    up = program(SERVER_AND_WORKER.format(home=str(home)))
    url = embedded_server.url(home)
    up.pid_of("worker-1")
    eventually(lambda: live_workers(url) == 1)
    (server,) = psutil.Process(up.pid_of("valkey")).children()
    server.kill()
    up.pid_of("valkey", start=2)
    wait_until_ready(home)
    enqueue(url, "touch", 1)
    eventually((tmp_path / "done-1").exists, within_s=7)
    up.send(signal.SIGTERM)
    code = up.wait()
    assert [event["child"] for event in up.events("child_stopped")] == ["worker-1", "valkey"]
    assert code == 0, up.output.read_text()
    assert not embedded_server.socket_path(home).exists()
    assert up.orphans() == []
