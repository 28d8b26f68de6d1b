"""
What one process opens to do its work: the inbox, the commands, the housekeeping, on the same parts.

No rule is here: `inbox_consumer`, `command_runner` and `housekeeping` are the three, `transitions` is their
common step.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from app.clock import boot_id
from app.core.policy import Policy
from app.errors import WorkspaceUnknown
from app.orchestrator.account_pause import Account
from app.orchestrator.command_context import Workspace
from app.orchestrator.command_runner import CommandRunner
from app.orchestrator.housekeeping import Housekeeping
from app.orchestrator.inbox_consumer import InboxConsumer
from app.orchestrator.ports import Blobs, Clock, Queue, Store
from app.orchestrator.records import BootClock, Presence
from app.orchestrator.timing import Timing
from app.orchestrator.transitions import Advancer


class Service:
    """
    Everything a worker does: `receive`, `perform`, `sweep`; and `advance`, by which people act.

    Args:
        scratch: A folder for downloads under way; emptied by `sweep`.
        timing: What belongs to this machine and to no workspace: leases, offers, housekeeping.
    """

    def __init__(
        self,
        *,
        store: Store,
        queue: Queue,
        blobs: Blobs,
        clock: Clock,
        workspaces: Mapping[str, Workspace],
        timing: Timing,
        scratch: Path,
        log: FilteringBoundLogger,
    ) -> None:
        self.store, self.queue, self.clock, self.log = store, queue, clock, log
        self.workspaces, self.timing = workspaces, timing
        self.account = Account(store, clock, log)
        self._blobs, self._scratch = blobs, scratch
        self._presence = Presence(timing.silence_s, BootClock(boot_id(), clock.boottime))
        self._transitions = Advancer(store, queue, clock, log, self.policy_of)
        self.advance = self._transitions.advance
        self.receive = self._inbox_consumer().receive
        self.perform = self._command_runner().perform
        self.sweep = self._housekeeping().sweep

    def _inbox_consumer(self) -> InboxConsumer:
        return InboxConsumer(
            store=self.store,
            clock=self.clock,
            log=self.log,
            transitions=self._transitions,
            workspaces=self.workspaces,
            suspend=self._suspend,
            presence=self._presence,
        )

    def _command_runner(self) -> CommandRunner:
        return CommandRunner(
            store=self.store,
            blobs=self._blobs,
            clock=self.clock,
            workspaces=self.workspaces,
            scratch=self._scratch,
            log=self.log,
            account=self.account,
            transitions=self._transitions,
            presence=self._presence,
            durations=self.timing,
        )

    def _housekeeping(self) -> Housekeeping:
        return Housekeeping(
            store=self.store,
            queue=self.queue,
            blobs=self._blobs,
            clock=self.clock,
            workspaces=self.workspaces,
            scratch=self._scratch,
            transitions=self._transitions,
            presence=self._presence,
            resume=self.account.resume,
            durations=self.timing,
        )

    def policy_of(self, workspace: str) -> Policy:
        """Raises `WorkspaceUnknown`: no other one's policy is a substitute."""
        if (known := self.workspaces.get(workspace)) is None:
            raise WorkspaceUnknown(workspace)
        return known.policy

    def _suspend(self, workspace: str) -> None:
        self.account.suspend(workspace, probe_after_s=self.timing.workspace_unknown_every_s)
