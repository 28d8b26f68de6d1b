"""
The receiver as the tests serve it: real gunicorn, real committer, and a small inbox in a SQLite file.

Environment: RECEIVER_DB, the file; beside it, `<file>.wake` gets a byte per wake-up. RECEIVER_BUSY_S: how
long a commit waits for somebody else's lock.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

from app.errors import StoreUnavailable
from app.orchestrator.records import NewDelivery
from app.recall.signatures import parse_secret
from app.web.application import WebParts, create_app
from app.web.group_commit import Committer

SECRETS = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")

SCHEMA = """
PRAGMA journal_mode=WAL;
CREATE TABLE IF NOT EXISTS deliveries (workspace, webhook_id, label, body, UNIQUE (workspace, webhook_id));
CREATE TABLE IF NOT EXISTS rejected (kind PRIMARY KEY, number);
"""


class FileInbox:
    """Opens the file for each transaction: nothing crosses the fork, and a lock of others is met anew."""

    def __init__(self, path: Path, *, busy_s: float = 0.5) -> None:
        self.path = path
        self.busy_s = busy_s

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=self.busy_s)) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            with connection:
                yield connection

    def add_deliveries(self, rows: Sequence[NewDelivery]) -> None:
        values = [(row.workspace, row.webhook_id, row.secret_label, row.body) for row in rows]
        try:
            with self._transaction() as connection:
                connection.executemany("INSERT OR IGNORE INTO deliveries VALUES (?, ?, ?, ?)", values)
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(str(error)) from error

    def count_deliveries(self, rejected: Mapping[str, int], *, accepted: int, is_refused: bool) -> None:
        add = "ON CONFLICT (kind) DO UPDATE SET number = number + excluded.number"
        noted = {**rejected, "refused": int(is_refused)} if rejected else {}
        with self._transaction() as connection:
            connection.executemany(f"INSERT INTO rejected VALUES (?, ?) {add}", noted.items())

    def is_writable(self) -> bool:
        try:
            with self._transaction() as connection:
                connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True

    def ids(self) -> list[str]:
        return [row[0] for row in self._read("SELECT webhook_id FROM deliveries ORDER BY webhook_id")]

    def bodies(self) -> dict[str, bytes]:
        return dict(self._read("SELECT webhook_id, body FROM deliveries"))

    def rejected(self) -> dict[str, int]:
        return dict(self._read("SELECT kind, number FROM rejected"))

    def _read(self, query: str) -> list[Any]:
        with self._transaction() as connection:
            return connection.execute(query).fetchall()


def create() -> Flask:
    """What gunicorn loads: `tests.web.receiver_app:create()`."""
    path = Path(os.environ["RECEIVER_DB"])
    inbox = FileInbox(path, busy_s=float(os.environ.get("RECEIVER_BUSY_S", "0.5")))
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA)

    def wake() -> None:
        with path.with_suffix(".wake").open("ab") as bell:
            bell.write(b".")

    def readiness() -> tuple[dict[str, object], bool]:
        is_ready = inbox.is_writable()
        return {"status": "ok" if is_ready else "unavailable"}, is_ready

    def broken() -> str:
        raise RuntimeError("a message that quotes the-callers-secret")

    def ops(app: Flask) -> None:
        app.add_url_rule("/ops/broken", "broken", broken)

    def api(app: Flask) -> None:
        """As `/v1`: the key is asked for before there is a route."""
        asks = "/v1/"
        app.before_request(lambda: Response(status=401) if request.path.startswith(asks) else None)

    return create_app(
        WebParts(
            api=api,
            secrets_by_workspace={
                "default": tuple(parse_secret(text) for text in SECRETS),
                "other": (parse_secret(f"blue={SECRETS[1]}"),),
            },
            committer=Committer(inbox, wake),
            readiness=readiness,
            ops=ops,
        )
    )
