"""That `bench drain` runs, and counts what it claims; how fast it is, no test says."""

from __future__ import annotations

import pytest

from app.cli.check_recall import why_few_workers
from tests.bench import drain
from tests.bench.drain import Scenario, bottleneck, sustained_per_minute
from tests.bench.report import Options

_ONE_A_SECOND = [float(second) for second in range(200)]


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_drain_counts_every_recording_and_every_call_by_recalls_bill() -> None:
    result = drain.run(Options(quick=True, recordings=3, workers=1))
    (found,) = result.raw["drains"]
    assert found["stored"] == 3
    assert found["calls"]["create"] == found["calls"]["retrieve"] == 3
    assert (found["with_two_calls"], found["refused"], found["paid_twice"]) == (3, 0, 0)
    rows = {row.what: row for row in result.rows}
    assert rows["x1: API calls per recording"].value == 2.0
    assert rows["x1: API calls per recording"].is_met
    assert "divided by 20" in result.notes[0], "a scaled run must say so"


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_a_drain_with_troubles_tells_how_long_each_kind_waited_and_counts_two_calls_for_the_others() -> None:
    result = drain.run(Options(quick=True, recordings=6, workers=1, only=("x1-troubled",)))
    (found,) = result.raw["drains"]
    waited = {kind: len(seconds) for kind, seconds in found["stored_after_s"].items()}
    assert waited == {kind: 3 if kind == drain.EASY else 1 for kind in drain.SCRIPTS}
    assert (found["stored"], found["easy"], found["with_two_calls"], found["paid_twice"]) == (6, 3, 3, 0)
    assert found["calls"]["create"] == 6 + 2, "the second provider, and the request that was sent again"
    assert found["calls"]["list"] >= 1, "where a request was lost, Recall is asked first"


def test_the_first_full_window_is_left_out_of_the_rate() -> None:
    burst = [0.0] * 300
    assert sustained_per_minute([*burst, *_ONE_A_SECOND], time_scale=1.0) == pytest.approx(60)


def test_a_rate_is_told_in_recalls_minutes() -> None:
    assert sustained_per_minute(_ONE_A_SECOND, time_scale=2.0) == pytest.approx(30)


@pytest.mark.parametrize(
    ("limits", "delay_ms", "per_minute", "cores_busy", "named"),
    [
        (1.0, 0, 293.0, 0.9, "Recall's limit"),
        (0.0, 0, 900.0, 0.9, "the processor"),
        (1.0, 300, 200.0, 0.3, "workers"),
    ],
)
def test_what_there_was_too_little_of_is_named(
    limits: float, delay_ms: int, per_minute: float, cores_busy: float, named: str
) -> None:
    scenario = Scenario("any", 100, limits=limits, delay_ms=delay_ms)
    assert named in bottleneck(scenario, per_minute, cores_busy)


def test_check_warns_when_the_workers_are_too_few_for_recalls_limit() -> None:
    note = why_few_workers(4, answer_s=0.3)
    assert note is not None
    assert "AFTERWORD_WORKERS=4" in note
    assert "300 ms" in note
    assert "8 would do" in note
    assert why_few_workers(8, answer_s=0.3) is None
    assert why_few_workers(4, answer_s=0.1) is None
