"""
A pass over Recall's list of recordings, shared out among jobs: it may be longer than its period.

The sweep (`housekeeping`) begins a pass by a row in the store and asks for a worker, for one at a time. A job
takes the pass under a lease, reads pages for some seconds and notes the cursor after each, so that a killed
worker, a restart or a clock that steps loses no more than a page. Between two pages commands go first: while
any is due, a job reads one page and leaves. One pass per workspace at a time, however long it takes.

What a page means is in `reconcile`; the cursor is a path and query, and Recall may refuse it: then the pass
begins anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

from app.errors import AccountRefused, CursorRefused, QueueUnavailable, RecallBusy
from app.orchestrator.command_context import Workspace
from app.orchestrator.ports import Liveness, Moments
from app.orchestrator.rate_limits import next_slot
from app.orchestrator.reconcile import Found, Reconciler
from app.orchestrator.records import LIST_READ, HeldPass
from app.recall.limits import RATE_LIMITED, READS_PER_WINDOW

if TYPE_CHECKING:
    from app.orchestrator.service import Service

PASS = "reconcile"
# In passes, ten minutes each, so that a scaled time scales them too: six hours, three, and one.
_WHOLE_EVERY = 36
# Held against what a list may not show: meetings under way, and clocks that differ.
_OVERLAP = 18
_JUST_BEFORE_S = 1.0  # "created after" may leave out what was created at that very moment
# A job reads for a thirtieth of ten minutes, and waits no longer for a slot.
_PER_PERIOD = 30
# No slot of a rate that is in use lies this far ahead.
_LONGEST_WAIT_S = 3600.0


@dataclass(slots=True)
class Progress:
    """Where a pass stands; kept as JSON between jobs. Times are seconds since the epoch."""

    began: float
    since: float  # from where it looks
    earliest: float  # and from where it would at most
    cursor: str | None = None  # the next page; None before the first
    slot_at: float | None = None  # a place in the rate that is taken and not used yet
    unfinished_since: float | None = None
    found: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        """See `read`."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """None where no pass is under way; one noted by another version of the program begins anew."""
        try:
            said: Any = json.loads(text) if text else None
            return cls(**said) if isinstance(said, dict) else None
        except (ValueError, TypeError):
            return None

    def begin_anew(self) -> None:
        """What was taken up stays, and is known the next time."""
        self.cursor, self.unfinished_since, self.found = None, None, {}


class ReachStore(Moments, Liveness, Protocol):
    """When the installation began, and when its passes ended."""


class Reach:
    """How far back a workspace's pass looks. Kept in the store; moved only by a pass that came to its end."""

    def __init__(self, store: ReachStore, workspace: Workspace) -> None:
        self._store, self._durations = store, workspace.policy.durations
        self._next, self._whole = f"reconcile:{workspace.name}", f"reconcile_whole:{workspace.name}"

    def begin(self) -> Progress:
        """The pass that is due now: from `earliest` on for a whole one."""
        began = self._store.now()
        earliest = max(self._store.first_start(), began - self._durations.reconcile_reach_s)
        looked, whole_at = self._store.mark(self._next), self._store.mark(self._whole)
        if looked is None or whole_at is None:
            return Progress(began, earliest, earliest)
        # Also when the database's clock was set back: the age is negative then.
        is_whole_due = not 0 <= began - whole_at < _WHOLE_EVERY * self._durations.reconcile_every_s
        return Progress(began, earliest if is_whole_due else max(earliest, looked), earliest)

    def passed(self, progress: Progress) -> None:
        """A pass came to its end."""
        seen_to = progress.began - _OVERLAP * self._durations.reconcile_every_s
        if progress.unfinished_since is not None:
            seen_to = min(seen_to, progress.unfinished_since - _JUST_BEFORE_S)
        self._store.set_mark(self._next, seen_to)
        if progress.since <= progress.earliest:
            self._store.set_mark(self._whole, progress.began)


def reconcile_all(service: Service) -> Found:
    """Goes on with the pass of every workspace; returns what those came to that ended."""
    service.store.set_mark("pass_begun", service.store.now())
    total = Found()
    for workspace in service.workspaces.values():
        if not service.account.may_ask(workspace):
            continue
        if service.store.recall_trouble_since(workspace.name) is not None:
            service.account.look_again(workspace)
        held = service.store.take_pass(workspace.name, PASS, lease_s=service.timing.pass_lease_s)
        if held is None:
            continue  # another worker is at it
        progress = Progress.read(held.progress)
        if progress is None or not workspace.policy.reconcile:  # or a pass from before the policy was changed
            service.store.leave_pass(held, progress=None)
            continue
        job = _Job(service, workspace, held, progress)
        try:
            if job.run():
                total.add(job.reconciler.found)
        finally:
            service.account.count_answers(workspace)
    return total


