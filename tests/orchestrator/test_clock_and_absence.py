"""
A step of the database's clock is no time that passed: an absence at Recall that it seems to lengthen begins
anew, and a command that was put off keeps its patience.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.core import events
from app.core.absence import Absence
from app.core.state import Attempt, AttemptStatus, Phase, Transcription
from app.orchestrator.records import BootClock, Source
from tests.orchestrator.list_stage import HOUR, Stage
from tests.taking import take

LISTED = Absence(since=1_000.0, lists=1, listed_at=1_500.0)


def state(absence: Absence) -> Transcription:
    line = Attempt(1, "recallai_async", AttemptStatus.RUNNING, transcript_id="t1", absence=absence)
    return Transcription("default", "r1", phase=Phase.TRANSCRIBING, is_recording_done=True, attempts=(line,))


@pytest.mark.parametrize(
    ("stepped_at", "now", "predates_downtime"),
    [
        (0.0, 9_000.0, False),
        (900.0, 1_600.0, False),
        (5_000.0, 5_001.0, True),
        (700.0, 701.0, True),  # back, to before it began
    ],
)
def test_an_absence_from_before_a_step_is_told_from_one_after_it(
    stepped_at: float, now: float, predates_downtime: bool
) -> None:
    assert state(LISTED).has_absence_before(stepped_at, now=now) is predates_downtime


@pytest.mark.parametrize("by_s", [2 * HOUR, 30 * HOUR, -HOUR])
def test_a_step_between_two_lists_makes_nothing_gone(by_s: float) -> None:
    stage = Stage()
    up_s = stage.at

    def signs() -> None:
        stage.store.record_heartbeat(quiet_s=600, boot=BootClock("machine", lambda: up_s))

    def tell(event: events.Event) -> Transcription:
        stage.service.advance("default", "r1", event, Source(by="worker"))
        return stage.store.load("default", "r1").transcription

    signs()
    tell(events.RecordingDone(stage.at, "a bot", ()))
    tell(events.Sending(stage.at, 1, "recallai_async", 0))
    tell(events.Created(stage.at, 1, "t1", "recallai_async"))
    tell(events.TranscriptMissing(stage.at, "t1", stage.at))
    stage.at += by_s
    signs()
    for _ in range(3):
        at_excluding_pauses = stage.at - stage.store.paused_since("default", stage.at - 1.0 - max(by_s, 0.0))
        after = tell(events.TranscriptMissing(stage.at, "t1", at_excluding_pauses))
        (line,) = after.attempts
        assert line.status is AttemptStatus.RUNNING
        assert line.absence == Absence(stage.at), "it has just begun"


def test_a_command_put_off_keeps_its_day_of_patience_over_a_step_of_a_day() -> None:
    stage = Stage()
    up_s = stage.at

    def signs() -> None:
        stage.store.record_heartbeat(quiet_s=600, boot=BootClock("machine", lambda: up_s))

    signs()
    stage.service.advance("default", "r1", events.RecordingDone(stage.at, "a bot", ()), Source(by="webhook"))
    (row,) = stage.store.commands.values()
    stage.at += 26 * HOUR
    signs()
    leased = take(stage.store, row.id, lease_s=15)
    assert leased is not None
    # Nothing of the kind was asked: the outcome changes nothing, and the command is still wanted.
    out_of_place = events.Created(stage.at, 7, "t7")
    source = Source(by="worker", command=replace(leased, wanted_since=leased.wanted_since))
    stage.service.advance("default", "r1", out_of_place, source)
    assert len(stage.store.commands) == 1
