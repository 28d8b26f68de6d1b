"""
The headers of a signed webhook, by Standard Webhooks. PURE: the caller gives the time.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from standardwebhooks.webhooks import Webhook

from app.recall.endpoints import USER_AGENT
from app.recall.signatures import Secret


def signed_headers(webhook_id: str, body: str, secrets: Iterable[Secret], *, at: datetime) -> dict[str, str]:
    """
    Of one request: a signature by each secret, so that a receiver may change from one to the next.

    Args:
        webhook_id: The same at every try.
        at: Aware; of this try.
    """
    signatures = (Webhook(secret.key).sign(webhook_id, at, body) for secret in secrets)
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