def _share_s(workspace: Workspace) -> float:
    return workspace.policy.durations.reconcile_every_s / _PER_PERIOD


class _Job:
    """One worker's share of one pass."""

    def __init__(self, service: Service, workspace: Workspace, held: HeldPass, progress: Progress) -> None:
        self._service, self._workspace = service, workspace
        self._held, self._progress = held, progress
        self._until = service.clock.boottime() + _share_s(workspace)
        self.reconciler = Reconciler(service, workspace, by="reconcile", vouch=self._vouch)
        self.reconciler.found = Found(**progress.found)
        self.reconciler.unfinished_since = progress.unfinished_since

    def run(self) -> bool:
        """True when the pass came to its end."""
        try:
            while self._has_slot():
                if not self._read_page():
                    return False  # another goes on; nothing of this page was looked at
                if self._progress.cursor is None:
                    return self._end()
                if not self._keep() or self._yields():
                    break
        except CursorRefused:
            self._progress.begin_anew()
        except (RecallBusy, AccountRefused) as trouble:
            self._put_off(trouble)
        self._leave()
        return False

    def _has_slot(self) -> bool:
        """Waits for this pass's place in the rate; False when a worker has better to do meanwhile."""
        store, durations = self._service.store, self._workspace.policy.durations
        slot_at, now = self._progress.slot_at or 0.0, store.now()
        # Gone by, or of a clock that was set back since.
        if not now - durations.slot_late_at_most_s <= slot_at <= now + _LONGEST_WAIT_S:
            slot_at = next_slot(store, self._workspace.name, "list", self._workspace.policy)
        wait_s = slot_at - store.now()
        worth_s = durations.slot_worth_sleeping_s
        if not self._is_anything_due():
            worth_s = max(worth_s, _share_s(self._workspace))
        self._progress.slot_at = slot_at
        if wait_s > worth_s:
            return False
        self._service.clock.sleep(max(0.0, wait_s))
        return self._keep()

    def _read_page(self) -> bool:
        """False when another worker has the pass by now."""
        progress = self._progress
        progress.slot_at = None
        page, cursor = self._workspace.recall.recordings_page(progress.since, progress.cursor)
        if not self._keep():
            return False
        self.reconciler.look_at(page, since=progress.since)
        self._service.store.set_mark(LIST_READ + self._workspace.name, self._service.store.now())
        progress.cursor = cursor
        progress.found = asdict(self.reconciler.found)
        progress.unfinished_since = self.reconciler.unfinished_since
        return True

    def _vouch(self) -> None:
        """A recording known here is seen now: else this is another workspace's list, whatever the key is."""
        if not self._service.account.sight.vouches(self._workspace):
            every_s = self._workspace.policy.durations.reconcile_every_s
            raise RecallBusy("no_known_recording_seen", retry_after_s=every_s)

    def _yields(self) -> bool:
        durations = self._workspace.policy.durations
        if self._is_time_over() or self._is_anything_due():
            return True
        # One slot in two is left to look-ups.
        self._service.clock.sleep(durations.rate_window_s / READS_PER_WINDOW["list"])
        return False

    def _is_time_over(self) -> bool:
        return self._service.clock.boottime() >= self._until

    def _is_anything_due(self) -> bool:
        """A command that no worker has begun, offered or not."""
        return bool(self._service.store.due(1, offer_again_s=0.0))

    def _keep(self) -> bool:
        return self._service.store.keep_pass(
            self._held, lease_s=self._service.timing.pass_lease_s, progress=self._progress.to_json()
        )

    def _put_off(self, trouble: RecallBusy | AccountRefused) -> None:
        name, service = self._workspace.name, self._service
        service.log.warning("reconcile_put_off", workspace=name, cause=str(trouble))
        if isinstance(trouble, AccountRefused):
            service.account.on_refusal(self._workspace, trouble.status)
        elif trouble.cause == RATE_LIMITED:
            service.store.push_rate(name, "list", after_s=trouble.retry_after_s)

    def _leave(self) -> None:
        """The next job goes on: at once when no command is due, else when the sweep asks for it."""
        store = self._service.store
        if not store.leave_pass(self._held, progress=self._progress.to_json()):
            return
        if self._is_time_over() and not self._is_anything_due():
            try:
                self._service.queue.ask_reconcile()
            except QueueUnavailable:
                return  # the sweep will
            store.set_mark("pass_asked", store.now())

    def _end(self) -> bool:
        store, progress = self._service.store, self._progress
        if not store.leave_pass(self._held, progress=None):
            return False
        Reach(store, self._workspace).passed(progress)
        is_whole = progress.since <= progress.earliest
        self._service.log.info(
            "reconciled", workspace=self._workspace.name, is_whole=is_whole, **asdict(self.reconciler.found)
        )
        return True
