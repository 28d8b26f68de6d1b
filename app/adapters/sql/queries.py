"""
What people and programs that watch ask: one recording's whole story, counts; lists are in `sql.finding`, how
the service is in `sql.health`. Reads only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql import tables as t
from app.adapters.sql.announcements import announcements_waiting
from app.adapters.sql.finding import LISTED, Finding, Listed, listed
from app.adapters.sql.inbox import IS_UNREADABLE
from app.adapters.sql.spending import Spending, Spent
from app.adapters.sql.tables import is_of
from app.adapters.sql.tallies import measures


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything about one recording; rows are column names to values, oldest first."""

    transcription: Listed
    attempts: list[Mapping[str, Any]]
    sends: list[Mapping[str, Any]]
    commands: list[Mapping[str, Any]]
    artifacts: list[Mapping[str, Any]]
    history: list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class StoredTranscript:
    """A result in the storage; its manifest is written. `number` goes into `after` to get what follows."""

    number: int
    workspace: str
    recording_id: str
    transcript_id: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """For metrics."""

    transcriptions: dict[str, int] = field(default_factory=dict)  # by goal
    attempts: dict[tuple[str, str], int] = field(default_factory=dict)  # by provider and fate
    commands_pending: int = 0
    commands_due: int = 0
    deliveries_unapplied: int = 0
    deliveries_unreadable: int = 0
    rejected: dict[str, int] = field(default_factory=dict)  # by kind
    alarms: dict[str, int] = field(default_factory=dict)  # by name
    paused: tuple[str, ...] = ()  # workspaces
    announcements_waiting: dict[str, int] = field(default_factory=dict)  # by endpoint
    spent_today: tuple[Spent, ...] = ()


class Queries(Finding, Spending):
    """Stories and counts."""

    def show(self, workspace: str, recording_id: str) -> Shown | None:
        """Everything about one recording; None when it is not known."""
        wanted = LISTED.where(is_of(t.transcriptions, workspace, recording_id))
        with self.reading() as connection:
            found = connection.execute(wanted).first()
            if found is None:
                return None
            tables = (t.attempts, t.sends, t.commands, t.artifacts, t.history)
            rows = [_rows(connection, table, workspace, recording_id) for table in tables]
        return Shown(listed(found), *rows)

    def stored_transcripts(
        self, *, of: tuple[str, str] | None = None, after: int = 0, limit: int = 500
    ) -> list[StoredTranscript]:
        """In the order in which they were stored first; `of` is one workspace and recording."""
        c = t.artifacts.c
        wanted = sa.select(c.id, c.workspace, c.recording_id, c.transcript_id, c.files)
        wanted = wanted.where(c.id > after, c.draft.is_(None)).order_by(c.id).limit(limit)
        if of is not None:
            wanted = wanted.where(is_of(t.artifacts, *of))
        with self.reading() as connection:
            return [
                StoredTranscript(row.id, *row[1:4], files=tuple(json.loads(row.files)))
                for row in connection.execute(wanted)
            ]

    def counts(self) -> Counts:
        """
        As of now. What is over is counted by the database as it happens (`tallies`), what waits is counted
        here: so this takes as long with a million recordings as with a thousand.
        """
        delivery = t.deliveries
        with self.reading() as connection:
            is_due = t.commands.c.due_at <= self.now_in(connection)
            tallies, counters = measures(connection)
            return Counts(
                transcriptions=_named(tallies, "goal:"),
                attempts=_by_provider_and_status(tallies),
                commands_pending=_number(connection, t.commands),
                commands_due=_number(connection, t.commands, is_due),
                deliveries_unapplied=_number(connection, delivery, delivery.c.applied_at.is_(None)),
                deliveries_unreadable=_number(connection, delivery, IS_UNREADABLE),
                rejected=_named(counters, "rejected:"),
                alarms=_named(tallies, "alarm:"),
                paused=tuple(connection.execute(sa.select(t.pauses.c.workspace)).scalars()),
                announcements_waiting=announcements_waiting(connection),
                spent_today=tuple(self.spent_in(connection, days=1)),
            )


_JSON = frozenset({"args", "commands", "summary", "files"})
_SECRET = frozenset({"token"})  # a fence, worth nothing to a reader


def _rows(
    connection: Connection, table: sa.Table, workspace: str, recording_id: str
) -> list[Mapping[str, Any]]:
    wanted = sa.select(table).where(is_of(table, workspace, recording_id)).order_by(table.c.id)
    return [
        {k: json.loads(v) if k in _JSON else v for k, v in row.items() if k not in _SECRET}
        for row in connection.execute(wanted).mappings()
    ]


def _named(tallies: Mapping[str, int], kind: str) -> dict[str, int]:
    return {name.removeprefix(kind): n for name, n in tallies.items() if n and name.startswith(kind)}


def _by_provider_and_status(tallies: Mapping[str, int]) -> dict[tuple[str, str], int]:
    split = ((name.partition(":"), number) for name, number in _named(tallies, "fate:").items())
    return {(provider, status): number for (status, _, provider), number in split}


def _number(connection: Connection, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
    counted = sa.select(sa.func.count()).select_from(table).where(*conditions)
    return connection.execute(counted).scalar_one()
