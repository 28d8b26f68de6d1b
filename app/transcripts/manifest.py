"""
`manifest.json`: written last, so where it is, everything it names is whole.

The bytes of the manifest, in both directions. Whether the files it names are there is checked where
the storage is. The same manifest is always the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from app.errors import AfterwordError
from app.transcripts.model import UNREAD, Summary, Verdict
from app.transcripts.result_folder import RAW

FORMAT = 1
"""Raised when a reader of the older format would misread the newer; new fields alone do not raise it."""

MAX_BYTES = 1_000_000
"""A manifest has some kilobytes. Whatever is larger is something else under its name."""

_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_T = TypeVar("_T")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ManifestUnreadable(AfterwordError):
    """Not a manifest we wrote, or not whole. The message names a field and never its value."""


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """One paid attempt and how it ended, in the words of the state machine."""

    ordinal: int
    provider: str
    state: str


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file beside the manifest. `sha256` is in lower-case hex, of the bytes as stored."""

    name: str
    size_bytes: int
    media_type: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    What a folder holds and where it came from.

    Attributes:
        bot_id: None for recordings of the Desktop SDK.
        metadata: Recall's metadata of the recording, as it was when the transcript was stored.
        provider: Recall's key, such as `recallai_async`.
        attempts: By ordinal. Empty when another system had asked for the transcript.
        created_at: Aware. Fixed by the caller, so that writing again gives the same bytes.
        files: All of them except the manifest. With the summary `UNREAD`: `transcript.json` alone.
        superseded_by: Of a candidate that did not become the result: the transcript that did. None for
            the result itself, and then not in the file.
    """

    workspace: str
    recording_id: str
    transcript_id: str
    bot_id: str | None
    metadata: Mapping[str, str | None]
    provider: str
    attempts: tuple[AttemptLine, ...]
    summary: Summary
    created_at: datetime
    files: tuple[StoredFile, ...]
    superseded_by: str | None = None

    def is_about(self, recording_id: str, transcript_id: str) -> bool:
        """Whether this describes that transcript: a folder copied by hand may hold another's manifest."""
        return (self.recording_id, self.transcript_id) == (recording_id, transcript_id)


def build_manifest(manifest: Manifest) -> bytes:
    """
    The bytes of `manifest.json`: UTF-8, sorted keys, files by name, times in UTC.

    Raises:
        ManifestUnreadable: It could not be read back: a naive time, a file name that is no plain name, …
    """
    if manifest.created_at.tzinfo is None:
        raise ManifestUnreadable("created_at has no time zone")
    if len({file.name for file in manifest.files}) != len(manifest.files):
        raise ManifestUnreadable("files: one name twice")
    summary = manifest.summary
    document: dict[str, Any] = {
        "format": FORMAT,
        "workspace": manifest.workspace,
        "recording_id": manifest.recording_id,
        "transcript_id": manifest.transcript_id,
        "bot_id": manifest.bot_id,
        "metadata": dict(manifest.metadata),
        "provider": manifest.provider,
        "attempts": [
            {"ordinal": line.ordinal, "provider": line.provider, "state": line.state}
            for line in sorted(manifest.attempts, key=lambda line: line.ordinal)
        ],
        "language": summary.language,
        "languages": [{"code": code, "words": words} for code, words in summary.languages],
        "verdict": str(summary.verdict),
        "counts": {
            "turns": summary.turns,
            "words": summary.words,
            "spoken_words": summary.spoken_words,
            "speakers": summary.speakers,
        },
        "duration_ms": summary.duration_ms,
        "created_at": manifest.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "files": {
            file.name: {"size_bytes": file.size_bytes, "media_type": file.media_type, "sha256": file.sha256}
            for file in manifest.files
        },
    }
    if manifest.superseded_by is not None:
        document["superseded_by"] = manifest.superseded_by
    # ASCII escapes: metadata is arbitrary text, and half a surrogate pair must not stop a paid result.
    built = json.dumps(document, sort_keys=True, indent=2).encode("ascii") + b"\n"
    parse_manifest(built)  # what cannot be recognised later would be fetched again for ever
    return built


