"""What tests put into a store of results, and read from it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from app.orchestrator.ports_blobs import ResultBlobs

KEY = "default/rec-1/tra-1/sentences.json"


def content(blobs: ResultBlobs, key: str) -> bytes:
    with blobs.open(key) as stream:
        return stream.read()


def put_bytes(blobs: ResultBlobs, key: str, content: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        blobs.put(key, Path(file.name))
