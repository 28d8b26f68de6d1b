"""
Endpoints of outgoing webhooks during a run: one healthy, one slow, one dead. What the healthy one was told,
and whether a reader found the manifest at that moment.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import Webhook

from tests.announce.receiver import SECRET, Received, policy_of, receiving
from tests.ports import free_port

HEALTHY = "healthy"
_SLOW_S = 5.0  # longer than an answer may take, at the scale of a run


@dataclass
class Told:
    """
    What the healthy endpoint was told.

    Attributes:
        events: By recording.
        early: Recordings whose manifest was not there when they were announced as completed.
        forged: How many requests were not rightly signed.
    """

    events: dict[str, set[str]] = field(default_factory=dict)
    early: list[str] = field(default_factory=list)
    forged: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def note(self, one: Received, files: Path) -> None:
        """One request; `files` is where the results of the workspace lie."""
        try:
            Webhook(SECRET).verify(one.body, dict(one.headers))
        except Exception:  # whatever is wrong with it
            self.forged += 1
            return
        body: Mapping[str, Any] = json.loads(one.body)
        recording = str(body["data"]["recording_id"])
        is_completed = body["type"] == "transcription.completed"
        is_there = not is_completed or any((files / recording).glob("*/manifest.json"))
        with self._lock:
            self.events.setdefault(recording, set()).add(str(body["type"]))
            if not is_there:
                self.early.append(recording)


@dataclass(frozen=True)
class Endpoints:
    """Their tables for the policy, and what was told."""

    policy: str
    told: Told


@contextmanager
def endpoints(files: Path) -> Iterator[Endpoints]:
    """All three, until the end of the block."""
    told = Told()

    def listen(one: Received) -> tuple[int, Mapping[str, str]]:
        told.note(one, files)
        return 204, {}

    def dawdle(_: Received) -> tuple[int, Mapping[str, str]]:
        time.sleep(_SLOW_S)
        return 204, {}

    with receiving() as healthy, receiving() as slow:
        healthy.answer, slow.answer = listen, dawdle
        urls = {HEALTHY: healthy.url, "slow": slow.url, "dead": f"http://127.0.0.1:{free_port()}/"}
        yield Endpoints(policy_of(urls), told)
