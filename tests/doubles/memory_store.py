"""
The record in memory, for tests: every promise of `app.orchestrator.ports.Store`, kept without a database.

One lock makes each method one transaction; a commit checks everything before it changes anything,
so that nothing has to be undone. What belongs to no recording is in `memory_faults`. Time is the
process's clock plus `clock_offset_s`, which a test moves. Passes the same contract as the real one;
knows nothing that survives the process.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from app.core import commands, events
from app.core.machine import Decision
from app.core.policy import CEILING
from app.core.state import ENDS, Phase, Transcription
from app.errors import AlreadyApplied, BudgetExceeded, LeaseLost, Stale
from app.orchestrator import history as history_line
from app.orchestrator.records import (
    KEYS_IN_USE,
    Announcement,
    ArtifactRow,
    Begun,
    Committed,
    Leased,
    Loaded,
    Offerable,
    Presence,
    Send,
    SendOutcome,
    SendTimes,
    Slot,
    Source,
)
from app.recall.types import Answer
from tests.doubles.memory_inbox import MemoryInbox
from tests.doubles.memory_rows import CommandRow, Recording, RecordingRow, Stamp

if TYPE_CHECKING:
    from app.orchestrator.ports import Store

_EARLY_S = 0.05


class MemoryStore(MemoryInbox):
    """See `app.orchestrator.ports.Store`. Public for tests: `deliveries`, `commands`, `recordings`."""

    def __init__(self, *, clock_offset_s: float = 0.0) -> None:
        super().__init__()
        self.clock_offset_s = clock_offset_s
        self.commands: dict[int, CommandRow] = {}
        self.recordings: dict[Recording, RecordingRow] = {}
        self.heartbeats: dict[str, tuple[float, str]] = {}
        self._first_start: float | None = None
        self.marks: dict[str, float] = {}

    def now(self) -> float:
        return time.time() + self.clock_offset_s

    # -- the transcription -----------------------------------------------------------------------

    def load(self, workspace: str, recording_id: str) -> Loaded:
        with self._lock:
            known = self._recording((workspace, recording_id))
            pending = sorted(self._pending((workspace, recording_id)), key=lambda c: c.id)
            waits = tuple(replace(c.command, after_s=0.0) for c in pending)
            is_old = bool(known.version) and known.updated_at < self.resumed_at
            forms = self.forms_of(workspace)
            return Loaded(known.transcription, known.version, waits, is_old, forms=forms)

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
        after, is_claim = decision.state, isinstance(event, events.Sending)
        recording = (after.workspace, after.recording_id)
        with self._lock:
            known = self._recording(recording)
            self._check(known, before, source)
            if send is not None and not before.predates_downtime and known.updated_at < self.resumed_at:
                raise Stale("the state is from before a long silence")
            budgets = _budgets(known, decision, budget, is_claim=is_claim)
            wait_s = self._wait_for_bot(after.workspace, send, bot_limit)
            if wait_s is not None:
                return Committed(wait_s=wait_s)
            if send is not None and daily_budget and self._is_over(known, after, send, daily_budget):
                return Committed(is_over_daily_budget=True)
            # Everything is allowed: from here on nothing can fail.
            self.recordings[recording] = known
            self._mark(source, event, put_off_s)
            self.answers += answers
            is_new = known.version == 0 and decision.commands
            if after != known.transcription or is_new:
                known.transcription, known.version, known.updated_at = after, known.version + 1, self.now()
            known.budgets |= budgets
            stamp = None
            if send is not None:
                stamp = Stamp(next(self._ids), send, self.now(), body=send.body)
                known.sends.append(stamp)
            _drop_bodies(known, after)
            if artifact is not None:
                known.artifacts[artifact.transcript_id] = artifact
            if isinstance(event, events.EraseAsked):
                known.history.clear()
                known.artifacts.clear()
                known.sends = [replace(stamp, body=None) for stamp in known.sends]
            line = history_line.line(before, decision, event, source)
            known.history.append({"id": next(self._ids), "at": self.now(), **line})
            offerable = self._replace(recording, decision, event, source, offer_now=offer_now)
            return Committed(offerable, send_id=stamp.id if stamp is not None else None)

    def _recording(self, recording: Recording) -> RecordingRow:
        return self.recordings.get(recording) or RecordingRow(Transcription(*recording))

    def _pending(self, recording: Recording) -> list[CommandRow]:
        return [c for c in self.commands.values() if c.recording == recording]

    def _check(self, known: RecordingRow, before: Loaded, source: Source) -> None:
        if known.version != before.version:
            raise Stale("the transcription moved on")
        if source.delivery_id is not None and self._unapplied(source.delivery_id) is None:
            raise AlreadyApplied("the delivery has been applied")
        if source.command is not None and self._held(source.command) is None:
            raise LeaseLost("the command belongs to another worker")

    def _mark(self, source: Source, event: events.Event, put_off_s: float | None) -> None:
        delivery = self._unapplied(source.delivery_id) if source.delivery_id is not None else None
        if delivery is not None:
            delivery.applied_at, delivery.kind = self.now(), history_line.event_name(event)
        if source.command is not None and put_off_s is not None:
            self.defer(source.command, after_s=put_off_s, cause="ignored_outcome")
        elif source.command is not None and source.is_finished:
            del self.commands[source.command.id]

    def _wait_for_bot(
        self, workspace: str, send: Send | None, limit: tuple[int, float] | None
    ) -> float | None:
        if send is None or limit is None:
            return None
        most, window_s = limit
        stamps = sorted(
            stamp.at
            for (owner, _), known in self.recordings.items()
            for stamp in known.sends
            if owner == workspace and stamp.send.bot == send.bot and stamp.may_have_left
        )
        wait_s = stamps[-most] + window_s - self.now() if len(stamps) >= most else 0.0
        return wait_s if wait_s > 0 else None

    def _is_over(self, known: RecordingRow, after: Transcription, send: Send, daily_budget: int) -> bool:
        old, line = (s.attempt_of(ordinal=send.ordinal) for s in (known.transcription, after))
        if old is not None and not old.is_unpaid:
            return False
        if line is None or line.cost is None:
            return True
        others = [row.transcription for row in self.recordings.values() if row is not known]
        costs = [a.cost for state in (*others, after) for a in state.attempts if a.cost is not None]
        spent = (c.micros for c in costs if c.day >= line.cost.day and c.currency == line.cost.currency)
        return sum(spent) > daily_budget

    def _replace(
        self,
        recording: Recording,
        decision: Decision,
        event: events.Event,
        source: Source,
        *,
        offer_now: bool,
    ) -> tuple[Offerable, ...]:
        replaced = {c.key for c in (*decision.dropped, *decision.commands)}
        for old in self._pending(recording):
            if old.command.key in replaced:
                del self.commands[old.id]
        is_held = isinstance(event, events.CreateRefused) and event.refusal is events.Refusal.ACCOUNT
        offerable = []
        for command in decision.commands:
            is_due, id_ = command.after_s <= 0, next(self._ids)
            self.commands[id_] = CommandRow(
                id_,
                recording,
                command,
                due_at=self.now() + max(command.after_s, 0.0),
                offered_at=self.now() if is_due and offer_now else None,
                is_held=is_held and not is_due,
                waits_for="daily_budget" if isinstance(event, events.DailyBudgetReached) else None,
                wanted_since=self._wanted_since(source, command),
            )
            if is_due and offer_now:
                offerable.append(Offerable(id_, commands.sentence(command, recording[1])))
        return tuple(offerable)

    def _wanted_since(self, source: Source, command: commands.Command) -> float:
        old = source.command
        if old is not None and commands.is_same_wish(old.command, command):
            return old.wanted_since
        return self.now() + max(command.after_s, 0.0)

    # -- the outbox ------------------------------------------------------------------------------

    def begin(self, command_id: int, presence: Presence, *, lease_s: float) -> Begun | None:
        self.record_heartbeat(quiet_s=presence.quiet_s, boot=presence.boot)
        leased = self.take(command_id, lease_s=lease_s)
        if leased is None:
            return None
        of = leased.workspace
        return Begun(
            leased,
            self.load(of, leased.recording_id),
            self.now(),
            is_paused=of in self.pauses,
            keys=frozenset(f for (w, f), status in self.keys.items() if w == of and status in KEYS_IN_USE),
            tripped=frozenset(p for (w, p), b in self.breakers.items() if w == of and b.open_until),
        )

    def take(self, command_id: int, *, lease_s: float) -> Leased | None:
        with self._lock:
            row, now = self.commands.get(command_id), self.now()
            if row is None or row.due_at > now + _EARLY_S or not row.is_free(now):
                return None
            row.token, row.leased_until, row.tries = secrets.token_hex(8), now + lease_s, row.tries + 1
            command = replace(row.command, after_s=0.0)
            return Leased(
                command_id, *row.recording, command, row.token, row.tries, row.slot, row.wanted_since
            )

    def renew(self, leased: Leased, *, lease_s: float) -> bool:
        with self._lock:
            row = self._held(leased)
            if row is not None:
                row.leased_until = self.now() + lease_s
            return row is not None

    def defer(
        self,
        leased: Leased,
        *,
        after_s: float,
        cause: str,
        slot: Slot | None = None,
        answers: Sequence[Answer] = (),
    ) -> None:
        with self._lock:
            row = self._held(leased)
            if row is None:
                raise LeaseLost("the command belongs to another worker")
            row.due_at, row.offered_at, row.leased_until, row.token = self.now() + after_s, None, None, None
            row.tries, row.slot, row.is_held = row.tries - 1, slot, leased.workspace in self.pauses
            row.waits_for = cause
            self.answers += answers

    def without_command(self, *, older_than_s: float, limit: int) -> list[tuple[str, str]]:
        with self._lock:
            oldest, busy = self.now() - older_than_s, {c.recording for c in self.commands.values()}
            return [
                recording
                for recording, known in self.recordings.items()
                if known.transcription.phase not in ENDS
                and recording not in busy
                and known.updated_at < oldest
            ][:limit]

    def ended_before(
        self, workspace: str, phases: Iterable[Phase], *, kept_s: float, limit: int
    ) -> list[str]:
        with self._lock:
            return [
                recording_id
                for (of, recording_id), known in self.recordings.items()
                if of == workspace
                and known.transcription.phase in set(phases)
                and (known.transcription.completed_at or known.updated_at) < self.now() - kept_s
            ][:limit]

    def detailed_before(self, workspace: str, *, kept_s: float, heard_after: float, limit: int) -> list[str]:
        old = self.ended_before(workspace, [Phase.STORED], kept_s=kept_s, limit=len(self.recordings))
        states = [self.load(workspace, recording_id).transcription for recording_id in old]
        return [state.recording_id for state in states if state.bot_id or state.metadata][:limit]

    def draft(self, workspace: str, recording_id: str, transcript_id: str) -> str | None:
        with self._lock:
            artifact = self._recording((workspace, recording_id)).artifacts.get(transcript_id)
            return artifact.draft if artifact is not None else None

    def has_create(self, workspace: str) -> bool:
        with self._lock:
            rows = [row for row in self.commands.values() if row.recording[0] == workspace]
            return any(isinstance(row.command, commands.CreateTranscript) for row in rows)

    def drop(self, leased: Leased, *, answers: Sequence[Answer] = ()) -> None:
        self.answers += answers
        with self._lock:
            if self._held(leased) is not None:
                del self.commands[leased.id]

    def due(self, limit: int, *, offer_again_s: float) -> list[Offerable]:
        with self._lock:
            now, found, probed = self.now(), [], set()
            for row in sorted(self.commands.values(), key=lambda c: (c.due_at, c.id)):
                is_quiet = row.offered_at is None or row.offered_at < now - offer_again_s
                if row.due_at > now or not row.is_free(now) or not is_quiet:
                    continue
                workspace = row.recording[0]
                pause = self.pauses.get(workspace)
                is_create = isinstance(row.command, commands.CreateTranscript)
                if pause is not None and (is_create or not pause.is_about_creates):
                    if pause.probe_at > now or workspace in probed:
                        continue
                    probed.add(workspace)
                found.append(Offerable(row.id, commands.sentence(row.command, row.recording[1])))
            return found[:limit]

    def _wake(self, workspace: str) -> None:
        now = self.now()
        for row in self.commands.values():
            is_waiting = (row.is_held or row.due_at <= now) and row.is_free(now)
            if row.recording[0] == workspace and is_waiting:
                row.due_at, row.offered_at, row.is_held = now, None, False

    def mark_offered(self, command_ids: Iterable[int]) -> None:
        with self._lock:
            for row in filter(None, map(self.commands.get, command_ids)):
                row.offered_at = self.now()

    def _held(self, leased: Leased) -> CommandRow | None:
        row = self.commands.get(leased.id)
        return row if row is not None and row.token == leased.token else None

    # -- money and rates -------------------------------------------------------------------------

    def send_times(self, workspace: str, recording_id: str, ordinal: int, *, key_serial: int) -> SendTimes:
        with self._lock:
            stamps = [s for s in self._stamps(workspace, recording_id, ordinal) if s.may_have_left]
            ages = [self.now() - s.at for s in stamps if s.send.key_serial == key_serial]
            prints = frozenset(s.send.fingerprint for s in stamps if s.send.key_serial == key_serial)
            last_s = min([*ages, self.now() - self.steady_at]) if ages else None
            has_body = any(s.body is not None for s in stamps if s.send.key_serial == key_serial)
            return SendTimes(max(ages, default=None), last_s, prints, has_body)

    def send_body(self, workspace: str, recording_id: str, ordinal: int, *, key_serial: int) -> bytes | None:
        with self._lock:
            stamps = self._stamps(workspace, recording_id, ordinal)
            of_key = (s for s in stamps if s.send.key_serial == key_serial and s.may_have_left)
            return next((s.body for s in of_key if s.body is not None), None)

    def record_send_outcome(self, send_id: int, *, outcome: SendOutcome) -> None:
        with self._lock:
            stamps = (stamp for known in self.recordings.values() for stamp in known.sends)
            for stamp in stamps:
                if stamp.id == send_id:
                    stamp.outcome, stamp.may_have_left = outcome, outcome.kind != "not_sent"

    def _move_back(self, by_s: float) -> None:
        super()._move_back(by_s)
        for known in self.recordings.values():
            known.updated_at = min(known.updated_at - by_s, self.now() - 0.001)
            for stamp in known.sends:
                stamp.at -= by_s
        for row in self.commands.values():
            row.due_at -= by_s
            row.offered_at = row.offered_at - by_s if row.offered_at is not None else None
            row.leased_until = row.leased_until - by_s if row.leased_until is not None else None
            row.slot = replace(row.slot, at=row.slot.at - by_s) if row.slot is not None else None
            row.wanted_since -= by_s

    def creates_refused_elsewhere(self, workspace: str, recording_id: str, *, within_s: float) -> bool:
        with self._lock:
            answered = [
                (stamp.at, owner, stamp.outcome)
                for (of, owner), known in self.recordings.items()
                for stamp in known.sends
                if of == workspace and stamp.outcome is not None
            ]
            created_at = max((at for at, _, outcome in answered if outcome.kind == "created"), default=0.0)
            # What is answered later takes the place of what was answered before.
            latest = {
                owner: (at, outcome) for at, owner, outcome in sorted(answered, key=lambda one: one[:2])
            }
            return any(
                outcome == SendOutcome("refused", 403) and at >= max(created_at, self.now() - within_s)
                for owner, (at, outcome) in latest.items()
                if owner != recording_id
            )

    def _stamps(self, workspace: str, recording_id: str, ordinal: int) -> list[Stamp]:
        known = self._recording((workspace, recording_id))
        return [s for s in known.sends if s.send.ordinal == ordinal]

    # -- for people ------------------------------------------------------------------------------

    def beat(self, name: str, *, detail: str = "") -> None:
        with self._lock:
            self.heartbeats[name] = (self.now(), detail)

    def first_start(self) -> float:
        with self._lock:
            if self._first_start is None:
                self._first_start = self.now()
            return self._first_start

    def mark(self, name: str) -> float | None:
        with self._lock:
            return self.marks.get(name)

    def set_mark(self, name: str, at: float) -> None:
        with self._lock:
            self.marks[name] = at

    def history(self, workspace: str, recording_id: str) -> list[Mapping[str, Any]]:
        with self._lock:
            return list(self._recording((workspace, recording_id)).history)


def _budgets(
    known: RecordingRow, decision: Decision, budget: int | None, *, is_claim: bool
) -> dict[int, int]:
    """What the `attempts` table would hold for new lines; the constraint in plain words."""
    allowed = max(budget or 0, decision.state.budget)
    new = {}
    for line in decision.state.attempts:
        if line.ordinal in known.budgets:
            continue
        new[line.ordinal] = allowed if is_claim else max(allowed, line.ordinal)
        if not 1 <= line.ordinal <= min(CEILING, new[line.ordinal]):
            raise BudgetExceeded(f"attempt {line.ordinal} is above the budget of {allowed}")
    return new


def _drop_bodies(known: RecordingRow, after: Transcription) -> None:
    repeated = {line.ordinal for line in after.attempts if line.may_be_repeated}
    for stamp in known.sends:
        if stamp.send.ordinal not in repeated:
            stamp.body = None


if TYPE_CHECKING:
    _: Store = MemoryStore()
