"""
A pre-signed download into a file: without our key, without cookies, whole or not at all.

The address is a secret and comes from outside, so two things follow. It never appears in an error, a
log or a traceback: failures are words. And it must not lead us into our own network: https only, and
only hosts all of whose addresses are public, asked again at each redirect. (Where Recall itself is
configured on loopback, as with the simulator, both are lifted.) Through a proxy the proxy resolves
names; then only the spelling of the host is judged here.
Source: https://docs.recall.ai/docs/storage-and-playback
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin

import requests

from app.core.durations import Durations
from app.errors import DownloadBlocked
from app.recall.endpoints import USER_AGENT
from app.recall.http_exchange import TROUBLE, Call, Wire, chunks, name_of
from app.recall.url_checks import host_is_loopback, is_public, is_public_name, origin

MAX_TRANSCRIPT_BYTES = 200 * 1024 * 1024
_MAX_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)
_ENCODINGS = ("", "identity", "gzip", "x-gzip", "deflate")
_HEADERS = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"}


def fetch(
    url: str,
    target: Path,
    *,
    durations: Durations,
    is_local: bool,
    keep_going: Callable[[], object],
    at_most: int = MAX_TRANSCRIPT_BYTES,
) -> None:
    """
    The decoded body at `url`, written to `target` (0600, replaced when it exists).

    Args:
        is_local: Recall is configured on loopback: plain http and private addresses are in order.
        keep_going: Called with every piece; what it raises ends the download and is passed on.
        at_most: Bytes, after decoding.

    Raises:
        DownloadBlocked: Its cause is a word: `bad_address`, `not_https`, `address_refused`, `dns`,
            `refused`, `unreachable`, `tls`, `connect_timeout`, `timeout`, `http_NNN`, `expired`,
            `redirects`, `truncated`, `too_large`, `encoding`, `connection_lost`, `disk`. No file is left.
    """
    terms = _Terms(durations, is_local, keep_going, at_most, time.monotonic() + durations.download_overall_s)
    try:
        cause = _into_file(url, target, terms)
    except BaseException:
        _forget(target)
        raise
    if cause is not None:
        _forget(target)
        # Outside of every `except`: no traceback may carry a message with the address in it.
        raise DownloadBlocked(cause)


def _forget(target: Path) -> None:
    with contextlib.suppress(OSError):  # the disk's trouble is told already
        target.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Terms:
    durations: Durations
    is_local: bool
    keep_going: Callable[[], object]
    at_most: int
    ends_at: float  # by the monotonic clock; the redirects share it


class _Blocked(Exception):  # noqa: N818 - carries a cause outwards, like a return
    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


def _into_file(url: str, target: Path, terms: _Terms) -> str | None:
    """The cause of a failure, or None."""
    try:
        with open(target, "wb", opener=_private) as file:
            _follow(url, file, terms)
    except _Blocked as blocked:
        return blocked.cause
    except OSError:
        return "disk"  # the network's own have become `_Blocked`
    return None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _follow(url: str, file: BinaryIO, terms: _Terms) -> None:
    connections = Wire()
    try:
        for _ in range(1 + _MAX_REDIRECTS):
            onward = _one_hop(connections, url, file, terms)
            if onward is None:
                return
            url = onward
        raise _Blocked("redirects")
    finally:
        connections.close()


def _one_hop(connections: Wire, url: str, file: BinaryIO, terms: _Terms) -> str | None:
    """None when the body is in the file, else where to look next."""
    refusal = why_refused(url, is_local=terms.is_local)
    if refusal is not None:
        raise _Blocked(refusal)
    timeout_s = (terms.durations.connect_timeout_s, terms.durations.read_timeout_s)
    call = Call(
        overall_s=max(terms.ends_at - time.monotonic(), 0.0),
        may_connect_to=None if terms.is_local else is_public,
    )
    try:
        prepared = requests.Request("GET", url, headers=_HEADERS).prepare()
        with call, connections.open(prepared, timeout_s=timeout_s) as response:
            if response.status_code in _REDIRECTS:
                return urljoin(url, response.headers.get("Location", ""))
            if response.status_code != 200:
                raise _Blocked(_why_not(response))
            _copy(response, file, terms)
            call.check()
            return None
    except TROUBLE as error:
        raise _Blocked(name_of(error, call)) from None


def why_refused(url: str, *, is_local: bool) -> str | None:
    """Why an address must not be asked, before anything is resolved; None when it may."""
    parts = origin(url)
    if parts is None:
        return "bad_address"
    if parts[0] != "https" and not (is_local and host_is_loopback(url)):
        return "not_https"
    return None if is_local or is_public_name(parts[1]) else "address_refused"


def _copy(response: requests.Response, file: BinaryIO, terms: _Terms) -> None:
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        raise _Blocked("encoding")
    size = 0
    for chunk in chunks(response):
        terms.keep_going()
        size += len(chunk)
        if size > terms.at_most:
            raise _Blocked("too_large")
        _write(file, chunk)
    _write(file, None)
    announced = response.headers.get("Content-Length", "")
    if encoding in ("", "identity") and announced.isdigit() and int(announced) != size:
        raise _Blocked("truncated")


def _write(file: BinaryIO, chunk: bytes | None) -> None:
    try:
        if chunk is None:
            file.flush()
        else:
            file.write(chunk)
    except OSError:
        raise _Blocked("disk") from None


def _why_not(response: requests.Response) -> str:
    """S3 says 403 for an address that has expired and for one that is wrong; only its XML differs."""
    if response.status_code == 403:
        start = next(chunks(response), b"")[:4096].lower()
        if b"expired" in start:
            return "expired"
    return f"http_{response.status_code}"
