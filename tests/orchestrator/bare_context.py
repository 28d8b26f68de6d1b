"""
A command's context without a store, a clock that runs or a rate: for effects that need none of them. What an
effect uses all the same is given by name; anything else raises.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import structlog

from app.core.commands import Command
from app.core.policy import Policy
from app.core.state import Transcription
from app.errors import AccountRefused, RecallBusy
from app.orchestrator.command_context import CommandContext, Workspace
from app.orchestrator.outcome import Later, Refused, Unanswered
from app.orchestrator.records import Leased, Loaded
from tests.policies import built_in

_T = TypeVar("_T")
NOW = 1_800_000_000.0


class BareContext(CommandContext):
    """Time stands, nothing was ever paused, every rate has room."""

    def now(self) -> float:
        return NOW

    def now_excluding_pauses(self, since: float, *, for_creates: bool = False) -> float:
        return NOW

    def read(self, rate: str, call: Callable[[], _T], *, may_defer: bool = True) -> _T | Unanswered:
        try:
            return call()
        except RecallBusy as busy:
            return Later(busy.retry_after_s, busy.cause)
        except AccountRefused as refused:
            return Refused(refused.status)


def context_of(
    command: Command, *, state: Transcription | None = None, policy: Policy | None = None, **parts: Any
) -> BareContext:
    """`parts`: `recall`, `store`, `probe`, `transitions`, `renewer`, `blobs`, `scratch`, as far as needed."""
    parts = {"fingerprint": "f1", **parts}
    recall = parts.pop("recall", SimpleNamespace(fingerprint=parts.pop("fingerprint")))
    nothing = cast(Any, SimpleNamespace())
    return BareContext(
        workspace=Workspace("default", cast(Any, recall), policy or built_in()),
        leased=Leased(1, "default", "r", command, "token", 1),
        before=Loaded(state or Transcription("default", "r"), 1),
        tripped=frozenset(parts.get("tripped", ())),
        time=nothing,
        renewer=parts.get("renewer", nothing),
        store=parts.get("store", nothing),
        blobs=parts.get("blobs", nothing),
        clock=cast(Any, SimpleNamespace(boottime=lambda: 1.0)),
        scratch=parts.get("scratch", Path("/nonexistent")),
        log=structlog.wrap_logger(None, processors=[_drop]),
        rates=nothing,
        transitions=parts.get("transitions", nothing),
        probe=parts.get("probe", lambda _: True),
    )


def _drop(*_: Any) -> str:
    raise structlog.DropEvent
