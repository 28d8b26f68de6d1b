"""
The outbox: commands by id, their leases and their offers.

A command is done by deleting its row, so a row that is there is work to do. Two stamps keep it from
being done twice: `offered_at` (it is in the queue) and `leased_until` with a token (a worker performs
it). The first saves a duplicate, the second excludes one: every later step names the token.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from app.adapters.sql import tables as t
from app.adapters.sql.account_pauses import is_about_creates
from app.adapters.sql.tables import CLOCK_WAS_SET_BACK_S, is_free, is_of
from app.adapters.sql.tallies import RecallAnswers
from app.core import commands
from app.core.state import ENDS, Phase
from app.errors import LeaseLost
from app.orchestrator.records import Leased, Offerable, Slot
from app.recall.types import Answer

_CREATE = commands.CreateTranscript.NAME
_LONGEST_CAUSE = 100
_EARLY_S = 0.05  # a command may be taken this much before its time: the offer was on its way


class Outbox(RecallAnswers):
    """`app.orchestrator.ports.Outbox` and `Leases`; of `Transcriptions` what reads only."""

    def take_in(self, connection: Connection, command_id: int, *, lease_s: float) -> Row[Any] | None:
        """
        The command with a new token, when it is due, unfinished and not leased; else None. The row is read
        by `leased_of` when the transaction has ended: the try is counted whatever the row holds.
        """
        row, token = t.commands, secrets.token_hex(8)
        is_due = row.c.due_at <= self.db_now + _EARLY_S
        taken = row.update().where(row.c.id == command_id, is_due, is_free(row.c.leased_until, self.db_now))
        values = {"token": token, "leased_until": self.db_now + lease_s, "tries": row.c.tries + 1}
        return connection.execute(taken.values(values).returning(row)).first()

    def renew(self, leased: Leased, *, lease_s: float) -> bool:
        """False when the lease went to another, or the command is done."""
        renewed = t.commands.update().where(is_ours(leased)).values(leased_until=self.db_now + lease_s)
        return self.write(renewed) == 1

    def defer(
        self,
        leased: Leased,
        *,
        after_s: float,
        cause: str,
        slot: Slot | None = None,
        answers: Sequence[Answer] = (),
    ) -> None:
        """See `app.orchestrator.ports.Leases.defer`."""
        with self.writing() as connection:
            self.put_off(connection, leased, after_s=after_s, cause=cause, slot=slot)
            self.count_answers(connection, leased.workspace, answers)

    def put_off(
        self, connection: Connection, leased: Leased, *, after_s: float, cause: str, slot: Slot | None = None
    ) -> None:
        """`defer` within a transaction."""
        row = t.commands
        is_paused = sa.exists().where(t.pauses.c.workspace == leased.workspace)
        later = row.update().where(is_ours(leased))
        later = later.values(
            due_at=self.db_now + after_s,
            offered_at=None,
            leased_until=None,
            token=None,
            tries=row.c.tries - 1,
            slot_at=slot.at if slot is not None else None,
            slot_rate=slot.rate if slot is not None else None,
            waits_for=cause[:_LONGEST_CAUSE],
            is_held=is_paused,
        )
        if connection.execute(later).rowcount != 1:
            raise LeaseLost("the command belongs to another worker")

    def drop(self, leased: Leased, *, answers: Sequence[Answer] = ()) -> None:
        """Finished without a change of state; nothing happens when the lease went to another."""
        with self.writing() as connection:
            connection.execute(t.commands.delete().where(is_ours(leased)))
            self.count_answers(connection, leased.workspace, answers)

    def without_command(self, *, older_than_s: float, limit: int) -> list[tuple[str, str]]:
        """See `ports.Transcriptions.without_command`. By the index on goals."""
        row, command = t.transcriptions, t.commands
        has_command = sa.exists().where(is_of(command, row.c.workspace, row.c.recording_id))
        is_open = row.c.phase.in_([phase.value for phase in Phase if phase not in ENDS])
        stuck = sa.select(row.c.workspace, row.c.recording_id).where(is_open, ~has_command)
        stuck = stuck.where(row.c.updated_at < self.db_now - older_than_s).limit(limit)
        return [(workspace, recording_id) for workspace, recording_id in self.read_all(stuck)]

    def draft(self, workspace: str, recording_id: str, transcript_id: str) -> str | None:
        """See `app.orchestrator.ports.Transcriptions.draft`."""
        row = t.artifacts
        of_this = sa.and_(is_of(row, workspace, recording_id), row.c.transcript_id == transcript_id)
        return self.read_value(sa.select(row.c.draft).where(of_this))

    def due(self, limit: int, *, offer_again_s: float) -> list[Offerable]:
        """See the port. Oldest first; a paused workspace has none, but one when its probe is due."""
        row, pause = t.commands, t.pauses
        with self.reading() as connection:
            now = connection.execute(sa.select(self.db_now)).scalar_one()  # a number: the index can be used
            at = sa.literal(now, sa.Double)
            is_quiet = sa.or_(
                row.c.offered_at.is_(None),
                row.c.offered_at < now - offer_again_s,
                row.c.offered_at > now + CLOCK_WAS_SET_BACK_S,
            )
            waiting = sa.select(row.c.id, row.c.args, row.c.recording_id)
            waiting = waiting.where(row.c.due_at <= now, is_free(row.c.leased_until, at), is_quiet)
            waiting = waiting.order_by(row.c.due_at, row.c.id)
            stops_it = sa.or_(~is_about_creates(pause.c.cause), row.c.kind == _CREATE)
            is_paused = sa.exists().where(pause.c.workspace == row.c.workspace, stops_it)
            found = list(connection.execute(waiting.where(~is_paused).limit(limit)))
            probing = connection.execute(sa.select(pause.c.workspace).where(pause.c.probe_at <= now)).all()
            for (workspace,) in probing:
                probe = waiting.where(is_paused, row.c.workspace == workspace).limit(1)
                found += connection.execute(probe).all()
        return [_offerable(values) for values in found[:limit]]

    def has_create(self, workspace: str) -> bool:
        """See `app.orchestrator.ports.Outbox.has_create`."""
        return self.read_first(first_of_kind(workspace, _CREATE)) is not None

    def mark_offered(self, command_ids: Iterable[int]) -> None:
        """They are in the queue now; `due` is silent about them for a while."""
        ids = sorted(command_ids)
        if not ids:
            return
        # A row locked by another transaction is being taken or replaced: no need to mark it, nor to wait.
        idle = sa.select(t.commands.c.id).where(t.commands.c.id.in_(ids)).with_for_update(skip_locked=True)
        marked = t.commands.update().where(t.commands.c.id.in_(idle)).values(offered_at=self.db_now)
        self.write(marked)


def first_of_kind(workspace: str, kind: str) -> sa.Select[int]:
    """The id of a command of this kind, due or not."""
    row = t.commands
    return sa.select(row.c.id).where(row.c.workspace == workspace, row.c.kind == kind).limit(1)


def leased_of(found: Row[Any]) -> Leased:
    """What `Outbox.take_in` returned."""
    return Leased(
        found.id,
        found.workspace,
        found.recording_id,
        commands.from_record(json.loads(found.args)),
        found.token,
        found.tries,
        Slot(found.slot_rate, found.slot_at) if found.slot_rate and found.slot_at else None,
        found.wanted_since,
    )


def is_ours(leased: Leased) -> sa.ColumnElement[bool]:
    return sa.and_(t.commands.c.id == leased.id, t.commands.c.token == leased.token)


def _offerable(values: Row[int, str, str]) -> Offerable:
    command = commands.from_record(json.loads(values.args))
    return Offerable(values.id, commands.sentence(command, values.recording_id))
