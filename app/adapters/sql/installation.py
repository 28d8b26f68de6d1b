"""
Facts about this installation by name: moments, intervals, counters, and ids that it made once.

Knows: the keys' beginnings. What a moment means is the caller's.
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql import tables as t
from app.adapters.sql.engine import Database

QUEUE_ID = "queue_id"  # in the names of our queues: two installations may share a Redis database
MARK, INTERVAL, FIRST_START = "mark:", "turn:", "first_start"  # so begin keys of `installation`


class Installation(Database):
    """`app.orchestrator.ports.Moments`, and what else has a name."""

    def identity(self, name: str) -> str:
        """16 hex digits, made by the first caller of all processes. Raises `StoreUnavailable`."""
        found = self.read_value(sa.select(t.identity.c.value).where(t.identity.c.name == name))
        if found is None:
            new = self.insert(t.identity).values(name=name, value=secrets.token_hex(8))
            self.write(new.on_conflict_do_nothing())
            return self.identity(name)
        return str(found)

    def first_start(self) -> float:
        """When this installation was first migrated or started: nothing before it is reconciled."""
        at = self.moment(FIRST_START)
        if at is None:
            new = self.insert(t.installation).values(key=FIRST_START, at=self.db_now)
            self.write(new.on_conflict_do_nothing())
            return self.first_start()
        return at

    def moment(self, key: str) -> float | None:
        """The time under a key of `installation`; None when there is none."""
        return self.read_value(sa.select(t.installation.c.at).where(t.installation.c.key == key))

    def mark(self, name: str) -> float | None:
        """A moment noted under this name; None when never."""
        return self.moment(MARK + name)

    def set_mark(self, name: str, at: float) -> None:
        """Notes a moment, in place of the one before."""
        with self.writing() as connection:
            self.put_moment(connection, MARK + name, at)

    def claim_interval(self, name: str, *, every_s: float) -> bool:
        """True for one caller of all processes per `every_s` seconds."""
        row, key = t.installation, f"{INTERVAL}{name}"
        is_over = row.c.at <= self.db_now - every_s
        taken = self.upsert(row, {"key": key}, {"at": self.db_now}, where=is_over)
        # Read first: all processes ask every few seconds, and the interval is nearly always taken.
        if self.read_first(sa.select(row.c.key).where(row.c.key == key, ~is_over)) is not None:
            return False
        with self.writing() as connection:
            return connection.execute(taken.returning(row.c.key)).first() is not None

    def count(self, name: str, number: int) -> None:
        """Adds to a counter."""
        with self.writing() as connection:
            self.add_to_counter(connection, name, number)

    def check_write(self) -> None:
        """Writes and commits one row. Raises `StoreUnavailable`: the inbox could not be written either."""
        # Urgent: the receiver's own process asks, and what comes in meanwhile waits behind it.
        with self.writing(is_urgent=True) as connection:
            self.put_moment(connection, "write_check", self.db_now)

    def put_moment(self, connection: Connection, key: str, at: float | sa.ColumnElement[float]) -> None:
        """Notes a moment in a transaction, in place of the one before."""
        connection.execute(self.upsert(t.installation, {"key": key}, {"at": at}))

    def add_to_counter(self, connection: Connection, name: str, number: int) -> None:
        """`count` within a transaction."""
        added = {"value": t.counters.c.value + number}
        connection.execute(self.upsert(t.counters, {"name": name}, {"value": number}, changed=added))
