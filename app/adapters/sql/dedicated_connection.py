"""
One SQLite connection that is kept, used in the driver's own words: for the path a sender waits for.

A transaction through the pool costs 0.1 ms of processor, most of a receiver's budget; here it is three calls.
Everything that makes it safe comes from `Database`: the pragmas of its connections, its turn to write, its
errors. After a fork the child opens its own and leaves its parent's alone.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy.exc import DBAPIError

from app.adapters.sql.engine import BUSY_S, Database, file_identity, sqlite_path
from app.adapters.sql.errors import translated


class KeptConnection:
    """
    Args:
        database: On SQLite. Its pool opens the connection, which never goes back there.
    """

    def __init__(self, database: Database) -> None:
        assert database.turn is not None
        self._database = database
        self._turn = database.turn
        self._connection: sqlite3.Connection | None = None
        self._path = sqlite_path(database.url)
        self._file: tuple[int, int] | None = None  # that it was opened on
        self._owner = 0
        # Never closed: SQLite forbids it across a fork. See `Database.forget_parent`.
        self._left_to_parent: list[sqlite3.Connection | None] = []

    def execute_many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """One transaction, durable on return. Raises `StoreUnavailable`; then nothing of it is there."""
        with translated():
            self._own()  # before the turn: opening a database that is not in WAL yet takes one itself
        with translated(), self._turn.taken(wait_s=BUSY_S, is_urgent=True):
            try:
                connection = self._own()
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(statement, rows)
                connection.execute("COMMIT")
            except BaseException as error:
                self.close()  # which rolls back; the next transaction begins with a new one
                if isinstance(error, sqlite3.Error):
                    raise DBAPIError.instance(statement, None, error, sqlite3.Error) from error
                raise

    def close(self) -> None:
        """The next transaction opens a new one."""
        if self._connection is not None and self._owner == os.getpid():
            self._connection.close()
            self._connection = None

    def _own(self) -> sqlite3.Connection:
        if self._connection is not None and self._file != file_identity(self._path):
            self.close()  # see `sql.engine._keep_to_one_file`
        if self._connection is None or self._owner != os.getpid():
            self._left_to_parent.append(self._connection)
            try:
                pooled = self._database.engine.raw_connection()
            except sqlite3.Error as error:  # unlike everything else, the pool's own way is not wrapped
                raise DBAPIError.instance("connect", None, error, sqlite3.Error) from error
            self._connection, self._owner = pooled.driver_connection, os.getpid()
            self._file = pooled.info["file"]
            pooled.detach()
            assert self._connection is not None
        return self._connection
