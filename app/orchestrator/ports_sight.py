"""The part of `ports.Store` about who may see Recall's recordings, and about passes over their list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.orchestrator.records import HeldPass
from app.recall.types import Answer


class SightStore(Protocol):
    """Every method is one transaction; raises `StoreUnavailable` when the record cannot be used."""

    def key_status(self, workspace: str, fingerprint: str) -> str | None:
        """One of `KEYS_IN_USE`, `KEY_FOREIGN`, or None for a key that was not held against anything yet."""
        ...

    def set_key_status(self, workspace: str, fingerprint: str, status: str) -> None:
        """Notes it, in place of what was known of this key; a person's yes (`KEY_BY_HAND`) stays."""
        ...

    def newest_recordings(self, workspace: str, limit: int, *, gone_too: bool = False) -> list[str]:
        """
        The recordings heard of last, latest first, in any phase. One that is erased or known to be deleted
        at Recall only with `gone_too`; one that Recall did not know, only where no other is left.
        """
        ...

    def has_create(self, workspace: str) -> bool:
        """Whether any create waits, now or later: a pause about creates is for those alone."""
        ...

    def note_answers(self, workspace: str, answers: Sequence[Answer]) -> None:
        """Counts what Recall answered outside a command, and whether it is in trouble, as with an outcome."""
        ...

    def recall_trouble_since(self, workspace: str) -> float | None:
        """Since when Recall refuses or is silent; None while its last telling answer was a good one."""
        ...

    def take_pass(self, workspace: str, name: str, *, lease_s: float) -> HeldPass | None:
        """The pass with a new token, and where it stopped; None while another worker has it."""
        ...

    def keep_pass(self, held: HeldPass, *, lease_s: float, progress: str | None) -> bool:
        """Notes how far it came and renews the lease; False, nothing noted, when it went to another."""
        ...

    def leave_pass(self, held: HeldPass, *, progress: str | None) -> bool:
        """As `keep_pass`, and any worker may go on; `progress` None: it came to its end."""
        ...

    def has_pass_waiting(self) -> bool:
        """Whether a pass stopped before its end and is in no worker's hands."""
        ...
