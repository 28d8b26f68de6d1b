"""
What a stranger with write access to Redis can do to the board: nothing. A job or worker that is none of ours
is absent; it neither breaks a page nor costs memory nor holds up what is asked of the others.
"""

from __future__ import annotations

import tracemalloc
import zlib
from base64 import b64encode
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis
from rq.job import Job

from tests.ops.test_rq_board import (
    OWN,
    QUEUE,
    SENTENCE,
    board,
    busy_worker,
    data,
    failed,
    jobs,
    one_board,
    queued,
)

__all__ = ["board", "failed", "one_board", "queued"]

BAD = b"</script><img src=x onerror=alert(1)>"
BOMB = zlib.compress(b"A" * 50_000_000, 9)
PAGES = ("", "0/view/jobs", "0/view/workers")
FIELDS: dict[str, tuple[str, bytes]] = {
    "a time that is none": ("created_at", b"yesterday"),
    "unknown state": ("status", BAD),
    "no time limit": ("timeout", BAD),
    "no number": ("result_ttl", BAD),
    "no list": ("retry_intervals", BAD),
    "no text": ("description", b"\xff"),
    "long text": ("description", b"A" * 1_000_000),
    "no worker's name": ("worker_name", b"\xff"),
    "no call": ("data", b"[1]"),
    "no JSON": ("data", BAD),
    "a bomb": ("data", BOMB),
    "a bomb in a bomb": ("data", zlib.compress(BOMB)),
    "another queue": ("origin", BAD),
}
# What our own programs do not write is not read.
UNREAD: dict[str, tuple[str, bytes]] = {
    "metadata": ("meta", BAD),
    "bomb as failure": ("exc_info", BOMB),
    "callback": ("success_callback_timeout", BAD),
    "webhooks": ("webhooks", BAD),
    "dependency": ("dependency_ids", b'["x"]'),
    "repetition": ("repeat_intervals", BAD),
}
RESULTS: dict[str, dict[Any, Any]] = {
    "no base64": {"type": 2, "exc_string": "x"},
    "not packed": {"type": 2, "exc_string": b64encode(b"x")},
    "a bomb": {"type": 2, "exc_string": b64encode(BOMB)},
    "no kind": {"type": BAD},
    "another kind": {"type": 9},
    "nothing": {"a": 1},
    "no JSON": {"type": 1, "return_value": b64encode(BAD)},
    "no text": {"type": 2, "exc_string": b64encode(zlib.compress(b"\xff"))},
}


def shown(board: FlaskClient, registry: str) -> list[str]:
    """The ids in a list; every page beside it opens as well, at the price of a few megabytes."""
    tracemalloc.start()
    try:
        listed = data(board, f"jobs/{QUEUE}/{registry}/8/asc/1")["jobs"]
        for name in ("workers", "queues"):
            data(board, name)
        for path in PAGES:
            page = board.get(f"/ops/rq/{path}")
            assert page.status_code == 200
            assert BAD not in page.data
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    return [job["id"] for job in listed]


def another(redis: Redis) -> Job:
    """A job that waits, beside the one of the fixture, and is what a worker says it does."""
    job = jobs(redis).enqueue_call("os.getpid", description="another")
    busy_worker(redis, job.id)
    return job


@pytest.mark.slow
@pytest.mark.parametrize("name", FIELDS)
def test_job_with_a_field_that_ours_have_not_is_not_there_and_the_others_are(
    board: FlaskClient, redis: Redis, queued: str, name: str
) -> None:
    job = another(redis)
    redis.hset(job.key, *FIELDS[name])
    assert shown(board, "queued") == [queued]
    assert board.get(f"/ops/rq/0/view/job/{job.id}").status_code == 404
    assert board.get(f"/ops/rq/0/data/job/{job.id}.json").status_code == 404
    assert board.post(f"/ops/rq/job/{job.id}/requeue", headers=OWN).status_code == 404


@pytest.mark.slow
@pytest.mark.parametrize("name", UNREAD)
def test_what_ours_never_write_is_not_read(board: FlaskClient, redis: Redis, queued: str, name: str) -> None:
    redis.hset(f"rq:job:{queued}", *UNREAD[name])
    busy_worker(redis, queued)
    assert shown(board, "queued") == [queued]
    assert data(board, f"job/{queued}")["description"] == SENTENCE
    assert data(board, f"job/{queued}")["metadata"] == "{}"


