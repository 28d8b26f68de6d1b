"""A service around a store in memory that has a full queue, no results and no Recall."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import structlog

from app.core.policy import Policy
from app.orchestrator.command_context import Workspace
from app.orchestrator.service import Service
from app.orchestrator.timing import Timing
from tests.contract.store_builders import WORKSPACE
from tests.doubles.full_queue import FullQueue
from tests.doubles.memory_store import MemoryStore
from tests.doubles.still_clock import StillClock
from tests.policies import built_in

POLICY = built_in()


class NoResults:
    """The one method of `ports_blobs.Blobs` that the sweep calls."""

    def sweep(self) -> int:
        return 0


def service_of(store: MemoryStore, *, policy: Policy = POLICY) -> Service:
    """What it does without Recall: applying the inbox, sweeping."""
    return Service(
        store=store,
        queue=FullQueue(),
        blobs=cast(Any, NoResults()),
        clock=StillClock(at=0.0),
        workspaces={WORKSPACE: Workspace(WORKSPACE, cast(Any, None), policy)},
        timing=Timing(),
        scratch=Path("/none"),
        log=structlog.get_logger(),
    )
