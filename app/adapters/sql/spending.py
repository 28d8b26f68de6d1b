"""
The accounting: each attempt's cost stands in its row of `attempts`, which is kept for ever. Sums are taken of
these rows alone, by an index over them.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql import tables as t
from app.adapters.sql.engine import Database
from app.core.cost import Cost, day_of

_LOCK = "afterword daily budget"


@dataclass(frozen=True, slots=True)
class Spent:
    """Of a UTC day, see `app.core.cost`. `attempts`: how many are in the sum."""

    day: int
    workspace: str
    provider: str
    currency: str
    micros: int
    attempts: int


class Spending(Database):
    """What attempts cost."""

    def is_within(self, connection: Connection, cost: Cost, daily_budget: int) -> bool:
        """
        Within the commit of a claim whose row is written: whether its day stays within the budget with it,
        whatever other workers claim meanwhile.
        """
        if not self.is_sqlite:  # SQLite has one writer; here two claims would not see each other
            lock = sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(_LOCK, 0))
            connection.execute(sa.select(lock))
        row = t.attempts.c
        # Later days too: they are of a clock that was set back since.
        spent = sa.select(sa.func.coalesce(sa.func.sum(row.cost), 0))
        spent = spent.where(row.cost_day >= cost.day, row.currency == cost.currency)
        return int(connection.execute(spent).scalar_one()) <= daily_budget

    def spent(self, *, days: int = 1) -> list[Spent]:
        """Of the last UTC days, today's included, newest first."""
        with self.reading() as connection:
            return self.spent_in(connection, days=days)

    def spent_in(self, connection: Connection, *, days: int) -> list[Spent]:
        """`spent`, within a transaction."""
        row, first = t.attempts.c, day_of(self.now_in(connection)) - days + 1
        by = (row.cost_day, row.workspace, row.provider, row.currency)
        sums = sa.select(*by, sa.func.sum(row.cost), sa.func.count()).where(row.cost_day >= first)
        sums = sums.group_by(*by).order_by(row.cost_day.desc(), row.workspace, row.provider)
        found = connection.execute(sums)
        return [Spent(day, of, who, coin, int(micros), n) for day, of, who, coin, micros, n in found]
