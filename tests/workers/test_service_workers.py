"""
The workers of the service as `up` runs them, each with its own database: two installations on one Redis,
and heartbeats.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from redis import Redis

from app import wiring
from app.adapters.redis.job_queue import INBOX, RECALL, RqQueue
from app.adapters.sql.store import SqlStore
from app.orchestrator.records import NewDelivery, Offerable
from app.processes.heartbeats import read
from app.settings.environment import Settings, load_settings
from tests import migrated
from tests.workers.programs import Program, eventually
from workers.rq_worker import wait_for_id

Start = Callable[[str], Program]

SERVICE = """
import structlog
structlog.configure(processors=[structlog.processors.JSONRenderer()])
from app.settings.environment import load_settings
from workers import outgoing, rq_worker
from workers.up import preload
settings = load_settings({environment!r})
store = preload(settings)
def serve(kind, name): return lambda: rq_worker.work_for(settings, store, kind, name)
sys.exit(Supervisor([
    ChildSpec("worker-1", serve("recall", "worker-1"), grace_s=5),
    ChildSpec("inbox", serve("inbox", "inbox"), grace_s=5),
    ChildSpec("outgoing", lambda: outgoing.work(settings, store), grace_s=5),
], PrintedLog()).run())
"""
ELSEWHERE = {
    "AFTERWORD_ISOLATED": "1",
    "RECALL_API_BASE_URL": "http://127.0.0.1:1",
    "RECALL_API_KEY": "key",
    "RECALL_WEBHOOK_SECRETS": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
}


@dataclass
class Installation:
    """A database of its own on the shared Redis."""

    environment: dict[str, str]
    settings: Settings
    store: SqlStore
    queue: RqQueue


@pytest.fixture
def install(tmp_path: Path, redis_url: str) -> Iterator[Callable[[str], Installation]]:
    made: list[Installation] = []

    def one(name: str) -> Installation:
        environment = {
            "AFTERWORD_ISOLATED": "1",
            "AFTERWORD_HOME": str(tmp_path / name),
            "RECALL_API_BASE_URL": "http://127.0.0.1:1",
            "RECALL_API_KEY": "key",
            "RECALL_WEBHOOK_SECRETS": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz",
            "REDIS_URL": redis_url,
        }
        settings = load_settings(environment)
        migrated.migrate(settings)
        made.append(
            Installation(environment, settings, wiring.open_store(settings), wiring.open_queue(settings))
        )
        return made[-1]

    yield one
    for installation in made:
        installation.store.close()


def service(program: Start, place: Installation) -> Program:
    running = program(SERVICE.format(environment=place.environment))
    eventually(lambda: [queue.workers for queue in place.queue.counts()] == [1, 1, 1], within_s=20)
    return running


def delivery(number: int) -> NewDelivery:
    """Signed, and of a kind that is not known: applied without any word to Recall."""
    body = json.dumps({"event": "bot.status_change", "data": {}}).encode()
    now = time.time()
    return NewDelivery("default", f"msg_{number}", now, int(now), "default", body)


def _is_applied(place: Installation) -> bool:
    return not place.store.has_unapplied()


def _is_empty(place: Installation) -> bool:
    return place.queue.counts()[0].waiting == 0


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def test_two_installations_on_one_redis_do_each_their_own_work(
    program: Start, install: Callable[[str], Installation], redis_url: str
) -> None:
    places = [install("one"), install("two")]
    programs = [service(program, place) for place in places]
    assert places[0].queue.names[RECALL] != places[1].queue.names[RECALL]
    for number in range(12):
        for place in places:
            place.store.add_deliveries([delivery(number)])
            place.queue.wake_inbox()  # once: no dispatcher is there to ask again
            place.queue.offer([Offerable(number, "a command that is not there any more")])
        for place in places:
            eventually(partial(_is_applied, place), within_s=5)
    for place, running in zip(places, programs, strict=True):
        eventually(partial(_is_empty, place))
        assert running.events("foreign_jobs_dropped") == []
        assert running.events("child_died") == []
        assert [queue.failed for queue in place.queue.counts()] == [0, 0, 0]
    names = {_text(name) for name in Redis.from_url(redis_url).smembers("rq:queues")}
    assert names == {"rq:queue:" + place.queue.names[kind] for place in places for kind in (RECALL, INBOX)}
    assert [k for k in Redis.from_url(redis_url).keys("*") if not _text(k).startswith("rq:")] == []


def test_idle_and_busy_workers_leave_heartbeats_with_host_and_pid(
    program: Start, install: Callable[[str], Installation]
) -> None:
    place = install("one")
    running = service(program, place)
    beats = eventually(lambda: len(found := read(place.store.heartbeats())) == 3 and found)
    assert {beat.role: beat.pid for beat in beats} == {
        "worker-1": running.pid_of("worker-1"),
        "inbox": running.pid_of("inbox"),
        "outgoing": running.pid_of("outgoing"),
    }


@pytest.mark.slow
def test_worker_waits_for_its_database_and_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    away = wiring.open_store(load_settings(ELSEWHERE))
    asked = []

    def ask() -> str:
        asked.append(1)
        return wiring.ask_queue_id(away) if len(asked) < 4 else "0a1b"

    assert wait_for_id(ask) == "0a1b"
    said = capsys.readouterr().out
    assert said.count("waiting_for_database") == 1
