"""
The part of `ports` about Recall: what is asked of it, answers as values; and what the record keeps of its
keys, its answers and its list.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from app.orchestrator.records import HeldPass
from app.recall.types import Answer, Artifact, CreateAnswer, CreateOrder, RecordingFacts, RecordingSeen


class Recall(Protocol):
    """
    One workspace of Recall. Reading raises `AccountRefused` for 401, 402 and 403, and `RecallBusy` for no
    answer, for every other status that is not meant, and for an answer about another thing than was asked.

    A cursor is the path and query of a page on Recall's base address: it holds neither host nor key and may
    be kept. One that Recall does not take raises `CursorRefused`.
    """

    @property
    def fingerprint(self) -> str:
        """Eight hex digits naming the API key without telling it."""

    def create_body(self, order: CreateOrder) -> bytes:
        """What `create` sends for this order: the same order gives the same bytes."""

    def answers(self) -> list[Answer]:
        """How the requests since the last call of this ended, in their order."""

    def create(self, order: CreateOrder, body: bytes | None = None, *, is_still_fresh: Any) -> CreateAnswer:
        """
        One POST; never raises for what Recall or the network does. `body` was sent first under the order's
        key. `is_still_fresh` is called right before the request is written to the socket (again before each
        repetition of one that certainly did not happen); False means "not_sent".
        """

    def retrieve(self, transcript_id: str, *, recording_id: str) -> Artifact | None:
        """The transcript of this recording; None for 404."""

    def list_page(self, recording_id: str, cursor: str | None, /) -> tuple[list[Artifact], str | None]:
        """One page of a recording's transcripts and the cursor of the next."""

    def recording(self, recording_id: str) -> RecordingFacts: ...

    def recordings_page(
        self, created_after: float, cursor: str | None, /
    ) -> tuple[list[RecordingSeen], str | None]:
        """One page of the workspace's recordings and the cursor of the next."""

    def delete(self, transcript_id: str) -> None:
        """Deletes a transcript at Recall; fine when it is gone already."""

    def delete_recording(self, recording_id: str) -> None:
        """Deletes a recording's media, its transcripts too; fine when it is gone already."""

    def download(self, url: str, target: Path, *, keep_going: Any) -> None:
        """Streams to a file without our key, until `keep_going` raises. Raises `DownloadBlocked`."""

    def probe(self) -> None:
        """A harmless list: returns when the account is accepted; `RecallBusy` says nothing about that."""


class ApiKeys(Protocol):
    """Which API keys see this workspace's recordings."""

    def key_status(self, workspace: str, fingerprint: str) -> str | None:
        """One of `KEYS_IN_USE`, `KEY_FOREIGN`, or None for a key that was not held against anything yet."""

    def set_key_status(self, workspace: str, fingerprint: str, status: str) -> None:
        """Notes it, in place of what was known of this key; a person's yes (`KEY_BY_HAND`) stays."""

    def newest_recordings(self, workspace: str, limit: int, *, gone_too: bool = False) -> list[str]:
        """
        The recordings heard of last, latest first, in any phase. One that is erased or known to be deleted
        at Recall only with `gone_too`; one that Recall did not know, only where no other is left.
        """


class RecallAnswers(Protocol):
    def note_answers(self, workspace: str, answers: Sequence[Answer]) -> None:
        """Counts what Recall answered outside a command, and whether it is in trouble, as with an outcome."""

    def recall_trouble_since(self, workspace: str) -> float | None:
        """Since when Recall refuses or is silent; None while its last telling answer was a good one."""


class ListPasses(Protocol):
    """Passes over Recall's list of recordings."""

    def take_pass(self, workspace: str, name: str, *, lease_s: float) -> HeldPass | None:
        """The pass with a new token, and where it stopped; None while another worker has it."""

    def keep_pass(self, held: HeldPass, *, lease_s: float, progress: str | None) -> bool:
        """Notes how far it came and renews the lease; False, nothing noted, when it went to another."""

    def leave_pass(self, held: HeldPass, *, progress: str | None) -> bool:
        """As `keep_pass`, and any worker may go on; `progress` None: it came to its end."""

    def has_pass_waiting(self) -> bool:
        """Whether a pass stopped before its end and is in no worker's hands."""
