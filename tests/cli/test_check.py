"""`check` says beforehand what `up` would refuse, all of it, to people and to programs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.adapters import sql_tables
from app.cli import places
from app.cli.demo import demo_home
from app.errors import ConfigError, HeldByAnother
from tests.cli.conftest import Home
from tests.config.conftest import WEBHOOK_SECRET
from workers.hold import ensure_port_free, hold_home


def problems(home: Home) -> list[str]:
    said = home.run("check", "--json")
    found: list[str] = said.json["problems"]
    assert said.code == (1 if found else 0)
    told = home.run("check").out
    assert all(problem in told for problem in found)
    return found


def test_a_home_in_order_has_nothing_to_mend_and_nothing_is_left_in_it(home: Home) -> None:
    assert problems(home) == []
    before = sorted(home.place.home.rglob("*"))
    assert problems(home) == []
    assert sorted(home.place.home.rglob("*")) == before


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


def test_a_port_that_our_own_up_has_is_fine(home: Home) -> None:
    with socket.create_server(("127.0.0.1", home.settings.port)), hold_home(home.settings.home):
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


def test_an_address_that_is_not_recalls_is_asked_about_and_hides_no_other_problem(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HTTPServer(("127.0.0.1", 0), _NotThere) as stranger:
        threading.Thread(target=stranger.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{stranger.server_port}"
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
        stranger.shutdown()


def test_an_address_with_a_path_is_refused_before_anything_is_asked(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECALL_API_BASE_URL", f"{home.settings.api_base_url}/api/v1")
    for command in (("check",), ("up",), ("backfill", "--since", "1d", "--dry-run"), ("reconcile",)):
        said = home.run(*command)
        assert said.code == 78
        assert "RECALL_API_BASE_URL: has a path" in said.out + said.err


def test_a_database_that_can_be_read_and_not_written_is_a_problem_with_its_path(home: Home) -> None:
    table = sql_tables.installation.name
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
    made = places.private_folder(tmp_path / "var" / "deeper")
    assert [p.stat().st_mode & 0o777 for p in (made, made.parent, tmp_path)] == [0o700, 0o700, 0o755]
    assert places.private_folder(tmp_path).stat().st_mode & 0o777 == 0o755, "one that is there stays as it is"


def test_the_home_above_that_of_the_demo_is_private_too(tmp_path: Path) -> None:
    assert demo_home(tmp_path) == tmp_path / "var" / "demo"
    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700


def test_configuration_problems_are_json_too(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECALL_WEBHOOK_SECRETS", WEBHOOK_SECRET[:12])
    said = home.run("check", "--json")
    assert said.code == 78
    assert len(said.json["problems"]) == 1
