"""
One HTTP exchange over requests: by when it must be over, and at which instant its request is written.

Two things requests cannot do. Its time-outs are per read, so a server that sends a byte now and then
holds a worker for ever: here a timer shuts the socket down, whatever phase it is in (only the system's
name resolution is out of reach). And it does not say whether anything was written: here the connection
is made first, then the caller is asked once more, then the first byte leaves. So "certainly not sent"
is a fact noted at the socket, not guessed from the kind of an exception.

Without Recall, redirects, cookies, `.netrc` and repetition. Proxies of the environment are
honoured, except towards loopback.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import exceptions as trouble
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.connection import create_connection

from app.core.durations import Scaled, seconds
from app.recall.url_checks import host_is_loopback

# At DEBUG urllib3 writes the path and query of every request: for a download those are the secret.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)


class NotSent(Exception):  # an outcome, not an error
    """The caller no longer wanted the request when the connection was ready. Nothing was written."""


class ExchangeFailed(Exception):  # carries a cause outwards, like a return
    """What is no other library's to say. The cause is a word, safe to log (see `name_of`)."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


# Whatever requests, urllib3, http.client and the socket may raise. Not `Exception`: a job's own time-out
# is delivered as one, in the middle of any line.
TROUBLE = (OSError, trouble.HTTPError, http.client.HTTPException, ValueError, ExchangeFailed)


