"""
The promises of `app.orchestrator.ports.Queue`, for every implementation: RQ on the embedded Valkey.

What is in the queue is read by RQ's own means, as its workers would.
"""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue as RqJobs
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import import_attribute

from app.adapters.redis import embedded_server
from app.adapters.redis.job_queue import (
    ANNOUNCE_JOB,
    INBOX,
    JOBS,
    KINDS,
    OUTGOING,
    PERFORM_JOB,
    RECALL,
    RECEIVE_JOB,
    RqQueue,
    lane_of,
    queue_name,
)
from app.errors import QueueUnavailable, StoreUnavailable
from app.orchestrator.ports import Queue
from app.orchestrator.records import AnnouncementOffer, Offerable
from app.orchestrator.timing import Timing
from tests.patience import SLOW_MACHINE
from tests.process_checks import wait_until_ready

WORKERS = 2
QUEUE_ID = "0a1b2c3d"
NAMES = {kind: queue_name(kind, QUEUE_ID) for kind in KINDS}
ROOT = Path(__file__).resolve().parents[2]


class Server:
    """A Valkey that a test may stop, freeze and start again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.url = embedded_server.url(home)
        self.start()

    def start(self) -> None:
        source = (
            "import sys; from pathlib import Path; from app.adapters.redis import embedded_server;"
            "from app.processes.parent_death import kernel_ties_to_parent as guard;"
            "sys.exit(embedded_server.serve(Path(sys.argv[1]), guard=guard))"
        )
        self.process = subprocess.Popen([sys.executable, "-c", source, str(self.home)], cwd=ROOT)
        wait_until_ready(self.home)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("queue home"))
    yield running
    running.stop()


@pytest.fixture
def redis(server: Server) -> Iterator[Redis]:
    with Redis.from_url(server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def queue(server: Server, redis: Redis) -> RqQueue:
    return RqQueue(server.url, WORKERS, Timing(), QUEUE_ID)


def jobs(redis: Redis, name: str) -> list[Job]:
    return RqJobs(NAMES[name], connection=redis, serializer=JSONSerializer).get_jobs()


def offerables(*ids: int) -> list[Offerable]:
    return [Offerable(number, f"fetch the transcript of recording {number}") for number in ids]


@pytest.mark.slow
def test_offered_commands_wait_in_order_with_their_ids_and_sentences(queue: Queue, redis: Redis) -> None:
    queue.offer(offerables(7, 8))
    waiting = jobs(redis, RECALL)
    assert [job.args for job in waiting] == [[7], [8]]
    assert [job.func_name for job in waiting] == [PERFORM_JOB, PERFORM_JOB]
    assert waiting[0].description == "fetch the transcript of recording 7"


def test_job_survives_a_killed_horse_and_never_expires_unseen(queue: Queue, redis: Redis) -> None:
    queue.offer(offerables(7))
    (job,) = jobs(redis, RECALL)
    assert job.retries_left == 3
    assert job.retry_intervals in (None, [], [0])
    assert job.ttl is None
    assert redis.ttl(job.key) == -1
    assert job.timeout == 360
    assert (job.result_ttl, job.failure_ttl) == (60, 86_400)


def test_nothing_is_pickled(queue: Queue, redis: Redis) -> None:
    queue.offer(offerables(7))
    (job,) = jobs(redis, RECALL)
    assert json.loads(job.data) == [PERFORM_JOB, None, [7], {}]


def test_named_functions_exist() -> None:
    for name, arguments in JOBS.items():
        assert len(inspect.signature(import_attribute(name)).parameters) == arguments


def test_offering_nothing_is_no_error_and_offering_twice_is_two_jobs(queue: Queue, redis: Redis) -> None:
    queue.offer([])
    queue.offer(offerables(7))
    queue.offer(offerables(7))
    assert len(jobs(redis, RECALL)) == 2


def test_room_shrinks_with_what_waits_and_never_falls_below_zero(queue: Queue) -> None:
    assert queue.room() == 8
    queue.offer(offerables(1, 2, 3))
    assert queue.room() == 5
    queue.offer(offerables(*range(20)))
    assert queue.room() == 0


def test_wake_ups_take_no_room(queue: Queue) -> None:
    queue.wake_inbox()
    assert queue.room() == 8


def test_many_wake_ups_leave_one_waiting(queue: Queue, redis: Redis) -> None:
    for _ in range(5):
        queue.wake_inbox()
    (job,) = jobs(redis, INBOX)
    assert (job.func_name, job.args, job.retries_left) == (RECEIVE_JOB, [], 3)


# Started anew, since the tests' own process has threads, whose locks a fork would leave held.
_FOUR_WAKE = """
import os, sys
from app.adapters.redis.job_queue import RqQueue
from app.orchestrator.timing import Timing

