"""`status`: one screen that never says "well" of a service that is not."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.cli.presence import IDLE
from app.core import events
from app.core.machine import Decision
from app.core.state import Phase
from app.orchestrator.records import ArtifactRow, PauseSubject, Source
from app.processes.home_lock import hold_home
from app.settings.changes import settings_fingerprint
from app.settings.program_name import ROOT
from app.web.health import NO_WEB
from tests.cli.conftest import FIRST, WORKSPACE, Home, Said, delivery
from tests.cli.test_check import beats_now, dead_process


@contextlib.contextmanager
def running(home: Home) -> Iterator[None]:
    """The home is held, and the processes gave their signs."""
    home.store.beat("dispatcher")
    for name in ("up", "worker-1", "inbox", "web"):
        beats_now(home, name, pid=os.getpid())
    with hold_home(home.settings.home):
        yield


def stored(home: Home) -> str:
    """A recording with its transcript, heard of by a webhook."""
    recording = home.hears()
    loaded = home.store.load(WORKSPACE, recording)
    state = replace(loaded.transcription, phase=Phase.STORED, current="t1", verdict="spoken", provider=FIRST)
    row = ArtifactRow(WORKSPACE, recording, "t1", 1, FIRST, "spoken", None, "f", ("manifest.json",))
    event = events.DowntimeDetected(home.store.now())
    home.store.commit(loaded, Decision(state), event=event, source=Source(by="worker"), artifact=row)
    return recording


@pytest.mark.slow
def test_a_dead_service_is_not_well_and_says_what_to_do(home: Home) -> None:
    home.store.beat("dispatcher")
    beats_now(home, "up", pid=dead_process(), workers=4, settings=settings_fingerprint())
    said = home.run("status")
    assert said.code == 1
    assert "not well" in said.out
    assert "does not run" in said.out
    assert IDLE in said.out
    told = home.run("status", "--json").json
    assert (told["is_well"], told["service"]["is_running"]) == (False, False)
    assert [process["is_alive"] for process in told["processes"]] == [False]
    assert IDLE in told["problems"]
    assert NO_WEB not in told["problems"], "of course"


@pytest.mark.slow
def test_one_screen_has_each_of_what_a_person_asks(home: Home) -> None:
    stored(home)
    with running(home):
        said = home.run("status")
        told = home.run("status", "--json").json
    for label in (
        "service       runs",
        "database      ok",
        "storage",
        "workers",
        "recall        ok",
        "providers     ok",
        "inbox         ok",
        "oldest undone",
        "last webhook  20",
        "last stored   20",
        "recordings    1 stored",
        "paused        no",
    ):
        assert label in said.out, said.out
    assert FIRST in said.out
    assert len(said.out.splitlines()) < 40
    assert set(told) == {
        "is_well", "status", "version", "now", "service", "processes", "parts", "oldest_undone_s",
        "not_indexed", "last_webhook_at", "last_stored_at", "recordings", "providers", "endpoints", "paused",
        "providers_down", "key_is_foreign", "recall_trouble_since", "changed_settings", "problems", "notes",
        "spent_today", "daily_budget",
    }  # fmt: skip
    assert {process["name"] for process in told["processes"]} == {"up", "worker-1", "inbox", "web"}
    assert all(process["is_alive"] for process in told["processes"])
    assert told["last_webhook_at"].endswith("+00:00")
    assert told["recordings"]["stored"] == 1
    assert {"provider": FIRST, "breaker": "closed"} in told["providers"]
    assert told["service"]["pid"] == os.getpid()


@pytest.mark.slow
def test_what_is_paused_passed_over_and_in_trouble_is_said_with_its_remedy(home: Home) -> None:
    home.store.pause(WORKSPACE, PauseSubject.CREATES, 402, probe_after_s=60)
    for _ in range(5):
        home.store.record_result(WORKSPACE, FIRST, worked=False, open_s=120)
    with home.store.writing() as connection:
        connection.exec_driver_sql("INSERT INTO installation VALUES ('recall_trouble:default', 1000)")
    with running(home):
        said = home.run("status")
        told = home.run("status", "--json").json
    assert said.code == 1
    assert "creates_refused_402" in said.out
    assert "top up the balance" in said.out
    assert f"{FIRST} open" in said.out
    assert told["paused"]["cause"] == "creates_refused_402"
    assert told["providers_down"] == [FIRST]
    assert told["recall_trouble_since"].startswith("1970")


@pytest.mark.slow
def test_undone_work_has_its_age(home: Home) -> None:
    home.store.add_deliveries([delivery("recording.done", "11111111-1111-4111-8111-111111111111")])
    with home.store.writing() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET received_at = received_at - 7200")
    assert "oldest undone 2.0 h" in home.run("status").out
    assert home.run("status", "--json").json["oldest_undone_s"] == pytest.approx(7200, abs=60)


@pytest.mark.parametrize("away", ["none yet", "refused", "no database file"])
def test_where_nothing_can_be_read_it_exits_69_and_programs_get_json(
    home: Home, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    if away == "refused":
        monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
    elif away == "none yet":
        monkeypatch.setenv("AFTERWORD_HOME", str(home.place.home / "new"))
    else:
        (home.place.home / "afterword.db").write_bytes(b"this is no database" * 100)
    assert home.run("status").code == 69
    said = home.run("status", "--json")
    assert said.code == 69
    assert said.json["is_well"] is False
    assert said.json["problem"]


@pytest.mark.slow
def test_it_needs_nothing_of_recall(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RECALL_API_KEY", "RECALL_API_BASE_URL", "RECALL_WEBHOOK_SECRETS", "AFTERWORD_TIME_SCALE"):
        monkeypatch.delenv(name)
    with running(home):
        assert home.run("status").code in (0, 1)
        assert home.run("status", "--json").json["parts"]["database"] == "ok"


def test_a_machine_that_left_yesterday_is_forgotten_and_one_of_an_hour_ago_is_red(home: Home) -> None:
    beats_now(home, "worker-1", host="yesterday")
    beats_now(home, "worker-2", host="lately")
    with home.store.writing() as connection:
        connection.exec_driver_sql("UPDATE heartbeats SET at = at - 90000 WHERE name = 'worker-1@yesterday'")
        connection.exec_driver_sql("UPDATE heartbeats SET at = at - 3600 WHERE name = 'worker-2@lately'")
    (process,) = home.run("status", "--json").json["processes"]
    assert (process["host"], process["is_alive"]) == ("lately", False)


@pytest.mark.slow
@pytest.mark.parametrize("command", [("status",), ("list",), ("check",)])
def test_sixty_columns_are_enough(home: Home, command: tuple[str, ...]) -> None:
    stored(home)
    home.store.pause(WORKSPACE, PauseSubject.CREATES, 402, probe_after_s=60)
    for line in in_a_terminal(home, *command, columns=60):
        assert len(line) <= 60, line


@pytest.mark.slow
def test_sixty_columns_are_enough_for_a_story(home: Home) -> None:
    recording, at = home.hears(), home.store.now()
    home.happens(recording, events.Sending(at, 1, FIRST, 0), events.CreateUnknown(at, 1, "read_timeout"))
    lines = in_a_terminal(home, "show", recording, columns=60)
    assert any("create_unknown" in line for line in lines)
    for line in lines:
        assert len(line) <= 60, line


def in_a_terminal(home: Home, *command: str, columns: int) -> list[str]:
    """What a person sees in a terminal of this width; colours are left out."""
    leader, follower = pty.openpty()
    ran = subprocess.Popen(
        [sys.executable, "-P", "-m", "app", *command],
        cwd=ROOT,
        env={**home.place.environment, "COLUMNS": str(columns), "TERM": "dumb", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while piece := os.read(leader, 65536):
            shown += piece
    os.close(leader)
    ran.wait()
    return shown.decode().replace("\r", "").splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["retry", "replay"])
def test_what_is_ordered_while_nothing_runs_says_that_nothing_happens(home: Home, command: str) -> None:
    home.store.beat("dispatcher")
    beats_now(home, "up", pid=dead_process())
    said = ordered(home, command)
    assert said.code == 0
    assert IDLE in said.out
    assert "Under way" not in said.out


@pytest.mark.parametrize("command", ["retry", "replay"])
def test_what_is_ordered_while_it_runs_is_under_way(home: Home, command: str) -> None:
    with running(home):
        assert IDLE not in ordered(home, command).out


def ordered(home: Home, command: str) -> Said:
    """`retry` of what was skipped, or `replay` of a delivery."""
    recording = "22222222-2222-4222-8222-222222222222"
    if command == "replay":
        home.store.add_deliveries([delivery("recording.done", recording)])
        return home.run("replay", "1", "--yes")
    home.happens(
        recording, events.RecordingDone(home.store.now(), None, (("afterword", "skip"),)), by="webhook"
    )
    return home.run("retry", recording, "--yes")


@pytest.mark.slow
def test_every_field_of_every_json_is_documented_and_none_that_is_not_there(home: Home) -> None:
    recording = stored(home)
    document = (ROOT / "docs/json.md").read_text("utf-8")
    of_list, of_show = (home.run(*command, "--json").json for command in (("list",), ("show", recording)))
    first, only_in_show = _section(document, "list, show").split("| only in `show`")
    assert _fields(first) == set(of_list)
    assert _fields(only_in_show) == set(of_show) - set(of_list)
    for command in ("status", "check"):
        assert _fields(_section(document, command)) == set(home.run(command, "--json").json)


def _section(document: str, heading: str) -> str:
    return document.split(f"\n## {heading}\n")[1].split("\n## ", maxsplit=1)[0]


def _fields(text: str) -> set[str]:
    rows = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}
