"""
Results in a bucket: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage, by `obstore`.

An upload is seen whole or not at all; what a killed one leaves (parts of a multipart upload) is for the
bucket's lifecycle rule, since no client may know them. `obstore` is imported here alone, and only when such a
store is opened: it costs 10 ms and 7 MB. Its threads do not outlive a fork: a process that forks others opens
stores, and leaves their use to its children.

Source: https://developmentseed.org/obstore/latest/
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from app.adapters.blob_keys import is_key, parts_of
from app.adapters.object_store_errors import (
    code_of,
    explain,
    is_bucket_gone,
    is_unconditional,
    status_of,
)
from app.errors import BlobChanged, BlobMissing, BlobsUnavailable
from app.orchestrator.ports_blobs import OCTETS
from app.orchestrator.records import BlobFacts

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

_T = TypeVar("_T")
_CHUNK_BYTES = 1 << 20
_IN_MEMORY_BYTES = 4 << 20  # of what is read; more is on disk meanwhile
_PARTS_AT_ONCE = 2  # of 5 MB each, in memory
_ONE_REQUEST_BYTES = 64 << 20  # a conditional write is one request, wholly in memory
_MAY_NOT = (400, 401, 403)
_PAST_THE_END = 416  # of a range: https://www.rfc-editor.org/rfc/rfc9110#section-15.5.17
# Not in the alphabet of keys.
_PROBE = "~check"
# A write and a delete cost, and each leaves a version in a versioned bucket; a read notices most troubles.
WRITE_TRIED_EVERY_S = 300.0


class ObjectBlobs:
    """
    Objects below one prefix. Raises as `app.orchestrator.ports_blobs.Blobs` says; before that a request is
    repeated for about 20 seconds.
    """

    def __init__(
        self, name: str, connect: Callable[..., Any], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Args:
            name: The address, for people.
            connect: Makes a store of obstore's, given `client_options` and `retry_config`.
        """
        self.name = name
        self._store = connect(**_patience(answer_s=60.0, repeat_s=20.0))
        self._hurried = connect(**_patience(answer_s=4.0, repeat_s=3.0))
        self._monotonic, self._written_at = monotonic, float("-inf")

    def put(self, key: str, source: Path, *, media_type: str = OCTETS) -> None:
        """Replaces what is there; readers see the one or the other. Raises `BlobMissing` without `source`."""
        self._put(key, source, media_type)

    def create(self, key: str, source: Path, *, media_type: str = OCTETS) -> bool:
        """The same where nothing is. Returns whether these bytes are there now."""
        from obstore import exceptions

        if _size(key, source) <= _ONE_REQUEST_BYTES:
            try:
                self._put(key, source, media_type, mode="create")
                return True
            except BlobsUnavailable as trouble:
                cause = trouble.__cause__
                if isinstance(cause, exceptions.AlreadyExistsError):
                    return self._has_bytes_of(key, source)
                if not is_unconditional(cause):
                    raise
        if self.exists(key):
            return self._has_bytes_of(key, source)
        self._put(key, source, media_type)
        return True

    def open(self, key: str) -> BinaryIO:
        """Read whole before it returns, so that a slow reader keeps no connection."""
        return self._read(key, {})

    def open_range(self, key: str, start: int, end: int, *, etag: str | None = None) -> BinaryIO:
        """Likewise, of the bytes from `start` to before `end`. Raises `BlobMissing`, `BlobChanged`."""
        if start < end:
            condition = {"if_match": etag} if etag is not None else {}
            return self._read(key, {"range": (start, end), **condition})
        if etag not in (None, self.facts(key).etag):
            raise BlobChanged(f"{key} is not the version that was asked for")
        return cast(BinaryIO, SpooledTemporaryFile())

    def facts(self, key: str) -> BlobFacts:
        """Raises `BlobMissing`."""
        import obstore

        parts_of(key)
        with self._translated(key):
            try:
                found = obstore.head(self._store, key)
            except Exception as error:
                if status_of(error) is None or code_of(error) is not None:
                    raise
                # An answer to HEAD has no body: only one to GET says whether key or bucket is not there.
                found = obstore.get(self._store, key).meta
            return BlobFacts(found["size"], found["e_tag"] or f'"{found["version"]}"')

    def exists(self, key: str) -> bool:
        """Whether there is a whole file."""
        try:
            self.facts(key)
        except BlobMissing:
            return False
        return True

    def sha256(self, key: str) -> str:
        """Lower-case hex of what is stored, read anew. Raises `BlobMissing`."""
        import obstore

        parts_of(key)
        digest = hashlib.sha256()
        with self._translated(key):
            for chunk in obstore.get(self._store, key).stream(min_chunk_size=_CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def keys(self, folder: str = "") -> Iterator[str]:
        """As the store lists them: in the order of their bytes."""
        import obstore

        if folder:
            parts_of(folder)
        with self._translated():
            for found in obstore.list(self._store, prefix=folder or None):
                yield from (one["path"] for one in found if is_key(one["path"]))

    def delete(self, key: str) -> None:
        """Also where nothing is. In a versioned bucket the version before stays."""
        parts_of(key)
        self._delete([key])

    def delete_folder(self, folder: str, *, first: str) -> int:
        """All below it; those of the name `first` before the others. Returns how many."""
        parts_of(folder)  # never all there is
        keys = list(self.keys(folder))
        named = [key for key in keys if key.rpartition("/")[2] == first]
        self._delete(named)
        self._delete([key for key in keys if key not in set(named)])
        return len(keys)

    def signed_url(self, key: str, *, expires_s: float) -> str | None:
        """None where these credentials cannot or may not sign, as an Azure or Google token alone."""
        import obstore

        parts_of(key)
        with self._translated():
            try:
                return obstore.sign(self._store, "GET", key, timedelta(seconds=expires_s))
            except Exception as error:
                if status_of(error) in _MAY_NOT or "HttpError" not in str(error):
                    return None
                raise

    def check(self) -> None:
        """A read; after five minutes, or after one that failed, a write and a delete. Within about 8 s."""
        import obstore

        now = self._monotonic()
        with self._translated():
            if now - self._written_at < WRITE_TRIED_EVERY_S:
                self._written_at, written_at = float("-inf"), self._written_at
                try:
                    obstore.get(self._hurried, _PROBE)
                except FileNotFoundError as error:
                    if is_bucket_gone(error):
                        raise
                self._written_at = written_at
                return
            self._written_at = float("-inf")
            obstore.put(self._hurried, _PROBE, b"written and deleted again by `check`")
            obstore.delete(self._hurried, _PROBE)
            self._written_at = now

    def sweep(self) -> int:
        """0: what is half uploaded cannot be seen."""
        return 0

    def _put(self, key: str, source: Path, media_type: str, **options: Any) -> None:
        import obstore

        parts_of(key)
        _size(key, source)
        name = key.rpartition("/")[2]
        attributes = {"Content-Type": media_type, "Content-Disposition": f'attachment; filename="{name}"'}
        with self._translated():
            obstore.put(
                self._store,
                key,
                source,
                attributes=cast(Any, attributes),
                max_concurrency=_PARTS_AT_ONCE,
                **options,
            )

    def _has_bytes_of(self, key: str, source: Path) -> bool:
        """Also after a `create` whose first answer was lost, and which met itself."""
        with source.open("rb") as stream:
            return self.sha256(key) == hashlib.file_digest(stream, "sha256").hexdigest()

    def _read(self, key: str, options: Mapping[str, Any]) -> BinaryIO:
        import obstore

        parts_of(key)
        with ExitStack() as opened:
            file = opened.enter_context(SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES))
            try:
                with self._translated(key):
                    found = obstore.get(self._store, key, options=cast(Any, options))
                    for chunk in found.stream(min_chunk_size=_CHUNK_BYTES):
                        file.write(chunk)
            except BlobsUnavailable as trouble:
                if status_of(trouble.__cause__) != _PAST_THE_END:
                    raise
            file.seek(0)
            opened.pop_all()
            return cast(BinaryIO, file)

    def _delete(self, keys: Sequence[str]) -> None:
        import obstore

        if not keys:
            return
        with self._translated():
            try:
                obstore.delete(self._store, list(keys))
            except Exception as error:
                if not _is_absent(error):
                    raise
                # Google and Azure say so of a key that is not there, and leave the rest.
                if len(keys) > 1:
                    for key in keys:
                        self._delete([key])

    @contextmanager
    def _translated(self, key: str | None = None) -> Iterator[None]:
        """Foreign errors to ours; with a key, that it is absent is the caller's question answered."""
        from obstore import exceptions

        _refuse_after_fork()
        try:
            yield
        except exceptions.PreconditionError as error:
            raise BlobChanged("another version is stored by now than the one that was asked for") from error
        except (exceptions.BaseError, OSError, NotImplementedError) as error:
            if key is not None and _is_absent(error):
                raise BlobMissing(f"nothing at {key}") from error
            raise BlobsUnavailable(explain(self.name, error)) from error


def _is_absent(error: Exception) -> bool:
    return status_of(error) == 404 and not is_bucket_gone(error)


def _size(key: str, source: Path) -> int:
    try:
        return source.stat().st_size
    except FileNotFoundError as error:
        raise BlobMissing(f"nothing to put at {key}: the source file is gone") from error


def _patience(*, answer_s: float, repeat_s: float) -> dict[str, ClientConfig | RetryConfig]:
    """
    Args:
        answer_s: For one request and its answer.
        repeat_s: No request is repeated later than this after the first.
    """
    backoff: Any = {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=4),
        "base": 2,
    }
    return {
        "client_options": {
            "timeout": timedelta(seconds=answer_s),
            "connect_timeout": timedelta(seconds=3),
            "user_agent": "afterword",
        },
        "retry_config": {
            "backoff": backoff,
            "max_retries": 6,
            "retry_timeout": timedelta(seconds=repeat_s),
        },
    }


_used_by: list[int] = []


def _refuse_after_fork() -> None:
    """obstore's threads stay in the process that used it first; a child would wait for them for ever."""
    _used_by[:] = _used_by or [os.getpid()]
    if _used_by != [os.getpid()]:
        raise RuntimeError("an object store was used before this process was forked, and hangs after it")
