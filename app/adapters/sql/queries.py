"""
What people and programs that watch ask: one recording's whole story, counts, signs of life; lists are in
`sql.finding`.

Reads, but for `beat`, `check_write` and notes of moments. Nothing here decides anything.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql import tables as t
from app.adapters.sql.finding import LISTED, Finding, Listed, listed

__all__ = ["Counts", "Listed", "People", "Shown"]


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
    """For metrics and readiness. `oldest_undone_s`: age of what is due or unapplied; None when nothing is."""

    transcriptions: dict[str, int] = field(default_factory=dict)  # by goal
    attempts: dict[tuple[str, str], int] = field(default_factory=dict)  # by provider and fate
    commands_pending: int = 0
    commands_due: int = 0
    oldest_undone_s: float | None = None
    deliveries_unapplied: int = 0
    deliveries_unreadable: int = 0
    rejected: dict[str, int] = field(default_factory=dict)  # by kind
    alarms: dict[str, int] = field(default_factory=dict)  # by name
    paused: tuple[str, ...] = ()  # workspaces
    breakers_open: tuple[str, ...] = ()  # "workspace/provider": shut, and nothing has worked since
    sends: int = 0  # stamped POSTs that create, ever


_HEARTBEATS_KEPT_S = 7 * 86_400  # hosts come and go, with names of their own


MARK, FIRST_START = "mark:", "first_start"  # keys of `installation`


class People(Finding):
    """Questions beyond `app.orchestrator.ports.Store`, and that protocol's part for people."""

    def beat(self, name: str, *, detail: str = "") -> None:
        """A sign of life of a process."""
        values = {"at": self.db_now, "detail": detail}
        new = self.insert(t.heartbeats).values(name=name, **values)
        long_gone = t.heartbeats.delete().where(t.heartbeats.c.at < self.db_now - _HEARTBEATS_KEPT_S)
        with self.writing() as connection:
            connection.execute(new.on_conflict_do_update(index_elements=["name"], set_=values))
            connection.execute(long_gone)

    def heartbeats(self) -> dict[str, tuple[float, str]]:
        """
        Name to (seconds since the last sign of life, detail). One that a clock set back since has put into
        the future is as old as it is early.
        """
        row = t.heartbeats
        with self.reading() as connection:
            found = connection.execute(sa.select(row.c.name, self.db_now - row.c.at, row.c.detail))
            return {name: (abs(age_s), detail) for name, age_s, detail in found}

    def count(self, name: str, number: int) -> None:
        """Adds to a counter."""
        new = self.insert(t.counters).values(name=name, value=number)
        added = {"value": t.counters.c.value + new.excluded.value}
        with self.writing() as connection:
            connection.execute(new.on_conflict_do_update(index_elements=["name"], set_=added))

    def check_write(self) -> None:
        """Writes and commits one row. Raises `StoreUnavailable`: the inbox could not be written either."""
        self._note("write_check", is_moved=True)

    def first_start(self) -> float:
        """When this installation was first migrated or started: nothing before it is reconciled."""
        moment = sa.select(t.installation.c.at).where(t.installation.c.key == FIRST_START)
        with self.reading() as connection:
            at = connection.execute(moment).scalar()
        if at is None:
            self._note(FIRST_START, is_moved=False)
            return self.first_start()
        return float(at)

    def mark(self, name: str) -> float | None:
        """A moment noted under this name; None when never."""
        noted = sa.select(t.installation.c.at).where(t.installation.c.key == MARK + name)
        with self.reading() as connection:
            at = connection.execute(noted).scalar()
        return None if at is None else float(at)

    def set_mark(self, name: str, at: float) -> None:
        """Notes a moment, in place of the one before."""
        new = self.insert(t.installation).values(key=MARK + name, at=at)
        with self.writing() as connection:
            connection.execute(new.on_conflict_do_update(index_elements=["key"], set_={"at": at}))

    def show(self, workspace: str, recording_id: str) -> Shown | None:
        """Everything about one recording; None when it is not known."""
        wanted = LISTED.where(_is_of(t.transcriptions, workspace, recording_id))
        with self.reading() as connection:
            found = connection.execute(wanted).first()
            if found is None:
                return None
            tables = (t.attempts, t.sends, t.commands, t.artifacts, t.history)
            rows = [_rows(connection, table, workspace, recording_id) for table in tables]
        return Shown(listed(found), *rows)

    def history(self, workspace: str, recording_id: str) -> list[Mapping[str, Any]]:
        """One line per commit, oldest first; `commands` and `summary` are JSON values."""
        with self.reading() as connection:
            return _rows(connection, t.history, workspace, recording_id)

    def delivery(self, delivery_id: int) -> tuple[str, bytes | None] | None:
        """(workspace, body) of a stored delivery, applied or not; the body may have been dropped by now."""
        row = t.deliveries
        wanted = sa.select(row.c.workspace, row.c.body).where(row.c.id == delivery_id)
        with self.reading() as connection:
            found = connection.execute(wanted).first()
        return None if found is None else (found.workspace, found.body)

    def deliveries_of(self, workspace: str, recording_id: str) -> list[Mapping[str, Any]]:
        """The applied deliveries of a recording, without their bodies."""
        row = t.deliveries
        columns = [column for column in row.c if column.name != "body"]
        wanted = sa.select(*columns).where(_is_of(row, workspace, recording_id)).order_by(row.c.id)
        with self.reading() as connection:
            return [dict(values) for values in connection.execute(wanted).mappings()]

    def undone_elsewhere(self, known: Collection[str]) -> dict[str, int]:
        """Workspaces beside these that have something undone: how many commands and unapplied deliveries."""
        row, delivery = t.commands, t.deliveries
        of_commands = sa.select(row.c.workspace, sa.func.count()).where(row.c.workspace.not_in(known))
        of_deliveries = sa.select(delivery.c.workspace, sa.func.count()).where(
            delivery.c.applied_at.is_(None), delivery.c.workspace.not_in(known)
        )
        undone: dict[str, int] = {}
        with self.reading() as connection:
            for asked in (
                of_commands.group_by(row.c.workspace),
                of_deliveries.group_by(delivery.c.workspace),
            ):
                for workspace, number in connection.execute(asked):
                    undone[workspace] = undone.get(workspace, 0) + number
        return undone

    def counts(self) -> Counts:
        """
        As of now. What is over is counted by the database as it happens (`tallies`), what waits is counted
        here: so this takes as long with a million recordings as with a thousand.
        """
        with self.reading() as connection:
            now = connection.execute(sa.select(self.db_now)).scalar_one()
            pending, due, due_since = _count_commands(connection, now)
            unapplied, unapplied_since, unreadable = _count_deliveries(connection)
            waiting = [since for since in (due_since, unapplied_since) if since is not None]
            tallies = _tallies(connection)
            return Counts(
                transcriptions=_named(tallies, "goal:"),
                attempts=_by_provider_and_fate(tallies),
                commands_pending=pending,
                commands_due=due,
                oldest_undone_s=max(0.0, now - min(waiting)) if waiting else None,
                deliveries_unapplied=unapplied,
                deliveries_unreadable=unreadable,
                rejected=_rejected(connection),
                alarms=_named(tallies, "alarm:"),
                paused=tuple(connection.execute(sa.select(t.pauses.c.workspace)).scalars()),
                breakers_open=_breakers_open(connection),
                sends=tallies.get("sends", 0),
            )

    def oldest_undone_s(self) -> float | None:
        """Age of what has been due or unapplied for longest; None when nothing is. Two looks at an index."""
        due = sa.select(sa.func.min(t.commands.c.due_at))
        with self.reading() as connection:
            now = connection.execute(sa.select(self.db_now)).scalar_one()
            due_since = connection.execute(due).scalar()
            received = connection.execute(_first_received()).scalar()
        waiting = [due_since] if due_since is not None and due_since <= now else []
        waiting += [received] if received is not None else []
        return max(0.0, now - min(waiting)) if waiting else None

    def _note(self, key: str, *, is_moved: bool) -> None:
        new = self.insert(t.installation).values(key=key, at=self.db_now)
        kept = new.on_conflict_do_nothing()
        moved = new.on_conflict_do_update(index_elements=["key"], set_={"at": self.db_now})
        # Urgent: the receiver's own process asks, and what comes in meanwhile waits behind it.
        with self.writing(is_urgent=True) as connection:
            connection.execute(moved if is_moved else kept)


