"""
A SQLite database in which creates wait by the ten thousand: one as the store writes it, the others copies.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from app.adapters.sql.migrations import migrate
from app.adapters.sql.store import open_store
from app.core import events
from app.core.machine import decide
from app.orchestrator.records import Source
from tests.bench.many_recordings import BOT, RECORDING, WORKSPACE
from tests.policies import built_in

# n becomes the end of the recording's id, everywhere it stands.
_COPY = """
WITH RECURSIVE crowd(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM crowd WHERE n < :number)
INSERT INTO {table} ({columns}) SELECT {values} FROM crowd, (SELECT * FROM {table} LIMIT 1) AS one
"""


def backlog(path: Path, number: int) -> None:
    """Makes the database at `path`, with `number` commands due."""
    url = f"sqlite:///{path}"
    migrate(url)
    store, policy = open_store(url), built_in()
    before = store.load(WORKSPACE, RECORDING)
    heard = events.RecordingDone(store.now(), BOT)
    decision = decide(before.transcription, heard, policy, pending=before.pending)
    store.commit(before, decision, event=heard, source=Source(by="webhook"), budget=policy.attempts)
    store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        for table in ("transcriptions", "commands"):
            _copy(connection, table, number - 1)
        connection.execute("COMMIT")
        (found,) = connection.execute("SELECT count(*) FROM commands").fetchone()
        assert found == number, f"{found} commands instead of {number}"


def _copy(connection: sqlite3.Connection, table: str, number: int) -> None:
    described = connection.execute(f"PRAGMA table_info({table})").fetchall()
    columns = [name for _, name, kind, *_ in described if not (name == "id" and kind == "INTEGER")]
    values = [_value(name) for name in columns]
    statement = _COPY.format(
        table=table, columns=", ".join(f'"{name}"' for name in columns), values=", ".join(values)
    )
    connection.execute(statement, {"number": number})


def _value(column: str) -> str:
    if column == "id":
        return "printf('txn_%032x', crowd.n)"
    own = f'one."{column}"'
    if column in ("recording_id", "state", "args"):
        return f"replace({own}, '{RECORDING}', printf('{RECORDING[:24]}%012x', crowd.n + 16))"
    return own
