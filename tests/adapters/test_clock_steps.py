"""What a reading of the clocks comes to, and how much of a time some spans cover: both pure."""

from __future__ import annotations

import pytest

from app.adapters.sql.clock_steps import Reading, Step, covered_s, judged

QUIET_S = 3600.0
NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("gap_s", "grew_s", "step"),
    [
        # Nothing to measure by: what is no ordinary pause between two signs counts as a step and a silence.
        (300, None, Step()),
        (1000, None, Step(forward_s=1000, is_downtime=True, lost_s=1000)),
        (5000, None, Step(forward_s=5000, is_downtime=True, lost_s=5000)),
        (-100, None, Step(back_s=100, is_downtime=True)),
        # Measured: time that passed is told from a step.
        (1000, 0, Step()),
        (5000, 0, Step(is_downtime=True, lost_s=5000)),
        (5000, 1000, Step(forward_s=1000, is_downtime=True, lost_s=5000)),
        (1000, 900, Step(forward_s=900, lost_s=900)),
        (1000, 20, Step()),
        (10, 5000, Step()),  # a machine stood still, and others have signed meanwhile
        (-100, -110, Step(back_s=110)),
        (100, -500, Step(back_s=500)),
        (100, -5000, Step(back_s=5000, is_downtime=True, lost_s=5100)),
    ],
)
def test_a_step_of_the_clock_is_told_from_time_that_passed(
    gap_s: float, grew_s: float | None, step: Step
) -> None:
    distance, before = (None, None) if grew_s is None else (grew_s, 0.0)
    assert judged(Reading(NOW, NOW - gap_s, distance, before), quiet_s=QUIET_S) == step


def test_a_silence_shorter_than_any_ordinary_pause_is_lost_where_time_is_scaled() -> None:
    step = judged(Reading(NOW, NOW - 25, None, None), quiet_s=20.0)
    assert step == Step(is_downtime=True, lost_s=25)


def test_the_first_heartbeat_of_all_is_no_step() -> None:
    assert judged(Reading(NOW, None, None, None), quiet_s=QUIET_S) == Step()


@pytest.mark.parametrize(
    ("spans", "covered"),
    [
        ([], 0),
        ([(0, 50)], 0),  # over before
        ([(50, 150)], 50),
        ([(110, 120), (130, 150)], 30),
        ([(110, 150), (120, 130)], 40),  # one within another
        ([(110, 150), (120, 130), (140, 160)], 50),
        ([(140, 160), (110, 150)], 50),  # in any order
        ([(150, 140)], 0),  # of clocks that were moved
    ],
)
def test_what_spans_share_is_covered_once(spans: list[tuple[float, float]], covered: float) -> None:
    assert covered_s(spans, since=100) == covered
