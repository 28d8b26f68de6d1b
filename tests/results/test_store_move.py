"""A move of every result to another store: what is copied, gone on with, verified, and taken away again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

import pytest

from app.errors import BlobsUnavailable
from app.results.store_move import Moved, StoreMove
from tests.contract.blob_files import content, put_bytes
from tests.doubles.memory_blobs import MemoryBlobs

NAMES = ("manifest.json", "transcript.json", "transcript.txt")


def with_results(number: int) -> MemoryBlobs:
    blobs = MemoryBlobs()
    for one in range(number):
        for name in NAMES:
            put_bytes(blobs, f"w/rec-{one}/tra/{name}", f"{name} of {one}".encode())
    return blobs


def move(
    source: MemoryBlobs, target: MemoryBlobs, *, erased: Callable[[], Iterable[tuple[str, str]]] = tuple
) -> Moved:
    return list(StoreMove(source, target).run(erased))[-1]


def files(blobs: MemoryBlobs) -> dict[str, bytes]:
    return {key: content(blobs, key) for key in list(blobs.keys())}


def test_every_file_arrives_with_its_media_type_and_stays_where_it_was() -> None:
    source, target = with_results(3), MemoryBlobs()
    moved = move(source, target)
    assert (moved.folders, moved.copied, moved.files, moved.left) == (3, 3, 9, 0)
    assert files(target) == files(source) == files(with_results(3))
    assert target.media_types["w/rec-0/tra/transcript.txt"] == "text/plain; charset=utf-8"


def test_a_manifest_is_the_last_of_its_folder() -> None:
    class Noting(MemoryBlobs):
        order: list[str]

        def create(self, key: str, source: Path, *, media_type: str = "") -> bool:
            self.order.append(key.rpartition("/")[2])
            return super().create(key, source, media_type=media_type)

    target = Noting()
    target.order = []
    move(with_results(1), target)
    assert target.order[-1] == "manifest.json"
    assert len(target.order) == 3


def test_a_second_move_copies_what_is_new_or_changed() -> None:
    source, target = with_results(3), MemoryBlobs()
    move(source, target)
    put_bytes(source, "w/rec-1/tra/transcript.srt", b"a format of a later version")
    put_bytes(source, "w/rec-1/tra/manifest.json", b"names it")
    put_bytes(source, "w/rec-9/tra/manifest.json", b"new")
    moved = move(source, target)
    assert (moved.folders, moved.copied) == (4, 2)
    assert files(target) == files(source)


def test_a_move_that_is_cut_goes_on_where_it_was() -> None:
    class Full(MemoryBlobs):
        room = 7

        def create(self, key: str, source: Path, *, media_type: str = "") -> bool:
            self.room -= 1
            if self.room < 0:
                raise BlobsUnavailable("it is full")
            return super().create(key, source, media_type=media_type)

    source, target = with_results(4), Full()
    with pytest.raises(BlobsUnavailable, match="full"):
        move(source, target)
    target.room = 100
    assert move(source, target).folders == 4
    assert files(target) == files(source)


def test_a_store_that_keeps_other_bytes_than_it_was_given_is_found() -> None:
    class Rotten(MemoryBlobs):
        def sha256(self, key: str) -> str:
            return "0" * 64

    with pytest.raises(BlobsUnavailable, match="not in the new store as it was written"):
        move(with_results(1), Rotten())


def test_what_is_erased_meanwhile_is_in_neither_store() -> None:
    source, target = with_results(3), MemoryBlobs()
    move(source, target)
    source.delete_folder("w/rec-1", first="manifest.json")
    move(source, target, erased=lambda: [("w", "rec-1")])
    assert files(target) == files(source)


def test_what_vanishes_while_it_is_copied_leaves_no_half_behind() -> None:
    class Erasing(MemoryBlobs):
        def open(self, key: str) -> BinaryIO:
            if key.endswith("transcript.txt"):
                self.delete_folder("w/rec-0", first="manifest.json")
            return super().open(key)

    source, target = Erasing(), MemoryBlobs()
    for key, said in files(with_results(1)).items():
        put_bytes(source, key, said)
    assert move(source, target).left == 1
    assert files(target) == {}


def test_what_changes_while_it_is_copied_is_left_for_the_next_time() -> None:
    class Rendering(MemoryBlobs):
        def open(self, key: str) -> BinaryIO:
            opened = super().open(key)
            if key.endswith("manifest.json"):
                put_bytes(self, key, b"names more files")
            return opened

    source, target = Rendering(), MemoryBlobs()
    for key, said in files(with_results(1)).items():
        put_bytes(source, key, said)
    assert move(source, target).left == 1


def test_what_is_no_result_is_no_concern_of_a_move() -> None:
    source, target = with_results(1), MemoryBlobs()
    put_bytes(source, "README.txt", b"somebody's own")
    move(source, target)
    assert files(target) == files(with_results(1))
