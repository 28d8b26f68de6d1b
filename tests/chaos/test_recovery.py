"""Recovery is measured from the end of a fault to the first work for something that came after it."""

from __future__ import annotations

import time

from tests.chaos.recovery import Recoveries


def test_work_for_a_meeting_that_ended_before_the_fault_did_proves_nothing() -> None:
    worked: set[str] = set()
    recoveries = Recoveries(worked.__contains__)
    recoveries.arrived("before")
    recoveries.ended("Redis killed")
    worked.add("before")
    recoveries.arrived("after")
    (unanswered,) = recoveries.finish()
    assert unanswered.took_s is None


def test_the_first_create_for_a_meeting_after_the_fault_ends_the_watch() -> None:
    worked: set[str] = set()
    recoveries = Recoveries(worked.__contains__)
    with recoveries.during("database away"):
        recoveries.arrived("meanwhile")
        worked.add("meanwhile")
    time.sleep(0.02)
    recoveries.arrived("after")
    worked.add("after")
    (recovery,) = recoveries.finish()
    assert recovery.fault == "database away"
    assert recovery.took_s is not None
    assert 0.02 <= recovery.took_s < 10.0


def test_a_kill_during_an_outage_is_not_measured_and_the_outage_is() -> None:
    recoveries = Recoveries(lambda recording_id: True)
    with recoveries.during("database away"):
        recoveries.ended("a horse", is_kill=True)
    recoveries.arrived("after")
    assert [(r.fault, r.is_kill) for r in recoveries.finish()] == [("database away", False)]


def test_a_fault_after_the_last_meeting_is_held_against_nobody() -> None:
    recoveries = Recoveries(lambda recording_id: True)
    recoveries.arrived("last")
    recoveries.ended("web", is_kill=True)
    assert recoveries.finish() == []
