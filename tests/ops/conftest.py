"""A real Valkey, and the whole web application with the console in it, asked by a client of our choice."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from app.adapters.redis import embedded_server
from app.adapters.redis.job_queue import INBOX, RECALL, queue_name
from app.ops import metrics, rq_board
from app.orchestrator.records import NewDelivery
from app.web.application import WebParts, create_app
from tests.process_checks import wait_until_ready

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse: battery"
QUEUE_ID = "0a1b2c3d"
NAMES = {kind: queue_name(kind, QUEUE_ID) for kind in (RECALL, INBOX)}


class NoInbox:
    """An inbox nothing may reach."""

    def submit_deferred(self, row: NewDelivery, answer: Future[bool]) -> None:
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


def basic(user: str, password: str) -> str:
    """The header of a browser that was told these."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


Console = Callable[..., FlaskClient]


@pytest.fixture(scope="session")
def console() -> Console:
    """Makes a client of a web application with the console in it; it knows the password unless told."""

    def make(
        *,
        redis_url: str = "redis://127.0.0.1:1/0",
        password: str | None = PASSWORD,
        metrics_token: str | None = None,
        is_known: bool = True,
        names: Callable[[], Mapping[str, str]] = lambda: NAMES,
        log: PrintedErrors | None = None,
    ) -> FlaskClient:
        app = create_app(
            WebParts(
                secrets_by_workspace={},
                committer=NoInbox(),
                readiness=lambda: ({"status": "ok"}, True),
                ops=lambda made: rq_board.mount(
                    made, redis_url=redis_url, names=names, password=password, metrics_token=metrics_token
                ),
                metrics=lambda: metrics.render(None, None),
                log=log or PrintedErrors(),
            )
        )
        client = app.test_client()
        client.environ_base["HTTP_HOST"] = "localhost:8000"
        if is_known and password:
            client.environ_base["HTTP_AUTHORIZATION"] = basic("ops", password)
        return client

    return make


def valkey(home: Path) -> subprocess.Popen[bytes]:
    source = (
        "import sys; from pathlib import Path; from app.adapters.redis import embedded_server;"
        "sys.exit(embedded_server.serve(Path(sys.argv[1])))"
    )
    command: Sequence[str] = [sys.executable, "-c", source, str(home)]
    process = subprocess.Popen(command, cwd=ROOT)
    wait_until_ready(home)
    return process


@pytest.fixture(scope="module")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("ops home")
    process = valkey(home)
    yield embedded_server.url(home)
    process.terminate()
    process.wait(10)


@pytest.fixture
def redis(valkey_url: str) -> Iterator[Redis]:
    """An empty Redis."""
    with Redis.from_url(valkey_url) as client:
        client.flushall()
        yield client
