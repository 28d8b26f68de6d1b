"""
Whose fault a refusal is: asked through the rate, once per workspace and quarter minute, and only a refusal is
a refusal.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.errors import AccountRefused, RecallBusy
from app.orchestrator.command_context import Workspace
from tests.orchestrator.list_stage import Stage

EVERY_S = 15.0
BUSY: list[Callable[[], Exception]] = [
    lambda: RecallBusy("http_429", retry_after_s=9.0),
    lambda: RecallBusy("http_503", retry_after_s=1.0),
    lambda: RecallBusy("read_timeout", retry_after_s=1.0),
]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def workspace(stage: Stage) -> Workspace:
    return stage.service.workspaces["default"]


def refused(stage: Stage, status: int) -> float | None:
    return stage.service.account.on_refusal(workspace(stage), status)


def may_ask(stage: Stage) -> bool:
    return stage.service.account.may_ask(workspace(stage))


def is_paused(stage: Stage) -> bool:
    return stage.store.paused("default") is not None


def test_forty_five_questions_answered_403_are_one_probe_per_quarter_minute(stage: Stage) -> None:
    for second in range(60):
        for _ in range(45):
            assert refused(stage, 403) is not None, "each waits by itself"
        assert not is_paused(stage)
        stage.at = max(stage.at, stage.at + 1.0 if second else stage.at)
    assert 4 <= len(stage.probes) <= 5


def test_a_probe_takes_its_place_in_the_rate(stage: Stage) -> None:
    stage.store.push_rate("default", "list", after_s=4.0)
    began = stage.at
    assert refused(stage, 403) is not None
    (asked_at,) = stage.probes
    assert asked_at - began >= 4.0


def test_a_place_in_the_rate_that_is_far_away_is_no_answer(stage: Stage) -> None:
    stage.store.push_rate("default", "list", after_s=300.0)
    began = stage.at
    assert refused(stage, 403) is not None
    assert (stage.probes, stage.at, is_paused(stage)) == ([], began, False)


def test_a_probe_that_is_refused_pauses_the_workspace(stage: Stage) -> None:
    stage.raises = lambda: AccountRefused(403)
    assert refused(stage, 403) is None
    assert is_paused(stage)
    assert not may_ask(stage)


@pytest.mark.parametrize("status", [401, 402])
def test_a_refused_key_or_balance_needs_no_probe(stage: Stage, status: int) -> None:
    assert refused(stage, status) is None
    assert (is_paused(stage), stage.probes) == (True, [])


@pytest.mark.parametrize("busy", BUSY)
def test_a_probe_without_an_answer_does_not_pause(stage: Stage, busy: Callable[[], Exception]) -> None:
    stage.raises = busy
    assert refused(stage, 403) is not None
    assert not is_paused(stage)


@pytest.mark.parametrize("busy", BUSY)
def test_a_probe_without_an_answer_does_not_end_a_pause(stage: Stage, busy: Callable[[], Exception]) -> None:
    refused(stage, 401)
    stage.raises = busy
    for _ in range(4):
        stage.at += EVERY_S + 1
        assert not may_ask(stage)
    assert is_paused(stage)
    told = {line["event"] for line in stage.lines}
    assert "account_still_refused" not in told, "it was not"
    stage.raises = None
    stage.at += EVERY_S + 1
    assert may_ask(stage)
    assert not is_paused(stage)


def test_a_probe_answered_429_lets_nobody_have_a_place_before_its_time(stage: Stage) -> None:
    stage.raises = lambda: RecallBusy("http_429", retry_after_s=60.0)
    refused(stage, 403)
    assert stage.store.reserve("default", "list", gap_s=1.0) >= stage.at + 59


def test_a_pause_that_goes_on_says_what_to_do(stage: Stage) -> None:
    refused(stage, 401)
    stage.raises = lambda: AccountRefused(401)
    stage.at += EVERY_S + 1
    assert not may_ask(stage)
    (line,) = [line for line in stage.lines if line["event"] == "account_still_refused"]
    assert "RECALL_API_KEY" in line["remedy"]


def test_while_paused_all_workers_together_probe_once_per_quarter_minute(stage: Stage) -> None:
    refused(stage, 401)
    stage.raises = lambda: AccountRefused(401)
    services = [stage.open_service() for _ in range(6)]
    for _ in range(60):
        stage.at += 1.0
        for service in services:
            assert not service.account.may_ask(service.workspaces["default"])
    assert 3 <= len(stage.probes) <= 4


def test_a_workspace_that_goes_on_and_off_is_still_probed_once_per_quarter_minute(stage: Stage) -> None:
    for _ in range(60):
        stage.raises = (lambda: AccountRefused(403)) if len(stage.probes) % 2 else None
        may_ask(stage)
        refused(stage, 403)
        stage.at += 1.0
    assert len(stage.probes) <= 5
