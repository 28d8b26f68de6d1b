"""
The inbox: deliveries as they came, the counters of those that were turned away, and bodies that are dropped.

`add_deliveries` is the acknowledged path: a sender waits while it runs, and the budget of a whole
request is a quarter of a millisecond. It is one prepared statement, one transaction, one fsync; on SQLite by
a connection of its own. A row is never deleted: its sender may repeat a delivery any day.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from app.adapters.sql import tables as t
from app.adapters.sql.engine import BUSY_S, Database, file_identity, sqlite_path
from app.adapters.sql.errors import translated
from app.adapters.sql.installation import Installation
from app.adapters.sql.tables import is_of
from app.core.state import Phase
from app.orchestrator.records import Closing, Delivery, NewDelivery, PauseSubject

ACCEPTED = "accepted"  # the counter of deliveries that were acknowledged, repetitions included
# Moments in `installation`: of the last delivery acknowledged, and of the last one refused although it bore
# complete, fresh headers.
ACCEPTED_AT, REFUSED_AT = "webhook_accepted", "webhook_refused"

# Rightly signed, and could not be understood; see `put_aside`.
IS_UNREADABLE = sa.and_(t.deliveries.c.note.is_not(None), t.deliveries.c.kind.is_(None))

_COLUMNS = ("workspace", "webhook_id", "received_at", "sent_at", "secret_label", "body")
_ADD = "INSERT INTO deliveries ({}) VALUES ({}) ON CONFLICT (workspace, webhook_id) DO NOTHING"


class DeliveryInbox(Installation):
    """`app.orchestrator.ports.DeliveryInbox`, and `app.web.group_commit.InboxStore`."""

    def add_deliveries(self, rows: Sequence[NewDelivery]) -> None:
        """All rows or none, durably. A known (workspace, webhook id) is kept as it is, no error."""
        # By hand and in the driver's words: compiling and binding would cost more than the insert.
        values = [
            (r.workspace, r.webhook_id, r.received_at_s, r.sent_at_s, r.secret_label, r.body) for r in rows
        ]
        if not values:
            return
        if self.is_sqlite:
            self._dedicated.execute_many(_SQLITE_ADD, values)
        else:
            with self.writing() as connection:
                connection.exec_driver_sql(_POSTGRESQL_ADD, values)

    def close(self) -> None:
        """Closes every idle connection; the next use opens new ones."""
        super().close()
        if self.is_sqlite:
            self._dedicated.close()

    @cached_property
    def _dedicated(self) -> DedicatedConnection:
        return DedicatedConnection(self)

    def take_deliveries_in(self, connection: Connection, limit: int) -> list[Delivery]:
        """See `app.orchestrator.ports.DeliveryInbox.receive`. None of a workspace not in the settings."""
        row = t.deliveries
        waiting = sa.select(row.c.id).where(_is_waiting())
        untried = waiting.where(row.c.tries == 0).order_by(row.c.id).limit(limit)
        # The least tried one: a bad one at the head must not keep the others waiting.
        one_tried = waiting.order_by(row.c.tries, row.c.id).limit(1)
        found = _take(connection, untried) or _take(connection, one_tried)
        found.sort(key=lambda values: values.id)  # RETURNING has no order
        return [
            Delivery(v.id, v.workspace, v.webhook_id, v.received_at, v.body or b"", v.tries) for v in found
        ]

    def return_deliveries(self, delivery_ids: Sequence[int]) -> None:
        """Takes the tries of `receive` back: they ended for a reason that was not theirs."""
        row = t.deliveries
        returned = row.update().where(row.c.id.in_(sorted(delivery_ids)), row.c.tries > 0)
        self.write(returned.values(tries=row.c.tries - 1))

    def close_deliveries(self, closings: Sequence[Closing]) -> None:
        """See `app.orchestrator.ports.DeliveryInbox.close_deliveries`."""
        row = t.deliveries
        closed = (
            row.update()
            .where(row.c.id == sa.bindparam("of"), row.c.applied_at.is_(None))
            .values(
                applied_at=self.db_now,
                note=sa.bindparam("why"),
                kind=sa.bindparam("what"),
                recording_id=sa.bindparam("about"),
            )
        )
        values = [
            {"of": c.delivery_id, "why": c.note, "what": c.kind, "about": c.recording_id} for c in closings
        ]
        if values:
            with self.writing() as connection:
                connection.execute(closed, values)
                about_erased = _is_erased(row.c.workspace, row.c.recording_id)
                these = row.c.id.in_([c.delivery_id for c in closings if c.recording_id is not None])
                connection.execute(row.update().where(these, about_erased).values(body=None))

    def put_aside(self, delivery_id: int, *, kind: str, recording_id: str | None = None) -> None:
        """A person had an unreadable one applied, or has seen that it cannot be: it stands no longer."""
        row = t.deliveries
        unread = row.update().where(row.c.id == delivery_id, IS_UNREADABLE)
        self.write(unread.values(kind=kind, recording_id=recording_id))

    def delivery(self, delivery_id: int) -> tuple[str, bytes | None] | None:
        """(workspace, body) of a stored delivery, applied or not; the body may have been dropped by now."""
        row = t.deliveries
        found = self.read_first(sa.select(row.c.workspace, row.c.body).where(row.c.id == delivery_id))
        return None if found is None else (found.workspace, found.body)

    def deliveries_of(self, workspace: str, recording_id: str) -> list[Mapping[str, Any]]:
        """The applied deliveries about a recording, those without effect too, and without their bodies."""
        row = t.deliveries
        columns = [column for column in row.c if column.name != "body"]
        wanted = sa.select(*columns).where(is_of(row, workspace, recording_id)).order_by(row.c.id)
        return [values._asdict() for values in self.read_all(wanted)]

    def forget_bodies(self, *, older_than_s: float, limit: int) -> int:
        """See `app.orchestrator.ports.DeliveryInbox`. The oldest first; these can be replayed no more."""
        row = t.deliveries
        until = self.now() - older_than_s  # a number, so that the index can be used
        is_kept = sa.and_(row.c.body.is_not(None), row.c.kind.is_not(None))
        old = sa.select(row.c.id).where(is_kept, row.c.applied_at < until).order_by(row.c.applied_at)
        ids = [id_ for (id_,) in self.read_all(old.limit(limit))]
        if not ids:  # as is mostly so
            return 0
        is_meant = sa.and_(row.c.id.in_(sorted(ids)), is_kept)  # again, for what was reopened meanwhile
        if self.is_sqlite:
            return self._forget_on_sqlite(is_meant)
        return self.write(row.update().where(is_meant).values(body=None))

    def _forget_on_sqlite(self, is_meant: sa.ColumnElement[bool]) -> int:
        # Not by UPDATE: SQLite never joins pages that shrank in place, and since rows are added at the end
        # nothing would ever be written into the gaps. Rows that go and come back do give their pages free.
        row = t.deliveries
        others = [column for column in row.c if column is not row.c.body]
        with self.writing() as connection:
            gone = connection.execute(row.delete().where(is_meant).returning(*others)).mappings().all()
            if gone:
                connection.execute(row.insert(), [dict(values) for values in gone])
            return len(gone)

    def has_unapplied(self) -> bool:
        """Whether any delivery waits that can be applied."""
        return bool(self.read_value(sa.select(sa.exists().where(_is_waiting()))))

    def count_deliveries(self, rejected: Mapping[str, int], *, accepted: int, is_refused: bool) -> None:
        """
        Adds to the counters of deliveries, in one transaction, and notes when it was.

        Args:
            rejected: By kind.
            accepted: How many were acknowledged.
            is_refused: One of those rejected bore complete, fresh signature headers.
        """
        numbers = {f"rejected:{kind}": number for kind, number in rejected.items()}
        numbers |= {ACCEPTED: accepted} if accepted else {}
        moments = [key for key, is_now in ((ACCEPTED_AT, accepted), (REFUSED_AT, is_refused)) if is_now]
        with self.writing(is_urgent=True) as connection:  # the receiver's own process waits behind it
            # In the order of their names, as every process: two at once never wait for each other.
            for name, number in sorted(numbers.items()):
                self.add_to_counter(connection, name, number)
            for key in moments:
                self.put_moment(connection, key, self.db_now)


class DedicatedConnection:
    """
    One SQLite connection that is kept, used in the driver's own words: a transaction through the pool costs
    0.1 ms of processor, most of a receiver's budget; here it is three calls. Everything that makes it safe
    comes from `Database`: the pragmas of its connections, its turn to write, its errors. After a fork the
    child opens its own and leaves its parent's alone.

    Args:
        database: On SQLite. Its pool opens the connection, which never goes back there.
    """

    def __init__(self, database: Database) -> None:
        assert database.write_lock is not None
        self._database = database
        self._write_lock = database.write_lock
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
        with translated(), self._write_lock.taken(wait_s=BUSY_S, is_urgent=True):
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


def _is_erased(workspace: object, recording_id: object) -> sa.ColumnElement[bool]:
    """Whether a recording, given by its ids or by the columns of another table, is erased."""
    row = t.transcriptions
    return sa.exists().where(is_of(row, workspace, recording_id), row.c.phase == Phase.ERASED.value)


def _is_waiting() -> sa.ColumnElement[bool]:
    row, pause = t.deliveries, t.pauses
    unknown = sa.select(pause.c.workspace).where(pause.c.cause == PauseSubject.WORKSPACE_UNKNOWN)
    return sa.and_(row.c.applied_at.is_(None), row.c.workspace.not_in(unknown))


def _take(connection: Connection, ids: sa.Select[tuple[int]]) -> list[sa.Row[Any]]:
    row = t.deliveries
    taken = row.update().where(row.c.id.in_(ids)).values(tries=row.c.tries + 1)
    columns = (row.c.id, row.c.workspace, row.c.webhook_id, row.c.received_at, row.c.body, row.c.tries)
    return list(connection.execute(taken.returning(*columns)))


def _add(mark: str) -> str:
    return _ADD.format(", ".join(_COLUMNS), ", ".join(mark for _ in _COLUMNS))


_SQLITE_ADD, _POSTGRESQL_ADD = _add("?"), _add("%s")
