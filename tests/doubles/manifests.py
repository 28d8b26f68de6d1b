"""Stored results, made by hand."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from app.adapters.local_files import LocalBlobs
from app.transcripts.manifest import Manifest, StoredFile, build_manifest
from app.transcripts.model import Summary
from app.transcripts.result_folder import MANIFEST, folder_of

_WORDS = Summary(turns=1, words=1, spoken_words=1, speakers=1, languages=(), duration_ms=60_000)


def put_result(blobs: LocalBlobs, recording_id: str, transcript_id: str, files: Mapping[str, bytes]) -> None:
    """Files and the manifest that names them."""
    stored = [
        StoredFile(name, len(content), "text/plain", hashlib.sha256(content).hexdigest())
        for name, content in files.items()
    ]
    manifest = Manifest(
        workspace="default",
        recording_id=recording_id,
        transcript_id=transcript_id,
        bot_id=None,
        metadata={},
        provider="deepgram_async",
        attempts=(),
        summary=_WORDS,
        created_at=datetime(2026, 11, 28, tzinfo=UTC),
        files=tuple(stored),
    )
    folder = folder_of("default", recording_id, transcript_id)
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in {**files, MANIFEST: build_manifest(manifest)}.items():
            (path := Path(scratch) / name).write_bytes(content)
            blobs.put(f"{folder}/{name}", path)
