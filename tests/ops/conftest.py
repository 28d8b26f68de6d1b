"""A real Valkey, and the whole web application with the console in it, asked over a socket of our choice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from app.adapters import valkey_server
from app.inbox import Waiting
from app.ops import metrics, rq_board
from app.ports import NewDelivery
from app.web import WebParts, create_app

ROOT = Path(__file__).resolve().parents[2]
HERE = ("127.0.0.1", 8000)


class SocketBetween:
    """What the guard asks of a connection: its two ends."""

    def __init__(self, local: object = HERE, peer: object = ("127.0.0.1", 50000)) -> None:
        self.local, self.peer = local, peer

    def __repr__(self) -> str:
        return f"{self.peer} to {self.local}"

    def getsockname(self) -> object:
        return self.local

    def getpeername(self) -> object:
        if self.peer is None:
            raise OSError("not connected")
        return self.peer


class NoInbox:
    """An inbox nothing may reach."""

    def submit_late(self, row: NewDelivery, waiting: Waiting) -> None:
        raise AssertionError("nothing is delivered here")

    def submit(self, row: NewDelivery) -> None:
        raise AssertionError("not the console's business")

    def note_rejected(self, kind: str, *, remedy: str = "", is_plausible: bool = False) -> None:
        raise AssertionError("not the console's business")


class PrintedErrors:
    """A logger that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def error(self, event: str, **values: Any) -> None:
        self.lines.append((event, values))


LOCAL_ENVIRON: dict[str, Any] = {"gunicorn.socket": SocketBetween(), "HTTP_HOST": "localhost:8000"}

Console = Callable[..., FlaskClient]


@pytest.fixture
def console() -> Console:
    """Makes a client of a web application with the console in it; asked from this machine unless told."""

    def make(
        *,
        redis_url: str = "redis://127.0.0.1:1/0",
        password: str | None = None,
        log: PrintedErrors | None = None,
    ) -> FlaskClient:
        app = create_app(
            WebParts(
                secrets_by_workspace={},
                committer=NoInbox(),
                readiness=lambda: ({"status": "ok"}, True),
                ops=lambda made: rq_board.mount(made, redis_url=redis_url, password=password),
                metrics=lambda: metrics.render(None, None),
                log=log or PrintedErrors(),
            )
        )
        client = app.test_client()
        client.environ_base |= LOCAL_ENVIRON
        return client

    return make


def valkey(home: Path) -> subprocess.Popen[bytes]:
    source = (
        "import sys; from pathlib import Path; from app.adapters import valkey_server;"
        "sys.exit(valkey_server.serve(Path(sys.argv[1])))"
    )
    command: Sequence[str] = [sys.executable, "-c", source, str(home)]
    process = subprocess.Popen(command, cwd=ROOT)
    valkey_server.wait_until_ready(home)
    return process


@pytest.fixture(scope="module")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("ops home")
    process = valkey(home)
    yield valkey_server.url(home)
    process.terminate()
    process.wait(10)


@pytest.fixture
def redis(valkey_url: str) -> Iterator[Redis]:
    """An empty Redis."""
    with Redis.from_url(valkey_url) as client:
        client.flushall()
        yield client
