"""
What keeps a transcription from waiting for ever: an outcome that changes nothing puts its command off, a
command that was lost all the same is given back by the sweep, and a wait that does not end ends by a name.
"""

from __future__ import annotations

import pytest

from app.core import events, reasons
from app.core.commands import AskTranscript, LookUpTranscript
from app.core.seen import FailureCause
from app.core.state import Phase, Transcription
from app.orchestrator.records import Source
from tests.orchestrator.list_stage import HOUR, Stage
from tests.taking import take

RECORDING = "aaaaaaaa-0000-4000-8000-000000000001"


def state(stage: Stage) -> Transcription:
    return stage.store.load("default", RECORDING).transcription


def tell(stage: Stage, event: events.Event, source: Source | None = None) -> None:
    stage.service.advance("default", RECORDING, event, source or Source(by="webhook"))


def running() -> Stage:
    stage = Stage()
    tell(stage, events.RecordingDone(stage.at, "a bot", ()))
    tell(stage, events.Sending(stage.at, 1, "recallai_async", 0))
    tell(stage, events.Created(stage.at, 1, "t1", "recallai_async"))
    return stage


def about_another(stage: Stage) -> None:
    """A worker asks, and what it hears is about another transcript: it changes nothing."""
    ((command_id, _),) = stage.store.commands.items()
    leased = take(stage.store, command_id, lease_s=15)
    assert leased is not None
    tell(stage, events.StillProcessing(stage.at, "t9"), Source(by="worker", command=leased))


def test_an_outcome_that_is_ignored_puts_its_command_off_growing_to_a_minute() -> None:
    stage = running()
    stage.at += 600
    waits = []
    for _ in range(12):
        about_another(stage)
        (row,) = stage.store.commands.values()
        assert row.command.key == "ask:t1"
        assert row.tries == 0, "no crash"
        waits.append(row.due_at - stage.at)
        stage.at = row.due_at
    assert waits[0] == pytest.approx(2)
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(60)


def test_after_a_day_of_ignored_outcomes_the_wait_ends_by_a_name() -> None:
    stage = running()
    stage.at += 600
    about_another(stage)
    stage.at += 25 * HOUR
    about_another(stage)
    assert (state(stage).phase, state(stage).reason) == (Phase.FAILED, reasons.NOT_SETTLED)
    assert stage.store.commands == {}
    tell(stage, events.RetryAsked(stage.at, 0))
    assert [row.command for row in stage.store.commands.values()] == [AskTranscript("t1")], "free"


def test_the_sweep_gives_a_look_to_what_has_no_command_and_alarms() -> None:
    stage = running()
    stage.store.commands.clear()
    stage.at += 61
    stage.service.sweep()
    assert [row.command for row in stage.store.commands.values()] == [AskTranscript("t1")]
    assert [line["alarm"] for line in stage.lines if line["event"] == "alarm"] == ["stuck"]


def test_the_sweep_looks_up_what_may_have_been_sent_and_never_creates() -> None:
    stage = Stage()
    tell(stage, events.RecordingDone(stage.at, "a bot", ()))
    tell(stage, events.Sending(stage.at, 1, "recallai_async", 0))
    stage.store.commands.clear()
    stage.at += 61
    stage.service.sweep()
    assert [row.command for row in stage.store.commands.values()] == [LookUpTranscript(1)]


def test_the_sweep_leaves_alone_what_has_a_command_or_an_end() -> None:
    stage = running()
    stage.at += 61
    before = dict(stage.store.commands)
    stage.service.sweep()
    assert stage.store.commands == before
    tell(stage, events.TranscriptFailed(stage.at, "t1", 1, "zoom_captions_failure", FailureCause.PLATFORM))
    assert state(stage).phase is Phase.FAILED
    stage.at += 61
    stage.service.sweep()
    assert stage.store.commands == {}
