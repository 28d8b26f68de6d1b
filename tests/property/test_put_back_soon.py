"""
A backup put back within a minute of a create: what was paid is in no list yet, and has another key. Or put
back where the database's clock is set at the same time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.property import promises
from tests.property.surroundings import TIMING
from tests.property.test_stops import HOUR_S, one_provider


def test_backup_put_back_just_after_a_create_that_is_in_no_list_yet_pays_nothing_twice(
    tmp_path: Path,
) -> None:
    world = one_provider(tmp_path)
    recording = world.add_recording(1)
    world.recall.announce("recording.done", recording.id)
    world.deliver(world.recall.messages[0])
    world.service.receive()
    world.back_up()
    world.pass_time(TIMING.silence_s + 60.0)  # as with a recording that waited for its bot's rate
    world.choose_by = first_is_refused_and_lists_lag()
    for _ in range(60):
        if world.recall.transcripts:
            break
        world.live(world.clock.at + 2.0)
    assert len(world.recall.transcripts) == 1, world.told("not paid at all")
    world.put_back()
    world.live(world.clock.at + 3 * HOUR_S)
    assert not list(promises.broken(world)), world.told("; ".join(promises.broken(world)))


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("by_s", [-2.4 * HOUR_S, -4 * HOUR_S, 2 * HOUR_S])
@pytest.mark.parametrize("boots", [True, False])
def test_backup_put_back_beside_a_clock_that_was_set_pays_nothing_that_was_paid_since(
    tmp_path: Path, is_known: bool, by_s: float, boots: bool
) -> None:
    world = one_provider(tmp_path)
    world.live(world.clock.at + 5.0)
    recording = world.add_recording(1)
    world.recall.announce("recording.done", recording.id)
    world.recall.account = 402  # else it is paid before the backup is made
    if is_known:
        world.deliver(world.recall.messages[0])
        world.queue.has_wakeup = True
        world.live(world.clock.at + 5.0)
    world.back_up()
    world.recall.account = 200
    world.live(world.clock.at + 100.0, delivers=lambda message: True)
    assert len(world.recall.transcripts) == 1, world.told("not paid at all")
    world.pass_time(2.5 * HOUR_S)
    world.put_back()
    world.step_clock(by_s)
    if boots:
        world.store.distances.clear()  # of a start of the machine that is over
    world.live(world.clock.at + 6 * HOUR_S, delivers=lambda message: "recording.done" in message.what)
    assert not list(promises.broken(world)), world.told("; ".join(promises.broken(world)))


def first_is_refused_and_lists_lag() -> Callable[[str, tuple[Any, ...]], Any]:
    """So that what is paid has another key than a forgotten claim would use again."""
    posts: list[str] = []

    def choose(what: str, options: tuple[Any, ...]) -> Any:
        if what.startswith("POST"):
            posts.append(what)
            return "429" if len(posts) == 1 else options[0]
        return 59.0 if 59.0 in options else options[0]

    return choose
