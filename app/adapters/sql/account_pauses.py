"""
Accounts that refuse us, for how long they did, and the probe that asks again.

A pause is a row while it lasts and a line of the log when it ended; the row is removed and the line
written in one transaction, so that no second of a pause is counted twice or lost.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.adapters.sql.clock_steps import covered_s
from app.adapters.sql.engine import Database
from app.orchestrator.records import EVERY_WORKSPACE, Pause, PauseSubject, pause_cause


class AccountPauses(Database):
    """`app.orchestrator.ports.AccountPauses`."""

    def pause(
        self, workspace: str, subject: PauseSubject, status: int | None = None, *, probe_after_s: float
    ) -> None:
        """See `app.orchestrator.ports.AccountPauses.pause`."""
        values = {"cause": pause_cause(subject, status), "probe_at": self.db_now + probe_after_s}
        new = values | {"since": self.db_now}
        self.write(self.upsert(t.pauses, {"workspace": workspace}, new, changed=values))

    def unpause(self, workspace: str) -> None:
        """
        Ends the pause; what waited because of it is due and unoffered now.

        That is: commands put off while the workspace was paused, creates refused for the account's
        sake, and what fell due meanwhile. Alarms whose time has not come keep it.
        """
        row, pause = t.commands, t.pauses
        waited = sa.select(row.c.id).where(
            row.c.workspace == workspace,
            sa.or_(row.c.is_held, row.c.due_at <= self.db_now),
            sa.or_(row.c.leased_until.is_(None), row.c.leased_until < self.db_now),
        )
        woken = row.update().where(row.c.id.in_(waited.with_for_update(skip_locked=True)))
        ending = pause.delete().where(pause.c.workspace == workspace).returning(pause.c.cause, pause.c.since)
        with self.writing() as connection:
            ended = connection.execute(ending).first()
            if ended is not None:
                line = t.pause_log.insert().values(
                    workspace=workspace, cause=ended.cause, began_at=ended.since, ended_at=self.db_now
                )
                connection.execute(line)
                connection.execute(woken.values(due_at=self.db_now, offered_at=None, is_held=False))

    def paused(self, workspace: str) -> Pause | None:
        """The pause of a workspace, if it is paused."""
        found = self.read_first(sa.select(t.pauses).where(t.pauses.c.workspace == workspace))
        return Pause.read(*found) if found is not None else None

    def paused_since(self, workspace: str, at: float, *, for_creates: bool = True) -> float:
        """Seconds since `at` in which the workspace was paused, the running pause included."""
        log, pause = t.pause_log, t.pauses
        ended = sa.select(log.c.began_at, log.c.ended_at).where(
            log.c.workspace.in_((workspace, EVERY_WORKSPACE))
        )
        running = sa.select(pause.c.since, self.db_now).where(pause.c.workspace == workspace)
        if not for_creates:
            ended = ended.where(~is_about_creates(log.c.cause))
            running = running.where(~is_about_creates(pause.c.cause))
        # One statement, one snapshot: a pause that ends meanwhile is in it once.
        spans = self.read_all(sa.union_all(ended.where(log.c.ended_at > at), running))
        return covered_s(((float(began), float(end)) for began, end in spans), since=at)

    def take_probe(self, workspace: str, *, every_s: float) -> bool:
        """True for one caller per `every_s`: that one may ask Recall. False when nothing is paused."""
        row = t.pauses
        taken = row.update().where(row.c.workspace == workspace, row.c.probe_at <= self.db_now)
        return self.write(taken.values(probe_at=self.db_now + every_s)) == 1


def is_about_creates(cause: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """`Pause.is_about_creates` of a stored cause."""
    return cause.startswith(PauseSubject.CREATES, autoescape=True)
