"""A simulator of Recall, its side door, and our client to it: what the contract tests of the client share."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests

from app.orchestrator.ports_recall import Recall
from app.recall.http_exchange import HttpTimeouts
from app.recall.types import Artifact, CreateAnswer, CreateOrder, RecordingSeen
from app.simulator.server import Simulator

SCALE = 200.0
# Shorter than what the simulator's late answers take, longer than everything else.
TIMEOUTS = replace(HttpTimeouts(), connect_timeout_s=3.0, read_timeout_s=2.0, create_overall_s=4.0)
LATE = f"timeout_after:{3 * SCALE:g}"  # three real seconds


@dataclass
class Stage:
    """A simulator, its side door, and our client to it."""

    simulator: Simulator
    recall: Recall

    def sim(self, path: str, body: dict[str, Any] | None = None) -> Any:
        url = f"{self.simulator.api_url}/_sim/{path}"
        reply = requests.get(url, timeout=9) if body is None else requests.post(url, json=body, timeout=9)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def settings(self, **wanted: Any) -> None:
        self.sim("settings", wanted)

    def recording(self, **script: Any) -> str:
        return str(self.sim("recordings", {"script": script})["recording_id"])

    def create(self, recording_id: str, **changes: Any) -> CreateAnswer:
        return self.recall.create(order(recording_id, **changes), is_still_fresh=lambda: True)

    def created(self, recording_id: str, **changes: Any) -> str:
        made = self.create(recording_id, **changes)
        assert made.transcript_id is not None, made
        return made.transcript_id

    def done(self, recording_id: str, **changes: Any) -> Artifact:
        transcript_id = self.created(recording_id, **changes)
        deadline = time.monotonic() + 9
        while time.monotonic() < deadline:
            artifact = self.recall.retrieve(transcript_id, recording_id=recording_id)
            if artifact is not None and artifact.status != "processing":
                return artifact
            time.sleep(0.02)
        raise AssertionError("it did not end")

    def listed(self, recording_id: str) -> list[Artifact]:
        found, cursor = self.recall.list_page(recording_id, None)
        while cursor is not None:
            more, cursor = self.recall.list_page(recording_id, cursor)
            found += more
        return found

    def recordings(self, created_after: float) -> list[RecordingSeen]:
        found, cursor = self.recall.recordings_page(created_after, None)
        while cursor is not None:
            more, cursor = self.recall.recordings_page(created_after, cursor)
            found += more
        return found

    def download(self, artifact: Artifact, folder: Path) -> bytes:
        self.recall.download(artifact.download_url or "", folder / "part", keep_going=lambda: None)
        return (folder / "part").read_bytes()

    def billed(self, recording_id: str, what: str = "billed") -> int:
        return int(self.sim("bill")["per_recording"].get(recording_id, {}).get(what, 0))

    def posts(self, recording_id: str) -> int:
        return self.billed(recording_id, "create_posts")


def order(recording_id: str, ordinal: int = 1, **changes: Any) -> CreateOrder:
    plain = CreateOrder(
        recording_id=recording_id,
        provider="recallai_async",
        options={"language_code": "auto"},
        separate_streams=False,
        marker=f"{recording_id}/{ordinal}",
        idempotency_key=str(uuid.uuid5(uuid.UUID(recording_id), f"key of {ordinal}")),
    )
    return replace(plain, **changes)
