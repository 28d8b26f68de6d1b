"""
The index of what was said, as a protocol, and the records that cross it. It can be made again at any time
from what is stored; so nothing waits for it, and no commit of the record holds it.

Kept by `app.adapters.sql.search_index`; kept up by `app.orchestrator.search_upkeep`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from app.transcripts.passages import Passage
from app.transcripts.search_words import Query


@dataclass(frozen=True, slots=True)
class StoredResult:
    """The transcript of a recording that readers should take. `files`: names in its folder."""

    workspace: str
    recording_id: str
    transcript_id: str
    files: tuple[str, ...] = field(default=(), compare=False)
    id: int = field(default=0, compare=False)  # by which a list of them is gone through


@dataclass(frozen=True, slots=True)
class Hit:
    """
    A sentence that was found; times are seconds from the recording's start, where known.

    `file` is the name of the one that a person would open, in the transcript's folder. `cursor`: what follows
    is found by it.
    """

    workspace: str
    recording_id: str
    transcript_id: str
    file: str
    speaker: str
    start_s: float | None
    end_s: float | None
    text: str
    cursor: int


@dataclass(frozen=True, slots=True)
class IndexCounts:
    """Transcripts in the index; `unreadable`: those of them whose files were gone or no transcript."""

    transcripts: int = 0
    unreadable: int = 0


class SearchIndex(Protocol):
    """Every method is one transaction, and raises `StoreUnavailable` when the index cannot be used."""

    def put(self, result: StoredResult, passages: Iterable[Passage], *, is_unreadable: bool = False) -> None:
        """In place of what is there of its recording."""

    def search(
        self,
        query: Query,
        *,
        workspace: str | None = None,
        recording_id: str | None = None,
        limit: int = 20,
        before: int | None = None,
    ) -> list[Hit]:
        """
        The transcript that was indexed last comes first, its sentences in their order.

        Args:
            recording_id: A whole id.
            before: `Hit.cursor` of the last one seen.
        """

    def missing(self, results: Sequence[StoredResult]) -> list[StoredResult]:
        """Those of them that are not in the index."""

    def transcripts(self, *, after: int, limit: int) -> list[StoredResult]:
        """What is in the index, by `id`."""

    def counts(self) -> IndexCounts: ...

    def forget(self, workspace: str, *recording_ids: str) -> None:
        """
        Their text leaves the index, on SQLite with every byte of it, also of what was replaced before. Takes
        as long as writing the whole index anew, so several at once; repeating it is harmless and completes
        what was interrupted.
        """

    def clear(self) -> None:
        """Everything leaves, in the same way; works on a damaged index too."""


class StoredResults(Protocol):
    """What the record knows to be stored. Raises `StoreUnavailable`."""

    def results_of(self, workspace: str, recording_ids: Sequence[str]) -> list[StoredResult]: ...

    def results_after(self, after: int, *, limit: int) -> list[StoredResult]:
        """By `id`, oldest first."""

    def count_results(self, without: Collection[str] = ()) -> int:
        """Without those of some workspaces, which takes longer."""
