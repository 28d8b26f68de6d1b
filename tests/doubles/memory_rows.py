"""The rows of the record in memory: what `sql.tables` has as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.core import commands
from app.core.state import Transcription
from app.orchestrator.records import ArtifactRow, NewDelivery, Send, SendOutcome, Slot

Recording = tuple[str, str]  # workspace and recording


@dataclass(slots=True)
class DeliveryRow:
    id: int
    new: NewDelivery
    has_body: bool = True  # False once retention took it
    tries: int = 0
    applied_at: float | None = None
    kind: str | None = None
    note: str | None = None


@dataclass(slots=True)
class CommandRow:
    id: int
    recording: Recording
    command: commands.Command
    due_at: float
    offered_at: float | None = None
    leased_until: float | None = None
    token: str | None = None
    tries: int = 0
    slot: Slot | None = None
    is_held: bool = False
    waits_for: str | None = None
    wanted_since: float = 0.0

    def is_free(self, now: float) -> bool:
        return self.leased_until is None or self.leased_until < now


@dataclass(slots=True)
class Stamp:
    id: int
    send: Send
    at: float
    outcome: SendOutcome | None = None
    body: bytes | None = None
    may_have_left: bool = True  # until its outcome says otherwise


@dataclass(slots=True)
class RecordingRow:
    transcription: Transcription
    version: int = 0
    updated_at: float = 0.0
    budgets: dict[int, int] = field(default_factory=dict)
    sends: list[Stamp] = field(default_factory=list)
    artifacts: dict[str, ArtifactRow] = field(default_factory=dict)
    history: list[Mapping[str, Any]] = field(default_factory=list)
