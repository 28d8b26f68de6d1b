"""
A client of ours, an order, and durations short enough to wait for: what the tests of the client share.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import replace

from app.recall.client import RecallClient
from app.recall.http_exchange import HttpTimeouts
from app.recall.types import CreateAnswer, CreateOrder
from tests.doubles.still_clock import StillClock

R = "4cff97e4-f0c7-4915-b5a0-983238758f28"
T = "fc8fcbb5-2795-48ca-a273-caf0bfe01dea"
KEY = "key-that-must-not-be-seen"
ORDER = CreateOrder(R, "recallai_async", {"language_code": "auto"}, True, f"{R}/1", "a-key-of-the-create")
CREATED = json.dumps({"id": T, "recording": {"id": R}, "provider": {"recallai_async": {}}}).encode()
EMPTY_PAGE = b'{"next": null, "previous": null, "results": []}'
QUICK = replace(
    HttpTimeouts(),
    connect_timeout_s=2.0,
    read_timeout_s=0.4,
    create_overall_s=0.8,
    get_overall_s=0.8,
    busy_retry_after_s=5.0,
)
# For answers that come: a busy machine may take seconds to give one.
SLOW_ALLOWED = replace(
    QUICK, connect_timeout_s=20.0, read_timeout_s=20.0, create_overall_s=40.0, get_overall_s=40.0
)


def client(url: str, timeouts: HttpTimeouts = SLOW_ALLOWED, clock: StillClock | None = None) -> RecallClient:
    return RecallClient(url, KEY, timeouts, clock=clock or StillClock())


def create(
    url: str, timeouts: HttpTimeouts = SLOW_ALLOWED, *, fresh: Callable[[], bool] = lambda: True
) -> CreateAnswer:
    return client(url, timeouts).create(ORDER, is_still_fresh=fresh)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
