"""
The shell around the machine: `receive` deliveries, `advance` by an event, `perform` a command.

Nothing is decided here. Whatever happened becomes an event, `decide` says what follows, and one
`commit` writes it together with the mark of where the event came from. One log line per decision.
The effects of the five commands are in `perform_create`, `perform_reads`, `perform_fetch`.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from app import perform_create, perform_fetch, perform_reads
from app.account import Account
from app.core import events
from app.core.commands import (
    AskRecording,
    AskTranscript,
    AwaitProvider,
    Command,
    CreateTranscript,
    FetchTranscript,
    LookUpTranscript,
    PruneTranscript,
    kind_of,
)
from app.core.machine import Decision, budget, decide, is_wanted
from app.core.policy import Policy
from app.core.state import Fate
from app.errors import (
    AccountRefused,
    AlreadyApplied,
    LeaseLost,
    QueueUnavailable,
    RecallBusy,
    Stale,
    StoreUnavailable,
)
from app.patience import patience_over
from app.ports import (
    ArtifactRow,
    Blobs,
    Clock,
    Committed,
    Delivery,
    Leased,
    Loaded,
    Queue,
    Send,
    Source,
    Store,
)
from app.recall.wire import Unreadable, decode_delivery
from app.task import Keeper, SlotLater, Task, Workspace

POISON_AFTER = 8
_MOST_COLLISIONS = 12
_LEFTOVER_AFTER_S = 3600.0
# Recall's own number: five creates per minute and bot. https://docs.recall.ai/reference/recording_create_transcript_create
CREATES_PER_BOT = 5


class Service:
    """
    Everything a worker does. Holds no state between calls.

    Args:
        scratch: A folder for downloads under way; emptied by `sweep`.
    """

    def __init__(
        self,
        *,
        store: Store,
        queue: Queue,
        blobs: Blobs,
        clock: Clock,
        workspaces: Mapping[str, Workspace],
        scratch: Path,
        log: FilteringBoundLogger,
    ) -> None:
        self.store = store
        self.queue = queue
        self.blobs = blobs
        self.clock = clock
        self.workspaces = workspaces
        self.scratch = scratch
        self.log = log
        self._account = Account(store, log)

    # -- the inbox ---------------------------------------------------------------------------------
    def receive(self, limit: int = 100) -> int:
        """Applies unapplied deliveries, oldest first; returns how many were looked at."""
        total = 0
        while deliveries := self.store.take_deliveries(limit):
            self._apply_all(deliveries)
            total += len(deliveries)
        return total

    def _apply_all(self, deliveries: list[Delivery]) -> None:
        """One delivery's trouble is not its neighbours': only those begun keep the try that was counted."""
        failures: list[Exception] = []
        for position, delivery in enumerate(deliveries):
            try:
                self._apply(delivery)
            except StoreUnavailable:
                # Nobody's fault here: none of these tries counts.
                with suppress(StoreUnavailable):
                    self.store.return_deliveries([d.id for d in deliveries[position:]])
                raise
            # The outermost line of one delivery: it is logged, it stays for another try, and RQ is told.
            except Exception as error:
                self.log.exception("delivery_failed", delivery=delivery.id, tries=delivery.tries)
                failures.append(error)
        if failures:
            raise failures[0]

    def _apply(self, delivery: Delivery) -> None:
        if delivery.tries > POISON_AFTER:
            self.store.close_delivery(delivery.id, note="unreadable: eight tries ended without a word")
            return
        try:
            decoded = decode_delivery(delivery.body, at=self.store.now())
        except Unreadable as error:
            self.log.warning("delivery_unreadable", delivery=delivery.id, cause=error.reason)
            self.store.close_delivery(delivery.id, note=f"unreadable: {error.reason}")
            return
        if decoded.event is None or decoded.recording_id is None:
            self.log.info("delivery_ignored", delivery=delivery.id, kind=decoded.kind, why=decoded.note)
            self.store.close_delivery(delivery.id, note=decoded.note or "nothing to do", kind=decoded.kind)
            return
        event = self._dated(delivery, decoded.event, decoded.happened_at)
        source = Source(delivery_id=delivery.id, by="webhook")
        try:
            self.advance(delivery.workspace, decoded.recording_id, event, source)
        except AlreadyApplied:
            self.log.info("delivery_taken_by_another", delivery=delivery.id)

    def _dated(self, delivery: Delivery, event: events.Event, happened_at: float | None) -> events.Event:
        """Old news of a recording is looked up before it is paid for."""
        if not isinstance(event, events.RecordingDone) or happened_at is None:
            return event
        old_after_s = self.policy_of(delivery.workspace).durations.news_is_old_after_s
        return replace(event, look_first=event.at - happened_at > old_after_s)

    def policy_of(self, workspace: str) -> Policy:
        """The policy of a workspace; of any, for one that is no longer configured."""
        known = self.workspaces.get(workspace) or next(iter(self.workspaces.values()))
        return known.policy

    # -- the machine -------------------------------------------------------------------------------
    def advance(
        self,
        workspace: str,
        recording_id: str,
        event: events.Event,
        source: Source,
        *,
        send: Send | None = None,
        artifact: ArtifactRow | None = None,
    ) -> tuple[Decision, Committed]:
        """
        Load, decide, commit; again on fresh state when somebody was faster.

        Raises:
            Stale: The delivery has been applied by another, or the state never stood still.
            LeaseLost: The command has another worker by now.
        """
        policy = self.policy_of(workspace)
        for collision in range(_MOST_COLLISIONS):
            before = self.store.load(workspace, recording_id)
            decision = self._decide(before, event, policy)
            offer_now = bool(decision.commands) and self._has_room(len(decision.commands))
            limit = (CREATES_PER_BOT, policy.durations.rate_window_s * 1.02) if send else None
            try:
                committed = self.store.commit(
                    before,
                    decision,
                    event=event,
                    source=source,
                    send=None if decision.ignored else send,
                    artifact=artifact,
                    bot_limit=limit,
                    budget=budget(before.transcription, policy),
                    offer_now=offer_now,
                )
            except AlreadyApplied:
                raise
            except Stale:
                self.clock.sleep(random.uniform(0, 0.02) * collision)
                continue
            if committed.wait_s is None:
                self._tell(before, decision, event, source)
                self._feed_breakers(before, decision, policy)
            if offer_now:
                self._offer(committed)
            return decision, committed
        raise Stale(f"{recording_id} was changed {_MOST_COLLISIONS} times under our hands")

    def _decide(self, before: Loaded, event: events.Event, policy: Policy) -> Decision:
        """Which providers are down is only asked when an attempt is about to be planned."""
        t, pending = before.transcription, before.pending
        decision = decide(t, event, policy, pending=pending)
        is_about_providers = isinstance(event, events.ProviderDown | events.ProviderAwaited)
        is_planned = decision.state.planned is not None and decision.state.planned != t.planned
        if not is_about_providers and not is_planned:
            return decision
        shut = self.store.shut_providers(t.workspace)
        return decide(t, event, replace(policy, shut=shut), pending=pending) if shut else decision

    def _feed_breakers(self, before: Loaded, decision: Decision, policy: Policy) -> None:
        """An attempt that ended says something about its provider, for all recordings."""
        for line in decision.state.attempts:
            old = before.transcription.attempt_of(ordinal=line.ordinal)
            if old is None or old.fate is line.fate or not line.provider:
                continue
            is_failure = line.fate is Fate.REFUSED or (line.error or "").startswith(_PROVIDER_FAULTS)
            if line.fate in (Fate.DONE, Fate.EMPTY) or (
                line.fate in (Fate.FAILED, Fate.REFUSED) and is_failure
            ):
                worked = line.fate in (Fate.DONE, Fate.EMPTY)
                shut_s = policy.durations.provider_shut_s
                self.store.note_provider(
                    before.transcription.workspace, line.provider, worked=worked, shut_s=shut_s
                )

    def _tell(self, before: Loaded, decision: Decision, event: events.Event, source: Source) -> None:
        old, new = before.transcription, decision.state
        line = self.log.bind(
            workspace=old.workspace,
            recording=old.recording_id,
            happened=type(event).__name__,
            by=source.by,
            goal=new.goal.value,
        )
        facts = {
            "was": old.goal.value if old.goal != new.goal else None,
            "attempt": getattr(event, "ordinal", None),
            "transcript": getattr(event, "transcript_id", None),
            "next": [c.key for c in decision.commands] or None,
            "ignored": decision.ignored,
            "reason": new.reason,
            "detail": getattr(event, "detail", None) or getattr(event, "cause", None) or None,
        }
        line = line.bind(**{key: value for key, value in facts.items() if value is not None})
        if decision.alarm:
            line.error("alarm", alarm=decision.alarm)
        line.info("decided")

    def _has_room(self, number: int) -> bool:
        try:
            return self.queue.room() >= number
        except QueueUnavailable:
            return False

    def _offer(self, committed: Committed) -> None:
        if not committed.offerable:
            return
        try:
            self.queue.offer(committed.offerable)
        except QueueUnavailable:
            self.log.warning("queue_away", what_follows="the dispatcher offers again")

    # -- the outbox --------------------------------------------------------------------------------
    def perform(self, command_id: int) -> None:
        """Takes the command's lease and does it. A command somebody else has, or nobody wants, ends here."""
        durations = next(iter(self.workspaces.values())).policy.durations
        leased = self.store.take(command_id, lease_s=durations.lease_s)
        if leased is None:
            return
        workspace = self.workspaces.get(leased.workspace)
        if workspace is None:
            self.log.error("workspace_unknown", workspace=leased.workspace, command=command_id)
            self.store.defer(leased, after_s=durations.recording_ask_every_s)
            return
        if leased.tries > POISON_AFTER:
            self._end_poison(leased)
            return
        try:
            lease_s, renew_s = durations.lease_s, durations.lease_renew_s
            with Keeper(self.store, leased, lease_s=lease_s, every_s=renew_s) as keeper:
                self._perform(leased, workspace, keeper)
        except LeaseLost:
            self.log.warning("lease_lost", recording=leased.recording_id, command=leased.command.key)

    def _perform(self, leased: Leased, workspace: Workspace, keeper: Keeper) -> None:
        before = self.store.load(leased.workspace, leased.recording_id)
        if not is_wanted(before.transcription, leased.command):
            self.store.drop(leased)
            return
        if self._account.must_wait(leased, workspace):
            return
        task = Task(
            workspace=workspace,
            leased=leased,
            state=before.transcription,
            keeper=keeper,
            store=self.store,
            blobs=self.blobs,
            clock=self.clock,
            scratch=self.scratch,
            log=self.log,
            advance=self.advance,
            pause=self._account.refused,
            accepted=self._account.accepted,
            _slot_at=leased.slot_at,
        )
        try:
            _EFFECTS[type(leased.command)](task)
        except SlotLater as later:
            self.store.defer(leased, after_s=later.wait_s, slot_at=later.slot_at)
        except RecallBusy as busy:
            self._wait(task, busy.cause, busy.retry_after_s)
        except AccountRefused as refused:
            if refused.status == 403 and self._account.is_accepted(workspace):
                self._wait(task, "http_403", workspace.policy.durations.blocked_at_most_every_s)
                return
            self._account.refused(workspace, refused.status)
            self.store.defer(leased, after_s=workspace.policy.durations.account_probe_every_s)

    def _end_poison(self, leased: Leased) -> None:
        command = leased.command
        state = self.store.load(leased.workspace, leased.recording_id).transcription
        line = state.attempt_of(ordinal=command.ordinal) if isinstance(command, CreateTranscript) else None
        if line is not None and line.fate is Fate.SENDING:
            # Something may have been sent: that is looked up, whatever else went wrong.
            unknown = events.CreateUnknown(self.store.now(), line.ordinal, "eight_tries")
            self.advance(leased.workspace, leased.recording_id, unknown, Source(command=leased, by="worker"))
            return
        event = events.CommandFailed(
            self.store.now(),
            kind_of(command),
            ordinal=getattr(command, "ordinal", None),
            transcript_id=getattr(command, "transcript_id", None),
        )
        self.log.error(
            "command_poisoned", recording=leased.recording_id, command=command.key, tries=leased.tries
        )
        source = Source(command=leased, by="worker")
        self.advance(leased.workspace, leased.recording_id, event, source)

    def _wait(self, task: Task, cause: str, wait_s: float) -> None:
        """The command comes back later; after a day of that the machine hears of it."""
        silence = patience_over(task, cause)
        if silence is not None:
            task.happened(silence)
            return
        self._tell_waiting(task.leased, cause, wait_s)
        self.store.defer(task.leased, after_s=wait_s)

    def _tell_waiting(self, leased: Leased, cause: str, wait_s: float) -> None:
        self.log.info(
            "waiting",
            recording=leased.recording_id,
            command=leased.command.key,
            cause=cause,
            wait_s=round(wait_s, 1),
        )

    # -- now and then ------------------------------------------------------------------------------
    def sweep(self) -> None:
        """Now and then, by the dispatcher: leftovers of killed workers, and a pass over Recall's list."""
        oldest = self.clock.now() - _LEFTOVER_AFTER_S
        for folder in self.scratch.glob("fetch-*"):
            with suppress(OSError):  # a fetch that ends just now takes its folder away
                if folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder, ignore_errors=True)
        self.blobs.sweep()
        policy = next(iter(self.workspaces.values())).policy
        every_s = policy.durations.poll_every_s if policy.poll_only else policy.durations.reconcile_every_s
        if self.store.take_turn("reconcile", every_s=every_s):
            self.queue.ask_reconcile()


_EFFECTS: dict[type[Command], Callable[[Task], None]] = {
    CreateTranscript: perform_create.create,
    LookUpTranscript: perform_reads.look_up,
    AskTranscript: perform_reads.ask_transcript,
    AskRecording: perform_reads.ask_recording,
    AwaitProvider: perform_reads.await_provider,
    PruneTranscript: perform_reads.prune,
    FetchTranscript: perform_fetch.fetch,
}
# Sub codes that blame the provider: https://docs.recall.ai/docs/recording-webhooks
_PROVIDER_FAULTS = "provider_"
