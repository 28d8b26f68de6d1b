"""
Now and then, by the dispatcher: leftovers of killed workers, bodies that are old enough, transcriptions that
have no command, and passes over Recall's list that are due.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from app.core import events
from app.orchestrator import retention
from app.orchestrator.command_context import Workspace
from app.orchestrator.parts import Parts
from app.orchestrator.ports import AccountPauses, DeliveryInbox, Outbox, Queue, Retained, Transcriptions
from app.orchestrator.ports_recall import ListPasses, RecallAnswers
from app.orchestrator.recall_list_passes import PASS, Progress, Reach, ReachStore
from app.orchestrator.records import Source

_LEFTOVER_AFTER_S = 3600.0
_BEGINNING_LEASE_S = 15.0  # of a pass that is only noted
# Bodies of old deliveries: each batch holds SQLite's only writer for 3 ms, and 2,000 a minute are twice what
# Recall's limits let come in.
_FORGET_EVERY_S, _FORGET_AT_ONCE, _FORGET_BATCHES = 60.0, 100, 20


class HousekeepingStore(
    ReachStore,
    ListPasses,
    AccountPauses,
    Outbox,
    RecallAnswers,
    DeliveryInbox,
    Transcriptions,
    Retained,
    Protocol,
):
    """Passes, the pauses that a sweep ends or has probed, and what is old, or stands still."""


class Housekeeping:
    """Holds no state between sweeps."""

    def __init__(self, parts: Parts) -> None:
        self._store: HousekeepingStore = parts.store
        self._queue, self._blobs, self._clock = parts.queue, parts.blobs, parts.clock
        self._workspaces, self._scratch, self._account = parts.workspaces, parts.scratch, parts.account
        self._transitions, self._presence, self._durations = parts.transitions, parts.presence, parts.timing
        self._search = parts.search

    def sweep(self) -> None:
        """Raises `QueueUnavailable` when a pass could not be asked for: the next sweep asks again."""
        self._store.record_heartbeat(quiet_s=self._presence.quiet_s, boot=self._presence.boot)
        self._remove_leftovers()
        self._blobs.sweep()
        self._account.resume(self._workspaces)
        self._forget_bodies()
        self._retain()
        self._give_commands()
        every_s = self._durations.index_every_s
        if self._search is not None and self._store.claim_interval("search", every_s=every_s):
            self._search.ask_if_behind()
        ask_for_passes(self._store, self._queue, self._workspaces)

    def _remove_leftovers(self) -> None:
        oldest = self._clock.now() - _LEFTOVER_AFTER_S
        for folder in self._scratch.glob("fetch-*"):
            with suppress(OSError):  # a fetch that ends just now takes its folder away
                if folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder, ignore_errors=True)

    def _forget_bodies(self) -> None:
        if not self._store.claim_interval("bodies", every_s=_FORGET_EVERY_S):
            return
        kept_s = self._durations.bodies_kept_s
        for _ in range(_FORGET_BATCHES):
            if self._store.forget_bodies(older_than_s=kept_s, limit=_FORGET_AT_ONCE) < _FORGET_AT_ONCE:
                return

    def _retain(self) -> None:
        if self._store.claim_interval("retention", every_s=retention.EVERY_S):
            for workspace in self._workspaces.values():
                retention.retain(self._store, self._transitions, workspace)

    def _give_commands(self) -> None:
        """
        The watchdog: what is neither at an end nor has a command would wait for ever. It is a fault of ours,
        alarmed, and mended with a look.
        """
        older_than_s = self._durations.stuck_after_s
        for workspace, recording_id in self._store.without_command(older_than_s=older_than_s, limit=100):
            if workspace not in self._workspaces:
                continue
            event = events.CommandMissing(self._store.now())
            self._transitions.advance(workspace, recording_id, event, Source(by="sweep"))


def ask_for_passes(store: HousekeepingStore, queue: Queue, workspaces: Mapping[str, Workspace]) -> None:
    """
    Begins the passes that are due, and asks for a worker where one has to be gone on with; also where a
    workspace is paused, or Recall was in trouble, and no command is there to see that it is over. One such
    job is outstanding at most.

    Raises:
        QueueUnavailable: The next sweep asks again.
    """
    for workspace in workspaces.values():
        policy, durations = workspace.policy, workspace.policy.durations
        every_s = durations.poll_every_s if policy.poll_only else durations.reconcile_every_s
        if policy.reconcile and store.claim_interval(f"{PASS}:{workspace.name}", every_s=every_s):
            _begin_pass(store, workspace)
        _end_idle_pause(store, workspace)
    if not store.has_pass_waiting() and not any(_waits_for_a_probe(store, w) for w in workspaces.values()):
        return
    asked_at, begun_at = store.mark("pass_asked"), store.mark("pass_begun")
    # A job that has not begun within a period of the passes is lost with the queue it was in.
    period_s = min(w.policy.durations.reconcile_every_s for w in workspaces.values())
    if asked_at is not None and asked_at > (begun_at or 0.0) and 0 <= store.now() - asked_at < period_s:
        return
    queue.ask_reconcile()
    store.set_mark("pass_asked", store.now())


def _begin_pass(store: HousekeepingStore, workspace: Workspace) -> None:
    held = store.take_pass(workspace.name, PASS, lease_s=_BEGINNING_LEASE_S)
    if held is not None:  # else one is under way, and longer than its period
        progress = Progress.read(held.progress) or Reach(store, workspace).begin()
        store.leave_pass(held, progress=progress.to_json())


def _end_idle_pause(store: HousekeepingStore, workspace: Workspace) -> None:
    """A pause about creates while none waits: the next create sees for itself, and pauses again."""
    paused = store.paused(workspace.name)
    if paused is not None and paused.is_about_creates and not store.has_create(workspace.name):
        store.unpause(workspace.name)


def _waits_for_a_probe(store: HousekeepingStore, workspace: Workspace) -> bool:
    paused = store.paused(workspace.name)
    if paused is None or paused.is_about_creates:
        return store.recall_trouble_since(workspace.name) is not None
    return store.now() - paused.probe_at > workspace.policy.durations.account_probe_every_s