print("ready", flush=True)
for _ in range(4):
    if os.fork() == 0:
        queue = RqQueue(sys.argv[1], 2, Timing(), sys.argv[2])
        for _ in range(50):
            queue.wake_inbox()
        os._exit(0)
assert [os.wait()[1] for _ in range(4)] == [0] * 4
"""


@pytest.mark.slow
def test_wake_ups_of_many_processes_at_once_leave_one_waiting(
    queue: Queue, redis: Redis, server: Server
) -> None:
    command = [sys.executable, "-c", _FOUR_WAKE, server.url, QUEUE_ID]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as four:
        assert four.stdout is not None
        assert four.stdout.readline() == b"ready\n"
        most = 0
        while four.poll() is None:
            most = max(most, int(redis.llen(f"rq:queue:{NAMES[INBOX]}")))
            redis.ltrim(f"rq:queue:{NAMES[INBOX]}", 1, 0)  # a worker takes what waits: the race begins anew
    assert four.returncode == 0
    assert most == 1


def test_wake_up_that_was_taken_makes_place_for_the_next(queue: Queue, redis: Redis) -> None:
    queue.wake_inbox()
    redis.lmove(f"rq:queue:{NAMES[INBOX]}", f"rq:queue:{NAMES[INBOX]}:intermediate")
    queue.wake_inbox()
    assert len(jobs(redis, INBOX)) == 1


def test_announcements_go_to_a_queue_of_their_own_while_there_is_room(queue: RqQueue, redis: Redis) -> None:
    queue.offer_announcements([])
    queue.offer_announcements([AnnouncementOffer(number, "crm") for number in range(150)])
    queue.offer_announcements([AnnouncementOffer(number, "data") for number in range(150)])
    waiting = jobs(redis, OUTGOING)
    assert len(waiting) == 200  # the dispatcher offers the others again
    assert {(job.func_name, job.args[1]) for job in waiting} == {
        (ANNOUNCE_JOB, lane_of("crm")),
        (ANNOUNCE_JOB, lane_of("data")),
    }


def test_counts_tell_what_waits(queue: RqQueue) -> None:
    queue.offer(offerables(1, 2))
    queue.wake_inbox()
    recall, inbox, _ = queue.counts()
    assert (recall.name, recall.waiting, recall.started, recall.failed, recall.stuck) == (RECALL, 2, 0, 0, 0)
    assert (inbox.name, inbox.waiting, inbox.workers) == (INBOX, 1, 0)


def test_a_worker_without_heartbeat_for_forty_seconds_is_not_counted(queue: RqQueue, redis: Redis) -> None:
    """Its hash stays for 70 s or 80 s after the last sign, its name in the set until that is cleaned up."""
    for name in ("works", "stopped", "killed"):
        redis.sadd(f"rq:workers:{NAMES[RECALL]}", f"rq:worker:{name}")
    for name, left_s in (("works", 62), ("stopped", 35)):
        redis.hset(f"rq:worker:{name}", "birth", "now")
        redis.expire(f"rq:worker:{name}", left_s)
    assert queue.counts()[0].workers == 1


def test_full_redis_raises_queue_unavailable_and_keeps_what_it_has(queue: RqQueue, redis: Redis) -> None:
    queue.offer(offerables(1))
    redis.config_set("maxmemory", "1")
    try:
        with pytest.raises(QueueUnavailable):
            queue.offer(offerables(2))
    finally:
        redis.config_set("maxmemory", "0")
    assert len(jobs(redis, RECALL)) == 1


def test_absent_redis_raises_queue_unavailable_at_once_from_every_method(tmp_path: Path) -> None:
    queue = RqQueue(embedded_server.url(tmp_path), WORKERS, Timing(), QUEUE_ID)
    began_at = time.monotonic()
    for call in (
        queue.wake_inbox,
        queue.room,
        queue.ping,
        queue.counts,
        lambda: queue.offer(offerables(1)),
    ):
        with pytest.raises(QueueUnavailable):
            call()
    assert time.monotonic() - began_at < 1 * SLOW_MACHINE


def test_address_and_password_are_not_in_the_error() -> None:
    queue = RqQueue("redis://:hunter2@127.0.0.1:1/0", WORKERS, Timing(), QUEUE_ID)
    with pytest.raises(QueueUnavailable) as error:
        queue.ping()
    assert "hunter2" not in str(error.value)


@pytest.mark.slow
def test_frozen_redis_is_given_up_after_two_seconds_and_not_asked_again_by_itself(
    queue: RqQueue, redis: Redis
) -> None:
    queue.ping()
    pid = int(redis.info("server")["process_id"])
    began_at = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(QueueUnavailable):
            queue.offer(offerables(1))
        assert time.monotonic() - began_at < 3.9, "asked twice, it takes four"
    finally:
        os.kill(pid, signal.SIGCONT)
    time.sleep(0.2)
    assert len(jobs(redis, RECALL)) <= 1


@pytest.mark.slow
def test_queue_works_again_after_redis_was_restarted(queue: RqQueue, server: Server) -> None:
    queue.offer(offerables(1))
    server.stop()
    with pytest.raises(QueueUnavailable):
        queue.ping()
    server.start()
    assert queue.room() == 7


def test_threads_may_share_one_queue(queue: RqQueue, redis: Redis) -> None:
    threads = [threading.Thread(target=queue.offer, args=(offerables(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(job.args[0] for job in jobs(redis, RECALL)) == list(range(8))


def test_every_key_begins_as_rqs_own_so_that_an_acl_for_those_is_enough(server: Server, redis: Redis) -> None:
    redis.execute_command("ACL", "SETUSER", "narrow", "on", ">word", "~rq:*", "+@all")  # type: ignore[no-untyped-call]
    try:
        narrow = RqQueue(server.url.replace("unix://", "unix://narrow:word@"), WORKERS, Timing(), QUEUE_ID)
        narrow.check_write()
        narrow.offer(offerables(7))
        narrow.wake_inbox()
        narrow.ask_reconcile()
        narrow.offer_announcements([AnnouncementOffer(5, "crm")])
        assert narrow.room() == 6
        assert [counts.waiting for counts in narrow.counts()] == [2, 1, 1]
    finally:
        redis.execute_command("ACL", "DELUSER", "narrow")  # type: ignore[no-untyped-call]


def test_two_installations_on_one_redis_see_nothing_of_each_other(server: Server, redis: Redis) -> None:
    mine, theirs = (RqQueue(server.url, WORKERS, Timing(), queue_id) for queue_id in ("aa", "bb"))
    mine.offer(offerables(1, 2))
    mine.wake_inbox()
    assert [counts.waiting for counts in theirs.counts()] == [0, 0, 0]
    assert theirs.room() == 8
    theirs.wake_inbox()  # a wake-up that waits elsewhere wakes nobody here
    assert [counts.waiting for counts in theirs.counts()] == [0, 1, 0]
    assert [counts.waiting for counts in mine.counts()] == [2, 1, 0]


@pytest.mark.slow
def test_name_is_asked_for_at_the_first_use_and_again_until_the_database_answers(
    server: Server, redis: Redis
) -> None:
    answers: list[str | StoreUnavailable] = ["cc", StoreUnavailable("away"), StoreUnavailable("away")]

    def ask() -> str:
        answer = answers.pop()
        if isinstance(answer, StoreUnavailable):
            raise answer
        return answer

    queue = RqQueue(server.url, WORKERS, Timing(), ask)
    queue.check_write()  # needs no name
    assert len(answers) == 3
    for call in (queue.wake_inbox, queue.counts):
        with pytest.raises(QueueUnavailable, match="database"):
            call()
    queue.wake_inbox()
    queue.offer(offerables(1))
    assert answers == []
    assert queue.names == {RECALL: "recall-cc", INBOX: "inbox-cc", OUTGOING: "outgoing-cc"}
