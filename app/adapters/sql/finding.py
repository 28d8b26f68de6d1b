"""
Which recordings there are, and which one an id means: by index wherever the id is one.

Must change together: `_of_state` and the index `ix_transcriptions_bot` of the migration 0003.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.adapters.sql.engine import Database
from app.core import state as states
from app.core.state import ENDS, Phase, Transcription

MOST_FOUND = 20
# A pair of the metadata in a state, its key, its value.
_SQLITE_PAIR = (
    "json_each(state, '$.metadata')",
    "json_extract(pair.value, '$[0]')",
    "json_extract(pair.value, '$[1]')",
)
_POSTGRESQL_PAIR = ("json_array_elements(state::json -> 'metadata')", "pair.value ->> 0", "pair.value ->> 1")


@dataclass(frozen=True, slots=True)
class Filters:
    """Which transcriptions are listed: all that is given holds. Times are seconds since the epoch."""

    phase: Phase | None = None
    bot_id: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    provider: str | None = None  # of the result, or of any attempt
    verdict: str | None = None
    since: float | None = None  # first heard of then or later
    until: float | None = None  # first heard of before
    workspace: str | None = None
    recording_id: str | None = None  # a whole one
    phases: tuple[Phase, ...] | None = None  # one of these


_ALL = Filters()


@dataclass(frozen=True, slots=True)
class Pending:
    """The next thing to be done about a recording. `waits_for`: why it was put off, a short code."""

    kind: str
    due_at: float
    is_held: bool  # it waits for the account, not for `due_at`
    waits_for: str | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A transcription as listed. `cursor` goes into `before` to get what follows."""

    id: str
    version: int
    state: Transcription
    first_heard_at: float
    updated_at: float
    completed_at: float | None

    @property
    def cursor(self) -> tuple[float, str]:
        return (self.first_heard_at, self.id)


LISTED = sa.select(
    t.transcriptions.c.id,
    t.transcriptions.c.version,
    t.transcriptions.c.state,
    t.transcriptions.c.first_heard_at,
    t.transcriptions.c.updated_at,
    t.transcriptions.c.completed_at,
)


def listed(values: Any) -> Listed:
    """A row of `LISTED`."""
    id_, version, state, *times = values
    return Listed(id_, version, states.from_record(json.loads(state)), *times)


