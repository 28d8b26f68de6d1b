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
from app.orchestrator.parts import Parts
from app.orchestrator.ports import Clock, Queue, Store
from app.orchestrator.ports_blobs import Blobs
from app.orchestrator.records import Announce, BootClock, Presence, announce_nothing
from app.orchestrator.search_upkeep import SearchUpkeep
from app.orchestrator.timing import Timing
from app.orchestrator.transitions import Advancer


class Service:
    """Everything a worker does: `receive`, `perform`, `sweep`; and `advance`, by which people act."""

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
        search: SearchUpkeep | None = None,
        announce: Announce = announce_nothing,
    ) -> None:
        self.store, self.queue, self.clock, self.log = store, queue, clock, log
        self.workspaces, self.timing = workspaces, timing
        self.index = search.go_on if search is not None else lambda after: None
        self.account = Account(store, clock, log)
        self.forget_text = search.forget if search is not None else lambda workspace, *ids: None
        transitions = Advancer(store, queue, clock, log, self.policy_of, announce)
        parts = Parts(
            store=store,
            queue=queue,
            blobs=blobs,
            clock=clock,
            log=log,
            workspaces=workspaces,
            timing=timing,
            scratch=scratch,
            account=self.account,
            transitions=transitions,
            search=search,
            stored=search.stored if search is not None else lambda state, row: None,
            forget_text=self.forget_text,
            presence=Presence(timing.silence_s, BootClock(boot_id(), clock.boottime)),
        )
        self.transitions, self.advance = transitions, transitions.advance
        self.receive = InboxConsumer(parts).receive
        self.perform = CommandRunner(parts).perform
        self.sweep = Housekeeping(parts).sweep

    def policy_of(self, workspace: str) -> Policy:
        """Raises `WorkspaceUnknown`: no other one's policy is a substitute."""
        if (known := self.workspaces.get(workspace)) is None:
            raise WorkspaceUnknown(workspace)
        return known.policy
