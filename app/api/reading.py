"""The routes that read: a transcription, a page of them, a file of one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import math
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast

from flask import Response
from werkzeug.datastructures import ETags
from werkzeug.http import parse_etags, parse_range_header, quote_etag

from app.adapters.sql.access import AccessKey
from app.adapters.sql.finding import Filters, Finding, Listed
from app.api.calls import Call
from app.api.objects import Result, Results, etag_of
from app.api.problems import Problem
from app.api.types import PHASES, ListQuery
from app.errors import BlobChanged, BlobError, BlobMissing, TranscriptUnreadable
from app.orchestrator.records import BlobFacts
from app.results.stored_files import open_result_file
from app.transcripts.formats import FORMATS, MEDIA_TYPES
from app.transcripts.manifest import StoredFile
from app.transcripts.result_folder import MANIFEST

_PIECE_BYTES = 1 << 16
_JSON = "application/json"
SIGNED_FOR_S = 300.0
_ID = re.compile(r"txn_[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Reading:
    """`presigned`: files come from the addresses of their store where it has some."""

    store: Finding
    results: Results
    presigned: bool = False

    def transcription(self, call: Call) -> Response:
        """`GET /v1/transcriptions/{id}`."""
        found = self.found(call.key, call.path["id"])
        return self.answer(call, found)

    def answer(self, call: Call, found: Listed, *, status: int = 200) -> Response:
        """The whole object, in pieces."""
        result = self.results.of(found)
        etag = etag_of(found, result)
        if status == 200 and call.request.method in ("GET", "HEAD") and _is_known(call, etag):
            return _not_modified(etag)
        opened = ExitStack()
        response = Response(self.results.whole(found, result, opened), status, content_type=_JSON)
        response.call_on_close(opened.close)
        response.set_etag(etag)
        return response

    def found(self, key: AccessKey, id_: str) -> Listed:
        """By a transcription's id or its recording's. Raises `Problem` where this key sees none."""
        found = self.store.find_transcription(id_, workspace=key.workspace)
        if found is None:
            raise Problem("not_found")
        return found

    def page(self, call: Call) -> Response:
        """`GET /v1/transcriptions`."""
        asked: ListQuery = call.query
        filters = Filters(
            bot_id=asked.bot_id,
            metadata=call.metadata,
            provider=asked.provider,
            verdict=asked.verdict,
            since=asked.created_after.timestamp() if asked.created_after else None,
            until=asked.created_before.timestamp() if asked.created_before else None,
            workspace=call.key.workspace,
            recording_id=asked.recording_id,
            phases=PHASES[asked.status] if asked.status else None,
        )
        before = None if asked.cursor is None else _cursor_read(asked.cursor)
        rows = self.store.list_transcriptions(filters, limit=asked.limit + 1, before=before)
        shown = rows[: asked.limit]
        cursor = cursor_of(*shown[-1].cursor) if len(rows) > asked.limit else None
        data = [self.results.summary(row, self.results.of(row)) for row in shown]
        return Response(json.dumps({"data": data, "next_cursor": cursor}), content_type=_JSON)

    def file(self, call: Call) -> Response:
        """`GET /v1/transcriptions/{id}/files/{name}`: only what the manifest names is there."""
        found = self.found(call.key, call.path["id"])
        result = self.results.of(found)
        if result is None:
            raise Problem("not_found", "This transcription has no files yet.")
        name = call.path["name"]
        file = next((one for one in result.files if one.name == name), None)
        if file is None and name not in FORMATS:
            raise Problem("not_found", "There is no such file of this transcription.")
        if file is not None and _is_known(call, file.sha256):
            return _not_modified(file.sha256)
        return self._bytes(call, result, file or StoredFile(name, -1, MEDIA_TYPES[name], ""))

    def _bytes(self, call: Call, result: Result, file: StoredFile) -> Response:
        key = f"{result.folder}/{file.name}"
        blobs, facts = self.results.blobs, self._facts(key)
        if file.name == MANIFEST or facts is None or facts.size_bytes != file.size_bytes:
            return self._made(call, result, file)
        if self.presigned and call.request.method == "GET":
            address = blobs.signed_url(key, expires_s=SIGNED_FOR_S)
            if address is not None:
                return Response(status=302, headers={"Location": address})
        start, end = _range(call, file) or (0, file.size_bytes)
        try:
            stream = blobs.open_range(key, start, end, etag=facts.etag)
        except BlobChanged:
            raise Problem("changed_meanwhile") from None
        return _part(call, file, stream)

    def _facts(self, key: str) -> BlobFacts | None:
        try:
            return self.results.blobs.facts(key)
        except BlobMissing:
            return None

    def _made(self, call: Call, result: Result, file: StoredFile) -> Response:
        """The manifest, or what is made on the spot: not what the manifest has, or not in it."""
        stream: BinaryIO = io.BytesIO(result.manifest_bytes)
        if file.name != MANIFEST:
            try:
                stream = open_result_file(self.results.blobs, result.folder, file.name)
            except (BlobError, TranscriptUnreadable):
                raise Problem("not_found", "This file is gone.") from None
        digest = hashlib.file_digest(cast(Any, stream), "sha256").hexdigest()
        file = replace(file, size_bytes=stream.seek(0, io.SEEK_END), sha256=digest)
        try:
            start, _ = _range(call, file) or (0, 0)
        except Problem:
            stream.close()
            raise
        stream.seek(start)
        return _part(call, file, stream)


def _part(call: Call, file: StoredFile, stream: BinaryIO) -> Response:
    """The bytes that were asked for, of which `stream` begins with the first."""
    asked = _range(call, file)
    start, end = asked or (0, file.size_bytes)
    pieces = _pieces(stream, end - start)
    response = Response(pieces, 200 if asked is None else 206, content_type=file.media_type)
    response.call_on_close(stream.close)
    response.headers["Content-Length"] = str(end - start)
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["Content-Disposition"] = f'attachment; filename="{file.name}"'
    response.headers["Cache-Control"] = "private, no-cache"
    if asked is not None:
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size_bytes}"
    response.set_etag(file.sha256)
    return response


def _pieces(stream: BinaryIO, left: int) -> Iterator[bytes]:
    while left and (piece := stream.read(min(_PIECE_BYTES, left))):
        left -= len(piece)
        yield piece


def _is_known(call: Call, etag: str) -> bool:
    known: ETags = parse_etags(call.request.headers.get("If-None-Match"))
    return known.contains_weak(etag)


def _not_modified(etag: str) -> Response:
    response = Response(status=304)
    response.set_etag(etag)
    return response


def _range(call: Call, file: StoredFile) -> tuple[int, int] | None:
    """
    The first byte and the one after the last; None: all of it. More than one range, or another unit, is
    passed over (RFC 9110, 14.2). Raises `Problem` where the file has none of the bytes.
    """
    headers = call.request.headers
    asked = parse_range_header(headers.get("Range"))
    condition = headers.get("If-Range")
    is_other = condition is not None and condition != quote_etag(file.sha256)
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1 or is_other:
        return None
    found = asked.range_for_length(file.size_bytes)
    if found is None:
        raise Problem("range_not_satisfiable", headers={"Content-Range": f"bytes */{file.size_bytes}"})
    return found


def cursor_of(at: float, id_: str) -> str:
    """What follows this one; opaque."""
    return base64.urlsafe_b64encode(f"{at!r} {id_}".encode()).decode().rstrip("=")


def _cursor_read(cursor: str) -> tuple[float, str]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
        at, _, id_ = text.partition(" ")
        if math.isfinite(float(at)) and _ID.fullmatch(id_):
            return float(at), id_
    except (binascii.Error, ValueError):
        pass
    raise Problem("invalid_request", "cursor: not one that was given; begin without it.")
