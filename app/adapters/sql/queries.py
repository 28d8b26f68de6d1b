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
from app.adapters.sql.finding import LISTED, Finding, Listed, listed
from app.adapters.sql.tables import is_of


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


class Queries(Finding):
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

    def counts(self) -> Counts:
        """
        As of now. What is over is counted by the database as it happens (`tallies`), what waits is counted
        here: so this takes as long with a million recordings as with a thousand.
        """
        with self.reading() as connection:
            now = connection.execute(sa.select(self.db_now)).scalar_one()
            pending, due = _count_commands(connection, now)
            unapplied, unreadable = _count_deliveries(connection)
            tallies = _tallies(connection)
            return Counts(
                transcriptions=_named(tallies, "goal:"),
                attempts=_by_provider_and_status(tallies),
                commands_pending=pending,
                commands_due=due,
                deliveries_unapplied=unapplied,
                deliveries_unreadable=unreadable,
                rejected=_rejected(connection),
                alarms=_named(tallies, "alarm:"),
                paused=tuple(connection.execute(sa.select(t.pauses.c.workspace)).scalars()),
            )


_JSON = frozenset({"args", "commands", "summary", "files"})
_SECRET = frozenset({"token"})  # a fence, worth nothing to a reader


def _rows(
    connection: Connection, table: sa.Table, workspace: str, recording_id: str
) -> list[Mapping[str, Any]]:
    found = connection.execute(
        sa.select(table).where(is_of(table, workspace, recording_id)).order_by(table.c.id)
    )
    return [
        {k: json.loads(v) if k in _JSON else v for k, v in row.items() if k not in _SECRET}
        for row in found.mappings()
    ]


def _tallies(connection: Connection) -> dict[str, int]:
    row = t.tallies
    summed = sa.select(row.c.name, sa.func.sum(row.c.value)).group_by(row.c.name)
    return {name: int(number) for name, number in connection.execute(summed) if number}


def _named(tallies: Mapping[str, int], kind: str) -> dict[str, int]:
    return {name.removeprefix(kind): n for name, n in tallies.items() if name.startswith(kind)}


def _by_provider_and_status(tallies: Mapping[str, int]) -> dict[tuple[str, str], int]:
    split = ((name.partition(":"), number) for name, number in _named(tallies, "fate:").items())
    return {(provider, status): number for (status, _, provider), number in split}


def _count_commands(connection: Connection, now: float) -> tuple[int, int]:
    row = t.commands
    pending = connection.execute(sa.select(sa.func.count()).select_from(row)).scalar_one()
    due = sa.select(sa.func.count()).where(row.c.due_at <= now)
    return pending, connection.execute(due).scalar_one()


def _count_deliveries(connection: Connection) -> tuple[int, int]:
    row = t.deliveries
    waiting = sa.select(sa.func.count()).where(row.c.applied_at.is_(None))
    unreadable = sa.select(sa.func.count()).where(row.c.note.is_not(None), row.c.kind.is_(None))
    return connection.execute(waiting).scalar_one(), connection.execute(unreadable).scalar_one()


def _rejected(connection: Connection) -> dict[str, int]:
    row = t.counters
    found = connection.execute(sa.select(row.c.name, row.c.value).where(row.c.name.startswith("rejected:")))
    return {name.partition(":")[2]: value for name, value in found}
