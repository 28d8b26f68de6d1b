"""What only a disk can do wrong, and what an address of one is. What every store promises: `test_blobs`."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.adapters.local_files import LEFTOVER_AFTER_S, LocalBlobs, from_url
from app.errors import BlobError, BlobsUnavailable
from tests.contract.blob_files import KEY, content, put_bytes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "downloaded"
    path.write_bytes(b"[1, 2]")
    return path


def keys_of(disk: LocalBlobs) -> list[str]:
    """Of what is in its place; files still being written are elsewhere."""
    files = (path.relative_to(disk.root).as_posix() for path in disk.root.rglob("*") if path.is_file())
    return sorted(key for key in files if not key.startswith("~"))


@pytest.fixture
def disk(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "t")


def test_nothing_is_touched_before_the_first_write(disk: LocalBlobs) -> None:
    assert keys_of(disk) == []
    assert disk.sweep() == 0
    assert not disk.root.exists()


def test_files_and_folders_are_for_their_owner_only(disk: LocalBlobs, source: Path) -> None:
    source.chmod(0o666)
    disk.put(KEY, source)
    assert stat.S_IMODE((disk.root / KEY).stat().st_mode) == 0o600
    for folder in (disk.root, *list((disk.root / KEY).parents)[:3]):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_content_is_synced_before_the_name_and_the_name_before_the_return(
    disk: LocalBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_bytes(disk, "w/other", b"the folder is there already")
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        steps.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        fsync(descriptor)

    def noted_replace(before: Path, after: Path) -> None:
        steps.append("replace")
        assert Path(before).stat().st_dev == Path(after).parent.stat().st_dev
        replace(before, after)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    put_bytes(disk, "w/new", b"x")
    assert steps == ["sync file", "replace", "sync folder"]
    steps.clear()
    put_bytes(disk, "v/new", b"x")
    assert steps == ["sync folder", "sync file", "replace", "sync folder"]


def test_manifests_are_deleted_first_and_empty_folders_with_the_last_file(
    disk: LocalBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("w/r/t/a", "w/r/t/manifest.json", "w/r/u/manifest.json", "w/r/u/b", "w/q/t/a"):
        put_bytes(disk, key, b"x")
    gone: list[str] = []
    delete = disk.delete

    def noted(key: str) -> None:
        gone.append(key)
        delete(key)

    monkeypatch.setattr(disk, "delete", noted)
    disk.delete_folder("w/r", first="manifest.json")
    assert gone == ["w/r/t/manifest.json", "w/r/u/manifest.json", "w/r/t/a", "w/r/u/b"]
    assert [path.name for path in (disk.root / "w").iterdir()] == ["q"]


def leave(disk: LocalBlobs, name: str, *, age_s: float) -> Path:
    """A temporary file as a killed process leaves it."""
    path = disk.root / "~incoming" / f"w+rec+{name}~0123456789abcdef"
    put_bytes(disk, "w/rec/other", b"x")
    path.write_bytes(b"half")
    os.utime(path, (time.time() - age_s, time.time() - age_s))
    return path


def test_leftovers_of_the_dead_are_swept_and_files_being_written_are_not(disk: LocalBlobs) -> None:
    old = leave(disk, "a.json", age_s=LEFTOVER_AFTER_S + 60)
    young = leave(disk, "b.json", age_s=LEFTOVER_AFTER_S - 60)
    assert keys_of(disk) == ["w/rec/other"]
    assert disk.sweep() == 1
    assert not old.exists()
    assert young.exists()
    assert disk.exists("w/rec/other")


def test_the_sweep_does_not_walk_through_the_results(
    disk: LocalBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_bytes(disk, "w/rec/txn/transcript.json", b"x")
    opened: list[str] = []
    scandir = os.scandir

    def noted(path: str) -> object:
        opened.append(Path(path).name)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", noted)
    disk.sweep()
    assert opened == ["~incoming"]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Makes every sync fail with an errno, as a full or broken disk does at the latest moment."""

    def fail_with(number: int) -> None:
        def fail(descriptor: int) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fail)

    return fail_with  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "give the folder to the user"),
        (errno.EROFS, "remount"),
        (errno.EIO, "system log"),
        (errno.ENXIO, "ENXIO"),
    ],
)
def test_a_disk_in_trouble_is_named_with_its_remedy_and_keeps_the_old_file(
    disk: LocalBlobs, source: Path, failing: Callable[[int], None], number: int, remedy: str
) -> None:
    put_bytes(disk, KEY, b"old")
    failing(number)
    uses: list[Callable[[], None]] = [
        lambda: disk.put(KEY, source),
        lambda: put_bytes(disk, KEY, b"new"),
        disk.check,
    ]
    for use in uses:
        with pytest.raises(BlobsUnavailable, match=remedy):
            use()
    assert content(disk, KEY) == b"old"
    assert [path.name for path in disk.root.rglob("*") if path.is_file()] == ["sentences.json"]


def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("in the way")
    blocked = LocalBlobs(tmp_path / "t")
    for use in (blocked.check, lambda: put_bytes(blocked, KEY, b"x")):
        with pytest.raises(BlobsUnavailable, match="a file stands where a folder should be"):
            use()
    assert not blocked.exists(KEY)


def test_a_folder_where_a_file_should_be_is_named(disk: LocalBlobs) -> None:
    put_bytes(disk, "a/b", b"x")
    with pytest.raises(BlobsUnavailable, match="a folder stands where a file should be"):
        put_bytes(disk, "a", b"x")


def test_an_unreadable_folder_is_unavailable_not_empty(
    disk: LocalBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_bytes(disk, KEY, b"x")

    def refuse(path: str | Path) -> Iterator[os.DirEntry[str]]:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    for use in (disk.sweep,):
        with pytest.raises(BlobsUnavailable, match="give the folder"):
            use()


WRITE_FOR_EVER = """
import sys
from pathlib import Path
from app.adapters.local_files import LocalBlobs

blobs, key, letter = LocalBlobs(Path(sys.argv[1])), sys.argv[2], sys.argv[3].encode()
print("ready", flush=True)
while True:
    put_bytes(blobs, key, letter * 2_000_000)
"""


@pytest.mark.slow
def test_a_process_killed_while_writing_leaves_the_old_file_or_the_new(disk: LocalBlobs) -> None:
    put_bytes(disk, KEY, b"A" * 2_000_000)
    for n in range(8):
        command = [sys.executable, "-c", WRITE_FOR_EVER, str(disk.root), KEY, "AB"[n % 2]]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            time.sleep(0.002 + 0.003 * n)  # another instant of the writing each time
            child.kill()
        assert content(disk, KEY) in (b"A" * 2_000_000, b"B" * 2_000_000)
        assert keys_of(disk) == [KEY]


# -- the address ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///srv/transcripts", "/srv/transcripts"),
        ("FILE:///srv/t/", "/srv/t"),
        ("file://localhost/srv/t", "/srv/t"),
        ("file:///srv/my%20files", "/srv/my files"),
        ("file:///srv/my files/#1?", "/srv/my files/#1?"),
    ],
)
def test_a_file_address_names_a_folder(url: str, path: str) -> None:
    assert from_url(url).root == Path(path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/srv/t",
        "file:/srv/t",
        "file://srv/t",
        "file://",
        "file:///a/../b",
        "file:///a%00",
        "s3://key:secret@bucket/p",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(BlobError, match="STORAGE_URL") as caught:
        from_url(url)
    assert "secret" not in str(caught.value)
