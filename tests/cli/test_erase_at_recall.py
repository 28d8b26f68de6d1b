"""What the service's workers delete at Recall, played against the simulator; a command at a time."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app import wiring
from app.adapters.sql import tables as t
from app.core.state import AtRecall, Phase
from app.results.erasure import erase
from tests.cli.conftest import WORKSPACE, Home

LATER_S = 4_300.0 / 60  # at the scale of these tests


def transcript_states(home: Home, recording: str) -> dict[str, str]:
    world = home.place.recall.simulator.world
    return {made.id: made.status.code for made in world.recordings[recording].transcripts}


def works(home: Home, *, late_s: float = 0.0) -> None:
    """Everything that is due, by a worker whose database is so much later."""
    store = wiring.open_store(home.settings)
    store.clock_offset_s = late_s
    service = wiring.open_service(home.settings, store=store)
    due = sa.select(t.commands.c.id).where(t.commands.c.due_at <= store.now())
    for (command_id,) in store.read_all(due):
        service.perform(command_id)
    store.close()


def recorded(home: Home) -> str:
    recording = home.place.recall.record(recording_done="drop")
    home.hears(recording=recording)
    return recording


@pytest.mark.slow
def test_our_transcripts_go_and_those_of_others_stay(home: Home) -> None:
    recording = recorded(home)
    ours = home.place.recall.create(recording, marker=f"{recording}/1")
    theirs = home.place.recall.create(recording)
    assert home.run("erase", recording, "--yes").code == 0
    works(home)
    states = transcript_states(home, recording)
    assert states[ours] == "deleted"
    assert states[theirs] != "deleted"
    assert home.place.recall.simulator.world.recordings[recording].status.code == "done"


@pytest.mark.slow
def test_one_that_was_under_way_is_deleted_when_it_appears_and_then_it_is_over(home: Home) -> None:
    recording = recorded(home)
    assert home.run("erase", recording, "--yes").code == 0
    works(home)
    late = home.place.recall.create(recording, marker=f"{recording}/1")
    works(home, late_s=30)
    assert transcript_states(home, recording) == {late: "deleted"}
    works(home, late_s=LATER_S)
    state = home.store.load(WORKSPACE, recording).transcription
    assert (state.phase, state.to_delete, state.is_kept_here) == (Phase.ERASED, None, False)
    assert home.store.load(WORKSPACE, recording).pending == ()
    assert home.place.recall.bill(recording)["billed"] == 1


@pytest.mark.slow
def test_with_media_the_recording_goes(home: Home) -> None:
    recording = recorded(home)
    assert home.run("erase", recording, "--media", "--yes").code == 0
    works(home)
    assert home.place.recall.simulator.world.recordings[recording].status.code == "deleted"
    assert home.store.load(WORKSPACE, recording).transcription.to_delete is AtRecall.TRANSCRIPT


@pytest.mark.slow
def test_what_runs_is_deleted_and_on_the_bill(home: Home) -> None:
    recording = recorded(home)
    works(home)
    (made,) = transcript_states(home, recording)
    erase(home.service.transitions, home.store, WORKSPACE, recording)
    works(home)
    assert transcript_states(home, recording)[made] == "deleted"
    attempts = home.store.load(WORKSPACE, recording).transcription.attempts
    assert [(a.ordinal, a.status.value, a.error) for a in attempts] == [(1, "failed", "deleted_at_recall")]