def parse_manifest(content: bytes) -> Manifest:
    """
    Read a manifest back.

    Unknown fields are passed over: a newer program may have written it.

    Raises:
        ManifestUnreadable: Anything is missing, of the wrong type, or of a newer format.
    """
    if len(content) > MAX_BYTES:
        raise ManifestUnreadable("too large")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    fields = _Fields(document)
    if fields.number("format") != FORMAT:
        raise ManifestUnreadable("another format")
    manifest = Manifest(
        workspace=fields.text("workspace"),
        recording_id=fields.text("recording_id"),
        transcript_id=fields.text("transcript_id"),
        bot_id=fields.optional("bot_id", fields.text),
        metadata=fields.mapping("metadata").texts(),
        provider=fields.text("provider"),
        attempts=tuple(_attempt(line) for line in fields.rows("attempts")),
        summary=_summary(fields),
        created_at=fields.time("created_at"),
        files=tuple(_file(name, file) for name, file in fields.mapping("files").mappings()),
        superseded_by=fields.optional("superseded_by", fields.text),
    )
    if not manifest.summary.is_readable:
        _check_unread(manifest)
    return manifest


def _check_unread(manifest: Manifest) -> None:
    if manifest.summary != UNREAD or [file.name for file in manifest.files] != [RAW]:
        raise ManifestUnreadable("verdict: unreadable, and yet something was read")


def _attempt(line: _Fields) -> AttemptLine:
    return AttemptLine(line.number("ordinal"), line.text("provider"), line.text("state"))


def _summary(fields: _Fields) -> Summary:
    counts = fields.mapping("counts")
    return Summary(
        turns=counts.number("turns"),
        words=counts.number("words"),
        spoken_words=counts.number("spoken_words"),
        speakers=counts.number("speakers"),
        languages=tuple((row.text("code"), row.number("words")) for row in fields.rows("languages")),
        duration_ms=fields.optional("duration_ms", fields.number),
        is_readable=fields.text("verdict") != Verdict.UNREADABLE,
    )


def _file(name: str, file: _Fields) -> StoredFile:
    sha256 = file.text("sha256")
    if not _FILE_NAME.fullmatch(name) or not _SHA256.fullmatch(sha256):
        raise ManifestUnreadable("files: not a plain name or not a SHA-256")
    return StoredFile(name, file.number("size_bytes"), file.text("media_type"), sha256)


class _Fields:
    """A JSON object whose fields are asked for by type."""

    def __init__(self, document: object) -> None:
        if not isinstance(document, dict):
            raise ManifestUnreadable("not an object where one should be")
        self._document: dict[str, Any] = document

    def text(self, name: str) -> str:
        value = self._document.get(name)
        if not isinstance(value, str):
            raise ManifestUnreadable(f"{name}: not a text")
        return value

    def number(self, name: str) -> int:
        value = self._document.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ManifestUnreadable(f"{name}: not a count")
        return value

    def time(self, name: str) -> datetime:
        try:
            at = datetime.fromisoformat(self.text(name))
        except ValueError as error:
            raise ManifestUnreadable(f"{name}: not a time") from error
        if at.tzinfo is None:
            raise ManifestUnreadable(f"{name}: no time zone")
        return at

    def optional(self, name: str, read: Callable[[str], _T]) -> _T | None:
        return None if self._document.get(name) is None else read(name)

    def mapping(self, name: str) -> _Fields:
        return _Fields(self._document.get(name))

    def mappings(self) -> list[tuple[str, _Fields]]:
        return [(name, _Fields(value)) for name, value in self._document.items()]

    def rows(self, name: str) -> list[_Fields]:
        value = self._document.get(name)
        if not isinstance(value, list):
            raise ManifestUnreadable(f"{name}: not a list")
        return [_Fields(row) for row in value]

    def texts(self) -> dict[str, str | None]:
        if not all(value is None or isinstance(value, str) for value in self._document.values()):
            raise ManifestUnreadable("metadata: not texts")
        return self._document
