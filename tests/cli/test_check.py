"""`check` says beforehand what `up` would refuse, all of it, to people and to programs."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import sqlalchemy as sa
from redis import Redis
from redis.exceptions import RedisError

from app.adapters.redis.embedded_server import find_binary
from app.adapters.sql import tables
from app.cli import preflight
from app.cli.demo import demo_home
from app.errors import ConfigError, HeldByAnother
from app.orchestrator.records import PauseSubject
from app.processes.home_lock import ensure_port_free, hold_home
from app.settings.changes import settings_fingerprint
from tests.cli.conftest import WORKSPACE, Home
from tests.cli.test_check_at_work import at_work
from tests.settings.conftest import WEBHOOK_SECRET


@contextmanager
def another_server(status: int, body: bytes) -> Iterator[str]:
    """Something that listens and answers everything so; its address."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@contextmanager
def valkey(folder: Path, *arguments: str) -> Iterator[str]:
    """A server of its own; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(find_binary()), "--port", str(port), "--dir", str(folder), "--save", "", *arguments]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        client = Redis(port=port)
        for _ in range(200):
            with suppress(RedisError):
                if client.ping():
                    break
            time.sleep(0.02)
        client.close()
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


def problems(home: Home) -> list[str]:
    said = home.run("check", "--json")
    found: list[str] = said.json["problems"]
    assert said.code == (1 if found else 0)
    told = home.run("check").out
    assert all(problem in told for problem in found)
    return found


def test_a_home_in_order_has_nothing_to_mend_and_nothing_is_left_in_it(home: Home) -> None:
    assert problems(home) == []
    # What SQLite and the turns of its writers keep beside the database is theirs.
    assert [path for path in home.place.home.rglob("*") if not path.name.startswith("afterword.db")] == []


def test_a_host_that_is_none_is_a_problem_as_it_is_for_up(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST", "999.1.1.1")
    (found,) = problems(home)
    assert "999.1.1.1" in found
    assert "use e.g. 127.0.0.1" in found
    with pytest.raises(ConfigError):
        ensure_port_free("999.1.1.1", home.settings.port)


def test_a_port_that_another_program_has_is_a_problem(home: Home) -> None:
    with socket.create_server(("127.0.0.1", home.settings.port)):
        (found,) = problems(home)
        with pytest.raises(HeldByAnother) as refused:
            ensure_port_free("127.0.0.1", home.settings.port)
    assert found == str(refused.value)


@pytest.mark.slow
def test_a_port_that_our_own_up_has_is_fine(home: Home) -> None:
    with socket.create_server(("127.0.0.1", home.settings.port)), at_work(home):
        assert problems(home) == []


def test_a_port_of_the_same_service_started_without_up_is_only_noted(home: Home) -> None:
    home.store.beat("dispatcher")
    with socket.create_server(("127.0.0.1", home.settings.port)):
        said = home.run("check", "--json")
    assert (said.code, said.json["problems"]) == (0, [])
    assert any(f"Port {home.settings.port} is taken" in note for note in said.json["warnings"])


class _NotThere(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.slow
def test_an_address_that_is_not_recalls_is_asked_about_and_hides_no_other_problem(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with another_server(404, b"{}") as address:
        monkeypatch.setenv("RECALL_API_BASE_URL", address)
        monkeypatch.setenv("HOST", "999.1.1.1")
        found = problems(home)
        assert len(found) == 2
        assert address in found[0]
        assert "is this Recall's address?" in found[0]
        for command in (("backfill", "--since", "1d", "--dry-run"), ("reconcile", "--dry-run")):
            said = home.run(*command)
            assert said.code == 69
            assert "is this Recall's address?" in said.err
            assert "RECALL_API_BASE_URL" in said.err


def test_an_address_with_a_path_is_refused_before_anything_is_asked(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECALL_API_BASE_URL", f"{home.settings.api_base_url}/api/v1")
    for command in (("check",), ("up",), ("backfill", "--since", "1d", "--dry-run"), ("reconcile",)):
        said = home.run(*command)
        assert said.code == 78
        assert "RECALL_API_BASE_URL: has a path" in said.out + said.err


def test_a_database_that_can_be_read_and_not_written_is_a_problem_with_its_path(home: Home) -> None:
    table = tables.installation.name
    with home.store.writing() as connection:
        for verb in ("INSERT", "UPDATE"):
            refusal = f"BEFORE {verb} ON {table} BEGIN SELECT RAISE(FAIL, 'full'); END"
            connection.execute(sa.text(f"CREATE TRIGGER no_{verb} {refusal}"))
    (found,) = problems(home)
    assert found.startswith("the database is not usable")
    assert str(home.place.home / "afterword.db") in found


def test_a_file_that_is_no_database_is_named_by_every_command(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "other home"
    other.mkdir()
    (other / "afterword.db").write_text("a diary " * 500)
    monkeypatch.setenv("AFTERWORD_HOME", str(other))
    (found,) = problems(home)
    listed = home.run("list")
    assert listed.code == 69
    for told in (found, listed.err):
        assert str(other / "afterword.db") in told
        assert "not a SQLite database" in told
        assert "DATABASE_URL" not in told


def file_in_its_place(home: Path) -> None:
    home.write_text("")


def folder_in_place_of_a_lock(home: Path) -> None:
    (home / "up.alive").mkdir(parents=True)


def file_on_the_way(home: Path) -> None:
    home.parent.write_text("")


@pytest.mark.parametrize("spoil", [file_in_its_place, folder_in_place_of_a_lock, file_on_the_way])
def test_a_home_that_up_could_not_hold_is_a_problem(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    place = tmp_path / "on the way" / "home"
    if spoil is not file_on_the_way:
        place.parent.mkdir()
    spoil(place)
    monkeypatch.setenv("AFTERWORD_HOME", str(place))
    monkeypatch.setenv("DATABASE_URL", f"sqlite:////{tmp_path}/elsewhere.db")
    monkeypatch.setenv("STORAGE_URL", (tmp_path / "transcripts").as_uri())
    (found,) = problems(home)
    assert found.startswith("AFTERWORD_HOME: ")
    with pytest.raises(ConfigError), hold_home(place):
        pass


def test_a_folder_is_made_for_its_owner_alone_with_those_above_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    made = preflight.private_folder(tmp_path / "var" / "deeper")
    assert [p.stat().st_mode & 0o777 for p in (made, made.parent, tmp_path)] == [0o700, 0o700, 0o755]
    assert preflight.private_folder(tmp_path).stat().st_mode & 0o777 == 0o755, (
        "one that is there stays as it is"
    )


def test_the_home_above_that_of_the_demo_is_private_too(tmp_path: Path) -> None:
    assert demo_home(tmp_path) == tmp_path / "var" / "demo"
    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700


def test_configuration_problems_are_json_too(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECALL_WEBHOOK_SECRETS", WEBHOOK_SECRET[:12])
    said = home.run("check", "--json")
    assert said.code == 78
    assert len(said.json["problems"]) == 1


# -- whether the service runs --------------------------------------------------------------------------------
def beats_now(home: Home, name: str, *, host: str = "", pid: int | None = None, **more: object) -> None:
    """A process's heartbeat, as it writes it itself."""
    host = host or socket.gethostname()
    home.store.beat(
        f"{name}@{host}", detail=json.dumps({"host": host, "pid": pid, "started_at": 1.0, **more})
    )


