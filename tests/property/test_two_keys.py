"""
A key of another workspace that sees one of the recordings known here is accepted. What it does not see of the
others proves nothing, also where a moment later another key is asked: on one machine, or on two at once.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.commands import AskRecording
from tests.property.bill import FOREIGN_KEY, Recording
from tests.property.test_found import announced
from tests.property.test_lies import HOUR_S, MINUTE_S, a_world, choosing, live, the_end
from tests.property.world import World

_RUNS_LONG = ("spoken", 90_000.0)


def until_the_recording_is_asked_for(world: World, recording: Recording) -> None:
    """All that was to be read is read; what it means hangs on the recording itself."""

    def is_to_be_asked() -> bool:
        rows = [row for row in world.store.commands.values() if row.recording[1] == recording.id]
        return any(isinstance(row.command, AskRecording) for row in rows)

    world.live(world.clock.at + 3 * HOUR_S, is_over=is_to_be_asked)
    assert is_to_be_asked(), world.told("never asked for")


@pytest.mark.parametrize("way", ["answered", "answer lost"])
def test_lists_read_under_one_key_are_not_completed_by_the_recording_under_another(
    tmp_path: Path, way: str
) -> None:
    world = a_world(tmp_path)
    shared = world.add_recording(9)
    world.recall.shown.add(shared.id)
    announced(world, shared)
    live(world, 5 * MINUTE_S)
    choosing(world, way, _RUNS_LONG)
    recording = world.add_recording(1)
    announced(world, recording)
    live(world, 1.0)
    world.restart_with_key(FOREIGN_KEY)
    until_the_recording_is_asked_for(world, recording)
    world.restart_with_key("key-1")
    live(world, HOUR_S)
    the_end(world, recording)


def test_a_look_under_one_key_is_not_clean_because_another_sees_the_recording(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    shared, recording = world.add_recording(9), world.add_recording(1)
    world.recall.shown.add(shared.id)
    announced(world, shared)
    live(world, 5 * MINUTE_S)
    world.back_up()
    choosing(world, _RUNS_LONG)
    announced(world, recording)
    live(world, MINUTE_S)
    world.pass_time(3 * HOUR_S)
    world.put_back()
    world.restart_with_key(FOREIGN_KEY)
    for message in world.recall.messages:
        if message.recording_id == recording.id:
            world.deliver(message)
    world.queue.has_wakeup = True
    until_the_recording_is_asked_for(world, recording)
    world.restart_with_key("key-1")
    the_end(world, recording)
