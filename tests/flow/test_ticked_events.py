"""The events a person is told to tick in Recall's dashboard are events this program understands."""

from __future__ import annotations

import json

import pytest

from app.recall.limits import EventName
from app.recall.webhook_events import decode_delivery
from app.simulator.api.shapes import payload
from app.simulator.model.settings import DEFAULT_EVENTS

_RECORDING = "5f0c2b60-31f6-4d0f-9a44-5d7d34a2b0b1"
_TRANSCRIPT = "0d9a4a52-7c7e-4f9e-8a55-9a3d7f0f6c11"


@pytest.mark.parametrize("name", list(EventName))
def test_a_ticked_event_means_something_to_us(name: str) -> None:
    status = {"code": name.rpartition(".")[2], "sub_code": None, "updated_at": "2026-01-05T10:00:00.000000Z"}
    body = payload(
        name,
        status=status,
        recording=None,
        recording_id=_RECORDING,
        transcript=None,
        transcript_id=_TRANSCRIPT if name.startswith("transcript") else None,
    )
    decoded = decode_delivery(json.dumps(body).encode(), at=0.0)
    assert decoded.kind == name
    assert decoded.event is not None, decoded.note
    assert decoded.recording_id == _RECORDING


def test_an_event_nobody_ticks_is_noted_and_means_nothing() -> None:
    body = {"event": "recording.levitated", "data": {"recording": {"id": _RECORDING}}}
    decoded = decode_delivery(json.dumps(body).encode(), at=0.0)
    assert decoded.event is None
    assert decoded.note


def test_what_is_ticked_is_what_the_simulator_sends() -> None:
    assert set(EventName) == set(DEFAULT_EVENTS)
