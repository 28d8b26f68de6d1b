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
from app.orchestrator.account_pause import Account
from app.orchestrator.command_context import Workspace
from app.orchestrator.command_runner import CommandRunner
from app.orchestrator.housekeeping import Housekeeping
from app.orchestrator.inbox_consumer import InboxConsumer
from app.orchestrator.ports import Blobs, Clock, Queue, Store
from app.orchestrator.records import BootClock
from app.orchestrator.transitions import Advancer


class Service:
    """
    Everything a worker does: `receive`, `perform`, `sweep`; and `advance`, by which people act.

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
        self.store, self.queue, self.clock, self.log = store, queue, clock, log
        self.workspaces = workspaces
        self.account = Account(store, clock, log)
        durations = next(iter(workspaces.values())).policy.durations
        self._silence_s = durations.silence_s
        transitions = Advancer(store, queue, clock, log, self.policy_of)
        self.advance = transitions.advance
        self.receive = InboxConsumer(
            store=store, log=log, transitions=transitions, policy_of=self.policy_of, sign=self._sign
        ).receive
        self.perform = CommandRunner(
            store=store,
            blobs=blobs,
            clock=clock,
            workspaces=workspaces,
            scratch=scratch,
            log=log,
            account=self.account,
            transitions=transitions,
            sign=self._sign,
            durations=durations,
        ).perform
        self.sweep = Housekeeping(
            store=store,
            queue=queue,
            blobs=blobs,
            clock=clock,
            workspaces=workspaces,
            scratch=scratch,
            transitions=transitions,
            sign=self._sign,
            durations=durations,
        ).sweep

    def policy_of(self, workspace: str) -> Policy:
        """The policy of a workspace; of any, for one that is no longer configured."""
        known = self.workspaces.get(workspace) or next(iter(self.workspaces.values()))
        return known.policy

    def _sign(self) -> float:
        """Before any work: an absence must be known before money is spent, and until when it was."""
        boot = BootClock(boot_id(), self.clock.boottime)
        return self.store.sign(quiet_s=self._silence_s, boot=boot)
