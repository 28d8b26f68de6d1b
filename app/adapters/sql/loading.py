"""Load a transcription with its pending commands, alone or within a transaction that does more."""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql import tables as t
from app.adapters.sql.access import processing_in
from app.adapters.sql.liveness import RESUMED
from app.adapters.sql.outbox import Outbox
from app.adapters.sql.provider_forms import forms_in
from app.adapters.sql.tables import is_of
from app.core import commands
from app.core import state as states
from app.core.policy import Processing
from app.core.state import Transcription
from app.orchestrator.provider_forms import Forms
from app.orchestrator.records import Loaded

_RESUMED_AT = sa.select(t.installation.c.at).where(t.installation.c.key == RESUMED).scalar_subquery()
PREDATES_DOWNTIME = sa.func.coalesce(t.transcriptions.c.updated_at < _RESUMED_AT, sa.false())

# State, version and whether it is from before a silence, where there is one; pending commands; what was said
# of the workspace's processing; and what is known of its providers.
LoadedRows = tuple[sa.Row[str, int, bool] | None, Sequence[str], Processing | None, Forms]


class Loading(Outbox):
    """`load` of `app.orchestrator.ports.Transcriptions`."""

    def load(self, workspace: str, recording_id: str) -> Loaded:
        """The transcription with its pending commands; version 0 when there is none."""
        with self.reading() as connection:
            found = self.load_in(connection, workspace, recording_id)
        return loaded_of(workspace, recording_id, found)

    def load_in(self, connection: Connection, workspace: str, recording_id: str) -> LoadedRows:
        """`load` within a transaction; to be read by `loaded_of` when that has ended."""
        row_of = sa.select(t.transcriptions.c.state, t.transcriptions.c.version, PREDATES_DOWNTIME)
        pending_of = sa.select(t.commands.c.args).order_by(t.commands.c.id)
        row = connection.execute(row_of.where(is_of(t.transcriptions, workspace, recording_id))).first()
        pending = connection.execute(pending_of.where(is_of(t.commands, workspace, recording_id)))
        forms = forms_in(connection, workspace, self.db_now)
        return row, pending.scalars().all(), processing_in(connection, workspace), forms


def loaded_of(workspace: str, recording_id: str, found: LoadedRows) -> Loaded:
    """What `Loading.load_in` returned."""
    row, args, processing, forms = found
    pending = tuple(commands.from_record(json.loads(each)) for each in args)
    if row is None:
        return Loaded(Transcription(workspace, recording_id), 0, pending, processing=processing, forms=forms)
    state, version, is_old = row
    return Loaded(read_state(state), version, pending, bool(is_old), processing, forms)


def read_state(text: str) -> Transcription:
    """Of a row; in version 1 the error's text was the one place that said why a request was refused."""
    record = json.loads(text)
    for line in () if "version" in record else record.get("attempts", ()):
        line["is_recording_unknown"] = str(line.get("error") or "").startswith("http_404")
    return states.from_record(record)
