"""
A transcription as `/v1` shows it, in pieces: the words of ten hours are never in memory at once.

Shape: https://docs.bota.dev/api-reference/transcriptions/get-transcription
"""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import quote

from app.adapters.sql.finding import Listed
from app.core import reasons
from app.errors import BlobMissing, TranscriptUnreadable
from app.orchestrator.ports_blobs import ResultBlobs
from app.results.stored_files import open_result_file
from app.results.transcription_object import transcription_object
from app.transcripts.manifest import MAX_BYTES, Manifest, ManifestUnreadable, StoredFile, parse_manifest
from app.transcripts.result_folder import MANIFEST, folder_of

_SEGMENTS, _SENTENCES, _TEXT = "segments.json", "sentences.json", "transcript.txt"
_PIECE_BYTES = 1 << 16
# Where bota.dev has a word of its own for one of our reasons.
_CODES = {reasons.OUR_FAULT: "processing_error", reasons.NO_AUDIO: "audio_corrupt"}
_NOT_SHOWN = ("segments", "text", "phase", "title", "waits_for", "next_at")


@dataclass(frozen=True, slots=True)
class Result:
    """The stored result that readers should take: its folder, its manifest, and that one's bytes."""

    folder: str
    manifest: Manifest
    manifest_bytes: bytes

    @property
    def names(self) -> frozenset[str]:
        """Of the files that the manifest has."""
        return frozenset(file.name for file in self.manifest.files)

    @property
    def files(self) -> Iterator[StoredFile]:
        """With the manifest itself, last."""
        yield from self.manifest.files
        digest = hashlib.sha256(self.manifest_bytes).hexdigest()
        yield StoredFile(MANIFEST, len(self.manifest_bytes), "application/json", digest)


class Results:
    """Reads what is stored. `public_url`: this installation's address as others see it, before paths."""

    def __init__(self, blobs: ResultBlobs, *, public_url: str = "") -> None:
        self.blobs, self._public_url = blobs, public_url

    def of(self, found: Listed) -> Result | None:
        """None while there is no final result. Raises `BlobsUnavailable`."""
        state = found.state
        if state.current is None:
            return None
        folder = folder_of(state.workspace, state.recording_id, state.current)
        try:
            with self.blobs.open(f"{folder}/{MANIFEST}") as stream:
                content = stream.read(MAX_BYTES + 1)
            return Result(folder, parse_manifest(content), content)
        except (BlobMissing, ManifestUnreadable):
            return None

    def summary(self, found: Listed, result: Result | None) -> dict[str, Any]:
        """All but the words."""
        whole = transcription_object(found)
        shown = {name: value for name, value in whole.items() if name not in _NOT_SHOWN}
        state = found.state
        if state.reason is not None:
            code = _CODES.get(state.reason, state.reason)
            shown["error"] = {"code": code, "message": shown["next_step"] or state.reason}
        shown["language"] = state.language or state.intent.language
        shown["provider"] = state.provider or _provider_of(found)
        shown["duration_ms"] = None if result is None else result.manifest.summary.duration_ms
        shown["files"] = [] if result is None else [self._file(found.id, file) for file in result.files]
        return shown

    def _file(self, id_: str, file: StoredFile) -> dict[str, Any]:
        return {
            "name": file.name,
            "size_bytes": file.size_bytes,
            "media_type": file.media_type,
            "sha256": file.sha256,
            "url": f"{self._public_url}/v1/transcriptions/{id_}/files/{quote(file.name)}",
        }

    def whole(self, found: Listed, result: Result | None, opened: ExitStack) -> Iterator[bytes]:
        """
        The object with its words, as JSON. Files are opened at once, so that one that is gone is null and no
        broken answer; the caller closes `opened`.
        """
        head = json.dumps(self.summary(found, result))
        if result is None:
            return _joined(_pieces(head, None, None))
        is_older = _SEGMENTS not in result.names and _SENTENCES in result.names
        stream = self._opened(opened, result, _SENTENCES if is_older else _SEGMENTS)
        segments = stream if stream is None else _converted(stream) if is_older else _plainly(stream)
        text = self._opened(opened, result, _TEXT)
        return _joined(_pieces(head, segments, None if text is None else _quoted(text)))

    def _opened(self, opened: ExitStack, result: Result, name: str) -> BinaryIO | None:
        """A file of the result, made on the spot where it is not stored; None where there is none."""
        try:
            return opened.enter_context(open_result_file(self.blobs, result.folder, name))
        except (BlobMissing, TranscriptUnreadable):
            return None


def etag_of(found: Listed, result: Result | None) -> str:
    """Of the whole object: it changes with the state and with the files, and with nothing else."""
    content = b"" if result is None else result.manifest_bytes
    return hashlib.sha256(b"%d %b" % (found.version, content)).hexdigest()[:32]


def _provider_of(found: Listed) -> str | None:
    """Before there is a result: of the attempt that is open or was the last."""
    attempts = found.state.attempts
    return attempts[-1].provider or None if attempts else None


def _pieces(head: str, segments: Iterable[bytes] | None, text: Iterable[bytes] | None) -> Iterator[bytes]:
    yield head[:-1].encode() + b', "segments": '
    yield from (b"null",) if segments is None else segments
    yield b', "text": '
    yield from (b"null",) if text is None else text
    yield b"}\n"


def _plainly(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(_PIECE_BYTES):
        yield piece


def _joined(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same in pieces of a size worth sending."""
    batch = bytearray()
    for piece in pieces:
        batch += piece
        if len(batch) >= _PIECE_BYTES:
            yield bytes(batch)
            batch.clear()
    yield bytes(batch)


def _converted(stream: BinaryIO) -> Iterator[bytes]:
    """Of `sentences.json`, one sentence per line: what versions before `segments.json` stored."""
    separator = b"["
    for line in stream:
        entry = line.strip().rstrip(b",")
        if entry not in (b"[", b"]", b"[]", b""):
            yield separator + json.dumps(_segment(json.loads(entry)), ensure_ascii=False).encode()
            separator = b", "
    yield b"[]" if separator == b"[" else b"]"


def _segment(sentence: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "text": sentence["text"],
        "speaker": sentence["speaker"],
        "start": sentence["start_s"],
        "end": sentence["end_s"],
        "confidence": None,
    }


def _quoted(stream: BinaryIO) -> Iterator[bytes]:
    """Text as a JSON string."""
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    yield b'"'
    while piece := stream.read(_PIECE_BYTES):
        yield json.dumps(decode(piece), ensure_ascii=False)[1:-1].encode()
    yield json.dumps(decode(b"", True), ensure_ascii=False)[1:-1].encode() + b'"'
