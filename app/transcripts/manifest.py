"""
`manifest.json`: written last, so where it is, everything it names is whole.

The bytes of the manifest, in both directions. Whether the files it names are there is checked where
the storage is. The same manifest is always the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from operator import attrgetter
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
# Of a newer program: passed over.
_FINDINGS = {v.value: v for v in Verdict} | dict.fromkeys((Verdict.SPOKEN, Verdict.EMPTY, Verdict.UNREADABLE))
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Fields by the same name in the file and here.
_TEXTS = ("workspace", "recording_id", "transcript_id", "provider")
_COUNTS = ("turns", "words", "spoken_words", "speakers")
_KINDS: Mapping[type, str] = {
    str: "a text",
    bool: "true or false",
    int: "a count",
    list: "a list",
    dict: "an object",
}


class ManifestUnreadable(AfterwordError):
    """Not a manifest we wrote, or not whole. The message names a field and never its value."""


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """
    One paid attempt and how it ended, in the words of the state machine. `left_out`: parts of the intent that
    its provider was not told; `changed`: sentences, what it was told otherwise. Where empty, not in the file.
    """

    ordinal: int
    provider: str
    state: str
    left_out: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


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
        started_at: When the recording began, aware; None where not known, and then not in the file.
        finding: In what it falls short, beside what the summary says; None: in nothing.
        superseded_by: Of a candidate that did not become the result: the transcript that did. None for
            the result itself, and then not in the file.
        is_adopted: Another system had asked for the transcript, and paid for it; `adopted`, only where true.
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
    started_at: datetime | None = None
    is_adopted: bool = False
    finding: Verdict | None = None

    @property
    def verdict(self) -> Verdict:
        """As it is written."""
        return self.finding or self.summary.verdict

    def is_about(self, recording_id: str, transcript_id: str) -> bool:
        """Whether this describes that transcript: a folder copied by hand may hold another's manifest."""
        return (self.recording_id, self.transcript_id) == (recording_id, transcript_id)


def build_manifest(manifest: Manifest) -> bytes:
    """
    The bytes of `manifest.json`: UTF-8, sorted keys, files by name, times in UTC.

    Raises:
        ManifestUnreadable: It could not be read back: a naive time, a file name that is no plain name, …
    """
    if len({file.name for file in manifest.files}) != len(manifest.files):
        raise ManifestUnreadable("files: one name twice")
    summary = manifest.summary
    document: dict[str, Any] = {
        "format": FORMAT,
        **{name: getattr(manifest, name) for name in _TEXTS},
        "bot_id": manifest.bot_id,
        "metadata": dict(manifest.metadata),
        "attempts": [_attempt(line) for line in sorted(manifest.attempts, key=attrgetter("ordinal"))],
        "language": summary.language,
        "languages": [{"code": code, "words": words} for code, words in summary.languages],
        "verdict": str(manifest.verdict),
        "counts": {name: getattr(summary, name) for name in _COUNTS},
        "duration_ms": summary.duration_ms,
        "created_at": _iso(manifest.created_at),
        "files": {
            file.name: {"size_bytes": file.size_bytes, "media_type": file.media_type, "sha256": file.sha256}
            for file in manifest.files
        },
    }
    if manifest.started_at is not None:
        document["started_at"] = _iso(manifest.started_at)
    if manifest.is_adopted:
        document["adopted"] = True
    if manifest.superseded_by is not None:
        document["superseded_by"] = manifest.superseded_by
    # ASCII escapes: metadata is arbitrary text, and half a surrogate pair must not stop a paid result.
    built = json.dumps(document, sort_keys=True, indent=2).encode("ascii") + b"\n"
    parse_manifest(built)  # what cannot be recognised later would be fetched again for ever
    return built


def parse_manifest(content: bytes) -> Manifest:
    """
    Reads a manifest back. Unknown fields are passed over: a newer program may have written it.

    Raises:
        ManifestUnreadable: Anything is missing, of the wrong type, or of a newer format.
    """
    if len(content) > MAX_BYTES:
        raise ManifestUnreadable("too large")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if _read(document, "format", int) != FORMAT:
        raise ManifestUnreadable("another format")
    manifest = Manifest(
        **{name: _read(document, name, str) for name in _TEXTS},
        bot_id=_optional(document, "bot_id", str),
        metadata=_read(document, "metadata", dict),
        attempts=tuple(
            AttemptLine(
                _read(line, "ordinal", int),
                _read(line, "provider", str),
                _read(line, "state", str),
                tuple(_optional(line, "left_out", list) or ()),
                tuple(_optional(line, "changed", list) or ()),
            )
            for line in _read(document, "attempts", list)
        ),
        summary=_summary(document),
        created_at=_time(document, "created_at"),
        files=tuple(_file(name, file) for name, file in _read(document, "files", dict).items()),
        superseded_by=_optional(document, "superseded_by", str),
        started_at=_time(document, "started_at") if document.get("started_at") is not None else None,
        is_adopted=document.get("adopted") is not None and _read(document, "adopted", bool),
        finding=_FINDINGS.get(_read(document, "verdict", str)),
    )
    if not all(value is None or isinstance(value, str) for value in manifest.metadata.values()):
        raise ManifestUnreadable("metadata: not texts")
    is_unread = not manifest.summary.is_readable
    if is_unread and (manifest.summary != UNREAD or [file.name for file in manifest.files] != [RAW]):
        raise ManifestUnreadable("verdict: unreadable, and yet something was read")
    return manifest


def _attempt(line: AttemptLine) -> dict[str, Any]:
    return {name: value for name, value in asdict(line).items() if value != ()}


def _summary(document: Any) -> Summary:
    counts = _read(document, "counts", dict)
    return Summary(
        **{name: _read(counts, name, int) for name in _COUNTS},
        languages=tuple(
            (_read(row, "code", str), _read(row, "words", int)) for row in _read(document, "languages", list)
        ),
        duration_ms=_optional(document, "duration_ms", int),
        is_readable=_read(document, "verdict", str) != Verdict.UNREADABLE,
    )


def _iso(at: datetime) -> str:
    if at.tzinfo is None:
        raise ManifestUnreadable("a time has no time zone")
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _time(document: Any, name: str) -> datetime:
    try:
        at = datetime.fromisoformat(_read(document, name, str))
    except ValueError as error:
        raise ManifestUnreadable(f"{name}: not a time") from error
    if at.tzinfo is None:
        raise ManifestUnreadable(f"{name}: no time zone")
    return at


def _file(name: str, file: Any) -> StoredFile:
    sha256 = _read(file, "sha256", str)
    if not _FILE_NAME.fullmatch(name) or not _SHA256.fullmatch(sha256):
        raise ManifestUnreadable("files: not a plain name or not a SHA-256")
    return StoredFile(name, _read(file, "size_bytes", int), _read(file, "media_type", str), sha256)


def _read(document: Any, name: str, kind: type[_T]) -> _T:
    """A field of a JSON object, of exactly this type: to Python, True is a number."""
    if not isinstance(document, dict):
        raise ManifestUnreadable("not an object where one should be")
    value = document.get(name)
    if type(value) is not kind or (isinstance(value, int) and value < 0):
        raise ManifestUnreadable(f"{name}: not {_KINDS[kind]}")
    return value


def _optional(document: Any, name: str, kind: type[_T]) -> _T | None:
    return None if document.get(name) is None else _read(document, name, kind)
