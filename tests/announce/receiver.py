"""A receiver for tests: answers as it is told, and keeps what came."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from app.recall.signatures import parse_secret
from app.settings.outgoing import Endpoint
from tests.patience import SLOW_MACHINE

SECRET, OLD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
Answers = Callable[["Received"], tuple[int, Mapping[str, str]]]


@dataclass(frozen=True)
class Received:
    """One request. `at`: when its first bytes were read, seconds since the epoch."""

    at: float
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def ok(_: Received) -> tuple[int, Mapping[str, str]]:
    return 204, {}


class Receiver:
    """What came, oldest first; `answer` may be replaced at any time."""

    def __init__(self, port: int) -> None:
        self.answer: Answers = ok
        self.received: list[Received] = []
        self.port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def wait_for(self, number: int, *, within_s: float = 10.0) -> list[Received]:
        """The requests, once there are so many."""
        ends_at = time.monotonic() + within_s * SLOW_MACHINE
        while len(self.received) < number and time.monotonic() < ends_at:
            time.sleep(0.005)
        assert len(self.received) >= number, f"{len(self.received)} of {number} came"
        return self.received


@contextmanager
def receiving() -> Iterator[Receiver]:
    """On a port of its own, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            at = time.time()
            body = self.rfile.read(int(self.headers["Content-Length"]))
            one = Received(at, {k.lower(): v for k, v in self.headers.items()}, body)
            receiver.received.append(one)
            status, headers = receiver.answer(one)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def endpoint(url: str, name: str = "crm", **changes: object) -> Endpoint:
    """On loopback, unless told otherwise."""
    given: dict[str, object] = {"secrets": (parse_secret(SECRET),), "allow_private": True, **changes}
    return Endpoint(name, url, **given)  # type: ignore[arg-type]


def policy_of(urls: Mapping[str, str]) -> str:
    """Tables of a policy file; the secret is in the variable `HOOK_SECRET`."""
    table = '[webhooks.{}]\nurl = "{}"\nsecret_env = "HOOK_SECRET"\nallow_private = true\n'
    return "".join(table.format(name, url) for name, url in urls.items())
