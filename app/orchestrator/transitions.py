"""
One step of one transcription: load, decide, commit - again on fresh state when another was faster -
and tell. Everything that happens, from a webhook or a worker or a person, goes through here.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from app.core import events
from app.core.circuit_breaker import verdicts
from app.core.commands import about
from app.core.machine import Decision, decide
from app.core.policy import Policy
from app.core.state import Phase, Transcription
from app.core.step import budget
from app.core.wanted import is_wanted
from app.errors import AlreadyApplied, QueueUnavailable, Stale
from app.orchestrator.next_steps import next_step
from app.orchestrator.planning import planned
from app.orchestrator.ports import AccountPauses, CircuitBreakers, Clock, Liveness, Queue, Transcriptions
from app.orchestrator.records import Announce, ArtifactRow, Committed, Loaded, Send, Source, announce_nothing
from app.recall.limits import CREATES_PER_BOT

_MOST_COLLISIONS = 12


def _is_still_wanted(decision: Decision, source: Source) -> bool:
    """The event was ignored, and the command that it came from is not done by it."""
    if decision.ignored is None or source.command is None or source.is_last_word or not source.is_finished:
        return False
    return is_wanted(decision.state, source.command.command)


def _planned_by(t: Transcription) -> tuple[object, ...]:
    """What the policy for a recording hangs on."""
    return t.metadata, t.intent, t.duration_s, t.extra is None


def _ended(event: events.Event, source: Source) -> events.WaitEnded:
    assert source.command is not None
    return events.WaitEnded(event.at, cause="ignored_outcome", **about(source.command.command))


class AdvancerStore(Transcriptions, CircuitBreakers, AccountPauses, Liveness, Protocol):
    """States, and what they are held against."""


class Advancer:
    """Holds no state between calls."""

    def __init__(
        self,
        store: AdvancerStore,
        queue: Queue,
        clock: Clock,
        log: FilteringBoundLogger,
        policy_of: Callable[[str], Policy],
        announce: Announce = announce_nothing,
    ) -> None:
        self._store, self._queue, self._clock, self._log = store, queue, clock, log
        self._policy_of, self._announce = policy_of, announce

    def advance(
        self,
        workspace: str,
        recording_id: str,
        event: events.Event,
        source: Source,
        *,
        send: Send | None = None,
        artifact: ArtifactRow | None = None,
        before: Loaded | None = None,
    ) -> tuple[Decision, Committed]:
        """
        Args:
            before: As `load` gave it a moment ago; it is loaded again where it has moved on.

        Raises:
            Stale: The delivery has been applied by another, or the state never stood still.
            LeaseLost: The command has another worker by now.
        """
        for collision in range(_MOST_COLLISIONS):
            try:
                known = before or self.load(workspace, recording_id)
                return self._try(known, event, source, send, artifact)
            except AlreadyApplied:
                raise
            except Stale:
                before = None
                self._clock.sleep(random.uniform(0, 0.02) * collision)
        raise Stale(f"{recording_id} was changed {_MOST_COLLISIONS} times under our hands")

    def load(self, workspace: str, recording_id: str) -> Loaded:
        """
        The transcription, after what happened to it unnoticed: a long silence of this installation (once,
        since the state says so itself until Recall's list has been read), or a step of the clock.
        """
        return self.noticed(self._store.load(workspace, recording_id))

    def noticed(self, before: Loaded) -> Loaded:
        """What was just loaded, after what happened to it unnoticed; see `load`."""
        event = self._unnoticed(before)
        if event is None:
            return before
        with suppress(Stale):  # another worker was faster
            self._try(before, event, Source(by="worker"))
        return self._store.load(before.transcription.workspace, before.transcription.recording_id)

    def _unnoticed(self, before: Loaded) -> events.Event | None:
        t = before.transcription
        if before.predates_downtime and not t.lookup_required and t.phase not in (Phase.STORED, Phase.ERASED):
            return events.DowntimeDetected(self._store.now())
        if t.absences and t.has_absence_before(self._store.steady_since(), now=self._store.now()):
            return events.ClockStepped(self._store.now())
        return None

    def _try(
        self,
        before: Loaded,
        event: events.Event,
        source: Source,
        send: Send | None = None,
        artifact: ArtifactRow | None = None,
    ) -> tuple[Decision, Committed]:
        decision, policy = self._decide(before, event)
        put_off_s = self._put_off_s(decision, source, policy)
        if put_off_s is None and _is_still_wanted(decision, source):  # for a day already
            return self._try(before, _ended(event, source), replace(source, is_last_word=True))
        offer_now = bool(decision.commands) and self._has_room(len(decision.commands))
        committed = self._store.commit(
            before,
            decision,
            event=event,
            source=source,
            send=None if decision.ignored else send,
            artifact=artifact,
            bot_limit=(CREATES_PER_BOT, policy.durations.rate_window_s * 1.02) if send else None,
            budget=budget(before.transcription, policy),
            daily_budget=0 if decision.state.exceeds_daily_budget else policy.prices.daily_budget,
            offer_now=offer_now,
            put_off_s=put_off_s,
            answers=source.answers,
            news=self._announce(before.transcription, decision.state),
        )
        if committed.announcements:  # at once: nothing that follows changes what is said
            with suppress(QueueUnavailable):  # the dispatcher offers again
                self._queue.offer_announcements(committed.announcements)
        if committed.is_written:  # else the bot's rate or the day's budget is used up
            self._tell(before, decision, event, source)
            self._record_results(before, decision, event, policy)
        if offer_now:
            self._offer(committed)
        return decision, committed

    def _put_off_s(self, decision: Decision, source: Source, policy: Policy) -> float | None:
        """
        Seconds until a command whose outcome changed nothing is done again: it is still wanted, and the only
        one to go on with. None where there is none, and after a day of it.
        """
        if not _is_still_wanted(decision, source):
            return None
        assert source.command is not None
        d = policy.durations
        workspace, since = decision.state.workspace, source.command.wanted_since
        age_s = self._store.now() - since - self._store.paused_since(workspace, since)
        return None if age_s >= d.give_up_s else min(max(age_s, d.put_off_first_s), d.put_off_at_most_s)

    def _decide(self, before: Loaded, event: events.Event) -> tuple[Decision, Policy]:
        """
        By the policy for this recording; once more where the event says something that it hangs on. Which
        providers are down is only asked when an attempt is about to be planned.
        """
        t, pending = before.transcription, before.pending
        policy = self._planned(before, t)
        decision = decide(t, event, policy, pending=pending)
        is_extra_over = (
            t.extra is not None and decision.state.extra is None
        )  # it was decided by its own policy
        if not is_extra_over and _planned_by(decision.state) != _planned_by(t):
            policy = self._planned(before, decision.state)
            decision = decide(t, event, policy, pending=pending)
        is_about_providers = isinstance(event, events.ProviderDown | events.ProviderAwaited)
        is_planned = decision.state.planned is not None and decision.state.planned != t.planned
        if not is_about_providers and not is_planned:
            return decision, policy
        tripped_providers = self._store.tripped_providers(t.workspace)
        if tripped_providers:
            decision = decide(t, event, replace(policy, tripped_providers=tripped_providers), pending=pending)
        return decision, policy

    def _planned(self, before: Loaded, t: Transcription) -> Policy:
        policy = self._policy_of(t.workspace)
        return planned(policy, t, processing=before.processing, forms=before.forms)

    def _record_results(
        self, before: Loaded, decision: Decision, event: events.Event, policy: Policy
    ) -> None:
        workspace, open_s = before.transcription.workspace, policy.durations.provider_open_s
        for provider, worked in verdicts(before.transcription, decision.state, event):
            self._store.record_result(workspace, provider, worked=worked, open_s=open_s)

    def _tell(self, before: Loaded, decision: Decision, event: events.Event, source: Source) -> None:
        old, new = before.transcription, decision.state
        log = self._log.bind(
            workspace=old.workspace,
            recording=old.recording_id,
            happened=type(event).__name__,
            by=source.by,
            phase=new.phase.value,
        )
        facts = {
            "was": old.phase.value if old.phase != new.phase else None,
            "attempt": getattr(event, "ordinal", None),
            "transcript": getattr(event, "transcript_id", None),
            "next": [c.key for c in decision.commands] or None,
            "ignored": decision.ignored,
            "reason": new.reason,
            "detail": getattr(event, "detail", None) or getattr(event, "cause", None) or None,
        }
        log = log.bind(**{key: value for key, value in facts.items() if value is not None})
        if decision.alarm:
            log.error("alarm", alarm=decision.alarm)
        if new.phase is Phase.FAILED and old.phase is not Phase.FAILED:
            log.warning("recording_failed", next_step=next_step(new.reason))
        log.info("decided")

    def _has_room(self, number: int) -> bool:
        try:
            return self._queue.room() >= number
        except QueueUnavailable:
            return False

    def _offer(self, committed: Committed) -> None:
        if not committed.offerable:
            return
        try:
            self._queue.offer(committed.offerable)
        except QueueUnavailable:
            self._log.warning("queue_away", what_follows="the dispatcher offers again")
