"""
What the interleavings found, each shrunk to the story that matters; all are mended.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from app.core import reasons
from app.core.policy import Policy
from app.core.state import ENDS, Phase
from app.recall.providers import BUILT_IN_PROVIDERS
from tests.property import promises
from tests.property.bill import ENDINGS, Message, Recording
from tests.property.surroundings import DURATIONS
from tests.property.world import World

DAY_S = 86_400.0
HOUR_S = 3_600.0


def test_low_balance_at_the_last_create_does_not_make_another_recording_wait_for_ever(tmp_path: Path) -> None:
    world = one_provider(tmp_path)
    silent, gone = world.add_recording(1), world.add_recording(2)
    world.choose_by = one_that("never")
    announced(world, silent)
    world.live(world.clock.at + 60, delivers=everything)
    world.recall.account = 402
    announced(world, gone)
    world.live(world.clock.at + 5, delivers=everything)
    world.recall.account = 200
    world.recall.delete_recording(gone.id)  # so the next create is refused, but not for the balance
    world.live(world.clock.at + 3 * DAY_S, delivers=everything)
    assert [phase_of(world, r) for r in (silent, gone)] == [Phase.FAILED, Phase.FAILED], world.told(
        "for ever"
    )


def test_transcript_that_could_not_be_stored_for_a_day_is_not_left_behind_when_another_is_stored(
    tmp_path: Path,
) -> None:
    world = one_provider(tmp_path)
    recording = world.add_recording(1)
    announced(world, recording)
    world.blobs.is_away = True
    a_day_passes(world)
    assert phase_of(world, recording) is Phase.FAILED, "a day without a disk has a name of its own"
    world.blobs.is_away = False
    world.recall.order_elsewhere(recording.id, "gladia_v2_async", ("spoken", 30.0))
    world.live(world.clock.at + 3 * DAY_S, delivers=everything)
    assert phase_of(world, recording) is Phase.STORED
    assert not list(promises.lost(world)), world.told("paid for, finished, there, and not stored")


def test_webhook_again_after_a_blocked_day_leaves_the_transcript_on_the_list_for_a_free_retry(
    tmp_path: Path,
) -> None:
    world = one_provider(tmp_path)
    recording = world.add_recording(1)
    announced(world, recording)
    world.recall.downloads = "blocked"
    a_day_passes(world)
    for message in world.recall.messages:
        world.deliver(message, under_a_new_id=True)
    world.live(world.clock.at + 60)
    world.recall.downloads = "well"
    world.retry(recording.id, budget=0)
    world.live(world.clock.at + 60)
    assert phase_of(world, recording) is Phase.STORED, world.told("dropped from the list")


def test_recording_nobody_knows_keeps_its_name_when_recall_stops_answering_in_the_end(tmp_path: Path) -> None:
    world = one_provider(tmp_path)
    recording = world.add_recording(1, status="unknown")
    announced(world, recording)
    world.live(world.clock.at + 60, delivers=everything)
    world.recall.reads = "busy"
    a_day_passes(world)
    state = world.store.load("default", recording.id).transcription
    assert (state.phase, state.reason) == (Phase.FAILED, reasons.RECORDING_UNKNOWN), world.told("misnamed")


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["storage", "download", "retrieve", "list", "recording"])
def test_a_stop_of_days_is_not_taken_for_days_without_an_answer(tmp_path: Path, trouble: str) -> None:
    """Nothing was tried meanwhile, so that the first trouble after it ends nothing."""
    world = one_provider(tmp_path)
    recording = world.add_recording(1, status="unknown" if trouble == "recording" else "done")
    never = ("never", math.inf)
    wanted: dict[str, tuple[Any, ...]] = {"list": ("answer lost", never), "retrieve": (never,)}
    world.choose_by = one_of(wanted.get(trouble, ()))
    announced(world, recording)
    world.blobs.is_away = trouble == "storage"
    world.recall.downloads = "blocked" if trouble == "download" else "well"
    world.recall.reads = "well" if trouble in ("storage", "download") else "busy"
    world.live(world.clock.at + HOUR_S, delivers=everything)
    assert phase_of(world, recording) not in ENDS
    world.pass_time(3 * DAY_S)
    world.live(world.clock.at + HOUR_S, delivers=everything)
    assert phase_of(world, recording) not in ENDS, world.told("given up for a stop of our own")


def a_day_passes(world: World) -> None:
    """Begun and ended by work, with nothing tried in between: a day of vain tries takes long to run."""
    world.live(world.clock.at + 60, delivers=everything)
    world.pass_time_at_work(1.1 * DAY_S)
    world.live(world.clock.at + 60, delivers=everything)


def one_provider(scratch: Path) -> World:
    return World(scratch, Policy(BUILT_IN_PROVIDERS[:1], 1, durations=DURATIONS))


def one_that(ending: str) -> Callable[[str, tuple[Any, ...]], Any]:
    """Recall's choices: all healthy, but transcripts end like this."""
    return one_of([e for e in ENDINGS if e[0] == ending])


def one_of(wanted: Sequence[Any]) -> Callable[[str, tuple[Any, ...]], Any]:
    """Recall's choices: all healthy, but for these."""
    return lambda what, options: next((o for o in options if o in wanted), options[0])


def announced(world: World, recording: Recording) -> None:
    world.recall.announce("recording.done", recording.id)


def everything(message: Message) -> bool:
    return True


def phase_of(world: World, recording: Recording) -> Phase:
    return world.store.load("default", recording.id).transcription.phase