@pytest.mark.slow
@pytest.mark.parametrize("name", RESULTS)
def test_result_that_cannot_be_read_is_none(board: FlaskClient, redis: Redis, failed: str, name: str) -> None:
    redis.xadd(f"rq:results:{failed}", RESULTS[name])
    assert shown(board, "failed") == [failed]
    assert data(board, f"job/{failed}")["exc_info"] is None


@pytest.mark.slow
def test_of_a_long_failure_the_end_is_shown(board: FlaskClient, redis: Redis, failed: str) -> None:
    packed = b64encode(zlib.compress(b"A" * 10_000_000 + b"the end"))
    redis.xadd(f"rq:results:{failed}", {"type": 2, "exc_string": packed})
    said = data(board, f"job/{failed}")["exc_info"]
    assert said.endswith("the end")
    assert len(said) < 100_000


@pytest.mark.slow
@pytest.mark.parametrize("id", [BAD, b"a b", b"x" * 200])
def test_id_that_is_none_is_passed_over(board: FlaskClient, redis: Redis, failed: str, id: bytes) -> None:
    redis.lpush(f"rq:queue:{QUEUE}", id)
    one: Any = {id: 1}
    redis.zadd(f"rq:failed:{QUEUE}", one)
    assert shown(board, "queued") == []
    assert shown(board, "failed") == [failed]


@pytest.mark.slow
def test_one_that_is_gone_does_not_hold_up_those_that_are_put_back_with_it(
    board: FlaskClient, redis: Redis, failed: str
) -> None:
    gone: Any = {"gone": 1, BAD: 2}
    redis.zadd(f"rq:failed:{QUEUE}", gone)
    assert board.post(f"/ops/rq/requeue/{QUEUE}", headers=OWN).status_code == 200
    assert jobs(redis).get_job_ids() == [failed]


def as_ours_but(redis: Redis, changes: dict[bytes, bytes]) -> dict[Any, Any]:
    """The fields of the worker that is ours, and these instead of its own."""
    ours: Any = redis.hgetall("rq:worker:worker-1-abc")
    return {**ours, **changes}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("birth", BAD),
        ("last_heartbeat", BAD),
        ("pid", BAD),
        ("successful_job_count", BAD),
        ("queues", b"\xff"),
    ],
)
def test_worker_that_is_none_is_not_there(
    board: FlaskClient, redis: Redis, queued: str, field: str, value: bytes
) -> None:
    busy_worker(redis, queued)
    key = "rq:worker:of-a-stranger"
    redis.hset(key, mapping=as_ours_but(redis, {field.encode(): value}))
    redis.sadd(f"rq:workers:{QUEUE}", key, "not a worker's key", BAD)
    redis.set("rq:worker:no-hash", "x")
    redis.sadd(f"rq:workers:{QUEUE}", "rq:worker:no-hash")
    assert shown(board, "queued") == [queued]
    assert [worker["name"] for worker in data(board, "workers")["workers"]] == ["worker-1-abc"]


@pytest.mark.slow
def test_what_a_worker_is_called_is_data_and_no_part_of_a_page(
    board: FlaskClient, redis: Redis, queued: str
) -> None:
    busy_worker(redis, queued)
    key = b"rq:worker:" + BAD
    redis.hset(key, mapping=as_ours_but(redis, {b"queues": BAD, b"state": BAD}))
    redis.sadd(f"rq:workers:{QUEUE}", key)
    assert shown(board, "queued") == [queued]
    answer = board.get("/ops/rq/0/data/workers.json")
    assert answer.content_type == "application/json"
    assert BAD.decode() in {worker["name"] for worker in answer.get_json()["workers"]}


@pytest.mark.slow
def test_key_of_another_type_in_the_place_of_a_job_is_no_job(
    board: FlaskClient, redis: Redis, queued: str
) -> None:
    job = another(redis)
    redis.delete(job.key)
    redis.set(job.key, "x")
    assert shown(board, "queued") == [queued]
