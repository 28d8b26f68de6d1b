"""
Receivers to be measured: gunicorn as shipped, each with a port, a home and a database of its own.

Knows how they, a Valkey and a PostgreSQL are started and stopped. Refuses to measure. No worker and no
dispatcher runs beside these: what they would cost is measured with the whole service.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import sqlalchemy as sa

from app import wiring
from app.adapters.redis import embedded_server
from app.adapters.sql import tables
from app.cli.dev_tools import clean_environment
from app.errors import Away
from app.settings.environment import Settings, load_settings
from app.settings.program_name import ROOT
from tests.chaos.database import open_database
from tests.process_checks import wait_until_ready

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_READY_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Receiver:
    """
    One that listens.

    Attributes:
        process: gunicorn's; None when it is part of a whole service.
        settings: None for the limits, which store nothing.
    """

    name: str
    port: int
    process: subprocess.Popen[bytes] | None = None
    settings: Settings | None = None


def stored_ids(settings: Settings) -> set[str]:
    """The webhook ids in an installation's database."""
    store = wiring.open_store(settings)
    try:
        with store.reading() as connection:
            return set(connection.execute(sa.select(tables.deliveries.c.webhook_id)).scalars())
    finally:
        store.close()


@contextmanager
def receiver(
    name: str, home: Path, *, loads: str = "app.web:create_app()", **more: str
) -> Iterator[Receiver]:
    """
    A receiver that answers; stopped at the end.

    Args:
        home: Made and migrated when the application is ours.
        loads: What gunicorn is told to load.
        more: Settings, e.g. DATABASE_URL and REDIS_URL.

    Raises:
        Away: It did not start; the message names its log.
    """
    port = _free_port()
    settings = {
        "AFTERWORD_ISOLATED": "1",
        "AFTERWORD_HOME": str(home),
        "RECALL_API_KEY": "bench",
        "RECALL_API_BASE_URL": "http://127.0.0.1:1",  # web never asks Recall
        "RECALL_WEBHOOK_SECRETS": SECRET,
        "HOST": "127.0.0.1",
        "PORT": str(port),
        **more,
    }
    home.mkdir(parents=True, exist_ok=True)
    ours = load_settings(settings) if loads.startswith("app.") else None
    if ours is not None:
        wiring.migrate(ours)
    log_path = home / "gunicorn.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", loads],
            cwd=ROOT,
            env={**clean_environment(), "PYTHONPATH": str(ROOT), **settings},
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(port, process, log_path)
        yield Receiver(name, port, process, ours)
    finally:
        _end(process)


@contextmanager
def valkey(home: Path) -> Iterator[str]:
    """A Valkey as the service embeds it; its address."""
    with _valkey_process(home):
        yield embedded_server.url(home)


@contextmanager
def hung_valkey(home: Path) -> Iterator[str]:
    """One that was stopped by SIGSTOP: it takes connections and never answers."""
    with _valkey_process(home) as process:
        servers = psutil.Process(process.pid).children()
        for server in servers:
            server.suspend()
        try:
            yield embedded_server.url(home)
        finally:
            for server in servers:
                server.resume()


@contextmanager
def postgresql(home: Path) -> Iterator[str]:
    """A PostgreSQL that brings every commit to the disk; its address."""
    with open_database("postgresql", home=home) as database:
        assert database.url is not None
        engine = sa.create_engine(
            database.url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            connection.execute(sa.text("ALTER SYSTEM RESET fsync"))  # chaos does without
            connection.execute(sa.text("SELECT pg_reload_conf()"))
            time.sleep(0.2)
            assert connection.execute(sa.text("SHOW fsync")).scalar() == "on"
        engine.dispose()
        yield database.url


@contextmanager
def _valkey_process(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    serve = (
        "import pathlib, sys; from app.adapters.redis import embedded_server as v; "
        "v.serve(pathlib.Path(sys.argv[1]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", serve, str(home)],
        cwd=ROOT,
        env={**clean_environment(), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_ready(home)
        yield process
    finally:
        _end(process)


def _wait_for(port: int, process: subprocess.Popen[bytes], log_path: Path) -> None:
    give_up_at = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < give_up_at and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise Away(f"a receiver did not start; see {log_path}:\n{log_path.read_text('utf-8')[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=30)
    finally:
        if process.poll() is None:
            process.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
