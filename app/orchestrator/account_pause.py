"""
When Recall refuses the whole account, nothing is spent until a probe is accepted.

401 is probed with a harmless GET. 402 (the balance) and 403 for all creates cannot be seen by a
GET: there one create of a waiting recording is the probe, and everything but creates goes on. A key that
sees none of the recordings known here (`key_visibility`) is a pause as well: one retrieve is its probe.

A probe is a question like any other: it has its place in the rate, and there is one per workspace and
quarter minute. Only a refusal is a refusal: silence and a busy Recall decide nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from structlog.typing import FilteringBoundLogger

from app.core import events
from app.core.commands import Command, CreateTranscript
from app.core.events import Refusal
from app.errors import AccountRefused, RecallBusy
from app.orchestrator.command_context import Workspace
from app.orchestrator.key_visibility import AccountStore, KeySight
from app.orchestrator.outcome import Later
from app.orchestrator.ports import Clock
from app.orchestrator.rate_limits import await_slot
from app.orchestrator.records import Pause, PauseSubject
from app.recall.limits import FORBIDDEN, RATE_LIMITED, remedy_of

# Refusals that say nothing about the request: any other proves that the account is accepted.
_ABOUT_US = frozenset({Refusal.ACCOUNT, Refusal.PAYLOAD, Refusal.BUSY})


def proves_account(event: events.Event) -> bool:
    """Whether a create was answered as only an accepted account is answered."""
    if isinstance(event, events.CreateRefused):
        return event.refusal not in _ABOUT_US
    return isinstance(event, events.Created)


class Account:
    """The pause of a workspace; kept in the store, so that all workers of all machines share it."""

    def __init__(self, store: AccountStore, clock: Clock, log: FilteringBoundLogger) -> None:
        self._store, self._clock, self._log = store, clock, log
        self.sight = KeySight(store, clock, log)

    def refused(self, workspace: Workspace, status: int, *, creates_only: bool = False) -> None:
        """All commands wait from now on; or all creates."""
        probe_s = workspace.policy.durations.account_probe_every_s
        subject = PauseSubject.CREATES if creates_only else PauseSubject.ACCOUNT
        self._store.pause(workspace.name, subject, status, probe_after_s=probe_s)
        self._log.error("account_refused", workspace=workspace.name, status=status, remedy=remedy_of(status))

    def accepted(self, workspace: Workspace) -> None:
        """A create went through, or a probe: the pause ends."""
        if self._store.paused(workspace.name) is not None:
            self._store.unpause(workspace.name)
            self._log.info("account_accepted_again", workspace=workspace.name)

    def suspend(self, workspace: str, *, probe_after_s: float) -> None:
        """
        The recordings of a workspace that is not in the settings stand still: its deliveries stay in the
        inbox, its commands come back after `resume`, and patience stands still meanwhile.
        """
        paused = self._store.paused(workspace)
        self._store.pause(workspace, PauseSubject.WORKSPACE_UNKNOWN, probe_after_s=probe_after_s)
        if paused is None or paused.subject is not PauseSubject.WORKSPACE_UNKNOWN:
            self._log.error("workspace_unknown", workspace=workspace, remedy="put its settings back")

    def resume(self, workspaces: Mapping[str, Workspace]) -> None:
        """Those of them go on that were missing from the settings of this or another process."""
        for name in workspaces:
            paused = self._store.paused(name)
            if paused is not None and paused.subject is PauseSubject.WORKSPACE_UNKNOWN:
                self._store.unpause(name)
                self._log.info("workspace_known_again", workspace=name)

    def on_refusal(self, workspace: Workspace, status: int) -> float | None:
        """
        A question was answered 401, 402 or 403: is it the account, or this one thing?

        Returns:
            Seconds after which this one thing may be asked about again; None when the whole workspace waits
            from now on.
        """
        if status == FORBIDDEN and self.probe(workspace) is not False:
            return workspace.policy.durations.blocked_at_most_every_s
        self.refused(workspace, status)
        return None

    def why_wait(self, workspace: Workspace, command: Command) -> Later | None:
        """Until the next probe, when nothing may be asked for this command now."""
        if self.may_ask(workspace, is_create=isinstance(command, CreateTranscript)):
            return None
        paused = self._store.paused(workspace.name)
        cause = str(PauseSubject.KEY) if paused is not None and paused.is_by_key else "account"
        return Later(workspace.policy.durations.account_probe_every_s, cause, ends_by_itself=True)

    def may_ask(self, workspace: Workspace, *, is_create: bool = False) -> bool:
        """
        False while the account is refused and not mended, and while the key sees nothing known here. What
        Recall answered to find that out is counted; a command's own answers come later, with its outcome.
        """
        try:
            return self._may_ask(workspace, is_create=is_create)
        finally:
            self.count_answers(workspace)

    def count_answers(self, workspace: Workspace) -> None:
        """Outside a command: those to probes, looks at keys and passes, since they were counted last."""
        if answers := workspace.recall.answers():
            self._store.note_answers(workspace.name, answers)

    def look_again(self, workspace: Workspace) -> None:
        """Recall was in trouble when it was last asked: one probe, so that the end of it is seen."""
        self.probe(workspace)
        self.count_answers(workspace)

    def _may_ask(self, workspace: Workspace, *, is_create: bool) -> bool:
        paused = self._store.paused(workspace.name)
        if paused is not None and (is_create or not paused.is_about_creates):
            every_s = workspace.policy.durations.account_probe_every_s
            if not self._store.take_probe(workspace.name, every_s=every_s):
                return False
            if paused.subject is PauseSubject.ACCOUNT and not self._is_mended(workspace, paused):
                return False
        if not self._is_seeing(workspace):
            return False
        if paused is not None and paused.is_by_key:
            self.accepted(workspace)
        return True

    def probe(self, workspace: Workspace) -> bool | None:
        """
        One harmless GET, in its place of the rate: is the account accepted? An answer that it is holds for
        the quarter minute.

        Returns:
            None when that is not known: Recall is busy or silent, or another asks just now.
        """
        policy, store = workspace.policy, self._store
        every_s, accepted = policy.durations.account_probe_every_s, f"accepted:{workspace.name}"
        if not store.claim_interval(f"probe:{workspace.name}", every_s=every_s):
            accepted_at = store.mark(accepted)
            is_fresh = accepted_at is not None and 0 <= store.now() - accepted_at <= every_s
            return True if is_fresh else None
        try:
            await_slot(store, self._clock, workspace.name, "list", policy, at_most_s=every_s)
            workspace.recall.probe()
        except AccountRefused:
            return False
        except RecallBusy as busy:
            if busy.cause == RATE_LIMITED:
                store.push_rate(workspace.name, "list", after_s=busy.retry_after_s)
            return None
        store.set_mark(accepted, store.now())
        return True

    def _is_mended(self, workspace: Workspace, paused: Pause) -> bool:
        is_accepted = self.probe(workspace)
        if is_accepted:
            self.accepted(workspace)
        elif is_accepted is False:
            remedy = remedy_of(paused.status or 0)
            self._log.error(
                "account_still_refused", workspace=workspace.name, cause=paused.cause, remedy=remedy
            )
        return bool(is_accepted)

    def _is_seeing(self, workspace: Workspace) -> bool:
        try:
            return self.sight.may_act(workspace)
        except AccountRefused as refused:
            self.on_refusal(workspace, refused.status)
            return False
