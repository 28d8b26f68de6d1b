"""A list that changes while its pages are read: what moves to a page that was read already is not missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.property.bill import RecallModel, Transcript
from tests.property.test_found import announced
from tests.property.test_lies import HOUR_S, MINUTE_S, a_world, choosing, live, the_end


def test_transcript_that_moves_to_a_page_already_read_is_found_before_it_is_paid_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = a_world(tmp_path)
    world.recall.page_size, world.recall.fills_several = 1, False
    world.back_up()
    choosing(world, ("spoken", 90_000.0))
    recording = world.add_recording(1)
    captions = world.recall.order_elsewhere(recording.id, "meeting_captions", ("spoken", 10.0))
    announced(world, recording)
    live(world, MINUTE_S)
    world.pass_time(3 * HOUR_S)
    world.put_back()
    honest, asked = RecallModel.visible, [0]

    def moving(model: RecallModel, recording_id: str, user: str) -> list[Transcript]:
        """After the first page was read what stands on it is gone."""
        asked[0] += 1
        return [t for t in honest(model, recording_id, user) if t is not captions or asked[0] == 1]

    monkeypatch.setattr(RecallModel, "visible", moving)
    for message in world.recall.messages:
        if message.recording_id == recording.id and message.what.startswith("recording.done"):
            world.deliver(message)
    world.queue.has_wakeup = True
    world.live(world.clock.at + 2 * HOUR_S)
    monkeypatch.undo()
    the_end(world, recording)
