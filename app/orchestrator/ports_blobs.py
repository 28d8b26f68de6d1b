"""The store of results, as protocols: see `ports`. Every promise is a test in `tests/contract/`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from app.orchestrator.records import BlobFacts

OCTETS = "application/octet-stream"
"""A file's media type where none is given."""


class Blobs(Protocol):
    """
    Whole files under keys. Each method raises `BlobError` for what is no key, `BlobMissing` where nothing is,
    and `BlobsUnavailable`, whose message has the remedy, when the store cannot be used now.
    """

    def put(self, key: str, source: Path, *, media_type: str = OCTETS) -> None:
        """Whole or not at all, durable; in place of what is there."""

    def open(self, key: str) -> BinaryIO:
        """From its beginning. What was opened stays whole if it is replaced meanwhile."""

    def exists(self, key: str) -> bool: ...

    def sha256(self, key: str) -> str:
        """Lower-case hex of what is stored, read anew."""

    def delete_folder(self, folder: str, *, first: str) -> int:
        """All below it, files with the name `first` before the others. Returns how many."""

    def sweep(self) -> int:
        """Deletes what killed processes left half written more than an hour ago; returns how many."""


class ResultBlobs(Blobs, Protocol):
    """The same, and what readers, a move and an erasure need."""

    def create(self, key: str, source: Path, *, media_type: str = OCTETS) -> bool:
        """
        `put` where nothing is, in one step where the store can (a local disk, S3, Google, Azure).

        Returns:
            Whether these bytes are there now; False: others were, and still are.
        """

    def open_range(self, key: str, start: int, end: int, *, etag: str | None = None) -> BinaryIO:
        """
        The bytes from `start` to before `end`, as many of them as there are.

        Raises:
            BlobChanged: By now it is not the version with this `etag`.
        """

    def facts(self, key: str) -> BlobFacts: ...

    def keys(self, folder: str = "") -> Iterator[str]:
        """All below a folder, those of one folder one after the other; without one all there are."""

    def delete(self, key: str) -> None:
        """Also where nothing is."""

    def signed_url(self, key: str, *, expires_s: float) -> str | None:
        """An address to read it by without a key of ours; None where the store has none."""

    def check(self) -> None:
        """Tries it with what leaves nothing behind."""
