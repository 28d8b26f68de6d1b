"""
The inbox: deliveries as they came, and the counters of those that were turned away.

`add_deliveries` is the acknowledged path: a sender waits while it runs, and the budget of a whole
request is a quarter of a millisecond. It is one prepared statement, one transaction, one fsync.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql import tables as t
from app.adapters.sql.dedicated_connection import KeptConnection
from app.adapters.sql.engine import Database
from app.orchestrator.records import WORKSPACE_UNKNOWN, Closing, Delivery, NewDelivery

ACCEPTED = "accepted"  # the counter of deliveries that were acknowledged, repetitions included
# Moments in `installation`: of the last delivery acknowledged, and of the last one refused although it bore
# complete, fresh headers.
ACCEPTED_AT, REFUSED_AT = "webhook_accepted", "webhook_refused"

_COLUMNS = ("workspace", "webhook_id", "received_at", "sent_at", "secret_label", "body")
_ADD = "INSERT INTO deliveries ({}) VALUES ({}) ON CONFLICT (workspace, webhook_id) DO NOTHING"


class Inbox(Database):
    """The inbox part of `app.orchestrator.ports.Store`."""

    def add_deliveries(self, rows: Sequence[NewDelivery]) -> None:
        """All rows or none, durably. A known (workspace, webhook id) is kept as it is, no error."""
        # By hand and in the driver's words: compiling and binding would cost more than the insert.
        values = [
            (r.workspace, r.webhook_id, r.received_at_s, r.sent_at_s, r.secret_label, r.body) for r in rows
        ]
        if not values:
            return
        if self.is_sqlite:
            self._kept.execute_many(_SQLITE_ADD, values)
        else:
            with self.writing() as connection:
                connection.exec_driver_sql(_POSTGRESQL_ADD, values)

    def close(self) -> None:
        """Closes every idle connection; the next use opens new ones."""
        super().close()
        if self.is_sqlite:
            self._kept.close()

    @cached_property
    def _kept(self) -> KeptConnection:
        return KeptConnection(self)

    def take_deliveries(self, limit: int) -> list[Delivery]:
        """
        Unapplied deliveries; counts one try for each. Those never tried come first and together, oldest
        first (as they reached the database); one that was tried before comes alone. None of a workspace that
        is not in the settings.
        """
        row = t.deliveries
        waiting = sa.select(row.c.id).where(_is_waiting())
        untried = waiting.where(row.c.tries == 0).order_by(row.c.id).limit(limit)
        # The least tried one: a bad one at the head must not keep the others waiting.
        one_tried = waiting.order_by(row.c.tries, row.c.id).limit(1)
        with self.writing() as connection:
            found = _take(connection, untried) or _take(connection, one_tried)
        found.sort(key=lambda values: values.id)  # RETURNING has no order
        return [
            Delivery(v.id, v.workspace, v.webhook_id, v.received_at, v.body or b"", v.tries) for v in found
        ]

    def return_deliveries(self, delivery_ids: Sequence[int]) -> None:
        """Takes the tries of `take_deliveries` back: they ended for a reason that was not theirs."""
        row = t.deliveries
        returned = row.update().where(row.c.id.in_(sorted(delivery_ids)), row.c.tries > 0)
        with self.writing() as connection:
            connection.execute(returned.values(tries=row.c.tries - 1))

    def close_deliveries(self, closings: Sequence[Closing]) -> None:
        """Applied without a transcription: of an unknown kind, or unreadable. Kept; visible."""
        row = t.deliveries
        closed = row.update().where(row.c.id == sa.bindparam("of"), row.c.applied_at.is_(None))
        closed = closed.values(applied_at=self.db_now, note=sa.bindparam("why"), kind=sa.bindparam("what"))
        values = [{"of": c.delivery_id, "why": c.note, "what": c.kind} for c in closings]
        if values:
            with self.writing() as connection:
                connection.execute(closed, values)

    def put_aside(self, delivery_id: int, *, kind: str, recording_id: str | None = None) -> None:
        """A person had an unreadable one applied, or has seen that it cannot be: it stands no longer."""
        row = t.deliveries
        unread = row.update().where(row.c.id == delivery_id, row.c.note.is_not(None), row.c.kind.is_(None))
        with self.writing() as connection:
            connection.execute(unread.values(kind=kind, recording_id=recording_id))

    def has_unapplied(self) -> bool:
        """Whether any delivery waits that can be applied."""
        waiting = sa.select(sa.exists().where(_is_waiting()))
        with self.reading() as connection:
            return bool(connection.execute(waiting).scalar())

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
        new = self.insert(t.counters)
        added = new.on_conflict_do_update(
            index_elements=["name"], set_={"value": t.counters.c.value + new.excluded.value}
        )
        moments = [key for key, is_now in ((ACCEPTED_AT, accepted), (REFUSED_AT, is_refused)) if is_now]
        with self.writing(is_urgent=True) as connection:  # the receiver's own process waits behind it
            # In the order of their names, as every process: two at once never wait for each other.
            for name, number in sorted(numbers.items()):
                connection.execute(added, {"name": name, "value": number})
            for key in moments:
                noted = self.insert(t.installation).values(key=key, at=self.db_now)
                connection.execute(
                    noted.on_conflict_do_update(index_elements=["key"], set_={"at": self.db_now})
                )


def _is_waiting() -> sa.ColumnElement[bool]:
    row, pause = t.deliveries, t.pauses
    unknown = sa.select(pause.c.workspace).where(pause.c.cause == WORKSPACE_UNKNOWN)
    return sa.and_(row.c.applied_at.is_(None), row.c.workspace.not_in(unknown))


def _take(connection: Connection, ids: sa.Select[tuple[int]]) -> list[sa.Row[Any]]:
    row = t.deliveries
    taken = row.update().where(row.c.id.in_(ids)).values(tries=row.c.tries + 1)
    columns = (row.c.id, row.c.workspace, row.c.webhook_id, row.c.received_at, row.c.body, row.c.tries)
    return list(connection.execute(taken.returning(*columns)))


def _add(mark: str) -> str:
    return _ADD.format(", ".join(_COLUMNS), ", ".join(mark for _ in _COLUMNS))


_SQLITE_ADD, _POSTGRESQL_ADD = _add("?"), _add("%s")
