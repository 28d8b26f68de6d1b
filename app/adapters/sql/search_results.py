"""Which results are stored, for what keeps an index of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.adapters.sql.engine import Database
from app.core.state import Phase
from app.orchestrator.ports_search import StoredResult

_COLUMNS = (
    t.artifacts.c.workspace,
    t.artifacts.c.recording_id,
    t.artifacts.c.transcript_id,
    t.artifacts.c.files,
    t.artifacts.c.id,
)


class StoredResults:
    """`app.orchestrator.ports_search.StoredResults`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def results_of(self, workspace: str, recording_ids: Sequence[str]) -> list[StoredResult]:
        """See `app.orchestrator.ports_search.StoredResults.results_of`."""
        row = t.artifacts.c
        return self._read(_current().where(row.workspace == workspace, row.recording_id.in_(recording_ids)))

    def results_after(self, after: int, *, limit: int) -> list[StoredResult]:
        """See `app.orchestrator.ports_search.StoredResults.results_after`."""
        row = t.artifacts.c
        return self._read(_current().where(row.id > after).order_by(row.id).limit(limit))

    def count_results(self, without: Collection[str] = ()) -> int:
        """See `app.orchestrator.ports_search.StoredResults.count_results`."""
        counted = sa.select(sa.func.coalesce(sa.func.sum(t.tallies.c.value), 0))
        counted = counted.where(t.tallies.c.name == f"goal:{Phase.STORED.value}")
        if without:
            row = t.transcriptions.c
            counted = sa.select(sa.func.count()).where(row.phase == Phase.STORED.value)
            counted = counted.where(row.workspace.not_in(without))
        compared = sa.select(sa.func.count()).where(t.is_compared())
        if without:
            compared = compared.where(t.transcriptions.c.workspace.not_in(without))
        with self._database.reading() as connection:
            return sum(int(connection.execute(each).scalar_one()) for each in (counted, compared))

    def _read(self, wanted: sa.Select[str, str, str, str, int]) -> list[StoredResult]:
        with self._database.reading() as connection:
            found = connection.execute(wanted).all()
        return [StoredResult(w, r, tid, tuple(json.loads(files)), id_) for w, r, tid, files, id_ in found]


def _current() -> sa.Select[str, str, str, str, int]:
    """Of recordings that are at that end: one that is being erased, or failed since, has none."""
    of_it = sa.and_(
        t.transcriptions.c.workspace == t.artifacts.c.workspace,
        t.transcriptions.c.recording_id == t.artifacts.c.recording_id,
    )
    joined = t.artifacts.join(t.transcriptions, of_it)
    is_stored = sa.or_(t.transcriptions.c.phase == Phase.STORED.value, t.is_compared())
    return sa.select(*_COLUMNS).select_from(joined).where(t.artifacts.c.is_current, is_stored)
