"""What a horse does after its own command: it goes on while there is work, and not for long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from app.errors import StoreUnavailable
from app.orchestrator.records import Offerable
from app.orchestrator.service import Service
from app.orchestrator.timing import Timing
from app.settings.environment import load_settings
from workers import jobs
from workers.jobs import GOES_ON_S, work_off


@dataclass
class Outbox:
    """A service of which only the outbox is there: each command takes `lasts_s`, and may fail."""

    waiting: list[int]
    lasts_s: float = 0.0
    failing: int | None = None
    is_away: bool = False
    done: list[int] = field(default_factory=list)
    now: float = 100.0
    timing: Timing = Timing()

    @property
    def store(self) -> Outbox:
        return self

    def due(self, limit: int, *, offer_again_s: float) -> list[Offerable]:
        assert offer_again_s == Timing().offer_again_s
        if self.is_away:
            raise StoreUnavailable("gone")
        return [Offerable(command, "…") for command in self.waiting[:limit]]

    def perform(self, command_id: int) -> None:
        self.now += self.lasts_s
        if command_id == self.failing:
            raise RuntimeError("of our own")
        if command_id in self.waiting:
            self.waiting.remove(command_id)
        self.done.append(command_id)


def _work_off(outbox: Outbox, command_id: int) -> None:
    work_off(cast(Service, outbox), command_id, monotonic=lambda: outbox.now)


def test_a_horse_goes_on_with_what_is_due_until_nothing_is() -> None:
    outbox = Outbox(waiting=[2, 3, 4], lasts_s=0.1)
    _work_off(outbox, 1)
    assert outbox.done[0] == 1, "its own command comes first"
    assert sorted(outbox.done) == [1, 2, 3, 4]


def test_a_horse_ends_in_time_for_what_waits_in_the_queue() -> None:
    outbox = Outbox(waiting=list(range(2, 100)), lasts_s=0.5)
    _work_off(outbox, 1)
    assert outbox.now - 100.0 == pytest.approx(GOES_ON_S)
    assert len(outbox.done) == 4


def test_a_long_command_is_followed_by_none() -> None:
    outbox = Outbox(waiting=[2], lasts_s=60.0)
    _work_off(outbox, 1)
    assert outbox.done == [1]


def test_an_error_on_the_way_is_rqs_to_know_and_ends_the_horse() -> None:
    outbox = Outbox(waiting=[2], failing=2)
    with pytest.raises(RuntimeError):
        _work_off(outbox, 1)
    assert outbox.done == [1]


def test_a_database_that_goes_away_afterwards_does_not_fail_the_job() -> None:
    outbox = Outbox(waiting=[2], is_away=True)
    _work_off(outbox, 1)
    assert outbox.done == [1]


@pytest.mark.parametrize(
    "job", [jobs.receive, partial(jobs.perform, 7), jobs.reconcile, partial(jobs.index, 0)]
)
def test_a_job_without_its_database_is_put_off_in_one_line_and_fails_nowhere(
    job: Callable[[], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "home").mkdir()
    settings = load_settings(
        {
            "AFTERWORD_ISOLATED": "1",
            "RECALL_API_BASE_URL": "http://127.0.0.1:1",
            "AFTERWORD_HOME": str(tmp_path / "home"),
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
            "RECALL_API_KEY": "key",
            "RECALL_WEBHOOK_SECRETS": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz",
        }
    )
    monkeypatch.setattr(jobs, "_settings", settings)
    job()
    said = capsys.readouterr()
    assert "job_put_off" in said.out + said.err
    assert "Traceback" not in said.out + said.err
