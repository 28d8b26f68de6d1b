"""
An S3 server of its own, `moto`, in a process; and before it a proxy that can fail as the way to a store does.

The proxy speaks HTTP/1.1 without keep-alive, so that each request can be cut on its own.
"""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from app.settings.program_name import ROOT
from tests.ports import free_port

BUCKET = "results"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
_READY_WITHIN_S = 20.0
# A killed test run leaves nothing behind.
_TIED = (
    "import os, sys; from app.processes.parent_death import kernel_ties_to_parent; kernel_ties_to_parent(); "
    "os.execv(sys.executable, [sys.executable, '-m', 'tests.doubles.moto_server', *sys.argv[1:]])"
)


@contextmanager
def s3_server() -> Iterator[str]:
    """Its address; a bucket `BUCKET` is there. Ends with this process."""
    port = free_port()
    command = [sys.executable, "-c", _TIED, "-H", "127.0.0.1", "-p", str(port)]
    silent = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=ROOT, stdout=silent, stderr=silent) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url)
            make_bucket(url)
            yield url
        finally:
            process.kill()


def make_bucket(url: str, name: str = BUCKET) -> None:
    """moto believes every signature."""
    _ask(f"{url}/{name}", "PUT")


def _ask(url: str, method: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5):
        pass


def _wait(url: str) -> None:
    give_up_at = time.monotonic() + _READY_WITHIN_S
    while True:
        with suppress(OSError):
            _ask(f"{url}/moto-api/", "GET")
            return
        if time.monotonic() > give_up_at:
            raise TimeoutError("moto did not answer")
        time.sleep(0.05)


@dataclass
class Fault:
    """
    What becomes of a request.

    Attributes:
        status: Answered with it, without asking the store.
        code: The word in that answer.
        is_cut: The connection ends after half of the body; `is_lost`: after the store did it, without answer.
        bytes_per_s: At which the body is taken.
    """

    status: int | None = None
    code: str = ""
    is_cut: bool = False
    is_lost: bool = False
    bytes_per_s: float | None = None


Choose = Callable[[str, str], Fault | None]


def error(status: int, code: str) -> Choose:
    """Every request is refused so."""
    return lambda method, path: Fault(status, code)


def share(seed: int, of_all: float) -> Choose:
    """So many of all requests fail, in ways that a store's own troubles have; by the seed."""
    dice, lock = random.Random(f"s3 {seed}"), threading.Lock()
    faults = (Fault(500, "InternalError"), Fault(503, "SlowDown"), Fault(is_cut=True), Fault(is_lost=True))

    def choose(method: str, path: str) -> Fault | None:
        with lock:
            return dice.choice(faults) if dice.random() < of_all else None

    return choose


@dataclass
class FaultyProxy:
    """Passes requests on to `upstream`, unless `choose` says otherwise; `on_stored` is told of each PUT."""

    upstream: str
    choose: Choose | None = None
    on_stored: Callable[[str, bytes], object] = lambda path, body: None
    asked: list[tuple[str, str]] = field(default_factory=list)
    failed: int = 0
    port: int = field(default_factory=free_port)
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> FaultyProxy:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 30

            def __getattr__(self, name: str) -> Callable[[], None]:
                if name.startswith("do_"):
                    return lambda: proxy._serve(self)
                raise AttributeError(name)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                """A client that went away is no news."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append((request.command, request.path))
        fault = self.choose(request.command, request.path) if self.choose is not None else None
        self.failed += fault is not None
        fault = fault or Fault()
        length = int(request.headers.get("Content-Length", 0))
        if fault.is_cut:
            request.rfile.read(length // 2)
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            request.close_connection = True
            request.connection.close()
            return
        body = _slowly(request, length, fault.bytes_per_s)
        if fault.status is not None:
            said = (
                f"<?xml version='1.0'?><Error><Code>{fault.code}</Code><Message>no</Message></Error>".encode()
            )
            is_bodiless = request.command == "HEAD"
            _answer(request, fault.status, {"Content-Type": "application/xml"}, b"" if is_bodiless else said)
            return
        with closing(HTTPConnection(self.upstream.removeprefix("http://"), timeout=30)) as store:
            headers = {name: value for name, value in request.headers.items() if name.lower() != "connection"}
            store.request(request.command, request.path, body, headers)
            answer = store.getresponse()
            got = answer.read()
        if request.command == "PUT" and answer.status == HTTPStatus.OK:
            self.on_stored(request.path, body)
        if fault.is_lost:
            request.close_connection = True
            request.connection.close()
            return
        skipped = ("content-length", "connection", "transfer-encoding", "date", "server")
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in skipped}
        if request.command == "HEAD":
            kept["Content-Length"] = answer.getheader("Content-Length", "0")
        _answer(request, answer.status, kept, got)


def _slowly(request: BaseHTTPRequestHandler, length: int, bytes_per_s: float | None) -> bytes:
    if bytes_per_s is None:
        return request.rfile.read(length)
    body = b""
    while len(body) < length:
        body += request.rfile.read(min(16_384, length - len(body)))
        time.sleep(16_384 / bytes_per_s)
    return body


def _answer(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    if "Content-Length" not in headers:
        request.send_header("Content-Length", str(len(body)))
    request.send_header("Connection", "close")
    request.end_headers()
    request.wfile.write(body)
