"""That `bench latency` runs, and measures what it claims; how fast it is, no test says."""

from __future__ import annotations

import pytest

from tests.bench import latency, steps
from tests.bench.latency import Measured, Pace, rows_of
from tests.bench.report import Options


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_each_recording_gives_one_stretch_to_its_create_and_one_to_its_manifest() -> None:
    (found,) = latency.run(Options(quick=True, workers=1, only=("idle",))).raw["paces"]
    assert found["pace"]["name"] == "idle"
    for stretches in (found["create_ms"], found["stored_ms"], found["told_ms"]):
        assert len(stretches) == found["pace"]["recordings"]
        assert all(0 < ms < 20_000 for ms in stretches)


def test_only_what_is_stored_when_idle_has_targets() -> None:
    pace = Pace("idle", 2, 0.4)
    slow = Measured(pace, [9_000.0] * 2, [200.0] * 2, [101.0] * 2, refused=0, cores_of_service=0.1)
    verdicts = [(row.what.rpartition(", ")[2], row.is_met) for row in rows_of(slow, is_judged=True)]
    stored, told = [("p50", False), ("p95", True)], [("p50", False), ("p95", None)]
    assert verdicts == [("p50", None), ("p95", None), *stored, *told]


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_steps_of_a_happy_recording_are_within_their_number() -> None:
    """Twice the transactions are twice the round trips to a database that is not on this machine."""
    counted = steps.measure(Options(quick=True))
    assert counted.recordings == 3
    assert {job for job, _ in counted.begun} == {"web", "inbox", "create", "inbox again", "fetch"}
    assert counted.transactions <= 29, steps.note_of(counted)
    assert counted.transactions in [row.value for row in steps.rows_of(counted)]
