"""Webhooks of the tests' own signing, where Recall's patience for an answer is not ours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import requests
from svix.webhooks import Webhook

from tests.flow.stage import Installation


def deliver(up: Installation, recording_id: str, *, webhook_id: str) -> requests.Response:
    """The `recording.done` that Recall has tried to deliver, once more under an id of our own."""
    (first, *_) = up.recall.deliveries(recording_id)
    body, now = str(first["body"]), datetime.now(UTC)
    headers: dict[str, Any] = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(up.recall.simulator.webhook_secret).sign(webhook_id, now, body),
    }
    return requests.post(f"{up.url}/webhooks/recall", data=body.encode(), headers=headers, timeout=10)
