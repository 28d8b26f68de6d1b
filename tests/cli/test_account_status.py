"""What holds up every recording is said wherever a person looks: `list`, `show` and `check`."""

from __future__ import annotations

import pytest

from app.orchestrator.records import Pause, PauseSubject
from tests.cli.conftest import FIRST, WORKSPACE, Home

REMEDIES = [
    ("creates_refused_402", "top up the balance", "no transcript is created"),
    ("recall_answers_401", "RECALL_API_KEY", "nothing is asked of Recall"),
    ("creates_refused_403", "dashboard", "no transcript is created"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("cause", "remedy", "waits"), REMEDIES)
def test_a_pause_is_said_with_its_remedy_and_check_says_no(
    home: Home, cause: str, remedy: str, waits: str
) -> None:
    recording = home.hears(recording=home.recorded(days_ago=0.1))
    assert "Paused" not in home.run("list").out + home.run("show", recording).out
    assert home.run("check").code == 0
    stored = Pause.read(WORKSPACE, cause, 0, 0)
    home.store.pause(WORKSPACE, stored.subject, stored.status, probe_after_s=60)
    if cause == "recall_answers_401":  # else `check` is told by Recall that the key is good
        home.monkeypatch.setenv("RECALL_API_KEY", "revoked")
    for command in (("list",), ("show", recording), ("check",)):
        said = home.run(*command)
        (line,) = [line for line in said.out.splitlines() if "Paused since" in line]
        assert remedy in line
        assert waits in line
    checked = home.run("check", "--json")
    assert checked.code == 1
    assert sum("Paused since" in problem for problem in checked.json["problems"]) == 1


@pytest.mark.slow
def test_a_provider_that_is_passed_over_is_said_and_is_no_problem(home: Home) -> None:
    recording = home.hears()
    before = home.run("check", "--json").json["problems"]
    for _ in range(5):
        home.store.record_result(WORKSPACE, FIRST, worked=False, open_s=120)
    for command in (("list",), ("show", recording), ("check",)):
        (line,) = [line for line in home.run(*command).out.splitlines() if "Passed over" in line]
        assert FIRST in line
        assert "credentials" in line
    checked = home.run("check", "--json").json
    assert checked["problems"] == before
    assert any(FIRST in warning for warning in checked["warnings"])


def test_programs_get_it_beside_their_json_not_in_it(home: Home) -> None:
    recording = home.hears()
    home.store.pause(WORKSPACE, PauseSubject.CREATES, 402, probe_after_s=60)
    listed = home.run("list", "--json")
    assert listed.json["recording_id"] == recording
    assert "Paused since" in listed.err
    shown = home.run("show", recording, "--json").json
    assert shown["paused"]["cause"] == "creates_refused_402"
    assert shown["providers_down"] == []


def test_check_of_a_database_without_tables_asks_it_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFTERWORD_HOME", str(home.place.home / "empty"))
    said = home.run("check")
    assert "Paused" not in said.out
    assert not (home.place.home / "empty" / "afterword.db").exists()
