"""
Everything out, a page at a time: each transcription as an object or a row, its files as they are stored.
Nothing grows with their number.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.adapters.sql.finding import Filters, Listed, Pending
from app.adapters.sql.queries import Queries, Shown
from app.errors import BlobMissing
from app.orchestrator.ports_blobs import ResultBlobs
from app.results.transcription_object import full_object, transcription_object

PAGE = 100
COLUMNS = (
    *(
        "id",
        "workspace",
        "recording_id",
        "bot_id",
        "title",
        "status",
        "phase",
        "verdict",
        "language",
        "provider",
    ),
    *("created_at", "completed_at", "reason", "metadata", "files"),
)
"""Of the CSV. `metadata` and `files` are JSON."""

# A spreadsheet would run such a cell: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Exported = tuple[Listed, Pending | None, Sequence[str]]


def transcriptions(store: Queries, filters: Filters) -> Iterator[Exported]:
    """Each with what is to be done about it next and the keys of its result's files; the newest first."""
    before = None
    while page := store.list_transcriptions(filters, limit=PAGE, before=before):
        pending, files = store.pending(page), store.files(page)
        yield from ((row, pending.get(row.id), files.get(row.id, ())) for row in page)
        before = page[-1].cursor


def ndjson_line(exported: Exported, blobs: ResultBlobs) -> str:
    """The object of `show --json`, with the words."""
    listed, pending, _ = exported
    commands: list[Mapping[str, Any]] = [] if pending is None else [asdict(pending)]
    return json.dumps(full_object(Shown(listed, [], [], commands, [], []), blobs)) + "\n"


def csv_line(exported: Exported | None) -> str:
    """`COLUMNS`, without the words; None: the heading. Before what begins like a formula stands a '."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(COLUMNS if exported is None else _cells(exported))
    return out.getvalue()


def copy_files(keys: Sequence[str], blobs: ResultBlobs, folder: Path) -> int:
    """
    Copies what is not there yet, each whole, in the given order: the manifest last.

    Returns:
        How many are gone from the storage.

    Raises:
        BlobsUnavailable: The storage cannot be read.
        OSError: The folder cannot be written.
    """
    gone = 0
    for key in keys:
        target = folder / key
        try:
            size_bytes = blobs.facts(key).size_bytes
            if target.is_file() and target.stat().st_size == size_bytes:
                continue
            with blobs.open(key) as stored:
                _copy(stored, target)
        except BlobMissing:
            gone += 1
    return gone


def _copy(stored: Any, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            shutil.copyfileobj(stored, out)
        part.replace(target)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _cells(exported: Exported) -> Iterator[str]:
    listed, pending, files = exported
    told: Mapping[str, Any] = {**transcription_object(listed, pending), "files": list(files)}
    for name in COLUMNS:
        value = told[name]
        text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
        yield f"'{text}" if text.startswith(_FORMULA) else text
