"""
Commit what follows from an event: the one transaction everything hangs on.

In here: the order of its statements, which of them may find a newer state, and which rows mirror the
state. Not in here: what any event means, with one exception: only a line that
appears by `Sending`, the claim, is held against the budget; one learned from a marker at Recall is a
fact that no budget can undo.

Order matters on PostgreSQL: the transcription's row comes first and serialises everything per recording.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from app.adapters.sql import tables as t
from app.adapters.sql.announcements import Announcements
from app.adapters.sql.erasure import Erasure
from app.adapters.sql.errors import is_deadlock, violated
from app.adapters.sql.loading import PREDATES_DOWNTIME, Loading
from app.adapters.sql.outbox import is_ours
from app.adapters.sql.sends_and_rates import may_have_left
from app.adapters.sql.spending import Spending
from app.adapters.sql.tables import is_of
from app.core import commands, events
from app.core import state as states
from app.core.cost import Cost
from app.core.machine import Decision
from app.core.state import Phase, Transcription
from app.errors import AlreadyApplied, BudgetExceeded, LeaseLost, Stale, StoreUnavailable
from app.orchestrator import history
from app.orchestrator.records import (
    Announcement,
    ArtifactRow,
    Committed,
    Leased,
    Loaded,
    Offerable,
    Send,
    Source,
)
from app.recall.types import Answer


class _NothingWritten(Exception):
    """Leaves the transaction so that nothing of it is written."""

    def __init__(self, committed: Committed) -> None:
        self.committed = committed


class Transitions(Loading, Announcements, Erasure, Spending):
    """`app.orchestrator.ports.Transcriptions`."""

    def commit(
        self,
        before: Loaded,
        decision: Decision,
        *,
        event: events.Event,
        source: Source,
        send: Send | None = None,
        artifact: ArtifactRow | None = None,
        bot_limit: tuple[int, float] | None = None,
        budget: int | None = None,
        daily_budget: int = 0,
        offer_now: bool = True,
        put_off_s: float | None = None,
        answers: Sequence[Answer] = (),
        news: Sequence[Announcement] = (),
    ) -> Committed:
        """See `app.orchestrator.ports.Transcriptions.commit`."""
        after = decision.state
        try:
            with self.writing() as connection:
                self._write_state(connection, before, decision, is_claim=send is not None)
                self._mark_source(connection, decision, event, source, put_off_s)
                self._mirror_attempts(connection, before, after, event, budget)
                send_id = self._stamp(connection, after, send, bot_limit) if send is not None else None
                self._drop_bodies(connection, before, after)
                if artifact is not None:
                    self._keep_artifact(connection, artifact)
                if artifact is not None or after.current != before.transcription.current:
                    _mark_current(connection, after)
                if isinstance(event, events.EraseAsked | events.DetailsExpired):
                    self.erase_rows_in(connection, after)
                self._write_history(connection, before, decision, event, source)
                offerable = self._replace_commands(connection, decision, event, source, offer_now=offer_now)
                announced = self.announce_in(connection, after, news)
                # Last: rows that every commit writes, held for the shortest time.
                self.count_end(connection, before.transcription, after)
                self.count_answers(connection, after.workspace, answers)
                if daily_budget:
                    self._hold_to_budget(connection, before.transcription, after, send, daily_budget)
                return Committed(offerable, send_id=send_id, announcements=announced)
        except _NothingWritten as refused:
            return refused.committed
        except StoreUnavailable as error:
            if is_deadlock(error.__cause__):
                raise Stale("another transaction was in the way") from error
            raise

    # -- the parts, in order -----------------------------------------------------------------------

    def _write_state(
        self, connection: Connection, before: Loaded, decision: Decision, *, is_claim: bool
    ) -> None:
        after, row = decision.state, t.transcriptions
        is_same = after == before.transcription
        if before.version == 0 and not (is_same and not decision.commands):
            record = _state_columns(after, self.db_now)
            new = record | {
                "id": t.transcription_id(after.workspace, after.recording_id),
                "workspace": after.workspace,
                "recording_id": after.recording_id,
                "version": 1,
                "first_heard_at": after.first_heard_at or self.db_now,
            }
            _execute_or_stale(connection, row.insert().values(new))
        elif is_same:
            _check_version(connection, before)
        else:
            moved = row.update().where(is_of(row, after.workspace, after.recording_id))
            moved = moved.where(row.c.version == before.version)
            if is_claim and not before.predates_downtime:  # nothing is paid on news from before a silence
                moved = moved.where(~PREDATES_DOWNTIME)
            values = _state_columns(after, self.db_now) | {"version": before.version + 1}
            if _execute_or_stale(connection, moved.values(values)) != 1:
                raise Stale("the transcription moved on")

    def _mark_source(
        self,
        connection: Connection,
        decision: Decision,
        event: events.Event,
        source: Source,
        put_off_s: float | None,
    ) -> None:
        if source.delivery_id is not None:
            row = t.deliveries
            applied = row.update().where(row.c.id == source.delivery_id, row.c.applied_at.is_(None))
            applied = applied.values(
                applied_at=self.db_now,
                kind=history.event_name(event),
                recording_id=decision.state.recording_id,
            )
            if decision.state.phase is Phase.ERASED:
                applied = applied.values(body=None)
            if connection.execute(applied).rowcount != 1:
                raise AlreadyApplied("the delivery has been applied")
        if source.command is not None and put_off_s is not None:
            self.put_off(connection, source.command, after_s=put_off_s, cause="ignored_outcome")
        elif source.command is not None:
            _finish(connection, source.command, is_kept=not source.is_finished)

    def _mirror_attempts(
        self,
        connection: Connection,
        before: Loaded,
        after: Transcription,
        event: events.Event,
        budget: int | None,
    ) -> None:
        known = {line.ordinal: line for line in before.transcription.attempts}
        is_claim = isinstance(event, events.Sending)
        of_recording = is_of(t.attempts, after.workspace, after.recording_id)
        for line in after.attempts:
            if known.get(line.ordinal) == line:
                continue
            values: dict[str, Any] = {
                "provider": line.provider,
                "status": line.status.value,
                "key_serial": line.key_serial,
                "transcript_id": line.transcript_id,
                "error": line.error,
                "updated_at": self.db_now,
                **_cost_columns(line.cost),
            }
            if line.ordinal in known:
                of_line = sa.and_(of_recording, t.attempts.c.ordinal == line.ordinal)
                connection.execute(t.attempts.update().where(of_line).values(values))
                continue
            allowed = max(budget or 0, after.budget)
            values["budget"] = allowed if is_claim else max(allowed, line.ordinal)
            values["claimed_at"] = self.db_now
            _insert_attempt(connection, after, line.ordinal, values)

    def _stamp(
        self, connection: Connection, after: Transcription, send: Send, bot_limit: tuple[int, float] | None
    ) -> int:
        if bot_limit is not None:
            wait_s = self._wait_for_bot(connection, after.workspace, send.bot, bot_limit)
            if wait_s is not None:
                raise _NothingWritten(Committed(wait_s=wait_s))
        of_recording = {"workspace": after.workspace, "recording_id": after.recording_id}
        stamp = t.sends.insert().values(**of_recording, **asdict(send), stamped_at=self.db_now)
        return int(connection.execute(stamp.returning(t.sends.c.id)).scalar_one())

    def _hold_to_budget(
        self,
        connection: Connection,
        before: Transcription,
        after: Transcription,
        send: Send | None,
        daily_budget: int,
    ) -> None:
        """A claim; a repetition under the same key has its place in the budget already."""
        if send is None:
            return
        line, old = after.attempt_of(ordinal=send.ordinal), before.attempt_of(ordinal=send.ordinal)
        cost = line.cost if line is not None else None
        if old is not None and not old.is_unpaid:
            return
        if cost is None or not self.is_within(connection, cost, daily_budget):
            raise _NothingWritten(Committed(is_over_daily_budget=True))

    def _drop_bodies(self, connection: Connection, before: Loaded, after: Transcription) -> None:
        """What was sent is kept while it may have to be repeated, and no longer."""
        known = {line.ordinal: line for line in before.transcription.attempts}
        settled = [
            line.ordinal
            for line in after.attempts
            if known.get(line.ordinal) != line and not line.may_be_repeated
        ]
        if settled:
            row = t.sends
            of_these = sa.and_(is_of(row, after.workspace, after.recording_id), row.c.ordinal.in_(settled))
            connection.execute(row.update().where(of_these, row.c.body.is_not(None)).values(body=None))

    def _wait_for_bot(
        self, connection: Connection, workspace: str, bot: str, limit: tuple[int, float]
    ) -> float | None:
        most, window_s = limit
        if not self.is_sqlite:  # SQLite has one writer; here two claims for one bot would not see each other
            name = f"afterword bot {workspace} {bot}"
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(name, 0))))
        # The wait ends when the oldest of the last `most` sends leaves the window.
        nth = sa.select(t.sends.c.stamped_at + window_s - self.db_now).order_by(t.sends.c.stamped_at.desc())
        nth = nth.where(t.sends.c.workspace == workspace, t.sends.c.bot == bot, may_have_left())
        nth = nth.offset(most - 1).limit(1)
        wait_s = connection.execute(nth).scalar()
        return float(wait_s) if wait_s is not None and wait_s > 0 else None

    def _keep_artifact(self, connection: Connection, artifact: ArtifactRow) -> None:
        values = asdict(artifact)
        key = {name: values.pop(name) for name in ("workspace", "recording_id", "transcript_id")}
        values |= {"files": json.dumps(artifact.files), "stored_at": self.db_now, "is_current": False}
        connection.execute(self.upsert(t.artifacts, key, values))

    def _write_history(
        self, connection: Connection, before: Loaded, decision: Decision, event: events.Event, source: Source
    ) -> None:
        line = history.line(before, decision, event, source)
        line |= {"commands": json.dumps(line["commands"]), "summary": json.dumps(line["summary"])}
        connection.execute(t.history.insert().values(at=self.db_now, **line))

    def _replace_commands(
        self,
        connection: Connection,
        decision: Decision,
        event: events.Event,
        source: Source,
        *,
        offer_now: bool,
    ) -> tuple[Offerable, ...]:
        after = decision.state
        gone = {c.key for c in decision.dropped} - {c.key for c in decision.commands}
        if gone:
            of_recording = is_of(t.commands, after.workspace, after.recording_id)
            connection.execute(t.commands.delete().where(of_recording, t.commands.c.key.in_(sorted(gone))))
        # Refused for the account's sake: when the account is accepted again none waits for its time.
        is_held = isinstance(event, events.CreateRefused) and event.refusal is events.Refusal.ACCOUNT
        offerable = []
        for command in decision.commands:
            is_offered = offer_now and command.after_s <= 0
            flags: dict[str, Any] = {"is_held": is_held and command.after_s > 0}
            flags["offered_at"] = self.db_now if is_offered else None
            if isinstance(event, events.DailyBudgetReached):
                flags["waits_for"] = t.DAILY_BUDGET
            if source.command is not None and commands.is_same_wish(source.command.command, command):
                flags["wanted_since"] = source.command.wanted_since
            row_id = self._put_command(connection, after, command, flags)
            if is_offered:
                offerable.append(Offerable(row_id, commands.sentence(command, after.recording_id)))
        return tuple(offerable)

    def _put_command(
        self, connection: Connection, after: Transcription, command: commands.Command, flags: dict[str, Any]
    ) -> int:
        values: dict[str, Any] = {
            "kind": command.NAME,
            "args": json.dumps(commands.to_record(command)),
            "due_at": self.db_now + max(command.after_s, 0.0),
            "wanted_since": self.db_now + max(command.after_s, 0.0),
            "waits_for": None,
            "slot_rate": None,
            "leased_until": None,
            "token": None,
            "tries": 0,
            "slot_at": None,
            **flags,
        }
        key = {"workspace": after.workspace, "recording_id": after.recording_id, "key": command.key}
        put = self.upsert(t.commands, key, values)
        return int(connection.execute(put.returning(t.commands.c.id)).scalar_one())


def _state_columns(after: Transcription, now: sa.ColumnElement[float]) -> dict[str, Any]:
    return {
        "phase": after.phase.value,
        "state": json.dumps(states.to_record(after), ensure_ascii=False, separators=(",", ":")),
        "updated_at": now,
        "completed_at": after.outward.completed_at,
        "provider": after.provider,
        "reason": after.reason,
    }


def _cost_columns(cost: Cost | None) -> dict[str, Any]:
    if cost is None:
        return {"cost": None, "currency": None, "cost_day": None}
    return {"cost": cost.micros, "currency": cost.currency, "cost_day": cost.day}


def _execute_or_stale(connection: Connection, statement: sa.UpdateBase) -> int:
    """The rows it changed. A row that exists already is a race lost to another commit."""
    try:
        return connection.execute(statement).rowcount
    except IntegrityError as error:
        if violated(error) == "unique":
            raise Stale("the transcription exists already") from error
        raise


def _check_version(connection: Connection, before: Loaded) -> None:
    same = before.transcription
    version = sa.select(t.transcriptions.c.version).with_for_update()
    version = version.where(is_of(t.transcriptions, same.workspace, same.recording_id))
    if (connection.execute(version).scalar() or 0) != before.version:
        raise Stale("the transcription moved on")


def _finish(connection: Connection, leased: Leased, *, is_kept: bool) -> None:
    row, is_it = t.commands, is_ours(leased)
    kept = sa.select(row.c.id).where(is_it).with_for_update()
    done = row.delete().where(is_it).returning(row.c.id)
    if connection.execute(kept if is_kept else done).first() is None:
        raise LeaseLost("the command belongs to another worker")


def _insert_attempt(
    connection: Connection, after: Transcription, ordinal: int, values: dict[str, Any]
) -> None:
    new = t.attempts.insert().values(
        workspace=after.workspace, recording_id=after.recording_id, ordinal=ordinal, **values
    )
    try:
        connection.execute(new)
    except IntegrityError as error:
        match violated(error):
            case "check":
                raise BudgetExceeded(
                    f"attempt {ordinal} is above the budget of {values['budget']}"
                ) from error
            case "unique":
                raise Stale("the attempt has been claimed") from error
            case "other":
                raise


def _mark_current(connection: Connection, after: Transcription) -> None:
    row = t.artifacts
    of_recording = is_of(row, after.workspace, after.recording_id)
    is_current = row.c.transcript_id == (after.current or "")
    connection.execute(row.update().where(of_recording).values(is_current=is_current))
