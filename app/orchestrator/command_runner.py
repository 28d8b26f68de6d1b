"""
The shell around the machine: `receive` deliveries, `advance` by an event, `perform` a command.

Nothing is decided here. Whatever happened becomes an event, `decide` says what follows, and one `commit`
writes it together with the mark of where the event came from: that is `transitions`. The effects of the
commands are in `create_transcript`, `queries`, `fetch_transcript`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from app.clock import boot_id
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
    PublishTranscript,
    kind_of,
)
from app.core.machine import is_wanted
from app.core.policy import Policy
from app.core.state import Fate
from app.errors import (
    AccountRefused,
    AlreadyApplied,
    BlobsUnavailable,
    LeaseLost,
    RecallBusy,
    StoreUnavailable,
)
from app.orchestrator.account_pause import Account
from app.orchestrator.command_context import Keeper, SlotLater, Task, Workspace
from app.orchestrator.effects import create_transcript, fetch_transcript, publish_transcript, queries
from app.orchestrator.giving_up import patience_over
from app.orchestrator.ports import Blobs, Clock, Queue, Store
from app.orchestrator.recall_list_passes import ask_for_passes
from app.orchestrator.records import BootClock, Closing, Delivery, Leased, Slot, Source
from app.orchestrator.transitions import Advancer
from app.recall.examples import NOTE, is_example
from app.recall.json_fields import Unreadable
from app.recall.webhook_events import decode_delivery

POISON_AFTER = 8
_LEFTOVER_AFTER_S = 3600.0
# Bodies of old deliveries: each batch holds SQLite's only writer for 3 ms, and 2,000 a minute are twice what
# Recall's limits let come in.
_FORGET_EVERY_S, _FORGET_AT_ONCE, _FORGET_BATCHES = 60.0, 100, 20


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
        self.account = self._account = Account(store, clock, log)
        self._advancer = Advancer(store, queue, clock, log, self.policy_of)
        self.advance = self._advancer.advance

    def _sign(self) -> float:
        """Before any work: whoever was away for long must know it before money is spent, and until when."""
        durations = next(iter(self.workspaces.values())).policy.durations
        boot = BootClock(boot_id(), self.clock.boottime)
        return self.store.sign(quiet_s=durations.silence_s, boot=boot)

    # -- the inbox ---------------------------------------------------------------------------------
    def receive(self, limit: int = 100) -> int:
        """Applies unapplied deliveries, oldest first; returns how many were looked at."""
        total = 0
        away_until = self._sign()
        while deliveries := self.store.take_deliveries(limit):
            self._apply_all(deliveries, away_until)
            total += len(deliveries)
        return total

    def _apply_all(self, deliveries: list[Delivery], away_until: float) -> None:
        """One delivery's trouble is not its neighbours': only those begun keep the try that was counted."""
        failures: list[Exception] = []
        closings: list[Closing] = []  # in one transaction: most of Recall's kinds of webhook end so
        begun = 0
        try:
            for delivery in deliveries:
                try:
                    closings += self._apply(delivery, away_until)
                except StoreUnavailable:
                    raise
                # The outermost line of one delivery: it is logged, it stays for another try, and RQ is told.
                except Exception as error:
                    self.log.exception("delivery_failed", delivery=delivery.id, tries=delivery.tries)
                    failures.append(error)
                begun += 1
            self.store.close_deliveries(closings)
        except StoreUnavailable:
            # Nobody's fault here: none of these tries counts.
            with suppress(StoreUnavailable):
                unclosed = [c.delivery_id for c in closings]
                self.store.return_deliveries([*unclosed, *(d.id for d in deliveries[begun:])])
            raise
        if failures:
            raise failures[0]

    def _apply(self, delivery: Delivery, away_until: float) -> tuple[Closing, ...]:
        """What is left to close, when it is about no transcription."""
        if delivery.tries > POISON_AFTER:
            return (Closing(delivery.id, "unreadable: eight tries ended without a word"),)
        try:
            decoded = decode_delivery(delivery.body, at=self.store.now())
        except Unreadable as error:
            self.log.warning("delivery_unreadable", delivery=delivery.id, cause=error.reason)
            return (Closing(delivery.id, f"unreadable: {error.reason}"),)
        if is_example(decoded.recording_id):
            self.log.info("delivery_ignored", delivery=delivery.id, kind=decoded.kind, why=NOTE)
            return (Closing(delivery.id, NOTE, decoded.kind),)
        if decoded.event is None or decoded.recording_id is None:
            self.log.info("delivery_ignored", delivery=delivery.id, kind=decoded.kind, why=decoded.note)
            return (Closing(delivery.id, decoded.note or "nothing to do", decoded.kind),)
        event = self._dated(delivery, decoded.event, decoded.happened_at, away_until=away_until)
        source = Source(delivery_id=delivery.id, by="webhook")
        try:
            self.advance(delivery.workspace, decoded.recording_id, event, source)
        except AlreadyApplied:
            self.log.info("delivery_taken_by_another", delivery=delivery.id)
        return ()

    def _dated(
        self, delivery: Delivery, event: events.Event, happened_at: float | None, *, away_until: float
    ) -> events.Event:
        """
        Old news of a recording, or news from before we were away, is looked up before it is paid for. News
        from the future is of unknown age: the database's clock is behind Recall's.
        """
        if not isinstance(event, events.RecordingDone) or happened_at is None:
            return event
        durations = self.policy_of(delivery.workspace).durations
        age_s = event.at - happened_at
        is_fresh = -durations.news_ahead_at_most_s <= age_s <= durations.news_is_old_after_s
        return replace(event, look_first=not is_fresh or happened_at < away_until)

    def policy_of(self, workspace: str) -> Policy:
        """The policy of a workspace; of any, for one that is no longer configured."""
        known = self.workspaces.get(workspace) or next(iter(self.workspaces.values()))
        return known.policy

    # -- the outbox --------------------------------------------------------------------------------
    def perform(self, command_id: int) -> None:
        """Takes the command's lease and does it. A command somebody else has, or nobody wants, ends here."""
        durations = next(iter(self.workspaces.values())).policy.durations
        self._sign()
        leased = self.store.take(command_id, lease_s=durations.lease_s)
        if leased is None:
            return
        workspace = self.workspaces.get(leased.workspace)
        if workspace is None:
            self.log.error("workspace_unknown", workspace=leased.workspace, command=command_id)
            self.store.defer(leased, after_s=durations.recording_ask_every_s, cause="workspace_unknown")
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
        before = self._advancer.load(leased.workspace, leased.recording_id)
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
            probe=self._account.probe,
            _slot=leased.slot,
        )
        try:
            _EFFECTS[type(leased.command)](task)
        except SlotLater as later:
            self._wait(task, "rate", later.wait_s, slot=later.slot)
        except RecallBusy as busy:
            self._wait(task, busy.cause, busy.retry_after_s)
        except BlobsUnavailable as trouble:
            self.log.error("storage_unavailable", recording=leased.recording_id, cause=str(trouble))
            self._wait(task, "storage_unavailable", workspace.policy.durations.blocked_first_s)
        except AccountRefused as refused:
            wait_s = self._account.on_refusal(workspace, refused.status)
            if wait_s is not None:
                self._wait(task, f"http_{refused.status}", wait_s)
                return
            every_s = workspace.policy.durations.account_probe_every_s
            self.store.defer(leased, after_s=every_s, cause="account", answers=task.answers())

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

    def _wait(self, task: Task, cause: str, wait_s: float, *, slot: Slot | None = None) -> None:
        """The command comes back later; after a day of that its wait ends by an event."""
        ended = patience_over(task, cause)
        if ended is not None:
            task.happened(ended)
            return
        leased, at_most_s = task.leased, task.policy.durations.put_off_at_most_s
        if slot is None:  # growing with the time that it is wanted, so that nothing is asked in a circle
            wait_s = max(wait_s, min((task.now() - leased.wanted_since) / 2, at_most_s))
        line = self.log.bind(recording=leased.recording_id, command=leased.command.key)
        line.info("waiting", cause=cause, wait_s=round(wait_s, 1))
        self.store.defer(leased, after_s=wait_s, cause=cause, slot=slot, answers=task.answers())

    # -- now and then ------------------------------------------------------------------------------
    def _give_commands(self) -> None:
        """
        The watchdog: what is neither at an end nor has a command would wait for ever. It is a fault of ours,
        alarmed, and mended with a look.
        """
        older_than_s = next(iter(self.workspaces.values())).policy.durations.stuck_after_s
        for workspace, recording_id in self.store.without_command(older_than_s=older_than_s, limit=100):
            event = events.CommandMissing(self.store.now())
            self.advance(workspace, recording_id, event, Source(by="sweep"))

    def sweep(self) -> None:
        """Now and then, by the dispatcher: leftovers of killed workers, and a pass over Recall's list."""
        self._sign()  # having nothing to do is not being away
        oldest = self.clock.now() - _LEFTOVER_AFTER_S
        for folder in self.scratch.glob("fetch-*"):
            with suppress(OSError):  # a fetch that ends just now takes its folder away
                if folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder, ignore_errors=True)
        self.blobs.sweep()
        self._forget_bodies()
        self._give_commands()
        ask_for_passes(self.store, self.queue, self.workspaces)

    def _forget_bodies(self) -> None:
        kept_s = next(iter(self.workspaces.values())).policy.durations.bodies_kept_s
        if not self.store.take_turn("bodies", every_s=_FORGET_EVERY_S):
            return
        for _ in range(_FORGET_BATCHES):
            if self.store.forget_bodies(older_than_s=kept_s, limit=_FORGET_AT_ONCE) < _FORGET_AT_ONCE:
                return


_EFFECTS: dict[type[Command], Callable[[Task], None]] = {
    CreateTranscript: create_transcript.create,
    LookUpTranscript: queries.look_up,
    AskTranscript: queries.ask_transcript,
    AskRecording: queries.ask_recording,
    AwaitProvider: queries.await_provider,
    PruneTranscript: queries.prune,
    FetchTranscript: fetch_transcript.fetch,
    PublishTranscript: publish_transcript.publish,
}
