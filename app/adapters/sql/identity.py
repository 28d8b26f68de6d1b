"""Names that this installation gave itself once: random, kept in the database, the same for every process."""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.adapters.sql.engine import Database

QUEUE_ID = "queue_id"  # in the names of our queues: two installations may share a Redis database


class Identity(Database):
    """`identity`, for the store."""

    def identity(self, name: str) -> str:
        """16 hex digits, made by the first caller of all processes. Raises `StoreUnavailable`."""
        row = t.identity
        kept = sa.select(row.c.value).where(row.c.name == name)
        with self.reading() as connection:
            found = connection.execute(kept).scalar()
        if found is None:
            new = self.insert(row).values(name=name, value=secrets.token_hex(8))
            with self.writing() as connection:
                connection.execute(new.on_conflict_do_nothing())
                found = connection.execute(kept).scalar_one()
        return str(found)
