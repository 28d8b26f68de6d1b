"""A migrated SQLite file: Alembic's steps are gone through once per process, and the file is copied."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from app.adapters.sql import migrations
from app.adapters.sql.engine import sqlite_path
from app.processes.home_lock import make_home
from app.settings.environment import Settings


@cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "template.db"
        migrations.migrate(f"sqlite:///{path}")
        return path.read_bytes()  # closed by its last connection: its log of changes is in it


def migrate(settings: Settings) -> None:
    """What `wiring.migrate` leaves of a new installation on SQLite."""
    make_home(settings.home)
    write(sqlite_path(sa.make_url(settings.database_url)))


def write(path: Path) -> None:
    """A migrated file that is not there yet; its first start is now."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(_template())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE installation SET at = (julianday('now') - 2440587.5) * 86400.0")
