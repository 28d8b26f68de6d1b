"""
Brings a database to the program's version; Alembic without an ini file.

One transaction for all steps, and one migration at a time: SQLite's writer's turn, or an advisory
lock of PostgreSQL. A step that fails leaves the database as it was.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql.engine import Database, sqlite_path
from app.adapters.sql.errors import translated
from app.adapters.sql.tables import DbNow, installation
from app.errors import ConfigError

if TYPE_CHECKING:
    from alembic.config import Config

_WAIT_S = 60.0  # for another migration to end
_LOCK = 0x61667465  # any number that is not used elsewhere: "afte"


def migrate(url: str) -> str:
    """
    Creates or updates the tables; harmless when there is nothing to do. Returns the revision.

    Raises:
        ConfigError: The database is newer than the program.
        StoreUnavailable: It cannot be reached or written.
    """
    database = Database(url, pool_size=1)
    try:
        with translated(), database.writing(wait_s=_WAIT_S) as connection:
            if not database.is_sqlite:
                _wait_for_others(connection)
            revision = _revision(connection)
            if _is_unknown(revision):
                raise ConfigError(["the database is newer than this program: update the program"])
            if revision != newest_revision():
                _upgrade(connection)
            _note_first_start(connection)
            return str(_revision(connection))
    finally:
        database.close()


def current_revision(url: str) -> str | None:
    """The database's revision; None when it has no tables of ours. Creates nothing."""
    database = Database(url, pool_size=1)
    if database.is_sqlite and not sqlite_path(database.url).exists():
        return None
    try:
        with database.reading() as connection:
            return _revision(connection)
    finally:
        database.close()


def newest_revision() -> str:
    """The revision this program works with."""
    return _revisions()[-1]


def has_newest_tables(url: str) -> bool:
    """
    Whether a SQLite file that cannot be used now is at this program's revision. Never raises.

    An ordinary reader has to write (SQLite's shared memory is a file), which a full disk does not allow. Only
    while no database of this process is open: closing the file drops this process's locks on it.
    """
    database = Database(url, pool_size=1)
    if not database.is_sqlite:
        return False
    # What is in the log of changes only is not seen: then it is "no", and the start is refused as before.
    # https://sqlite.org/uri.html
    address = f"file:{quote(str(sqlite_path(database.url)))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error:
        return False
    return found == [(newest_revision(),)]


def is_newer_than_program(url: str) -> bool:
    """Whether a later version of the program has migrated this database: this one must not touch it."""
    return _is_unknown(current_revision(url))


def _is_unknown(revision: str | None) -> bool:
    return revision is not None and revision not in _revisions()


@cache
def _revisions() -> list[str]:
    """By the names of their files, in order: each command asks, and importing Alembic takes it 0.1 s."""
    return sorted(path.name.partition("_")[0] for path in Path(__file__).parent.glob("versions/[0-9]*.py"))


def _revision(connection: Connection) -> str | None:
    """As Alembic keeps it."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    from alembic import command

    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def alembic_config() -> Config:
    """Where the steps are."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "app.adapters.sql:migrations")  # a package: no path, no blanks
    config.set_main_option("path_separator", "os")
    return config


def _wait_for_others(connection: Connection) -> None:
    # Not for SQLite: it imports the driver.
    from app.adapters.sql.postgresql import SILENCE_S, allow_silence

    allow_silence(connection, _WAIT_S + SILENCE_S)
    for setting in ("statement_timeout", "lock_timeout"):
        connection.execute(sa.select(sa.func.set_config(setting, f"{int(_WAIT_S)}s", True)))
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def _note_first_start(connection: Connection) -> None:
    """Reconcile never looks at what happened before."""
    known = sa.select(installation.c.key).where(installation.c.key == "first_start")
    if connection.execute(known).first() is None:
        connection.execute(installation.insert().values(key="first_start", at=DbNow()))
