"""
What may be forgotten: the bodies of deliveries that were applied some time ago. Their rows stay, because
the sender may repeat a delivery any day. Bodies that could not be read stay too: somebody has to look at
them. Nothing here knows how long is long enough.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.adapters.sql.engine import Database


class Retention(Database):
    """`forget_bodies` of `app.orchestrator.ports.Store`."""

    def forget_bodies(self, *, older_than_s: float, limit: int) -> int:
        """
        Drops the bodies of at most `limit` deliveries applied more than `older_than_s` seconds ago, the
        oldest first; returns of how many. They can be replayed no more.
        """
        row = t.deliveries
        with (
            self.reading() as connection
        ):  # a number, so that the index can be used; and mostly nothing to do
            until = connection.execute(sa.select(self.db_now - older_than_s)).scalar_one()
            old = sa.select(row.c.id).where(
                row.c.body.is_not(None), row.c.kind.is_not(None), row.c.applied_at < until
            )
            ids = connection.execute(old.order_by(row.c.applied_at).limit(limit)).scalars().all()
        if not ids:
            return 0
        # Again, for what was reopened meanwhile.
        is_meant = sa.and_(row.c.id.in_(sorted(ids)), row.c.body.is_not(None), row.c.kind.is_not(None))
        return self._forget_on_sqlite(is_meant) if self.is_sqlite else self._forget(is_meant)

    def _forget(self, is_meant: sa.ColumnElement[bool]) -> int:
        with self.writing() as connection:
            return connection.execute(t.deliveries.update().where(is_meant).values(body=None)).rowcount

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