_JSON = frozenset({"args", "commands", "summary", "files"})
_SECRET = frozenset({"token"})  # a fence, worth nothing to a reader


def _is_of(table: sa.Table, workspace: str, recording_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.workspace == workspace, table.c.recording_id == recording_id)


def _rows(
    connection: Connection, table: sa.Table, workspace: str, recording_id: str
) -> list[Mapping[str, Any]]:
    found = connection.execute(
        sa.select(table).where(_is_of(table, workspace, recording_id)).order_by(table.c.id)
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


def _by_provider_and_fate(tallies: Mapping[str, int]) -> dict[tuple[str, str], int]:
    split = ((name.partition(":"), number) for name, number in _named(tallies, "fate:").items())
    return {(provider, fate): number for (fate, _, provider), number in split}


def _count_commands(connection: Connection, now: float) -> tuple[int, int, float | None]:
    row = t.commands
    pending = connection.execute(sa.select(sa.func.count()).select_from(row)).scalar_one()
    due = sa.select(sa.func.count(), sa.func.min(row.c.due_at)).where(row.c.due_at <= now)
    number, since = connection.execute(due).one()
    return pending, number, since


def _count_deliveries(connection: Connection) -> tuple[int, float | None, int]:
    row = t.deliveries
    waiting = sa.select(sa.func.count()).where(row.c.applied_at.is_(None))
    number = connection.execute(waiting).scalar_one()
    since = connection.execute(_first_received()).scalar()
    unreadable = sa.select(sa.func.count()).where(row.c.note.is_not(None), row.c.kind.is_(None))
    return number, since, connection.execute(unreadable).scalar_one()


def _first_received() -> sa.Select[float]:
    """When the unapplied delivery came that came first: to the database, which is the order of the ids."""
    row = t.deliveries
    return sa.select(row.c.received_at).where(row.c.applied_at.is_(None)).order_by(row.c.id).limit(1)


def _rejected(connection: Connection) -> dict[str, int]:
    row = t.counters
    found = connection.execute(sa.select(row.c.name, row.c.value).where(row.c.name.startswith("rejected:")))
    return {name.partition(":")[2]: value for name, value in found}


def _breakers_open(connection: Connection) -> tuple[str, ...]:
    row = t.breakers
    shut = sa.select(row.c.workspace, row.c.provider).where(row.c.shut_until.is_not(None))
    found = connection.execute(shut.order_by(row.c.workspace, row.c.provider))
    return tuple(f"{workspace}/{provider}" for workspace, provider in found)
