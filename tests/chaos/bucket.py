"""
Results in a bucket on the way to which one request in ten fails, by the seed; and a folder with what is in
it, so that the run is judged as one whose results are files.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.adapters import object_store_url
from tests.doubles.s3_server import BUCKET, KEYS, FaultyProxy, s3_server, share

FAILING = 0.1
_PREFIX = "chaos"


@dataclass(slots=True)
class Bucket:
    """
    Attributes:
        folder: A manifest is there as soon as the store has it, what is beside it after `copy`.
    """

    proxy: FaultyProxy
    folder: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def environment(self) -> dict[str, str]:
        """For the service."""
        return {**KEYS, "STORAGE_URL": f"s3://{BUCKET}/{_PREFIX}", "AWS_ENDPOINT_URL": self.proxy.url}

    def note(self, path: str, body: bytes) -> None:
        """The store has an object."""
        key = path.partition("?")[0].removeprefix(f"/{BUCKET}/{_PREFIX}/")
        if key.endswith("/manifest.json"):
            self._write(key, body)

    def copy(self) -> None:
        """Every object, past the faults."""
        direct = {**KEYS, "AWS_ENDPOINT_URL": self.proxy.upstream}
        blobs = object_store_url.from_url(f"s3://{BUCKET}/{_PREFIX}", direct)
        for key in list(blobs.keys()):
            with blobs.open(key) as stream:
                self._write(key, stream.read())

    def said(self) -> str:
        """For people."""
        return f"{self.proxy.failed} of {len(self.proxy.asked)} requests to the store failed, by the seed."

    def _write(self, key: str, content: bytes) -> None:
        path = self.folder / key
        with self._lock:
            if path.is_file() and path.read_bytes() == content:
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            whole = path.with_suffix(".whole")
            whole.write_bytes(content)
            whole.replace(path)


@contextmanager
def faulty_bucket(seed: int, folder: Path) -> Iterator[Bucket]:
    """The servers in processes and threads of their own, until it ends."""
    with s3_server() as url:
        proxy = FaultyProxy(url, share(seed, FAILING))
        bucket = Bucket(proxy, folder)
        proxy.on_stored = bucket.note
        with proxy:
            yield bucket
