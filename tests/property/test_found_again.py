"""
What trying other inputs of known kinds found, each the smallest story.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.core.state import Phase
from app.recall import create_response
from app.recall.types import CreateOrder
from tests.property.bill import RecallModel, Transcript
from tests.property.test_found import announced, phase_of
from tests.property.test_lies import HOUR_S, MINUTE_S, a_world, choosing, live, the_end

_R1 = "aaaaaaaa-0000-4000-8000-000000000001"
_T2 = "bbbbbbbb-0000-4000-8000-000000000002"


@pytest.mark.parametrize(
    "more", ["", ', "metadata": null', ', "metadata": {}, "recording": null', ', "recording": {}']
)
def test_answer_to_a_create_that_names_neither_recording_nor_marker_is_unknown(more: str) -> None:
    order = CreateOrder(_R1, "recallai_async", {}, False, f"{_R1}/1", "key")
    body = f'{{"id": "{_T2}"{more}}}'.encode()
    said = create_response.read_create_answer(200, {}, body, order=order, now=datetime.now(UTC), cap_s=120.0)
    assert said.kind == "unknown", "it may be of any recording"


@pytest.mark.parametrize("hears", [True, False])
def test_create_answered_with_the_bare_id_of_another_transcript_is_looked_up(
    tmp_path: Path, hears: bool
) -> None:
    world = a_world(tmp_path)
    other, recording = world.add_recording(1), world.add_recording(2)
    announced(world, other)
    live(world, 5 * MINUTE_S)
    choosing(world, "made, answered with another, its id alone")
    announced(world, recording)
    live(world, 1.0)
    if hears:
        live(world, 10 * MINUTE_S)
    else:
        world.live(world.clock.at + 60 * HOUR_S)  # no further webhook: asking alone has to lead there
        assert phase_of(world, recording) is Phase.STORED, world.told("paid for, finished and not stored")
    the_end(world, recording, other)


@pytest.mark.parametrize("provider", ["meeting_captions", "deepgram_streaming", "recallai"])
def test_transcript_that_we_ordered_is_stored_though_its_answer_lost_the_marker(
    tmp_path: Path, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = a_world(tmp_path)
    honest = RecallModel.artifact

    def unmarked(model: RecallModel, made: Transcript) -> dict[str, Any]:
        said = honest(model, made)
        is_done = made.status(model.now()) == "done"
        return {**said, "metadata": None, "provider": {provider: {}}} if is_done else said

    monkeypatch.setattr(RecallModel, "artifact", unmarked)
    recording = world.add_recording(1)
    announced(world, recording)
    live(world, 2 * HOUR_S)
    the_end(world, recording)  # it is known by the id of its create: paid once, and stored
