"""
Passes over Recall's list that outlast a job: who is at it, and where the next job goes on.

A pass is a row; its lease is a token, as a command's is. What its progress means is the caller's.
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.adapters.sql.engine import Database
from app.orchestrator.records import HeldPass


class ListPasses(Database):
    """`app.orchestrator.ports_recall.ListPasses`."""

    def take_pass(self, workspace: str, name: str, *, lease_s: float) -> HeldPass | None:
        """See `app.orchestrator.ports_recall.ListPasses.take_pass`."""
        row, token = t.passes, secrets.token_hex(8)
        values = {"token": token, "leased_until": self.db_now + lease_s}
        key = {"workspace": workspace, "name": name}
        taken = self.upsert(row, key, values, where=t.is_free(t.passes.c.leased_until, self.db_now))
        with self.writing() as connection:
            found = connection.execute(taken.returning(row.c.progress)).first()
        return None if found is None else HeldPass(workspace, name, token, found.progress)

    def keep_pass(self, held: HeldPass, *, lease_s: float, progress: str | None) -> bool:
        """See `app.orchestrator.ports_recall.ListPasses.keep_pass`."""
        return self._write(held, leased_until=self.db_now + lease_s, progress=progress)

    def leave_pass(self, held: HeldPass, *, progress: str | None) -> bool:
        """See `app.orchestrator.ports_recall.ListPasses.leave_pass`."""
        return self._write(held, leased_until=None, token=None, progress=progress)

    def has_pass_waiting(self) -> bool:
        """Whether a pass stopped before its end and is in no worker's hands."""
        row = t.passes.c
        waiting = sa.exists().where(row.progress.is_not(None), t.is_free(row.leased_until, self.db_now))
        return bool(self.read_value(sa.select(waiting)))

    def _write(self, held: HeldPass, **values: object) -> bool:
        row = t.passes
        ours = row.update().where(
            row.c.workspace == held.workspace, row.c.name == held.name, row.c.token == held.token
        )
        return self.write(ours.values(**values)) == 1