def dead_process() -> int:
    """The id of a process that has ended."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def test_before_the_first_start_nothing_is_wrong_and_it_says_that_nothing_runs(home: Home) -> None:
    said = home.run("check")
    assert said.code == 0
    assert "Everything needed is there." in said.out
    assert "The service does not run: nothing happens until `./afterword up`." in said.out


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["just now", "long ago"])
def test_a_service_that_died_is_a_problem_at_once(home: Home, moment: str) -> None:
    home.store.beat("dispatcher")
    beats_now(home, "up", pid=dead_process())
    if moment == "long ago":
        with home.store.writing() as connection:
            connection.exec_driver_sql("UPDATE heartbeats SET at = at - 86400")
    (found,) = problems(home)
    assert "does not run" in found
    assert "`./afterword up`" in found
    said = home.run("check")
    assert "Everything needed is there" not in said.out
    assert home.run("check", "--json").json["is_running"] is False


@pytest.mark.slow
def test_a_service_that_runs_is_said_and_what_it_did_not_read_yet(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(home.place.environment["RECALL_API_KEY"])
    monkeypatch.delenv("RECALL_API_KEY")
    monkeypatch.setenv("RECALL_API_KEY_FILE", str(key_file))
    beats_now(home, "up", pid=os.getpid(), settings=settings_fingerprint())
    with at_work(home):
        said = home.run("check")
        assert (said.code, "Changed on disk" in said.out) == (0, False), said
        assert f"The service runs: `up`, process {os.getpid()}" in said.out
        key_file.write_text("another")
        said = home.run("check")
        assert (
            "Changed on disk since the service started: RECALL_API_KEY (a reload takes it: `kill -HUP"
            in said.out
        )
        assert home.run("check", "--json").json["changed_settings"] == ["RECALL_API_KEY"]


@pytest.mark.slow
def test_a_service_on_another_machine_runs_and_a_made_password_is_not_enough(home: Home) -> None:
    beats_now(home, "up", host="one", pid=1)
    home.store.beat("dispatcher")
    assert "AFTERWORD_OPS_PASSWORD" not in home.run("check").out
    beats_now(home, "worker-1", host="two", pid=1)
    (found,) = problems(home)
    assert "AFTERWORD_OPS_PASSWORD" in found
    assert "one, two" in found
    assert "The service runs: up@one" in home.run("check").out
    home.monkeypatch.setenv("AFTERWORD_OPS_PASSWORD", "the same everywhere")
    assert problems(home) == []


def test_without_recalls_settings_the_rest_is_checked_all_the_same(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RECALL_API_KEY")
    beats_now(home, "up", pid=dead_process())
    said = home.run("check", "--json")
    assert said.code == 78
    first, second = said.json["problems"]
    assert first.startswith("RECALL_API_KEY is missing")
    assert "does not run" in second


# -- the port and the database -------------------------------------------------------------------------------
@pytest.mark.slow
def test_our_own_port_is_ours_also_while_the_database_is_away(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
    body = json.dumps({"status": "unavailable", "parts": {"database": "down"}}).encode()
    with another_server(503, body) as address:
        monkeypatch.setenv("PORT", address.rpartition(":")[2])
        said = home.run("check", "--json")
    assert said.code == 1
    assert not [problem for problem in said.json["problems"] if "taken by another" in problem]
    assert any("it seems by this service" in note for note in said.json["warnings"])
    assert said.json["is_running"] is None


@pytest.mark.slow
@pytest.mark.parametrize("body", [b"{}", b"[1]", b'{"parts": 1}', b"<html>", b'{"parts": null}'])
def test_another_programs_port_stays_another_programs(
    home: Home, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
    with another_server(200, body) as address:
        monkeypatch.setenv("PORT", address.rpartition(":")[2])
        assert any(
            "taken by another process" in problem for problem in home.run("check", "--json").json["problems"]
        )


def test_a_mended_key_is_not_called_paused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.store.pause(WORKSPACE, PauseSubject.ACCOUNT, 401, probe_after_s=60)
    said = home.run("check")
    assert (said.code, "Paused" in said.out) == (0, False), said
    assert "Recall accepts the one of these settings" in said.out
    monkeypatch.setenv("RECALL_API_KEY", "wrong")
    said = home.run("check")
    assert said.code == 1
    assert "Paused since" in said.out


@pytest.mark.slow
def test_a_key_that_sees_nothing_known_here_is_a_problem_until_the_right_one_is_back(home: Home) -> None:
    fingerprint = hashlib.sha256(home.settings.api_key.encode()).hexdigest()[:8]
    home.store.set_key_status(WORKSPACE, fingerprint, "foreign")
    home.store.pause(WORKSPACE, PauseSubject.KEY, probe_after_s=60)
    (found,) = problems(home)
    assert "sees none of the recordings known here" in found
    home.store.set_key_status(WORKSPACE, fingerprint, "accepted")
    assert problems(home) == []
    home.store.unpause(WORKSPACE)
    home.store.set_key_status(WORKSPACE, fingerprint, "foreign")
    (found,) = problems(home)
    assert "sees none of the recordings known here" in found


@pytest.mark.slow
def test_a_redis_that_evicts_is_noted(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with valkey(tmp_path, "--maxmemory-policy", "allkeys-lru", "--maxmemory", "64mb") as url:
        monkeypatch.setenv("REDIS_URL", url)
        said = home.run("check", "--json")
    assert (said.code, said.json["problems"]) == (0, [])
    assert any("maxmemory-policy allkeys-lru" in note for note in said.json["warnings"])
