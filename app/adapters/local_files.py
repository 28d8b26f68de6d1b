"""
Where results are kept: whole files under checked keys.

A file gets to disk whole, and a power cut does not take it back; its contents mean nothing here. Object
stores are `object_store`, held to the same `tests/contract/test_blobs.py`.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from app.adapters.blob_keys import is_key, parts_of
from app.errors import BlobChanged, BlobError, BlobMissing, BlobsUnavailable
from app.orchestrator.ports_blobs import OCTETS
from app.orchestrator.records import BlobFacts
from app.settings.server_urls import storage_folder

LEFTOVER_AFTER_S = 3600.0
"""No put takes an hour: a job ends after minutes. A temporary file this old belongs to a dead process."""

_CHUNK_BYTES = 1 << 20
# Not in the alphabet of keys, so no key can name, list or overwrite a file that is being written.
_TEMPORARY = "~"
# All of them in one folder: what a killed process left is found without walking through a million others.
_INCOMING = f"{_TEMPORARY}incoming"
_FOLDER_MARK = "+"  # for the "/" of the key in a temporary file's name; not in the alphabet either
_LONGEST_HEAD = 200

_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)

_REMEDIES = {
    errno.ENOSPC: "it is full; free some space or point STORAGE_URL to a larger disk",
    errno.EDQUOT: "the quota is used up; raise it or free some space",
    errno.EACCES: "this user may not write there; give the folder to the user that runs the service",
    errno.EPERM: "this user may not write there; give the folder to the user that runs the service",
    errno.EROFS: "it is mounted read-only; remount it (a disk in trouble is often switched to read-only)",
    errno.EIO: "the disk reports an error; look at the system log and replace or remount it",
    errno.ENOENT: "no folder can be made there; point STORAGE_URL to another",
    errno.ENOTDIR: "a file stands where a folder should be; move it away",
    errno.EISDIR: "a folder stands where a file should be; move it away",
    errno.ESTALE: "the network disk was remounted; restart the service",
    errno.EXDEV: "a folder in it is another disk; point STORAGE_URL to a folder that is all on one disk",
    errno.EFBIG: "files may not be so large; raise the limit (ulimit -f)",
    errno.EMFILE: "too many open files; raise the limit of open files (ulimit -n)",
}


class LocalBlobs:
    """
    Files below one folder, made 0600 in folders made 0700.

    Every method raises `BlobError` for a bad key and `BlobsUnavailable`, whose message names the remedy, when
    the disk does not do what it should. Reading from an opened file afterwards raises plain `OSError`.
    """

    def __init__(self, root: Path) -> None:
        """Touches nothing: the folder is made by the first write."""
        self.root = root

    def put(self, key: str, source: Path, *, media_type: str = OCTETS) -> None:
        """
        Copy a file to `key`, replacing what is there: whole or not at all, and durable on return.

        Raises:
            BlobMissing: `source` is not there.
        """
        self._write(key, source, os.replace)

    def create(self, key: str, source: Path, *, media_type: str = OCTETS) -> bool:
        """The same where nothing is. Returns whether these bytes are there now."""
        # A link fails where something is, unlike a rename.
        return self._write(key, source, os.link) or self.sha256(key) == _sha256(source)

    def open(self, key: str) -> BinaryIO:
        """
        The file, for reading, at its beginning. What was opened stays whole if it is replaced meanwhile.

        Raises:
            BlobMissing: Nothing there.
        """
        with self._translated(key):
            return self._path(key).open("rb")

    def open_range(self, key: str, start: int, end: int, *, etag: str | None = None) -> BinaryIO:
        """The bytes from `start` to before `end`. Raises `BlobMissing`, `BlobChanged`."""
        stream = self.open(key)
        if etag is not None and _facts(os.fstat(stream.fileno())).etag != etag:
            stream.close()
            raise BlobChanged(f"{key} is not the version that was asked for")
        stream.seek(start)
        return cast(BinaryIO, io.BufferedReader(_Part(stream, max(0, end - start)), _CHUNK_BYTES))

    def facts(self, key: str) -> BlobFacts:
        """Raises `BlobMissing`."""
        with self._translated(key):
            found = self._path(key).stat()
            # Not `is_file`, which takes a disk error for an absent file from Python 3.14 on.
            if not stat.S_ISREG(found.st_mode):
                raise BlobMissing(f"no file at {key}")
            return _facts(found)

    def exists(self, key: str) -> bool:
        """Whether there is a whole file."""
        try:
            self.facts(key)
        except BlobMissing:
            return False
        return True

    def keys(self, folder: str = "") -> Iterator[str]:
        """Every file below a folder, those of one folder together; without one below the root."""
        base = self._path(folder) if folder else self.root
        with self._translated():
            for path in _files(base):
                key = path.relative_to(self.root).as_posix()
                if is_key(key):
                    yield key

    def delete(self, key: str) -> None:
        """Durably; folders that it leaves empty go with it."""
        path = self._path(key)
        with self._translated():
            with suppress(*_ABSENT):
                path.unlink()
            folder = path.parent
            with suppress(OSError):  # another file is in it, or another process was faster
                while folder != self.root:
                    folder.rmdir()
                    folder = folder.parent
            with suppress(FileNotFoundError):
                _sync_folder(folder)

    def delete_folder(self, folder: str, *, first: str) -> int:
        """All files below it; those of the name `first` before the others. Returns how many."""
        parts_of(folder)  # never all there is
        keys = sorted(self.keys(folder), key=lambda key: (key.rpartition("/")[2] != first, key))
        for key in keys:
            self.delete(key)
        head = f"{folder.replace('/', _FOLDER_MARK)}{_FOLDER_MARK}"[:_LONGEST_HEAD]
        with self._translated():
            for half_written in (self.root / _INCOMING).glob(f"{head}*"):
                half_written.unlink(missing_ok=True)
        return len(keys)

    def signed_url(self, key: str, *, expires_s: float) -> str | None:
        """None: a disk has no addresses."""
        self._path(key)
        return None

    def sha256(self, key: str) -> str:
        """Lower-case hex of what is stored, read anew. Raises `BlobMissing`."""
        with self._translated(key), self._path(key).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def sweep(self) -> int:
        """
        Delete temporary files that a killed process left more than an hour ago.

        Returns:
            How many.
        """
        swept = 0
        oldest_kept = time.time() - LEFTOVER_AFTER_S
        no_folder_yet = (FileNotFoundError, NotADirectoryError)
        with self._translated(), suppress(*no_folder_yet), os.scandir(self.root / _INCOMING) as found:
            for path in found:
                with suppress(FileNotFoundError):  # its own process may be done with it just now
                    if path.is_file(follow_symlinks=False) and path.stat().st_mtime < oldest_kept:
                        Path(path).unlink()
                        swept += 1
        return swept

    def check(self) -> None:
        """Write, sync and delete a small file. Returns if that works, else raises `BlobsUnavailable`."""
        with self._translated(), self._temporary("check") as path:
            _fill(path, io.BytesIO(b"x" * 4096))

    def _write(self, key: str, source: Path, name_it: Callable[[Path, Path], None]) -> bool:
        """Whether `name_it` gave the copy its name; it raises `FileExistsError` where it may not."""
        target = self._path(key)
        with self._translated(), ExitStack() as opened:
            try:
                stream = opened.enter_context(source.open("rb"))
            except FileNotFoundError as error:
                raise BlobMissing(f"nothing to put at {key}: the source file is gone") from error
            _make_folder(target.parent)
            path = opened.enter_context(self._temporary(key))
            _fill(path, stream)
            try:
                name_it(path, target)
            except FileExistsError:
                return False
            except FileNotFoundError:  # its folder was empty, and a `delete` took it away just now
                _make_folder(target.parent)
                name_it(path, target)
            # Without this the name may be gone after a power cut although the content is there.
            _sync_folder(target.parent)
            return True

    @contextmanager
    def _temporary(self, key: str) -> Iterator[Path]:
        """A path on the same disk as the target; whatever is still there at the end is removed."""
        folder = self.root / _INCOMING
        _make_folder(folder)
        head = key.replace("/", _FOLDER_MARK)[:_LONGEST_HEAD]
        path = folder / f"{head}{_TEMPORARY}{secrets.token_hex(8)}"
        try:
            yield path
        finally:
            with suppress(OSError):  # the first error is the one to report; `sweep` takes what stays
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.root.joinpath(*parts_of(key))

    @contextmanager
    def _translated(self, key: str | None = None) -> Iterator[None]:
        """Foreign errors to ours; with a key, an absent file is the caller's question answered."""
        try:
            yield
        except OSError as error:
            if key is not None and isinstance(error, _ABSENT):
                raise BlobMissing(f"nothing at {key}") from error
            raise BlobsUnavailable(_explain(self.root, error)) from error


