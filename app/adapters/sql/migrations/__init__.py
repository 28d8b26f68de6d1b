"""
Brings a database to the program's version; Alembic without an ini file.

One transaction for all steps, and one migration at a time: SQLite's writer's turn, or an advisory
lock of PostgreSQL. A step that fails leaves the database as it was.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from urllib.parse import quote

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from app.adapters.sql.engine import Database, sqlite_path
from app.adapters.sql.errors import translated
from app.adapters.sql.tables import DbNow, installation
from app.errors import ConfigError

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
            if _is_unknown(_revision(connection)):
                raise ConfigError(["the database is newer than this program: update the program"])
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
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
    head = _scripts().get_current_head()
    assert head is not None
    return head


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
    return revision is not None and revision not in {s.revision for s in _scripts().walk_revisions()}


@cache
def _scripts() -> ScriptDirectory:
    """The steps, read once: each command asks several times, and Alembic imports all of them each time."""
    return ScriptDirectory.from_config(_config())


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
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
