"""A store of results in memory: held to the same promises as the others by `tests/contract/test_blobs.py`."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from app.adapters.blob_keys import parts_of
from app.errors import BlobChanged, BlobMissing, BlobsUnavailable
from app.orchestrator.ports_blobs import OCTETS
from app.orchestrator.records import BlobFacts


class MemoryBlobs:
    """
    Attributes:
        files: Their bytes by key.
        media_types: By key.
        trouble: Raised, as `BlobsUnavailable`, by whatever is asked while it is set.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self.media_types: dict[str, str] = {}
        self.trouble: str | None = None

    def put(self, key: str, source: Path, *, media_type: str = OCTETS) -> None:
        self._checked(key)
        with self._lock:
            self.files[key] = _read(key, source)
            self.media_types[key] = media_type

    def create(self, key: str, source: Path, *, media_type: str = OCTETS) -> bool:
        self._checked(key)
        read = _read(key, source)
        with self._lock:
            self.media_types.setdefault(key, media_type)
            return self.files.setdefault(key, read) == read

    def open(self, key: str) -> BinaryIO:
        return io.BytesIO(self._bytes(key))

    def open_range(self, key: str, start: int, end: int, *, etag: str | None = None) -> BinaryIO:
        if etag not in (None, self.facts(key).etag):
            raise BlobChanged(f"{key} is not the version that was asked for")
        return io.BytesIO(self._bytes(key)[start:end])

    def facts(self, key: str) -> BlobFacts:
        return BlobFacts(len(self._bytes(key)), f'"{self.sha256(key)}"')

    def exists(self, key: str) -> bool:
        self._checked(key)
        return key in self.files

    def sha256(self, key: str) -> str:
        return hashlib.sha256(self._bytes(key)).hexdigest()

    def keys(self, folder: str = "") -> Iterator[str]:
        self._checked(folder or "x")
        yield from [key for key in sorted(self.files) if not folder or key.startswith(f"{folder}/")]

    def delete(self, key: str) -> None:
        self._checked(key)
        self.files.pop(key, None)

    def delete_folder(self, folder: str, *, first: str) -> int:
        self._checked(folder)
        keys = sorted(self.keys(folder), key=lambda key: (key.rpartition("/")[2] != first, key))
        for key in keys:
            self.delete(key)
        return len(keys)

    def signed_url(self, key: str, *, expires_s: float) -> str | None:
        self._checked(key)
        return None

    def check(self) -> None:
        self._checked("x")

    def sweep(self) -> int:
        return 0

    def _checked(self, key: str) -> None:
        parts_of(key)
        if self.trouble is not None:
            raise BlobsUnavailable(self.trouble)

    def _bytes(self, key: str) -> bytes:
        self._checked(key)
        try:
            return self.files[key]
        except KeyError as error:
            raise BlobMissing(f"nothing at {key}") from error


def _read(key: str, source: Path) -> bytes:
    try:
        return source.read_bytes()
    except FileNotFoundError as error:
        raise BlobMissing(f"nothing to put at {key}: the source file is gone") from error
