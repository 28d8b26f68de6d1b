"""What `status` and `check` say of troubles in which most things go on, and of what is no trouble."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from app import wiring
from app.adapters.sql import tables as t
from app.cli import preflight
from app.core import events
from app.processes.home_lock import hold_home
from app.settings.changes import settings_fingerprint
from app.web.health import NO_WEB
from tests.cli.conftest import FIRST, WORKSPACE, Home, delivery
from tests.cli.test_check import another_server, beats_now
from tests.cli.test_check_at_work import at_work
from tests.cli.test_status import in_a_terminal

ALL = ("web", "inbox", "outgoing", "worker-1", "worker-2", "worker-3", "worker-4")
RECORDING = "33333333-3333-4333-8333-333333333333"


def at_its_work(home: Home, *, without: str = "", ago_s: float = 100.0) -> None:
    """Signs of `up` and of all its processes but one."""
    began = time.time() - ago_s
    settings = {**settings_fingerprint(), "port": int(os.environ["PORT"])}
    beats_now(home, "up", pid=os.getpid(), started_at=began, workers=4, settings=settings)
    for role in ALL:
        if role != without:
            beats_now(home, role, pid=os.getpid())


def said(home: Home) -> tuple[list[str], list[str]]:
    """The problems of `status`, which exits 1 with any, and those of `check`."""
    status, check = home.run("status", "--json"), home.run("check", "--json")
    problems, mended = status.json["problems"], check.json["problems"]
    assert (status.code, status.json["is_well"]) == ((1, False) if problems else (0, True))
    assert check.code == (1 if mended else 0)
    return problems, mended


@pytest.mark.slow
@pytest.mark.parametrize("role", ["web", "inbox", "outgoing", "worker-3"])
def test_a_process_without_heartbeat_is_not_well_and_is_named(home: Home, role: str) -> None:
    at_its_work(home, without=role)
    with at_work(home), another_server(200, b'{"parts": {"database": "ok"}}') as address:
        home.monkeypatch.setenv("PORT", address.rpartition(":")[2])
        at_its_work(home, without=role)
        for (problem,) in said(home):
            assert problem == NO_WEB if role == "web" else f"{role}@" in problem
        beats_now(home, role)
        assert said(home) == ([], [])


@pytest.mark.slow
def test_web_that_does_not_answer_is_said_at_once_whatever_its_heartbeats(home: Home) -> None:
    with at_work(home):
        at_its_work(home)
        for (problem,) in said(home):
            assert problem == NO_WEB
        with another_server(200, b'{"parts": {"database": "ok"}}') as address:
            home.monkeypatch.setenv("PORT", address.rpartition(":")[2])
            at_its_work(home)
            assert said(home) == ([], [])
        at_its_work(home, ago_s=1)
        assert said(home) == ([], []), "it has just begun"


@pytest.mark.slow
def test_one_provider_of_several_that_is_passed_over_is_a_note_and_all_of_them_are_a_problem(
    home: Home,
) -> None:
    def fails(provider: str) -> None:
        for _ in range(5):
            home.store.record_result(WORKSPACE, provider, worked=False, open_s=120)

    with at_work(home):
        fails(FIRST)
        assert said(home) == ([], [])
        assert FIRST in home.run("status", "--json").json["notes"][0]
        assert FIRST in home.run("check", "--json").json["warnings"][0]
        for choice in home.settings.policy.providers:
            fails(choice.key)
        for (problem,) in said(home):
            assert problem.startswith("Every provider of the policy")


@pytest.mark.slow
def test_a_policy_that_is_broken_on_disk_is_said_and_hides_nothing_else(home: Home, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("attempts = 'many'")
    home.monkeypatch.setenv("AFTERWORD_POLICY", str(policy))
    with at_work(home):
        status = home.run("status", "--json")
        assert status.code == 78
        assert "attempts" in status.json["problems"][0]
        assert status.json["parts"]["workers"] == "ok"
        policy.write_text("attempts = 2")
        assert home.run("status").code == 0


@pytest.mark.slow
def test_what_has_waited_for_hours_is_named_with_a_command_that_shows_it(home: Home) -> None:
    home.happens(RECORDING, events.RecordingDone(home.store.now(), None, ()), by="webhook")
    with home.store.writing() as connection:
        connection.execute(t.commands.update().values(wanted_since=home.store.now() - 3 * 3600))
    with at_work(home):
        (note,) = home.run("status", "--json").json["notes"]
        assert note in home.run("check", "--json").json["warnings"]
    assert "for 3.0 h" in note
    assert f"show {RECORDING}" in note


def test_recordings_that_failed_lead_to_why(home: Home) -> None:
    home.happens(RECORDING, events.RecordingFailed(home.store.now(), "bot_kicked"), by="webhook")
    assert "recordings    1 failed (" in home.run("status").out
    assert "list --phase failed` says why)" in home.run("status").out


def test_little_space_is_noted_before_there_is_none(home: Home) -> None:
    assert preflight.why_little_space(home.settings.home) is None
    home.monkeypatch.setattr(preflight, "_LITTLE_BYTES", 2**62)
    assert any("MB are free" in note for note in home.run("check", "--json").json["warnings"])
    assert home.run("check").code == 0


def test_up_tells_how_many_workers_have_heartbeats(home: Home) -> None:
    from workers.dispatcher import ProgramReport

    ProgramReport(wiring.open_store(home.settings), told={}, up=7, workers=3).give()
    (told,) = (json.loads(d) for name, (_, d) in home.store.heartbeats().items() if name.startswith("up@"))
    assert told["workers"] == 3


def test_a_database_of_an_earlier_version_is_a_note_before_the_start_and_a_problem_of_what_runs(
    home: Home,
) -> None:
    with home.store.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
    said = home.run("check", "--json")
    assert (said.code, "earlier version" in said.json["warnings"][0]) == (0, True)
    with hold_home(home.settings.home):
        said = home.run("check", "--json")
    assert said.code == 1
    assert "earlier version: stop the service" in said.json["problems"][0]


# -- a webhook that cannot be read -----------------------------------------------------------------
def comes(home: Home, body: bytes) -> str:
    """A rightly signed webhook with this body; the number it got."""
    home.store.add_deliveries([replace(delivery("recording.done", RECORDING), body=body)])
    home.service.receive()
    return str(home.store.health(WORKSPACE, fingerprint="x").unreadable)


@pytest.mark.slow
def test_a_webhook_that_cannot_be_read_is_named_until_a_person_has_put_it_aside(home: Home) -> None:
    number = comes(home, b"not JSON")
    with at_work(home):
        for (problem,) in said(home):
            assert f"number {number}" in problem
            assert f"replay {number}`" in problem
        replayed = home.run("replay", number)
        assert (replayed.code, f"delivery {number} is unreadable" in replayed.err) == (1, True)
        assert said(home) == ([], [])
    assert home.run("replay", number).code == 1, "it is kept"


@pytest.mark.parametrize("is_of_a_kind", [True, False])
def test_a_webhook_that_an_update_can_read_stands_no_longer_once_it_is_replayed(
    home: Home, is_of_a_kind: bool
) -> None:
    number = comes(home, b"not JSON")
    readable = delivery("recording.done" if is_of_a_kind else "made.up", RECORDING).body
    with home.store.writing() as connection:
        connection.execute(t.deliveries.update().values(body=readable))
    replayed = home.run("replay", number, "--yes")
    assert replayed.code == (0 if is_of_a_kind else 1), replayed
    assert not home.store.health(WORKSPACE, fingerprint="x").has_unreadable
    if is_of_a_kind:
        assert [d["number"] for d in home.run("show", RECORDING, "--json").json["deliveries"]] == [
            int(number)
        ]


def test_replay_of_a_webhook_that_still_waits_leaves_it_to_be_read(home: Home) -> None:
    home.store.add_deliveries([delivery("recording.done", RECORDING)])
    assert home.run("replay", "1", "--yes").code == 0
    assert home.store.has_unapplied()


# -- sixty columns ---------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_command_to_paste_stays_on_one_line_and_an_error_is_folded_too(home: Home) -> None:
    news = events.RecordingDone(home.store.now(), None, (("afterword", "skip"),))
    home.happens(RECORDING, news, by="webhook")
    told = in_a_terminal(home, "show", RECORDING, columns=60)
    assert any(f"`./afterword retry {RECORDING[:8]}`" in line for line in told), told
    error = in_a_terminal(home, "show", "f0000000-0000-4000-8000-000000000000", columns=60)
    assert len(error) > 1
    assert all(len(line) <= 60 for line in (*told, *error)), error
    assert any("`./afterword list`" in line for line in error)
