"""
Signs of life: was this installation away for long, is the database a backup, was its clock set back?

One row says when anybody last worked here. Whoever works signs first, so that the question is answered
before money is spent. Nothing here knows what follows from the answer.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters import sql_tables as t
from app.adapters.sql_engine import Database
from app.adapters.sql_money import TURN
from app.core.state import Goal

RESUMED = "resumed"  # when a long silence last ended
_ALIVE = "alive"
# Two machines' clocks never decide here, only one database's: half a minute is no leap.
_SET_BACK_S = 30.0


class Signs(Database):
    """`sign` of `app.ports.Store`."""

    def sign(self, *, quiet_s: float) -> float:
        """See `app.ports.Store.sign`. Nearly always one read: it is written ten times per `quiet_s`."""
        row = t.installation
        with self.reading() as connection:
            noted = sa.select(row.c.key, row.c.at, self.db_now).where(row.c.key.in_((_ALIVE, RESUMED)))
            found = {key: (at, now) for key, at, now in connection.execute(noted)}
        if _ALIVE in found and -_SET_BACK_S <= found[_ALIVE][1] - found[_ALIVE][0] < quiet_s / 10:
            return float(found[RESUMED][0]) if RESUMED in found else 0.0
        alive = sa.select(row.c.at, self.db_now).where(row.c.key == _ALIVE)
        first = self.insert(row).values(key=_ALIVE, at=self.db_now).on_conflict_do_nothing()
        with self.writing() as connection:
            connection.execute(first)
            at, now = connection.execute(alive.with_for_update()).one()
            if at - now > _SET_BACK_S:
                _move_back(connection, at - now)
            elif now - at > quiet_s:
                self._put(connection, RESUMED)
            self._put(connection, _ALIVE)
            resumed_at = connection.execute(sa.select(row.c.at).where(row.c.key == RESUMED)).scalar()
        return float(resumed_at or 0.0)

    def _put(self, connection: Connection, key: str) -> None:
        new = self.insert(t.installation).values(key=key, at=self.db_now)
        connection.execute(new.on_conflict_do_update(index_elements=["key"], set_={"at": self.db_now}))


def _move_back(connection: Connection, by_s: float) -> None:
    """What was noted for the future, or as an age, by the clock as it was."""
    states = t.transcriptions
    is_open = states.c.goal.not_in((Goal.STORED.value, Goal.ERASED.value))
    # First, as in every commit. It is held against a silence, which moves as well.
    connection.execute(states.update().where(is_open).values(updated_at=states.c.updated_at - by_s))
    moved = (
        (t.sends, t.sends.c.stamped_at),  # an age that is too small would send again under a dead key
        (t.rates, t.rates.c.next_at),
        (t.commands, t.commands.c.due_at),
        (t.commands, t.commands.c.offered_at),
        (t.commands, t.commands.c.leased_until),
        (t.commands, t.commands.c.slot_at),
        (t.pauses, t.pauses.c.since),
        (t.pauses, t.pauses.c.probe_at),
        (t.breakers, t.breakers.c.shut_until),
        (t.breakers, t.breakers.c.probing_until),
    )
    for table, column in moved:
        connection.execute(table.update().where(column.is_not(None)).values({column: column - by_s}))
    key, at = t.installation.c.key, t.installation.c.at
    is_ours = sa.or_(key == RESUMED, key.startswith(TURN, autoescape=True))
    connection.execute(t.installation.update().where(is_ours).values(at=at - by_s))
