"""
What an erasure takes out of the record: everything but ids, ordinals, times and the bill.

In here: which rows go and which are emptied. Not in here: when, and what else is deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql import tables as t
from app.adapters.sql.announcements import GIVEN_UP, WAITING
from app.adapters.sql.engine import BUSY_S, Database
from app.adapters.sql.errors import translated
from app.adapters.sql.loading import read_state
from app.adapters.sql.outgoing_tables import outgoing
from app.adapters.sql.tables import is_of
from app.core.commands import EraseResults
from app.core.state import Phase, Transcription

_READERS_MS = 100  # how long what reads the log now is waited for
_AT_ONCE = 500  # bodies that are read between two writes


_ERASE = EraseResults.NAME


class LeftToErase(NamedTuple):
    """Its command's id, and whose it is."""

    command_id: int
    workspace: str
    recording_id: str


class Erasure(Database):
    """Rows of erased recordings."""

    def erase_rows_in(self, connection: Connection, after: Transcription) -> None:
        """Within the commit that erases, or drops the details. Its own history line is written after this."""
        workspace, recording_id = after.workspace, after.recording_id

        def of(table: sa.Table) -> sa.ColumnElement[bool]:
            return is_of(table, workspace, recording_id)

        line = t.history
        connection.execute(line.delete().where(of(line), line.c.alarm.is_(None)))
        # The alarms are counted.
        connection.execute(line.update().where(of(line)).values(summary="{}", commands="[]", ignored=None))
        connection.execute(t.sends.update().where(of(t.sends)).values(body=None, bot=recording_id))
        if after.phase is Phase.ERASED:
            connection.execute(t.artifacts.delete().where(of(t.artifacts)))
        self._forget_news_in(connection, workspace, recording_id)

    def forget_news(self, workspace: str, recording_id: str) -> None:
        """See `app.orchestrator.ports.Transcriptions.forget_news`."""
        with self.writing() as connection:
            self._forget_news_in(connection, workspace, recording_id)
        self.truncate_log()

    def _forget_news_in(self, connection: Connection, workspace: str, recording_id: str) -> None:
        row = t.deliveries
        is_kept = sa.and_(is_of(row, workspace, recording_id), row.c.body.is_not(None))
        connection.execute(row.update().where(is_kept, row.c.applied_at.is_not(None)).values(body=None))
        sent = outgoing
        # Without its token one that is being sent puts nothing back.
        ended = sent.update().where(is_of(sent, workspace, recording_id), sent.c.facts.is_not(None))
        nothing = dict.fromkeys(("facts", "body", "due_at", "token", "leased_until", "offered_at"))
        is_waiting = sent.c.status == WAITING
        status = sa.case((is_waiting, GIVEN_UP), else_=sent.c.status)
        connection.execute(ended.values(**nothing, status=status))

    def forget_bodies_naming(self, words: Collection[str]) -> int:
        """
        Of all deliveries applied so far that hold one of these ids, such as those about a bot, which name no
        recording. Reads every body that is kept; returns of how many.
        """
        number = 0
        for ids in self._naming([word.encode() for word in words]):
            number += self.write(t.deliveries.update().where(t.deliveries.c.id.in_(ids)).values(body=None))
        return number

    def _naming(self, words: Sequence[bytes]) -> Iterator[list[int]]:
        row = t.deliveries
        bodies = sa.select(row.c.id, row.c.body).where(row.c.body.is_not(None), row.c.applied_at.is_not(None))
        last = 0
        while found := self.read_all(bodies.where(row.c.id > last).order_by(row.c.id).limit(_AT_ONCE)):
            last = found[-1].id
            ids = [id_ for id_, body in found if any(word in body for word in words)]
            if ids:
                yield ids

    def known_recordings(self) -> Iterator[Transcription]:
        """All that are not erased."""
        row, last = t.transcriptions, ""
        alive = sa.select(row.c.id, row.c.state).where(row.c.phase != Phase.ERASED.value).order_by(row.c.id)
        while found := self.read_all(alive.where(row.c.id > last).limit(_AT_ONCE)):
            last = found[-1].id
            yield from (read_state(state) for _, state in found)

    def transcripts_here(self, workspace: str, recording_id: str) -> list[str]:
        """Ids of those whose files are in the store, without a manifest too."""
        row = t.artifacts
        wanted = sa.select(row.c.transcript_id).where(is_of(row, workspace, recording_id))
        return [tid for (tid,) in self.read_all(wanted)]

    def left_to_erase(self) -> list[LeftToErase]:
        """Erasures here that are due and were not done, or not whole."""
        row = t.commands
        due = sa.select(row.c.id, row.c.workspace, row.c.recording_id)
        due = due.where(row.c.kind == _ERASE, row.c.due_at <= self.db_now)
        return [LeftToErase(*found) for found in self.read_all(due)]

    def ended_before(
        self, workspace: str, phases: Iterable[Phase], *, kept_s: float, limit: int
    ) -> list[str]:
        """See `app.orchestrator.ports.Retained`."""
        row, since = t.transcriptions, self.now() - kept_s
        ended_at = sa.func.coalesce(row.c.completed_at, row.c.updated_at)
        # Heard of before it ended: the index on phases ends the search at what is younger.
        is_old = sa.and_(row.c.first_heard_at < since, ended_at < since)
        ended = sa.select(row.c.recording_id).where(row.c.workspace == workspace, is_old)
        ended = ended.where(row.c.phase.in_(sorted(phases))).order_by(row.c.first_heard_at).limit(limit)
        return [recording_id for (recording_id,) in self.read_all(ended)]

    def detailed_before(self, workspace: str, *, kept_s: float, heard_after: float, limit: int) -> list[str]:
        """See `app.orchestrator.ports.Retained`."""
        row, since = t.transcriptions, self.now() - kept_s
        is_old = sa.and_(row.c.first_heard_at.between(heard_after, since), row.c.completed_at < since)
        bare = [f'%"{name}":{value}%' for name, value in (("bot_id", "null"), ("metadata", "[]"))]
        has_details = ~sa.and_(*(row.c.state.like(text) for text in bare))
        old = sa.select(row.c.recording_id).where(row.c.workspace == workspace, is_old, has_details)
        old = old.where(row.c.phase == Phase.STORED.value).order_by(row.c.first_heard_at).limit(limit)
        return [recording_id for (recording_id,) in self.read_all(old)]

    def truncate_log(self) -> bool:
        """
        SQLite: what was written over leaves its log of changes too. False: a reader was in the way.
        PostgreSQL reclaims rows by vacuum.
        """
        if self.write_lock is None:
            return True
        with translated(), self.engine.connect() as connection, self.write_lock.taken(wait_s=BUSY_S):
            raw: Any = connection.connection.driver_connection
            raw.execute(f"PRAGMA busy_timeout={_READERS_MS}")  # writers wait as long
            try:
                return bool(raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0)
            finally:
                raw.execute(f"PRAGMA busy_timeout={int(BUSY_S * 1000)}")
