"""
What every store of results promises. What only a disk can do is in `test_local_files`, what only an object
store can, and every fault of the way to one, in `test_object_store`.
"""

from __future__ import annotations

import hashlib
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.adapters import object_store_url
from app.adapters.local_files import LocalBlobs
from app.errors import BlobChanged, BlobError, BlobMissing
from app.orchestrator.ports_blobs import ResultBlobs
from tests.contract.blob_files import KEY, content, put_bytes
from tests.doubles.memory_blobs import MemoryBlobs
from tests.doubles.s3_server import BUCKET, KEYS, s3_server


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture(params=["local", "memory", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> ResultBlobs:
    if request.param == "memory":
        return MemoryBlobs()
    if request.param == "local":
        return LocalBlobs(tmp_path / "made on demand" / "t")
    endpoint = {"AWS_ENDPOINT_URL_S3": request.getfixturevalue("s3_url")}
    return object_store_url.from_url(f"s3://{BUCKET}/{uuid.uuid4()}/below", KEYS | endpoint)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "downloaded"
    path.write_bytes(b"[1, 2]")
    return path


@pytest.mark.slow
def test_what_was_put_is_there_whole(blobs: ResultBlobs, source: Path) -> None:
    assert not blobs.exists(KEY)
    blobs.put(KEY, source)
    assert blobs.exists(KEY)
    assert content(blobs, KEY) == b"[1, 2]"
    assert blobs.facts(KEY).size_bytes == 6
    assert blobs.sha256(KEY) == hashlib.sha256(b"[1, 2]").hexdigest()
    assert source.exists()


@pytest.mark.slow
def test_a_second_put_replaces_and_an_open_reader_keeps_the_first(blobs: ResultBlobs) -> None:
    put_bytes(blobs, KEY, b"first")
    with blobs.open(KEY) as stream:
        put_bytes(blobs, KEY, b"second")
        assert stream.read() == b"first"
    assert content(blobs, KEY) == b"second"


@pytest.mark.slow
def test_readers_never_see_half_a_file_while_writers_replace_it(blobs: ResultBlobs) -> None:
    versions = {bytes([65 + n]) * 300_000 for n in range(3)}
    put_bytes(blobs, KEY, min(versions))
    stop = threading.Event()

    def write_for_ever(version: bytes) -> None:
        while not stop.is_set():
            put_bytes(blobs, KEY, version)

    writers = [threading.Thread(target=write_for_ever, args=(version,)) for version in versions]
    for writer in writers:
        writer.start()
    seen = {content(blobs, KEY) for _ in range(60)}
    stop.set()
    for writer in writers:
        writer.join()
    assert seen <= versions


def test_a_large_file_arrives_byte_for_byte(blobs: ResultBlobs, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(os.urandom(3_500_000))
    blobs.put(KEY, large)
    assert content(blobs, KEY) == large.read_bytes()


def test_what_is_not_there_is_missing_not_unavailable(blobs: ResultBlobs, tmp_path: Path) -> None:
    for ask in (blobs.open, blobs.facts, blobs.sha256):
        with pytest.raises(BlobMissing):
            ask(KEY)
    put_bytes(blobs, KEY, b"x")
    for key in ("default/rec-1", f"{KEY}/below"):
        assert not blobs.exists(key)
        for ask in (blobs.open, blobs.facts, blobs.sha256):
            with pytest.raises(BlobMissing):
                ask(key)
    for store in (blobs.put, blobs.create):
        with pytest.raises(BlobMissing, match="source"):
            store(KEY, tmp_path / "gone")
    assert content(blobs, KEY) == b"x"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/etc/passwd",
        "a//b",
        "a/",
        "..",
        "a/../b",
        "./a",
        "a/...",
        "a b",
        "a\n",
        "ä",
        "a~b",
        "a\\b",
        "a\0b",
        "C:/a",
    ]
    + ["x" * 201, "a/" * 600 + "a"],
)
def test_a_key_that_could_lead_elsewhere_is_refused_everywhere(
    blobs: ResultBlobs, source: Path, key: str
) -> None:
    uses: list[Callable[[], object]] = [
        lambda: blobs.put(key, source),
        lambda: put_bytes(blobs, key, b"x"),
        lambda: blobs.open(key),
        lambda: blobs.exists(key),
        lambda: blobs.facts(key),
        lambda: blobs.sha256(key),
        lambda: blobs.create(key, source),
        lambda: blobs.open_range(key, 0, 1),
        lambda: blobs.delete(key),
        lambda: blobs.delete_folder(key, first="manifest.json"),
        lambda: blobs.signed_url(key, expires_s=60),
    ]
    for use in uses:
        with pytest.raises(BlobError, match="not a key"):
            use()


def test_the_probe_leaves_nothing_behind(blobs: ResultBlobs) -> None:
    blobs.check()
    assert list(blobs.keys()) == []
    assert blobs.sweep() == 0


def test_create_stores_where_nothing_is_and_leaves_other_bytes_alone(
    blobs: ResultBlobs, tmp_path: Path
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.write_bytes(b"ours")
    theirs.write_bytes(b"theirs")
    assert blobs.create(KEY, ours)
    assert blobs.create(KEY, ours)  # as after an answer that was lost
    assert not blobs.create(KEY, theirs)
    assert content(blobs, KEY) == b"ours"


def test_of_many_that_create_at_once_one_wins(blobs: ResultBlobs, tmp_path: Path) -> None:
    sources = [tmp_path / str(number) for number in range(6)]
    for path in sources:
        path.write_bytes(path.name.encode() * 1000)
    won: list[str] = []

    def create(path: Path) -> None:
        if blobs.create(KEY, path):
            won.append(path.name)

    threads = [threading.Thread(target=create, args=(path,)) for path in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [content(blobs, KEY)] == [name.encode() * 1000 for name in won]


def test_a_range_is_the_bytes_that_were_asked_for_of_that_version(blobs: ResultBlobs) -> None:
    put_bytes(blobs, KEY, b"0123456789")
    facts = blobs.facts(KEY)
    assert facts.size_bytes == 10
    assert facts.etag[0] == facts.etag[-1] == '"'
    for start, end in ((0, 4), (3, 10), (9, 10), (0, 99), (4, 4), (10, 20)):
        with blobs.open_range(KEY, start, end, etag=facts.etag) as part:
            assert part.read() == b"0123456789"[start:end]
    put_bytes(blobs, KEY, b"abcdefghij")
    assert blobs.facts(KEY).etag != facts.etag
    for start, end in ((0, 4), (4, 4)):
        with pytest.raises(BlobChanged):
            blobs.open_range(KEY, start, end, etag=facts.etag)
    with pytest.raises(BlobMissing):
        blobs.open_range("default/none", 0, 4)


@pytest.mark.slow
def test_keys_are_those_below_the_folder_and_of_no_other_that_begins_alike(blobs: ResultBlobs) -> None:
    ours = ["w/rec-1/tra-1/manifest.json", "w/rec-1/tra-1/x", "w/rec-1/tra-2/manifest.json"]
    for key in (*ours, "w/rec-10/tra-1/x", "v/rec-1/tra-1/x"):
        put_bytes(blobs, key, b"x")
    assert sorted(blobs.keys("w/rec-1")) == ours
    assert sorted(blobs.keys()) == sorted([*ours, "w/rec-10/tra-1/x", "v/rec-1/tra-1/x"])
    assert list(blobs.keys("w/rec-2")) == []
    folders = [key.rpartition("/")[0] for key in list(blobs.keys())]
    assert len([f for n, f in enumerate(folders) if n == 0 or folders[n - 1] != f]) == len(set(folders))


@pytest.mark.slow
def test_a_folder_is_deleted_manifests_first_and_nothing_beside_it(blobs: ResultBlobs) -> None:
    for key in ("w/r/t/manifest.json", "w/r/t/a", "w/r/u/manifest.json", "w/r/u/b", "w/r2/t/a"):
        put_bytes(blobs, key, b"x")
    assert blobs.delete_folder("w/r", first="manifest.json") == 4
    assert list(blobs.keys()) == ["w/r2/t/a"]
    assert blobs.delete_folder("w/r", first="manifest.json") == 0
    blobs.delete("w/r2/t/a")
    blobs.delete("w/r2/t/a")  # not there: no error
    assert list(blobs.keys()) == []
    put_bytes(blobs, "w/r2/t/a", b"again")
    assert content(blobs, "w/r2/t/a") == b"again"
