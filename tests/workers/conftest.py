"""A real Valkey per module, in a home with a blank in its path, and Python programs in real processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from app.adapters.redis import embedded_server
from tests.process_checks import wait_until_ready
from tests.workers.programs import Program


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[[str], Program]]:
    """Starts programs; whatever is left of them is killed afterwards."""
    running: list[Program] = []

    def start(source: str) -> Program:
        running.append(Program(source, tmp_path))
        return running[-1]

    yield start
    for one in running:
        one.close()


@pytest.fixture(scope="module")
def valkey_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a running embedded server."""
    home = tmp_path_factory.mktemp("a home with blanks")
    source = f"from app.adapters.redis import embedded_server\nembedded_server.serve(Path({str(home)!r}))"
    running = Program(source, home)
    wait_until_ready(home)
    yield home
    running.process.terminate()
    running.wait()
    running.close()


@pytest.fixture
def redis_url(valkey_home: Path) -> str:
    """The address of an empty Redis to which nothing is connected: an ended worker's wait takes a job."""
    url = embedded_server.url(valkey_home)
    with Redis.from_url(url) as client:
        client.client_kill_filter(_type="normal", skipme=True)
        client.flushall()
    return url
