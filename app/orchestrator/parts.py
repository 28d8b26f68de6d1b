"""What inbox, commands and housekeeping share; each of the three says which part of the store it uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from app.core.state import Transcription
from app.orchestrator.account_pause import Account
from app.orchestrator.command_context import Workspace
from app.orchestrator.ports import Clock, Queue, Store
from app.orchestrator.ports_blobs import Blobs
from app.orchestrator.records import ArtifactRow, Presence
from app.orchestrator.search_upkeep import SearchUpkeep
from app.orchestrator.timing import Timing
from app.orchestrator.transitions import Advancer


@dataclass(frozen=True, slots=True)
class Parts:
    store: Store
    queue: Queue
    blobs: Blobs
    clock: Clock
    log: FilteringBoundLogger
    workspaces: Mapping[str, Workspace]
    timing: Timing  # of this machine and of no workspace: leases, offers, housekeeping
    scratch: Path  # a folder for downloads under way; the sweep empties it of what is old
    account: Account
    transitions: Advancer
    search: SearchUpkeep | None  # None: without an index
    stored: Callable[[Transcription, ArtifactRow | None], None]  # told of each commit of a worker
    forget_text: Callable[..., None]  # `SearchUpkeep.forget`
    presence: Presence  # said before any work: having nothing to do is not being away
