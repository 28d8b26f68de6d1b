"""
The body of a webhook: the facts of the commit, and what the stored files say. Its bytes are what is signed.

The manifest is final and there before anything is announced; so is every file that it names.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from app.errors import BlobMissing, TranscriptUnreadable
from app.orchestrator.ports_blobs import ResultBlobs
from app.orchestrator.records import TakenAnnouncement
from app.results.stored_files import open_result_file
from app.settings.outgoing import Endpoint
from app.transcripts.manifest import Manifest, ManifestUnreadable, parse_manifest
from app.transcripts.result_folder import MANIFEST, RAW, folder_of

LARGEST_BYTES = 1 << 20
_WORDS = _TEXT, _SEGMENTS = "transcript.txt", "segments.json"
# Of Recall's JSON, from which what the policy does not store is made: some twenty times the words.
_LARGEST_RAW_BYTES = 32 * LARGEST_BYTES


class Payloads:
    """Builds bodies. `public_url`: this installation's address as others see it."""

    def __init__(self, blobs: ResultBlobs, *, public_url: str | None) -> None:
        self._blobs, self._public_url = blobs, public_url

    def body(self, taken: TakenAnnouncement, endpoint: Endpoint) -> str:
        """Raises `BlobsUnavailable`."""
        data: dict[str, Any] = json.loads(taken.facts)
        manifest = self._manifest(taken)
        data["files"] = [] if manifest is None else self._files(data["id"], manifest)
        if manifest is None or not endpoint.include_text:
            return enveloped(taken.event, taken.created_at, data | _duration(manifest))
        data |= _duration(manifest)
        words = self._words(taken, manifest)
        whole = enveloped(taken.event, taken.created_at, data | words) if words is not None else None
        if whole is None or len(whole.encode()) > LARGEST_BYTES:
            return enveloped(taken.event, taken.created_at, data | {"text_omitted": True})
        return whole

    def _manifest(self, taken: TakenAnnouncement) -> Manifest | None:
        if taken.transcript_id is None:
            return None
        key = f"{folder_of(taken.workspace, taken.recording_id, taken.transcript_id)}/{MANIFEST}"
        with suppress(BlobMissing, ManifestUnreadable), self._blobs.open(key) as file:
            return parse_manifest(file.read())
        return None

    def _files(self, transcription: str, manifest: Manifest) -> list[dict[str, Any]]:
        below = f"{self._public_url}/v1/transcriptions/{transcription}/files/" if self._public_url else None
        return [
            {
                "name": file.name,
                "size_bytes": file.size_bytes,
                "media_type": file.media_type,
                "sha256": file.sha256,
                "url": below and below + quote(file.name),
            }
            for file in manifest.files
        ]

    def _words(self, taken: TakenAnnouncement, manifest: Manifest) -> dict[str, Any] | None:
        """None when they are too many: they are not read then."""
        sizes = {file.name: file.size_bytes for file in manifest.files}
        if (
            sum(sizes.get(name, 0) for name in _WORDS) > LARGEST_BYTES
            or sizes.get(RAW, 0) > _LARGEST_RAW_BYTES
        ):
            return None
        words: dict[str, Any] = {"segments": [], "text": ""}
        folder = folder_of(taken.workspace, taken.recording_id, str(taken.transcript_id))
        with suppress(BlobMissing, TranscriptUnreadable):
            with open_result_file(self._blobs, folder, _SEGMENTS) as file:
                words["segments"] = json.load(file)
            with open_result_file(self._blobs, folder, _TEXT) as file:
                words["text"] = file.read().decode("utf-8")
        return words


def enveloped(event: str, at: float, data: dict[str, Any]) -> str:
    """The whole body, as text. `at`: when it happened, seconds since the epoch."""
    timestamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    whole = {"type": event, "timestamp": timestamp, "data": data}
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return json.dumps(whole, separators=(",", ":"))
    return text


def _duration(manifest: Manifest | None) -> dict[str, Any]:
    return {} if manifest is None else {"duration_ms": manifest.summary.duration_ms}
