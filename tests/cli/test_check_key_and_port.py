"""`check` before a restart: with a key not used yet, with another port, after a stop, after a death."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest

from app.adapters.sql import tables
from app.cli.presence import service_of
from app.orchestrator.records import PauseSubject
from app.processes.home_lock import hold_home
from app.settings.environment import load_settings
from tests.cli.conftest import WORKSPACE, Home
from tests.cli.test_check import beats_now, problems
from tests.cli.test_check_at_work import at_work
from workers.dispatcher import _opened

OTHER = "a-key-of-another-workspace"


def rows(home: Home) -> dict[str, Any]:
    """All that the database holds but the rates, in which each question takes its turn, and a tried write."""
    with home.store.reading() as connection:
        return {
            table.name: [row for row in connection.execute(table.select()) if row[0] != "write_check"]
            for table in tables.metadata.sorted_tables
            if "slot" not in table.name and "rate" not in table.name
        }


def with_other_key(home: Home) -> None:
    home.place.recall.settings(workspaces={OTHER: "theirs"})
    home.monkeypatch.setenv("RECALL_API_KEY", OTHER)


@pytest.mark.slow
def test_a_new_key_of_another_workspace_is_a_problem_before_the_service_has_it(home: Home) -> None:
    for _ in range(3):
        home.hears(recording=home.recorded(days_ago=0.1))
    with_other_key(home)
    before = rows(home)
    (found,) = problems(home)
    assert "sees none of the recordings known here" in found
    assert "put the right key back" in found
    assert rows(home) == before


def test_a_new_key_that_sees_them_is_fine_also_after_a_foreign_one_and_nothing_is_noted(home: Home) -> None:
    home.hears(recording=home.recorded(days_ago=0.1))
    home.store.set_key_status(WORKSPACE, "another1", "foreign")
    home.store.pause(WORKSPACE, PauseSubject.KEY, probe_after_s=60)
    before = rows(home)
    assert problems(home) == []
    assert rows(home) == before


def test_where_nothing_is_known_a_new_key_has_nothing_to_be_held_against(home: Home) -> None:
    with_other_key(home)
    assert problems(home) == []


@pytest.mark.slow
def test_a_port_changed_while_up_runs_must_be_free(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    beats_now(home, "up", pid=os.getpid(), settings={"port": home.settings.port})
    with at_work(home), socket.create_server(("127.0.0.1", home.settings.port)):
        assert problems(home) == []
        with socket.create_server(("127.0.0.1", 0)) as others:
            monkeypatch.setenv("PORT", str(others.getsockname()[1]))
            (found,) = problems(home)
            assert "taken by another process" in found
        assert problems(home) == []


def test_a_changed_port_that_waits_for_a_restart_is_not_the_ports_of_the_service(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a reload the children run with what `up` began with, whatever stands on disk."""
    _opened(home.settings, {"digests": {"PORT": "waits for a restart"}}, os.getpid()).tick()
    assert service_of(home.settings).is_own_port(home.settings.port) is True
    monkeypatch.setenv("PORT", "1")
    changed = load_settings()
    assert service_of(changed).is_own_port(changed.port) is False


def test_a_service_that_was_stopped_is_no_problem_and_one_that_was_killed_is(home: Home) -> None:
    home.store.beat("dispatcher")
    with home.store.writing() as connection:
        connection.exec_driver_sql("UPDATE heartbeats SET at = at - 60")
    with hold_home(home.settings.home):
        pass
    said = home.run("check")
    assert said.code == 0, said
    assert "The service does not run" in said.out
    (home.settings.home / "up.lock").write_text(f"{'12345':<15}\n")
    assert "The service does not run" in problems(home)[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RECALL_API_KEY", ""),
        ("RECALL_WEBHOOK_SECRETS", "x"),
        ("STORAGE_URL", "x"),
        ("REDIS_URL", "x"),
        ("PORT", "x"),
        ("HOST", "http://x"),
        ("NGROK_DOMAIN", "https://x.ngrok.app"),
        ("AFTERWORD_PROVIDERS", "assemblyai_async"),
        ("AFTERWORD_POLICY", "/no-pe/policy.toml"),
        ("AFTERWORD_WORKERS", "x"),
        ("AFTERWORD_API_KEYS", "x"),
        ("AFTERWORD_METRICS_TOKEN", "x"),
        ("AFTERWORD_OPS_PASSWORD_FILE", "missing"),
    ],
)
def test_a_command_needs_only_the_settings_that_it_uses(
    home: Home, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    recording = home.hears()
    used = {
        "ops": {"PORT", "HOST", "AFTERWORD_OPS_PASSWORD_FILE"},
        "list": set(),
        "show": {"STORAGE_URL"},
        "status": {
            "STORAGE_URL",
            "REDIS_URL",
            "AFTERWORD_WORKERS",
            "AFTERWORD_PROVIDERS",
            "AFTERWORD_POLICY",
        },
        "retry": {"REDIS_URL", "AFTERWORD_WORKERS", "AFTERWORD_PROVIDERS", "AFTERWORD_POLICY"},
        "reconcile": {
            *("RECALL_API_KEY", "REDIS_URL", "AFTERWORD_WORKERS", "AFTERWORD_PROVIDERS", "AFTERWORD_POLICY")
        },
        "migrate": set(),
    }
    more = {"show": (recording,), "retry": (recording,), "reconcile": ("--dry-run",)}
    monkeypatch.setenv(name, value)
    for command, needed in used.items():
        said = home.run(command, *more.get(command, ()))
        assert (said.code == 78) == (name in needed), (command, said)
    assert home.run("check").code == 78, "which names them all"


def test_check_asks_all_that_a_wrong_setting_leaves_to_be_asked(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFTERWORD_WORKERS", "x")
    monkeypatch.setenv("RECALL_API_KEY", "refused")
    with socket.create_server(("127.0.0.1", home.settings.port)):
        said = home.run("check", "--json")
    assert said.code == 78
    assert len(said.json["problems"]) == 3, said


@pytest.mark.slow
def test_a_script_is_not_asked_by_reconcile_and_is_no_yes_to_a_foreign_key(home: Home) -> None:
    home.hears(recording=home.recorded(days_ago=0.1))
    with_other_key(home)
    said = home.run("reconcile")
    assert said.code == 1, said
    assert "Go on?" not in said.out + said.err
    assert "reconcile --yes` is the yes" in said.err
    assert home.run("reconcile", typed="n\n").code == 1
    assert home.run("reconcile", "--yes").code == 0
    assert home.run("reconcile").code == 0, "accepted"