def from_url(url: str) -> LocalBlobs:
    """
    The folder that `file:///absolute/path` names. Blanks may stand as they are or as `%20`.

    Raises:
        BlobError: Another scheme, or a path that is not absolute.
    """
    path = storage_folder(url)
    if path is None:
        # Not the URL itself: one that was meant for another store may hold a secret.
        raise BlobError("STORAGE_URL: not an absolute path, as in file:///srv/transcripts (three slashes)")
    return LocalBlobs(path)


class _Part(io.RawIOBase):
    """So many bytes of a file from where it stands; closes it."""

    def __init__(self, stream: BinaryIO, left: int) -> None:
        self._stream, self._left = stream, left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        wanted = memoryview(buffer)[: self._left]
        got = cast(io.BufferedReader, self._stream).readinto(wanted)
        self._left -= got
        return got

    def close(self) -> None:
        self._stream.close()
        super().close()


def _facts(found: os.stat_result) -> BlobFacts:
    return BlobFacts(found.st_size, f'"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"')


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fill(path: Path, stream: BinaryIO) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        shutil.copyfileobj(stream, out, _CHUNK_BYTES)
        out.flush()
        os.fsync(out.fileno())


def _make_folder(folder: Path) -> None:
    """Make it and what is missing above, each 0700 and each durable in its parent."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        _make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files(folder: Path) -> Iterator[Path]:
    """Every file below; none where there is no folder. Links are not followed."""

    def report(error: OSError) -> None:
        if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            raise error

    for parent, _, names in os.walk(folder, onerror=report):
        yield from (Path(parent, name) for name in sorted(names))


def _explain(root: Path, error: OSError) -> str:
    name = errno.errorcode.get(error.errno or 0, "no errno")
    remedy = _REMEDIES.get(error.errno or 0, "look at the system log")
    return f"the transcript store {root} cannot be used ({name}): {remedy}"
