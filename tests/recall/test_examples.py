"""Example events of the webhook portal are told apart from news."""

from __future__ import annotations

import json
import uuid

import pytest

from app.recall.examples import is_example
from app.recall.webhook_events import decode_delivery


@pytest.mark.parametrize("kind", ["recording.done", "recording.failed", "recording.deleted"])
@pytest.mark.parametrize(
    "recording_id", ["4CFF97E4-F0C7-4915-B5A0-983238758F28", "00000000-0000-0000-0000-000000000000"]
)
def test_an_event_of_the_portal_is_an_example(kind: str, recording_id: str) -> None:
    status = {"code": "done", "sub_code": None, "updated_at": "2025-04-27T01:36:37.056337+00:00"}
    body = {"event": kind, "data": {"data": status, "recording": {"id": recording_id, "metadata": {}}}}
    assert is_example(decode_delivery(json.dumps(body).encode(), at=1.0).recording_id)


def test_news_is_none() -> None:
    assert not any(is_example(str(uuid.uuid4())) for _ in range(100))
    assert not is_example(None)
