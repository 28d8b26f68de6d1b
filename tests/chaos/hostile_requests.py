"""
Strangers at the webhook's address: unsigned, forged, stale and broken requests all along. Whatever they
send and whatever is broken at the time, the receiver never answers them with a 5xx; `/v1` needs the database
to judge a key, and may say 503 while it is away. No answer at all is right while web is dead.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import requests
from svix.webhooks import Webhook

EVERY_S = 0.25
NEEDS_DATABASE = "the api"
_PATH = "/webhooks/recall"
_FORGERS_SECRET = "whsec_" + base64.b64encode(hashlib.sha256(b"a stranger's").digest()).decode()
_BODY = json.dumps({"event": "recording.done", "data": {"recording": {"id": "of a stranger"}}}).encode()
_RAW: tuple[bytes, ...] = (
    b"POST /webhooks/recall HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /webhooks/recall HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"POST /webhooks/recall HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40,
    b"GET / HTTP/9.9\r\n\r\n",
    b"POST /webhooks/recall HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
)


@dataclass(frozen=True, slots=True)
class Answered:
    """
    Attributes:
        what: The kind of request.
        at: Seconds since 1970.
    """

    what: str
    status: int
    at: float


@dataclass(slots=True)
class HostileRequests:
    """
    One thread that knocks about four times a second.

    Attributes:
        answers: How often each status came; 0 is no answer.
        wrong: What was answered with a 5xx.
    """

    url: str
    seed: int
    answers: Counter[int] = field(default_factory=Counter)
    wrong: list[Answered] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        self._thread = threading.Thread(target=self._run, name="strangers", daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        dice = random.Random(f"strangers {self.seed}")
        ways: Mapping[str, Callable[[], int]] = {
            "unsigned": lambda: self._post({}),
            "forged": lambda: self._post(_signed(dice, age_s=0)),
            "forged and stale": lambda: self._post(_signed(dice, age_s=3600)),
            "half signed": lambda: self._post({"webhook-id": "msg_1", "webhook-timestamp": "now"}),
            "too large": lambda: self._post(_signed(dice, age_s=0), body=b"x" * (1024 * 1024 + 1)),
            "another method": lambda: self._ask("PUT", _PATH),
            "unknown workspace": lambda: self._ask("POST", f"{_PATH}/nobody"),
            "unknown path": lambda: self._ask("GET", "/wp-login.php?a=%00"),
            NEEDS_DATABASE: lambda: self._ask("POST", "/v1/recordings/x/transcribe"),
            "broken HTTP": lambda: self._raw(dice.choice(_RAW)),
        }
        names = list(ways)
        while not self._stop.wait(EVERY_S):
            name = dice.choice(names)
            try:
                status = ways[name]()
            except (OSError, requests.RequestException):
                status = 0  # web was killed, or hung up on us
            self.answers[status] += 1
            if status >= 500:
                self.wrong.append(Answered(name, status, time.time()))

    def _post(self, headers: Mapping[str, str], *, body: bytes = _BODY) -> int:
        return self._ask("POST", _PATH, headers=headers, body=body)

    def _ask(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> int:
        with requests.Session() as session:
            session.trust_env = False
            url = f"{self.url}{path}"
            return session.request(
                method, url, data=body, headers=dict(headers or {}), timeout=10
            ).status_code

    def _raw(self, said: bytes) -> int:
        host, _, port = self.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=3) as connection:
            connection.sendall(said)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(64)
        return int(answer.split()[1]) if answer.startswith(b"HTTP/") else 0


def _signed(dice: random.Random, *, age_s: int) -> dict[str, str]:
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    webhook_id = f"msg_{dice.getrandbits(96):x}"
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(_FORGERS_SECRET).sign(webhook_id, at, _BODY.decode()),
    }
