"""Starts the receiver under the real gunicorn, and speaks to it over raw sockets."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from svix.webhooks import Webhook

from tests.ports import free_port
from tests.web.receiver_app import SECRETS, FileInbox

ROOT = Path(__file__).resolve().parents[2]
EVENT = {"event": "recording.done", "data": {"recording": {"id": "0f5b1b1e-8b1f-4b52-8a6e-0d5b4c4f1f10"}}}


@dataclass(frozen=True, slots=True)
class Answer:
    """A parsed answer; status 0 when the connection ended without one."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    took_s: float

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["error"]["code"])


@dataclass(slots=True)
class Receiver:
    """A running receiver."""

    port: int
    inbox: FileInbox
    process: subprocess.Popen[bytes]
    log_path: Path

    def connect(self, *, timeout_s: float = 15.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)

    def send(self, request: bytes, *, half_close: bool = False, timeout_s: float = 15.0) -> Answer:
        """One connection, one answer."""
        started = time.monotonic()
        with self.connect(timeout_s=timeout_s) as sock:
            try:
                sock.sendall(request)
                if half_close:
                    sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # answered before it was all sent
            return read_answer(sock, started=started)

    def deliver(self, body: bytes, **changes: str) -> Answer:
        return self.send(delivery(body, **changes))

    @property
    def log(self) -> str:
        return self.log_path.read_text()


GUNICORN = [sys.executable, "-m", "gunicorn", "tests.web.receiver_app:create()"]


def start(
    folder: Path, *, port: int | None = None, command: Sequence[str] = GUNICORN, **environment: str
) -> Receiver:
    """The receiver, answering. `stop` it. In `command`, {port} is the port."""
    port = port or free_port()
    log_path = folder / "log"
    db = folder / "inbox.db"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [word.replace("{port}", str(port)) for word in command],
            cwd=ROOT,
            env=os.environ | {"PORT": str(port), "HOST": "127.0.0.1", "RECEIVER_DB": str(db)} | environment,
            stdout=log,
            stderr=log,
        )
    receiver = Receiver(port, FileInbox(db), process, log_path)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if receiver.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").status == 200:
                return receiver
        except OSError:
            time.sleep(0.05)
    stop(receiver)
    raise AssertionError(f"the receiver did not start:\n{receiver.log}")


def stop(receiver: Receiver) -> None:
    receiver.process.terminate()
    try:
        receiver.process.wait(timeout=30)
    finally:
        receiver.process.kill()


def new_id() -> str:
    return "msg_" + secrets.token_hex(12)


def event_body() -> bytes:
    return json.dumps(EVENT).encode()


def signature_headers(body: bytes, **changes: str) -> dict[str, str]:
    """
    Right ones, unless changed: `webhook_id`, `at` (seconds), `secret`, `family`, `signature`.
    """
    webhook_id = changes.get("webhook_id") or new_id()
    at_s = int(changes.get("at") or time.time())
    family = changes.get("family", "webhook")
    text = body.decode()
    signature = Webhook(changes.get("secret", SECRETS[0])).sign(
        webhook_id, datetime.fromtimestamp(at_s, UTC), text
    )
    return {
        f"{family}-id": webhook_id,
        f"{family}-timestamp": str(at_s),
        f"{family}-signature": changes.get("signature", signature),
    }


def head(
    headers: Mapping[str, str],
    *,
    path: str = "/webhooks/recall",
    method: str = "POST",
) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        *(f"{k}: {v}" for k, v in headers.items()),
        "",
        "",
    ]
    return "\r\n".join(lines).encode("latin-1")


def delivery(body: bytes, **changes: str) -> bytes:
    """A whole request, rightly signed unless changed."""
    headers = signature_headers(body, **changes) | {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    return head(headers, path=changes.get("path", "/webhooks/recall")) + body


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\n"


def read_answer(sock: socket.socket, *, started: float | None = None) -> Answer:
    """To the end of the answer's body, or of the connection."""
    started = time.monotonic() if started is None else started
    data = b""
    try:
        while not _is_complete(data):
            piece = sock.recv(65536)
            if not piece:
                break
            data += piece
    except ConnectionError:
        pass
    took_s = time.monotonic() - started
    first, _, body = data.partition(b"\r\n\r\n")
    if first.startswith(b"HTTP/1.1 100"):
        first, _, body = body.partition(b"\r\n\r\n")
    lines = first.decode("latin-1").split("\r\n")
    fields = (line.split(": ", 1) for line in lines[1:] if ": " in line)
    headers = {name.lower(): text for name, text in fields}
    return Answer(int(lines[0].split()[1]) if lines[0] else 0, headers, body, took_s)


def _is_complete(data: bytes) -> bool:
    first, end, body = data.partition(b"\r\n\r\n")
    if not end or first.startswith(b"HTTP/1.1 100"):
        return False
    for line in first.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return False
