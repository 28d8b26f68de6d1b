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
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urljoin

import requests

from app.errors import DownloadBlocked
from app.recall.endpoints import USER_AGENT
from app.recall.http_exchange import TROUBLE, Call, ExchangeFailed, HttpTimeouts, Wire, chunks, name_of
from app.recall.url_checks import host_is_loopback, is_public, why_refused

MAX_TRANSCRIPT_BYTES = 200 * 1024 * 1024
_MAX_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)
_ENCODINGS = ("", "identity", "gzip", "x-gzip", "deflate")
_PRIVATE = partial(os.open, mode=0o600)
_HEADERS = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"}


def fetch(
    url: str,
    target: Path,
    *,
    timeouts: HttpTimeouts,
    is_local: bool,  # Recall is configured on loopback: plain http and private addresses are in order
    keep_going: Callable[[], object],  # called with every piece; what it raises ends all, and is passed on
    at_most: int = MAX_TRANSCRIPT_BYTES,  # after decoding
) -> None:
    """
    The decoded body at `url`, written to `target` (0600, replaced when it exists).

    Raises:
        DownloadBlocked: Its cause is a word: `bad_address`, `not_https`, `address_refused`, `dns`,
            `refused`, `unreachable`, `tls`, `connect_timeout`, `timeout`, `http_NNN`, `expired`,
            `redirects`, `truncated`, `too_large`, `encoding`, `connection_lost`, `disk`. No file is left.
    """
    cause: str | None = "interrupted"  # by `keep_going`, or a job's time-out
    pieces = _body(url, timeouts, is_local, at_most)
    try:
        with open(target, "wb", opener=_PRIVATE) as file, contextlib.closing(pieces):
            for piece in pieces:
                keep_going()
                file.write(piece)
        cause = None
    except ExchangeFailed as failed:
        cause = failed.cause
    except OSError:
        cause = "disk"  # the network's own have become `ExchangeFailed`
    finally:
        if cause is not None:
            with contextlib.suppress(OSError):  # the disk's trouble is told already
                target.unlink(missing_ok=True)
    if cause is not None:
        # Outside of every `except`: no traceback may carry a message with the address in it.
        raise DownloadBlocked(cause)


def _body(url: str, timeouts: HttpTimeouts, is_local: bool, at_most: int) -> Generator[bytes]:
    """Behind at most three redirects, which share one limit of time. Raises `ExchangeFailed`."""
    ends_at = time.monotonic() + timeouts.download_overall_s
    timeout_s = (timeouts.connect_timeout_s, timeouts.read_timeout_s)
    with contextlib.closing(Wire()) as connections:
        for _ in range(1 + _MAX_REDIRECTS):
            is_plain_fine = is_local and host_is_loopback(url)
            refusal = why_refused(url, is_private_fine=is_local, is_plain_fine=is_plain_fine)
            if refusal is not None:
                raise ExchangeFailed(refusal)
            overall_s = max(ends_at - time.monotonic(), 0.0)
            call = Call(overall_s=overall_s, may_connect_to=None if is_local else is_public)
            try:
                prepared = requests.Request("GET", url, headers=_HEADERS).prepare()
                with call, connections.open(prepared, timeout_s=timeout_s) as response:
                    if response.status_code not in _REDIRECTS:
                        yield from _checked(response, at_most)
                        call.check()
                        return
                    url = urljoin(url, response.headers.get("Location", ""))
            except TROUBLE as error:
                raise ExchangeFailed(name_of(error, call)) from None
        raise ExchangeFailed("redirects")


def _checked(response: requests.Response, at_most: int) -> Iterator[bytes]:
    if response.status_code == 403:
        # S3 says 403 for an address that has expired and for one that is wrong; only its XML differs.
        start = next(chunks(response, at_most=at_most), b"")[:4096].lower()
        raise ExchangeFailed("expired" if b"expired" in start else "http_403")
    if response.status_code != 200:
        raise ExchangeFailed(f"http_{response.status_code}")
    if response.headers.get("Content-Encoding", "").strip().lower() not in _ENCODINGS:
        raise ExchangeFailed("encoding")
    yield from chunks(response, at_most=at_most)
