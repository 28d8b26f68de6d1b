"""How a workspace's providers read their options, where known; the rule: `orchestrator.provider_forms`."""

from __future__ import annotations

import json
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql import tables as t
from app.adapters.sql.engine import Database
from app.orchestrator.provider_forms import Forms, KnownForm

_ROW = t.provider_forms.c


class ProviderForms(Database):
    """`app.orchestrator.ports.ProviderForms`."""

    def update_form(
        self, workspace: str, provider: str, change: Callable[[KnownForm, float], KnownForm]
    ) -> KnownForm:
        """What it is after the change, which is told what is known and the database's time."""
        its = sa.and_(_ROW.workspace == workspace, _ROW.provider == provider)
        with self.writing() as connection:
            nothing = json.dumps(KnownForm().to_record())
            row = self.insert(t.provider_forms).values(workspace=workspace, provider=provider, known=nothing)
            connection.execute(row.on_conflict_do_nothing())
            found = connection.execute(sa.select(_ROW.known).where(its).with_for_update()).scalar_one()
            known, now = KnownForm.from_record(json.loads(found)), self.now_in(connection)  # with the lock
            changed = change(known.at(now), now)
            if changed != known:
                values = {"known": json.dumps(changed.to_record())}
                connection.execute(t.provider_forms.update().where(its).values(**values))
            return changed


def forms_in(connection: Connection, workspace: str, now: sa.ColumnElement[float]) -> Forms:
    """By provider, within a transaction. `now`: as the database says it."""
    rows = connection.execute(sa.select(_ROW.provider, _ROW.known, now).where(_ROW.workspace == workspace))
    return {provider: KnownForm.from_record(json.loads(known)).at(at) for provider, known, at in rows}
