"""
Stamped sends, rates, and accounts that refuse us.

A rate is one row with the time of its next free slot, for all workers of all machines. Slots are
never given back: a worker that dies with one leaves a gap, which costs a fraction of a second.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.adapters import sql_tables as t
from app.adapters.sql_engine import Database
from app.ports import Pause, SendTimes


class Money(Database):
    """The sends, rates and pauses of `app.ports.Store`."""

    def send_times(self, workspace: str, recording_id: str, ordinal: int, *, generation: int) -> SendTimes:
        """
        Ages of one attempt's sends by the database's clock; None before the first.

        Of one generation: each has its own Idempotency-Key, and with it its own hour at Recall.
        """
        row = t.sends
        stamps = sa.select(self.db_now - row.c.stamped_at, row.c.fingerprint)
        stamps = stamps.where(
            _is_of_attempt(workspace, recording_id, ordinal), row.c.generation == generation
        )
        with self.reading() as connection:
            found = connection.execute(stamps).all()
        ages_s = [age_s for age_s, _ in found]
        return SendTimes(
            since_first_s=max(ages_s, default=None),
            since_last_s=min(ages_s, default=None),
            fingerprints=frozenset(fingerprint for _, fingerprint in found),
        )

    def settle_send(self, workspace: str, recording_id: str, ordinal: int, *, outcome: str) -> None:
        """Notes how the latest send of the attempt ended, for people."""
        row = t.sends
        latest = sa.select(sa.func.max(row.c.id)).where(_is_of_attempt(workspace, recording_id, ordinal))
        settled = row.update().where(row.c.id == latest.scalar_subquery())
        with self.writing() as connection:
            connection.execute(settled.values(outcome=outcome, settled_at=self.db_now))

    def reserve(self, workspace: str, rate: str, *, gap_s: float) -> float:
        """Takes the next slot of a rate; returns its time. One row for all workers of all machines."""
        row = t.rates
        new = self.insert(row).values(workspace=workspace, rate=rate, next_at=self.db_now + gap_s)
        taken = new.on_conflict_do_update(
            index_elements=["workspace", "rate"],
            set_={"next_at": t.Later(row.c.next_at, self.db_now) + gap_s},
        )
        with self.writing() as connection:
            return float(connection.execute(taken.returning(row.c.next_at)).scalar_one()) - gap_s

    def push_rate(self, workspace: str, rate: str, *, after_s: float) -> None:
        """Nobody gets a slot before now + after_s; a later time already set stays."""
        row = t.rates
        new = self.insert(row).values(workspace=workspace, rate=rate, next_at=self.db_now + after_s)
        pushed = new.on_conflict_do_update(
            index_elements=["workspace", "rate"],
            set_={"next_at": t.Later(row.c.next_at, self.db_now + after_s)},
        )
        with self.writing() as connection:
            connection.execute(pushed)

    # -- whose fault -------------------------------------------------------------------------------

    def pause(self, workspace: str, cause: str, *, probe_after_s: float) -> None:
        """The account refuses us: nothing of this workspace is offered but a probe now and then."""
        probe_at = self.db_now + probe_after_s
        new = self.insert(t.pauses).values(
            workspace=workspace, cause=cause, since=self.db_now, probe_at=probe_at
        )
        paused = new.on_conflict_do_update(
            index_elements=["workspace"], set_={"cause": cause, "probe_at": probe_at}
        )
        with self.writing() as connection:
            connection.execute(paused)

    def unpause(self, workspace: str) -> None:
        """
        Ends the pause; what waited because of it is due and unoffered now.

        That is: commands put off while the workspace was paused, creates refused for the account's
        sake, and what fell due meanwhile. Alarms whose time has not come keep it.
        """
        row = t.commands
        waited = sa.select(row.c.id).where(
            row.c.workspace == workspace,
            sa.or_(row.c.is_held, row.c.due_at <= self.db_now),
            sa.or_(row.c.leased_until.is_(None), row.c.leased_until < self.db_now),
        )
        woken = row.update().where(row.c.id.in_(waited.with_for_update(skip_locked=True)))
        with self.writing() as connection:
            ended = connection.execute(t.pauses.delete().where(t.pauses.c.workspace == workspace))
            if ended.rowcount:
                connection.execute(woken.values(due_at=self.db_now, offered_at=None, is_held=False))

    def paused(self, workspace: str) -> Pause | None:
        """The pause of a workspace, if it is paused."""
        row = t.pauses
        pause = sa.select(row.c.workspace, row.c.cause, row.c.since, row.c.probe_at)
        with self.reading() as connection:
            found = connection.execute(pause.where(row.c.workspace == workspace)).first()
        return Pause(*found) if found is not None else None

    def take_probe(self, workspace: str, *, every_s: float) -> bool:
        """True for one caller per `every_s`: that one may ask Recall. False when nothing is paused."""
        row = t.pauses
        taken = row.update().where(row.c.workspace == workspace, row.c.probe_at <= self.db_now)
        with self.writing() as connection:
            return connection.execute(taken.values(probe_at=self.db_now + every_s)).rowcount == 1


def _is_of_attempt(workspace: str, recording_id: str, ordinal: int) -> sa.ColumnElement[bool]:
    row = t.sends
    return sa.and_(row.c.workspace == workspace, row.c.recording_id == recording_id, row.c.ordinal == ordinal)
