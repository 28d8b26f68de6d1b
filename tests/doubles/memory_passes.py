"""Passes over Recall's list, and API keys, in memory, for tests: as the modules of that name in `sql`."""

from __future__ import annotations

import secrets
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from app.adapters.sql.tallies import telling_outcomes
from app.core import reasons
from app.core.state import Phase
from app.orchestrator.records import KEY_BY_HAND, HeldPass
from app.recall.types import GOOD_OUTCOMES, Answer
from tests.doubles.memory_rows import Recording, RecordingRow


class MemoryPasses(ABC):
    """What a test wants to see is public. One lock makes each method one transaction."""

    recordings: dict[Recording, RecordingRow]

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.passes: dict[tuple[str, str], HeldPass] = {}
        self.pass_leases: dict[tuple[str, str], float] = {}
        self.answers: list[Answer] = []
        self.keys: dict[tuple[str, str], str] = {}

    @abstractmethod
    def now(self) -> float:
        """The store's clock."""

    def key_status(self, workspace: str, fingerprint: str) -> str | None:
        with self._lock:
            return self.keys.get((workspace, fingerprint))

    def set_key_status(self, workspace: str, fingerprint: str, status: str) -> None:
        with self._lock:
            if self.keys.get((workspace, fingerprint)) != KEY_BY_HAND:
                self.keys[workspace, fingerprint] = status

    def newest_recordings(self, workspace: str, limit: int, *, gone_too: bool = False) -> list[str]:
        with self._lock:
            known = [
                row.transcription
                for (of, _), row in self.recordings.items()
                if of == workspace and row.version
            ]
            known = [
                t
                for t in known
                if gone_too
                or (
                    t.phase is not Phase.ERASED
                    and t.reason != reasons.RECORDING_GONE
                    and not t.is_recording_gone
                )
            ]
            useful = [t for t in known if t.reason != reasons.RECORDING_UNKNOWN]
            latest = sorted(useful or known, key=lambda t: t.first_heard_at, reverse=True)
            return [t.recording_id for t in latest[:limit]]

    @abstractmethod
    def has_create(self, workspace: str) -> bool:
        """Whether any create waits."""

    def note_answers(self, workspace: str, answers: Sequence[Answer]) -> None:
        with self._lock:
            self.answers += answers

    def recall_trouble_since(self, workspace: str) -> float | None:
        with self._lock:  # of one workspace; when it began is not kept
            telling = telling_outcomes(self.answers)
            return self.now() if telling and telling[-1] not in GOOD_OUTCOMES else None

    def take_pass(self, workspace: str, name: str, *, lease_s: float) -> HeldPass | None:
        with self._lock:
            known = self.passes.get((workspace, name))
            if self.pass_leases.get((workspace, name), 0.0) >= self.now():
                return None
            held = HeldPass(workspace, name, secrets.token_hex(8), known.progress if known else None)
            self.passes[workspace, name] = held
            self.pass_leases[workspace, name] = self.now() + lease_s
            return held

    def keep_pass(self, held: HeldPass, *, lease_s: float, progress: str | None) -> bool:
        with self._lock:
            return self._write(held, progress, self.now() + lease_s)

    def leave_pass(self, held: HeldPass, *, progress: str | None) -> bool:
        with self._lock:
            return self._write(held, progress, 0.0)

    def has_pass_waiting(self) -> bool:
        with self._lock:
            return any(
                known.progress is not None and self.pass_leases.get(key, 0.0) < self.now()
                for key, known in self.passes.items()
            )

    def _move_back(self, by_s: float) -> None:
        self.pass_leases = {key: until - by_s for key, until in self.pass_leases.items()}

    def _write(self, held: HeldPass, progress: str | None, leased_until: float) -> bool:
        key = (held.workspace, held.name)
        known = self.passes.get(key)
        if known is None or known.token != held.token:
            return False
        self.passes[key] = replace(known, progress=progress, token=known.token if leased_until else "")
        self.pass_leases[key] = leased_until
        return True
