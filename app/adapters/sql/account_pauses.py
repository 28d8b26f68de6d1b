"""
Whose fault it is: accounts that refuse us, for how long they did, and who asks again.

A pause is a row while it lasts and a line of the log when it ended; whoever removes the row writes the
line, in one transaction, so that no second of a pause is counted twice or lost.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.adapters.sql.clock_steps import covered_s
from app.adapters.sql.engine import Database
from app.orchestrator.records import CREATES_ONLY, EVERY_WORKSPACE, Pause

_REFUSED = "refused 403"  # as the service words outcomes: kind and status of a create's answer
_CREATED = "created"
_CREATE = "create_transcript"  # as `app.core.commands.kind_of` names it


class Accounts(Database):
    """The pauses of `app.orchestrator.ports.Store`, and its question about refusals elsewhere."""

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
        row = t.pauses
        pause = sa.select(row.c.workspace, row.c.cause, row.c.since, row.c.probe_at)
        with self.reading() as connection:
            found = connection.execute(pause.where(row.c.workspace == workspace)).first()
        return Pause(*found) if found is not None else None

    def has_create(self, workspace: str) -> bool:
        """See `app.orchestrator.ports.Outbox.has_create`."""
        row = t.commands
        waiting = sa.select(row.c.id).where(row.c.workspace == workspace, row.c.kind == _CREATE)
        with self.reading() as connection:
            return connection.execute(waiting.limit(1)).first() is not None

    def paused_since(self, workspace: str, at: float, *, for_creates: bool = True) -> float:
        """Seconds since `at` in which the workspace was paused, the running pause included."""
        log, pause = t.pause_log, t.pauses
        ended = sa.select(log.c.began_at, log.c.ended_at).where(
            log.c.workspace.in_((workspace, EVERY_WORKSPACE))
        )
        running = sa.select(pause.c.since, self.db_now).where(pause.c.workspace == workspace)
        if not for_creates:
            ended = ended.where(~log.c.cause.startswith(CREATES_ONLY, autoescape=True))
            running = running.where(~pause.c.cause.startswith(CREATES_ONLY, autoescape=True))
        # One statement, one snapshot: a pause that ends meanwhile is in it once.
        with self.reading() as connection:
            spans = connection.execute(sa.union_all(ended.where(log.c.ended_at > at), running)).all()
        return covered_s(((float(began), float(end)) for began, end in spans), since=at)

    def creates_refused_elsewhere(self, workspace: str, recording_id: str, *, within_s: float) -> bool:
        """
        Whether another recording was refused with 403 lately and nothing was created since.

        An answer counts from when its request was stamped. A send of that recording which is still
        without an answer says nothing yet; one answered otherwise takes its refusal back.
        """
        refused, later = t.sends.alias("refused"), t.sends.alias("later")
        has_another_answer = sa.or_(
            later.c.outcome.startswith(_CREATED),
            sa.and_(later.c.recording_id == refused.c.recording_id, later.c.outcome.is_not(None)),
        )
        is_outdated = sa.exists().where(
            later.c.workspace == workspace, later.c.stamped_at > refused.c.stamped_at, has_another_answer
        )
        standing = sa.select(refused.c.id).where(
            refused.c.workspace == workspace,
            refused.c.recording_id != recording_id,
            refused.c.outcome == _REFUSED,
            refused.c.stamped_at >= self.db_now - within_s,
            ~is_outdated,
        )
        with self.reading() as connection:
            return connection.execute(standing.limit(1)).first() is not None

    def take_probe(self, workspace: str, *, every_s: float) -> bool:
        """True for one caller per `every_s`: that one may ask Recall. False when nothing is paused."""
        row = t.pauses
        taken = row.update().where(row.c.workspace == workspace, row.c.probe_at <= self.db_now)
        with self.writing() as connection:
            return connection.execute(taken.values(probe_at=self.db_now + every_s)).rowcount == 1
