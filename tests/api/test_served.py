"""Under the real gunicorn: whatever readers of large files do, webhooks are answered as before."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.api.keys import Scope
from app.api.limits import ANSWERS_AT_ONCE
from app.web.bounded_worker import WRITE_TIMEOUT_S
from tests.api.stage import Stage, environment, open_stage
from tests.web.receiver import Answer, Receiver, event_body, head, new_id, start, stop
from tests.web.receiver_app import SECRETS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("served api")]

LARGE_BYTES = 24 * 1024 * 1024  # more than two sockets' buffers hold
PROCESSES = 2
GUNICORN = [sys.executable, "-m", "gunicorn", "app.web:create_app()"]


@dataclass
class Served:
    stage: Stage
    receiver: Receiver
    recording: str
    keys: tuple[str, str]

    def get(self, path: str, key: str | None = None, **headers: str) -> Answer:
        return self.receiver.send(self.request(path, key, Connection="close", **headers))

    def request(self, path: str, key: str | None = None, method: str = "GET", **headers: str) -> bytes:
        bears = {"Authorization": f"Bearer {key or self.keys[0]}"}
        return head({**bears, **headers}, path=f"/v1{path}", method=method)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    secrets = {"RECALL_WEBHOOK_SECRETS": SECRETS[0]}
    stage = open_stage(tmp_path, **secrets)
    recording = stage.stored()
    stage.with_large_file(recording, size_bytes=LARGE_BYTES)
    keys = (stage.new_key("one", *Scope), stage.new_key("two", *Scope))
    given: dict[str, Any] = environment(tmp_path, **secrets)
    receiver = start(tmp_path, command=GUNICORN, **given)
    try:
        yield Served(stage, receiver, recording, keys)
    finally:
        stop(receiver)
        stage.store.close()


def begin_reading(served: Served, key: str) -> socket.socket:
    """Asks for the large file, takes the head of the answer, and reads no further."""
    sock = served.receiver.connect(timeout_s=30)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    sock.sendall(served.request(f"/transcriptions/{served.recording}/files/provider.json", key))
    return sock


def status_of(sock: socket.socket) -> int:
    return int(sock.recv(12).split()[1])


def all_are_served(served: Served) -> bool:
    return all(served.get("/transcriptions", key).status == 200 for key in served.keys * 2 * PROCESSES)


def test_slow_readers_of_large_files_delay_no_webhook_and_end(served: Served) -> None:
    with ExitStack() as opened:
        began = time.monotonic()
        readers = [
            opened.enter_context(begin_reading(served, key))
            for key in served.keys
            for _ in range(PROCESSES * ANSWERS_AT_ONCE)
        ]
        statuses = [status_of(sock) for sock in readers]
        assert 0 < statuses.count(200) <= PROCESSES * ANSWERS_AT_ONCE
        assert set(statuses) == {200, 503}

        answers = [served.receiver.deliver(event_body(), webhook_id=new_id()) for _ in range(40)]
        assert {answer.status for answer in answers} == {202}
        assert max(answer.took_s for answer in answers) < 1.0

        refused = [served.get("/transcriptions") for _ in range(2 * PROCESSES)]
        assert any(answer.status == 503 and answer.code == "busy" for answer in refused)
        # A piece that is not taken within the socket's time-out ends the answer, and its slot is free.
        while time.monotonic() < began + 3 * WRITE_TIMEOUT_S and not all_are_served(served):
            time.sleep(0.5)
        assert all_are_served(served)
    assert "Traceback" not in served.receiver.log


def test_key_goes_before_body_and_a_stalled_body_holds_no_receiver(served: Served) -> None:
    stalled = {"Content-Length": "100", "Content-Type": "application/json"}
    path = f"/recordings/{served.recording}/transcribe"
    wrong = served.receiver.send(served.request(path, "wrong", method="POST", **stalled), timeout_s=5)
    assert wrong.status == 401
    assert wrong.took_s < 4
    right = served.receiver.send(served.request(path, method="POST", **stalled), timeout_s=20)
    assert (right.status, right.code) == (408, "too_slow")
    large = {**stalled, "Content-Length": str(1 << 20)}
    refused = served.receiver.send(served.request(path, method="POST", **large))
    assert (refused.status, refused.code) == (413, "too_large")


def test_the_whole_object_and_ranges_come_over_the_wire(served: Served) -> None:
    whole = served.get(f"/transcriptions/{served.recording}")
    assert whole.status == 200
    part = served.get(f"/transcriptions/{served.recording}/files/provider.json", Range="bytes=0-2")
    assert (part.status, part.body) == (206, b"[  ")
    assert served.get("/docs", "wrong").status == 200