@dataclass(frozen=True, slots=True)
class HttpTimeouts(Scaled):
    """Seconds; with floors, since sockets keep real time however it is scaled."""

    connect_timeout_s: float = seconds(5, floor=3)
    read_timeout_s: float = seconds(30, floor=6)
    create_overall_s: float = seconds(60, floor=8)
    get_overall_s: float = seconds(30, floor=8)
    download_overall_s: float = seconds(300, floor=30)
    retry_after_at_most_s: float = seconds(120)
    busy_retry_after_s: float = seconds(5)  # where the answer has no Retry-After


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer."""

    status: int
    headers: Mapping[str, str] = field(repr=False)  # any capitalisation
    body: bytes = field(repr=False)


class Call:
    """The terms of one exchange; a context manager within which it takes place."""

    def __init__(
        self,
        *,
        overall_s: float,  # from entering to the last byte of the answer
        # Asked when the connection is ready and nothing is written; False raises `NotSent`.
        may_write: Callable[[], bool] | None = None,
        # Asked of every numeric address the host resolves to (a proxy's excepted).
        may_connect_to: Callable[[str], bool] | None = None,
    ) -> None:
        self.may_connect_to = may_connect_to
        self.has_written = False  # True once the first byte may have left
        # From then until the answer's headers are there: the connection had carried an exchange before, and
        # may have been closed meanwhile.
        self.is_on_kept = False
        self.is_over = False
        self._may_write = may_write
        self._lock = threading.Lock()
        self._watched: list[socket.socket] = []
        self._timer = threading.Timer(overall_s, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Call:
        self._token = _CURRENT.set(self)
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _CURRENT.reset(self._token)
        with self._lock:
            watched, self._watched = self._watched, []
        for sock in watched:
            sock.close()

    def watch(self, sock: socket.socket) -> None:
        """Makes the deadline hold for this socket too."""
        # A duplicate of the descriptor, because TLS takes the socket object apart; shutting down one
        # shuts down the connection for both.
        duplicate = socket.socket(fileno=os.dup(sock.fileno()))
        with self._lock:
            self._watched.append(duplicate)
            if self.is_over:
                _shut(duplicate)

    def before_first_byte(self) -> None:
        """Raises `ExchangeFailed` (too late) or `NotSent`; otherwise what follows counts as written."""
        self.check()
        if self._may_write is not None and not self._may_write():
            raise NotSent
        self.has_written = True

    def check(self) -> None:
        """A socket that was shut down looks like the end of a body: ask before believing that."""
        if self.is_over:
            raise ExchangeFailed("timeout")

    def _cut(self) -> None:
        with self._lock:
            self.is_over = True
            for sock in self._watched:
                _shut(sock)


_CURRENT: ContextVar[Call] = ContextVar("call")


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side was faster
        sock.shutdown(socket.SHUT_RDWR)


class _Connection(HTTPConnection):
    _has_carried = False

    def _new_conn(self) -> socket.socket:
        self._has_carried = False
        call = _CURRENT.get()
        # A proxy is the operator's own and resolves the name itself.
        sock = super()._new_conn() if call.may_connect_to is None or self.proxy else self._checked(call)
        call.watch(sock)
        return sock

    def _checked(self, call: Call) -> socket.socket:
        """
        Resolves once and connects to exactly what was checked: a name that changes its address
        between the question and the connection (DNS rebinding) gains nothing.
        """
        found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        assert call.may_connect_to is not None
        if not addresses or not all(call.may_connect_to(address) for address in addresses):
            raise ExchangeFailed("address_refused")
        failure: OSError | None = None
        for address in addresses:
            try:
                return create_connection(
                    (address, self.port), self.timeout, socket_options=self.socket_options
                )
            except OSError as error:
                failure = error
        raise failure or OSError("no address")

    def request(self, *args: Any, **kwargs: Any) -> None:
        # urllib3 would connect on the way; a slow connect must come before the caller is asked.
        if self.sock is None:
            self.connect()
        call = _CURRENT.get()
        call.watch(self.sock)
        call.before_first_byte()
        call.is_on_kept, self._has_carried = self._has_carried, True
        super().request(*args, **kwargs)


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class Wire(HTTPAdapter):
    """
    Connections to make exchanges on; must not outlive a fork.

    Not a `Session`: that reads the whole body of a redirect, keeps cookies, and lets `.netrc`
    replace our Authorization header. urllib3's own retries are off (requests' default).
    """

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _TlsConnection if pool.scheme == "https" else _Connection
        return pool

    def open(
        self, prepared: requests.PreparedRequest, *, timeout_s: tuple[float, float]
    ) -> requests.Response:
        """
        Sends, within the current `Call`, and returns when the answer's headers are there. `timeout_s` is of
        connecting, and of each single read.
        """
        url = prepared.url or ""
        proxies = {} if host_is_loopback(url) else requests.utils.get_environ_proxies(url)
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        return self.send(prepared, stream=True, timeout=timeout_s, verify=bundle, proxies=proxies)


def chunks(response: requests.Response, *, at_most: int) -> Iterator[bytes]:
    """The decoded body; raises when it is over `at_most` bytes or ends before its announced length."""
    size = 0
    for chunk in response.raw.stream(64 * 1024, decode_content=True):
        size += len(chunk)
        if size > at_most:
            raise ExchangeFailed("too_large")
        yield chunk


_NAMES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    ((trouble.NameResolutionError, socket.gaierror), "dns"),
    (ConnectionRefusedError, "refused"),
    (trouble.NewConnectionError, "unreachable"),  # to urllib3 a kind of ConnectTimeoutError: first
    (trouble.ConnectTimeoutError, "connect_timeout"),
    ((trouble.SSLError, ssl.SSLError), "tls"),
    ((trouble.ReadTimeoutError, TimeoutError), "timeout"),
    (http.client.IncompleteRead, "truncated"),
    (trouble.DecodeError, "encoding"),
    ((ConnectionError, http.client.HTTPException, trouble.ProtocolError), "connection_lost"),
)


def name_of(error: BaseException, call: Call) -> str:
    """A word for what went wrong: safe to log, unlike the message, which holds addresses."""
    if isinstance(error, ExchangeFailed):
        return error.cause
    if call.is_over:
        return "timeout"
    chain = list(_causes(error))
    return next((name for kinds, name in _NAMES if any(isinstance(e, kinds) for e in chain)), "trouble")


def _causes(error: BaseException, depth: int = 8) -> Iterator[BaseException]:
    yield error
    inner = (*error.args, getattr(error, "reason", None), error.__cause__, error.__context__)
    for cause in inner:
        if isinstance(cause, BaseException) and depth:
            yield from _causes(cause, depth - 1)
