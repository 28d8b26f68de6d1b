"""
One file of a stored transcript, to be read: as it is stored, or made on the spot where the version that
stored it did not know the format. `./afterword render` makes such files for good.
"""

from __future__ import annotations

import io
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from app.errors import BlobMissing
from app.orchestrator.ports_blobs import Blobs
from app.orchestrator.stored_roster import stored_roster
from app.transcripts.formats import FORMATS
from app.transcripts.manifest import MAX_BYTES, ManifestUnreadable, parse_manifest
from app.transcripts.render import render
from app.transcripts.result_folder import MANIFEST, RAW


def open_result_file(blobs: Blobs, folder: str, name: str) -> BinaryIO:
    """
    The bytes of a file of a stored transcript.

    Args:
        folder: Key of its folder; see `app.transcripts.result_folder.folder_of`.
        name: `transcript.srt`, `manifest.json`, …

    Returns:
        A file at its beginning that can seek; the caller closes it. What is made on the spot has the bytes
        that `render` would store, in a temporary file without a name.

    Raises:
        BlobMissing: Neither stored nor a format of a transcript whose manifest is there.
        TranscriptUnreadable: To be made of bytes that are no transcript.
        BlobsUnavailable, OSError: The storage cannot be used.
    """
    try:
        return blobs.open(f"{folder}/{name}")
    except BlobMissing:
        if name not in FORMATS:
            raise
        return _rendered(blobs, folder, name)


def _rendered(blobs: Blobs, folder: str, name: str) -> BinaryIO:
    with blobs.open(f"{folder}/{MANIFEST}") as stream:
        try:
            manifest = parse_manifest(stream.read(MAX_BYTES + 1))
        except ManifestUnreadable as error:
            raise BlobMissing(f"no readable manifest in {folder}") from error
    made = TemporaryFile()  # noqa: SIM115  # the caller closes it
    try:
        out = io.TextIOWrapper(made, encoding="utf-8", newline="\n", write_through=True)
        with blobs.open(f"{folder}/{RAW}") as source:
            roster = stored_roster(blobs, folder, source)
            render(source, {name: out}, started_at=manifest.started_at, roster=roster)
        out.detach()
        made.seek(0)
    except BaseException:
        made.close()
        raise
    return cast("BinaryIO", made)
