"""What `check` says of the parts that only a running service has: its Valkey, workers and dispatcher."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest
from redis import Redis
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from app import wiring
from app.adapters.redis.job_queue import INBOX, KINDS, queue_name
from app.processes.home_lock import hold_home
from tests.cli.conftest import Home
from tests.contract.test_queue import Server


@contextlib.contextmanager
def at_work(home: Home) -> Iterator[Server]:
    """The home is held, its Valkey runs; a worker for each queue and the dispatcher gave their signs."""
    server = Server(home.settings.home)
    queue_id = wiring.ask_queue_id(home.store)
    with Redis.from_url(server.url) as client:
        for kind in KINDS:
            key = f"rq:worker:{kind}"
            client.hset(key, "birth", "now")
            client.expire(key, 80)
            client.sadd(WORKERS_BY_QUEUE_KEY % queue_name(kind, queue_id), key)
    home.store.beat("dispatcher")
    try:
        with hold_home(home.settings.home):
            yield server
    finally:
        server.stop()


def problems(home: Home) -> list[str]:
    said = home.run("check", "--json")
    found: list[str] = said.json["problems"]
    assert said.code == (1 if found else 0)
    return found


@pytest.mark.slow
def test_a_service_at_work_has_nothing_to_mend(home: Home) -> None:
    with at_work(home):
        assert problems(home) == []


@pytest.mark.slow
def test_its_own_valkey_that_hangs_or_is_gone_is_a_problem(home: Home) -> None:
    with at_work(home) as server:
        pid = _served_by(server)
        os.kill(pid, signal.SIGSTOP)
        try:
            (hung,) = problems(home)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert problems(home) == []
        server.stop()
        (gone,) = problems(home)
    assert "does not answer in time" in hung
    assert "is not reached" in gone
    assert all("stop `up` and start it again" in told for told in (hung, gone))


@pytest.mark.slow
def test_a_dispatcher_or_workers_without_heartbeat_are_a_problem(home: Home) -> None:
    with at_work(home) as server:
        with Redis.from_url(server.url) as client:
            client.expire(f"rq:worker:{INBOX}", 30)  # fifty seconds after its last sign
            (found,) = problems(home)
            assert "No worker or no dispatcher" in found
            client.expire(f"rq:worker:{INBOX}", 80)
        assert problems(home) == []
        with home.store.writing() as connection:
            connection.exec_driver_sql("UPDATE heartbeats SET at = at - 60")
        (found,) = problems(home)
    assert "No worker or no dispatcher" in found


def _served_by(server: Server) -> int:
    """The process that answers at the socket."""
    with Redis.from_url(server.url) as client:
        return int(client.info("server")["process_id"])


@pytest.mark.slow
def test_a_database_file_that_was_taken_away_is_a_problem_and_no_new_one_is_made(home: Home) -> None:
    with at_work(home):
        for path in home.place.home.glob("afterword.db*"):
            path.unlink()
        found = problems(home)
        assert any("gone or empty while the service runs" in told for told in found), found
        for command in ("status", "list"):
            said = home.run(command)
            assert (said.code, "put the file back" in said.err) == (69, True), said
        assert not (home.place.home / "afterword.db").exists()
