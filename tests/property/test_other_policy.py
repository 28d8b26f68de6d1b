"""
What was planned or claimed under one policy and waits for money is asked again under the next: also whether
there is to be a further attempt at all.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.core.quality import Quality
from app.core.state import AttemptStatus, Phase
from tests.property.bill import Recording
from tests.property.test_found import announced, everything, phase_of
from tests.property.test_lies import HOUR_S, MINUTE_S, a_world, choosing, live, the_end
from tests.property.world import World

_FAILS = ("failed", 20.0)
_IS_EMPTY = ("empty", 30.0)
_NEVER = ("never", math.inf)


def second_waits_for_money(world: World, ending: tuple[str, float], *, is_claimed: bool) -> Recording:
    """The first attempt has come to its end; the second is planned, or has been refused for the balance."""
    choosing(world, ending)
    recording = world.add_recording(1)
    announced(world, recording)
    live(world, 5.0)
    assert len(world.recall.transcripts) == 1
    world.recall.account = 402
    until_the_second_waits(world, recording, is_claimed=is_claimed)
    choosing(world)
    return recording


def until_the_second_waits(world: World, recording: Recording, *, is_claimed: bool) -> None:
    def is_waiting() -> bool:
        state = world.store.load("default", recording.id).transcription
        return (
            any(line.status is AttemptStatus.CLAIMED for line in state.attempts)
            if is_claimed
            else state.planned == 2
        )

    world.live(world.clock.at + 26 * HOUR_S, delivers=everything, is_over=is_waiting)
    assert is_waiting(), world.told("it does not wait")


@pytest.mark.parametrize("is_claimed", [True, False])
@pytest.mark.parametrize(
    ("ending", "before", "after", "phase"),
    [
        (_FAILS, {}, {"attempts": 1}, Phase.FAILED),
        (_IS_EMPTY, {}, {"quality": Quality(empty="accept")}, Phase.STORED),
        (_IS_EMPTY, {}, {"attempts": 1}, Phase.STORED),
        (_NEVER, {"on_silence": "next"}, {"on_silence": "fail"}, Phase.FAILED),
    ],
)
def test_further_attempt_that_the_policy_of_now_would_not_make_is_never_paid(
    tmp_path: Path, ending: tuple[str, float], before: Any, after: Any, phase: Phase, is_claimed: bool
) -> None:
    world = a_world(tmp_path, **before)
    recording = second_waits_for_money(world, ending, is_claimed=is_claimed)
    world.restart_with_policy(replace(world.policy, **after))
    world.recall.account = 200
    the_end(world, recording, paid=1, phase=phase)


@pytest.mark.parametrize("is_claimed", [True, False])
def test_further_attempt_that_a_person_ordered_by_number_is_paid_under_any_policy(
    tmp_path: Path, is_claimed: bool
) -> None:
    world = a_world(tmp_path, providers=1)
    choosing(world, _FAILS)
    recording = world.add_recording(1)
    announced(world, recording)
    live(world, 5 * MINUTE_S)
    assert phase_of(world, recording) is Phase.FAILED
    choosing(world)
    world.recall.account = 402
    world.retry(recording.id, budget=2)
    until_the_second_waits(world, recording, is_claimed=is_claimed)
    world.restart_with_policy(replace(world.policy, on_silence="fail", quality=Quality(empty="accept")))
    world.recall.account = 200
    the_end(world, recording, paid=2)
