"""
Every result into another store: read, written, read back there and held against its SHA-256; of a folder the
manifest last. A folder whose manifest is there already is done, so that a move that was cut goes on where it
was, and one beside a service that stores on needs only what is new.

What an erasure takes away meanwhile is taken away in the other store as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from app.errors import BlobMissing, BlobsUnavailable
from app.orchestrator.ports_blobs import OCTETS, ResultBlobs
from app.transcripts.formats import MEDIA_TYPES
from app.transcripts.result_folder import MANIFEST

_AT_ONCE, _IN_TURN = 8, 64
_DEPTH = 3  # of a result's file: see `folder_of`
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Moved:
    """Folders: looked at, copied now, changed while they were copied. Of the copied ones files and bytes."""

    folders: int = 0
    copied: int = 0
    left: int = 0
    files: int = 0
    size_bytes: int = 0

    def plus(self, other: Moved) -> Moved:
        return Moved(
            self.folders + other.folders,
            self.copied + other.copied,
            self.left + other.left,
            self.files + other.files,
            self.size_bytes + other.size_bytes,
        )


class StoreMove:
    """From one store to another; nothing is taken away from the first."""

    def __init__(self, source: ResultBlobs, target: ResultBlobs) -> None:
        self._source, self._target = source, target

    def run(self, erased: Callable[[], Iterable[tuple[str, str]]]) -> Iterator[Moved]:
        """
        What is done so far, after each folder.

        Args:
            erased: Workspace and recording of what is to be in neither store; asked when all is copied.

        Raises:
            BlobsUnavailable: One of the two stores cannot be used; what is copied stays.
        """
        moved = Moved()
        ours = (key for key in self._source.keys() if key.count("/") == _DEPTH)  # noqa: SIM118  # no mapping
        folders = ((folder, list(keys)) for folder, keys in groupby(ours, _folder_of))
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            while batch := list(islice(folders, _IN_TURN)):
                for one in threads.map(lambda each: self._move_folder(*each), batch):
                    moved = moved.plus(one)
                    yield moved
        for workspace, recording_id in erased():
            self._target.delete_folder(f"{workspace}/{recording_id}", first=MANIFEST)

    def _move_folder(self, folder: str, keys: list[str]) -> Moved:
        manifest = f"{folder}/{MANIFEST}"
        try:
            said = self._source.sha256(manifest) if manifest in keys else None
            if said is not None and self._target.exists(manifest) and self._target.sha256(manifest) == said:
                return Moved(folders=1)
            sizes = [self._copy(key) for key in [key for key in keys if key != manifest]]
            if said is not None:
                sizes.append(self._copy(manifest))
            is_same = said is None or self._source.sha256(manifest) == said
        except BlobMissing:  # an erasure, or a candidate that was fetched anew
            self._target.delete_folder(folder, first=MANIFEST)
            return Moved(folders=1, left=1)
        moved = Moved(folders=1, copied=1, files=len(sizes), size_bytes=sum(sizes))
        return moved if is_same else replace(moved, left=1)

    def _copy(self, key: str) -> int:
        """Returns its size in bytes."""
        media_type = MEDIA_TYPES.get(key.rpartition("/")[2], OCTETS)
        with TemporaryDirectory(prefix="move-") as scratch:
            path = Path(scratch, "file")
            digest = _fetch(self._source, key, path)
            if not self._target.create(key, path, media_type=media_type):
                self._target.put(key, path, media_type=media_type)
            if self._target.sha256(key) != digest:
                raise BlobsUnavailable(f"{key} is not in the new store as it was written: look at that store")
            return path.stat().st_size


def _folder_of(key: str) -> str:
    return key.rpartition("/")[0]


def _fetch(source: ResultBlobs, key: str, path: Path) -> str:
    digest = hashlib.sha256()
    with source.open(key) as stream, path.open("wb") as file:
        for chunk in _chunks(stream.read):
            file.write(chunk)
            digest.update(chunk)
    return digest.hexdigest()


def _chunks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while chunk := read(_CHUNK_BYTES):
        yield chunk