class Finding(Database):
    """Lists and searches, for people and for programs that watch."""

    def find_recording(self, text: str) -> list[tuple[str, str]]:
        """
        (workspace, recording id) of what an id names: a recording's, a bot's, a transcript's or a `txn_…`.
        A whole id before the beginning of one; at most 20, in the order of the recordings' ids.
        """
        with self.reading() as connection:
            for is_meant in (sa.ColumnElement.__eq__, self._begins):
                found: set[tuple[str, str]] = set()
                for row, column in self._ids(text):
                    wanted = sa.select(row.c.workspace, row.c.recording_id).where(is_meant(column, text))
                    first = wanted.distinct().order_by(row.c.recording_id).limit(MOST_FOUND)
                    found |= {(w, r) for w, r in connection.execute(first)}
                if found:
                    return sorted(found, key=lambda one: one[::-1])[:MOST_FOUND]
        return []

    def _ids(self, text: str) -> Iterator[tuple[sa.Table, sa.ColumnElement[str]]]:
        """Where an id may stand; an index each."""
        row = t.transcriptions
        if text.startswith("txn_"):
            yield row, row.c.id
            return
        yield row, row.c.recording_id
        yield row, self._of_state("bot_id")
        for table in (t.attempts, t.artifacts):
            yield table, table.c.transcript_id

    def _of_state(self, name: str) -> sa.ColumnElement[str]:
        """Spelt as in the index of bots: another spelling, or a parameter in it, would not use it."""
        spelt = f"json_extract(state, '$.{name}')" if self.is_sqlite else f"(state::json ->> '{name}')"
        return sa.literal_column(spelt, sa.Text)

    def _begins(self, column: sa.ColumnElement[str], text: str) -> sa.ColumnElement[bool]:
        if self.is_sqlite:  # whose LIKE, blind to case, uses no index
            return sa.and_(column >= text, column < f"{text}\U0010ffff")
        return column.startswith(text, autoescape=True)

    def list_transcriptions(
        self, filters: Filters = _ALL, *, limit: int = 50, before: tuple[float, str] | None = None
    ) -> list[Listed]:
        """The latest heard of first. `before` is the `cursor` of the last one seen."""
        row = t.transcriptions
        wanted = LISTED.order_by(row.c.first_heard_at.desc(), row.c.id.desc()).limit(limit)
        wanted = wanted.where(*self._conditions(filters))
        if before is not None:
            wanted = wanted.where(sa.tuple_(row.c.first_heard_at, row.c.id) < sa.tuple_(*before))
        return [listed(values) for values in self.read_all(wanted)]

    def find_transcription(self, id_: str, *, workspace: str | None = None) -> Listed | None:
        """By its own id or its recording's, whole. Of several workspaces' the latest heard of."""
        row = t.transcriptions.c
        wanted = LISTED.where(sa.or_(row.id == id_, row.recording_id == id_))
        if workspace is not None:
            wanted = wanted.where(row.workspace == workspace)
        found = self.read_first(wanted.order_by(row.first_heard_at.desc()).limit(1))
        return None if found is None else listed(found)

    def _conditions(self, filters: Filters) -> Iterator[sa.ColumnElement[bool] | sa.TextClause]:
        row = t.transcriptions.c
        phases = (filters.phase,) if filters.phase is not None else filters.phases
        asked: tuple[tuple[object, Callable[[Any], sa.ColumnElement[bool]]], ...] = (
            (filters.workspace, lambda is_: row.workspace == is_),
            (filters.recording_id, lambda is_: row.recording_id == is_),
            (phases, _is_outwardly),
            (filters.bot_id, lambda begins: self._begins(self._of_state("bot_id"), begins)),
            (filters.provider, _is_made_or_tried_by),
            (filters.since, lambda at: row.first_heard_at >= at),
            (filters.until, lambda at: row.first_heard_at < at),
            (filters.verdict, lambda is_: self._of_state("verdict") == is_),
        )
        yield from (condition(value) for value, condition in asked if value is not None)
        for number, (key, value) in enumerate(filters.metadata):
            yield self._has_metadata(key, value, number)

    def _has_metadata(self, key: str, value: str, number: int) -> sa.TextClause:
        """Metadata is a JSON list of pairs in the state. No index: the latest are looked through first."""
        pairs, name, said = _SQLITE_PAIR if self.is_sqlite else _POSTGRESQL_PAIR
        has = f"{name} = :key_{number} AND {said} = :value_{number}"
        text = sa.text(f"EXISTS (SELECT 1 FROM {pairs} AS pair WHERE {has})")  # noqa: S608 - names of ours
        return text.bindparams(**{f"key_{number}": key, f"value_{number}": value})

    def files(self, rows: Sequence[Listed]) -> dict[str, list[str]]:
        """By transcription id: keys below the storage's root of the result that readers should take."""
        row = t.artifacts
        found: dict[str, list[str]] = {}
        for workspace, ids in _by_workspace(rows).items():
            wanted = sa.select(row.c.recording_id, row.c.folder, row.c.files)
            current = wanted.where(
                row.c.workspace == workspace, row.c.recording_id.in_(ids), row.c.is_current
            )
            for recording, folder, names in self.read_all(current):
                found[ids[recording]] = [f"{folder}/{name}" for name in json.loads(names)]
        return found

    def latest_results(self, limit: int) -> list[str]:
        """Folders of stored results with a manifest, the latest first."""
        row = t.artifacts
        wanted = sa.select(row.c.folder).where(row.c.draft.is_(None)).order_by(row.c.id.desc()).limit(limit)
        with self.reading() as connection:
            return list(connection.execute(wanted).scalars())

    def erased(self) -> list[tuple[str, str]]:
        """Workspace and recording of every tombstone."""
        row = t.transcriptions
        wanted = sa.select(row.c.workspace, row.c.recording_id).where(row.c.phase == Phase.ERASED.value)
        with self.reading() as connection:
            return [(workspace, recording) for workspace, recording in connection.execute(wanted)]

    def number_of_results(self) -> int:
        with self.reading() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(t.artifacts)).scalar_one())

    def pending(self, rows: Sequence[Listed]) -> dict[str, Pending]:
        """By transcription id, for those of `rows` that have something to be done: what is due first."""
        row = t.commands
        first: dict[str, Pending] = {}
        for workspace, ids in _by_workspace(rows).items():
            columns = (row.c.kind, row.c.due_at, row.c.is_held, row.c.waits_for)
            wanted = sa.select(row.c.recording_id, *columns)
            wanted = wanted.where(row.c.workspace == workspace, row.c.recording_id.in_(ids))
            for recording, *command in self.read_all(wanted.order_by(row.c.due_at, row.c.id)):
                first.setdefault(ids[recording], Pending(*command))
        return first


def _is_outwardly(phases: Collection[Phase]) -> sa.ColumnElement[bool]:
    is_one = t.transcriptions.c.phase.in_([phase.value for phase in phases])
    if Phase.STORED in phases:
        return sa.or_(is_one, t.is_compared())
    return is_one if ENDS.issuperset(phases) else sa.and_(is_one, ~t.is_compared())


def _is_made_or_tried_by(provider: str) -> sa.ColumnElement[bool]:
    row = t.transcriptions.c
    is_of_it = t.is_of(t.attempts, row.workspace, row.recording_id)
    tried = sa.exists().where(is_of_it, t.attempts.c.provider == provider)
    return sa.or_(row.provider == provider, tried)


def _by_workspace(rows: Sequence[Listed]) -> dict[str, dict[str, str]]:
    """Recording ids with their transcription ids; one question for each workspace, by its index."""
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row.state.workspace, {})[row.state.recording_id] = row.id
    return found
