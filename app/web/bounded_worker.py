"""
What a connection may cost us: a gunicorn worker with deadlines, and the reading of a body within limits.

Written against the inside of gunicorn 27.0's `gthread` worker; a test holds every name used here. It gives a
connection to a thread at once, reads without a deadline, lingers on its main thread, and answers some
malformed requests with 5xx and a traceback. Here:
- the head is collected by the main loop; a thread is taken only by a request whose head is complete;
- one deadline spans head and body, whatever the pace; then 408;
- what cannot be parsed gets a tiny 4xx, and nothing of it is logged or echoed;
- a connection that ends with an unread body is drained a little by its thread, never by the main loop.
"""

from __future__ import annotations

import errno
import re
import selectors
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.http import errors as parsing
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker

from app.web.gunicorn_app import refuse_unless_configured_by_ours

REQUEST_DEADLINE_S = 10.0  # head and body together; real seconds, whatever the time scale
WRITE_TIMEOUT_S = 10.0
LINGER_S = 1.0
LINGER_BYTES = 1024 * 1024
STOP_TIMEOUT_S = 2.0  # for a request that is not complete when the worker is told to stop
HEAD_BYTES = 32 * 1024
LINE_BYTES = 8192
# A body arrives in at most this many bytes per request, framing included: a megabyte in one-byte chunks
# would be six on the wire and seconds of parsing.
WIRE_BYTES = 2 * 1024 * 1024 + HEAD_BYTES

# Name of the application's extension that is told of what was refused before the application saw it: called
# with the status and the first bytes of the request. No I/O, and nothing that waits.
REFUSED = "afterword.refused"

_HTTP_1_LINE = re.compile(rb" HTTP/1\.[0-9]\r?\n")
# Worth a pause, not a dead worker: descriptors or memory ran out, or the peer left before we looked.
_ACCEPT_LATER = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_ACCEPT_NOTHING = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED})


class RequestTooSlow(parsing.ParseException):  # type: ignore[misc]  # gunicorn ships no types
    """The deadline passed before the request was complete."""


class RequestTooLong(parsing.ParseException):  # type: ignore[misc]
    """More bytes on the wire than any request we accept can need."""


# First match wins; the rest of ParseException is 400. Transfer codings we do not know would be 501 by
# RFC 9112, 6.1; but no stranger shall make us answer 5xx, and 400 is as true. None: our own fault.
_STATUSES: tuple[tuple[type[Exception], int | None], ...] = (
    (parsing.InvalidResponseHeader, None),
    (parsing.InvalidResponseHeaderName, None),
    (parsing.ConfigurationProblem, None),
    (RequestTooSlow, 408),
    (RequestTooLong, 413),
    (parsing.LimitRequestLine, 414),
    (parsing.ExpectationFailed, 417),
    (parsing.LimitRequestHeaders, 431),
    (parsing.ParseException, 400),
)


class BodyRefused(Exception):
    """The body will not be read, or could not be. `status` is what to answer, `code` names it."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


def read_body(environ: dict[str, Any], *, limit_bytes: int) -> bytes:
    """
    The whole body as sent, counted by ourselves: gunicorn and Flask cut a chunked one silently. The deadline
    is that of the connection (`BoundedWorker`).

    Raises:
        BodyRefused: 413 `too_large`, 408 `too_slow`, 400 `bad_framing` (or shorter than declared).
    """
    declared = declared_length(environ, limit_bytes=limit_bytes)
    try:
        body: bytes = environ["wsgi.input"].read(limit_bytes + 1)
    except RequestTooSlow:
        raise BodyRefused(408, "too_slow") from None
    except RequestTooLong:
        raise BodyRefused(413, "too_large") from None
    except (parsing.ParseException, OSError):
        raise BodyRefused(400, "bad_framing") from None
    if len(body) > limit_bytes:
        raise BodyRefused(413, "too_large")
    if len(body) < declared:
        raise BodyRefused(400, "bad_framing")
    environ["afterword.body_is_read"] = True
    return body


def declared_length(environ: dict[str, Any], *, limit_bytes: int) -> int:
    """Content-Length, 0 when absent. Raises `BodyRefused` above the limit, or when it is no number."""
    try:
        declared = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        raise BodyRefused(400, "bad_framing") from None
    if declared > limit_bytes:
        raise BodyRefused(413, "too_large")
    return declared


def hang_up_if_unread(environ: dict[str, Any]) -> None:
    """To be called before the answer is sent: closes the connection after it when a body was left unread."""
    has_body = environ.get("CONTENT_LENGTH", "0") not in {"", "0"} or "HTTP_TRANSFER_ENCODING" in environ
    if has_body and not environ.get("afterword.body_is_read"):
        # Set by BoundedWorker; under another server (a test client) there is nothing to hang up.
        getattr(environ["wsgi.input"], "hang_up", lambda: None)()


def status_of(error: Exception) -> int | None:
    """What to answer a client whose request made gunicorn raise this; None when it is our own fault."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), None)


def is_head_ready(head: bytes | bytearray) -> bool:
    """
    Whether a thread should look at these first bytes of a request: the head is complete, or it never will
    be (not HTTP/1, a bare line feed, an endless first line) and the parser may as well say so now.
    """
    if b"\r\n\r\n" in head:
        return True
    start = 2 if head[:2] == b"\r\n" else 0  # RFC 9112, 2.2: one empty line may precede
    end = head.find(b"\n", start)
    if end < 0:
        return len(head) > LINE_BYTES
    if not _HTTP_1_LINE.search(head, start, end + 1):
        return True
    return head.count(b"\n") != head.count(b"\r\n")


class BoundedUnreader(SocketUnreader):  # type: ignore[misc]
    """gunicorn's socket reader with a deadline and a byte count, both per request."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.deadline = 0.0  # time.monotonic()
        self.budget_bytes = 0

    def begin(self, head: bytes, *, deadline: float) -> None:
        """A new request, of which `head` has been read already."""
        self.deadline = deadline
        self.budget_bytes = WIRE_BYTES
        if head:
            self.unread(head)

    def chunk(self, size_hint: int | None = None) -> bytes:
        """As gunicorn's; what is there already is taken even when the deadline has passed."""
        if self.budget_bytes <= 0:
            raise RequestTooLong
        self.sock.settimeout(max(0.0, self.deadline - time.monotonic()))
        try:
            data: bytes = super().chunk(size_hint)
        except (TimeoutError, BlockingIOError):
            raise RequestTooSlow from None
        except OSError:  # reset, unreachable: the peer is gone, and gunicorn would log a traceback
            raise parsing.NoMoreData from None
        finally:
            self.sock.settimeout(WRITE_TIMEOUT_S)
        self.budget_bytes -= len(data)
        return data


class Connection(TConn):  # type: ignore[misc]
    """A connection with the head collected so far and the deadline of its request."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.head = bytearray()
        self.opening = b""  # the head, while its request is handled
        self.data_ready = True  # the main loop waits for data, not the thread
        self.renew()

    def renew(self) -> None:
        """The clock of the next request starts."""
        self.deadline = time.monotonic() + REQUEST_DEADLINE_S

    def init(self) -> None:
        """In the thread, before each request."""
        if not self.initialized:
            super().init()
            self.parser.unreader = BoundedUnreader(self.sock)
        self.sock.settimeout(WRITE_TIMEOUT_S)
        self.opening = bytes(self.head)
        self.parser.unreader.begin(self.opening, deadline=self.deadline)
        self.head.clear()

    def close(self, graceful: bool = False) -> None:
        """At once. gunicorn lingers here, on the main loop, two seconds per connection: see `handle`."""
        util.close(self.sock)


class BoundedWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's `gthread`, for use on the open internet. Set by `worker_class` in gunicorn.conf.py."""

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        super().check_config(cfg, log)
        if cfg.is_ssl:
            raise RuntimeError("this worker reads plain HTTP; let a proxy in front speak TLS")
        refuse_unless_configured_by_ours(cfg)

    def load_wsgi(self) -> None:
        super().load_wsgi()
        told = getattr(self.wsgi, "extensions", {})
        self._note_refused: Callable[[int, bytes], None] = told.get(REFUSED, lambda status, head: None)
        self._handling = threading.local()

    # -- main loop -------------------------------------------------------------------------------
    def accept(self, listener: socket.socket) -> None:
        """A new connection waits in the loop; gunicorn would give it a thread before its first byte."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in _ACCEPT_LATER:
                self.log.warning("out of descriptors or memory; accepting again in a moment")
                time.sleep(0.05)
            elif error.errno not in _ACCEPT_NOTHING:
                raise
            return
        self.nr_conns += 1
        self._park(Connection(self.cfg, client, address, listener.getsockname()))

    def on_client_socket_readable(self, conn: Connection, client: socket.socket) -> None:
        """A kept-alive connection begins its next request."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        conn.renew()
        step = self._next_step(conn)
        if step is None:
            self._park(conn)
        else:
            step(conn)

    def on_pending_socket_readable(self, conn: Connection, client: socket.socket) -> None:
        """More of a head."""
        step = self._next_step(conn)
        if step is not None:
            self._unpark(conn)
            step(conn)

    def murder_pending(self) -> None:
        """Ends those whose time is up: 408 for half a request, nothing for none."""
        now = time.monotonic()
        while self.pending_conns and self._deadline_of(self.pending_conns[0]) <= now:
            conn = self.pending_conns[0]
            self._unpark(conn)
            self._drop(conn, status=408 if conn.head else None)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """As gunicorn's, but wakes up for the next deadline."""
        if self.pending_conns:
            timeout = min(timeout, self._deadline_of(self.pending_conns[0]) - time.monotonic())
        super().wait_for_and_dispatch_events(max(0.0, timeout))

    def _deadline_of(self, conn: Connection) -> float:
        # Also before its first byte: it was accepted here, and its request may be on the way.
        shorter_s = 0.0 if self.alive else REQUEST_DEADLINE_S - STOP_TIMEOUT_S
        return float(conn.deadline - shorter_s)

    def _park(self, conn: Connection) -> None:
        self.pending_conns.append(conn)  # in the order of their deadlines
        handler = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, handler)

    def _unpark(self, conn: Connection) -> None:
        self.poller.unregister(conn.sock)
        self.pending_conns.remove(conn)

    def _next_step(self, conn: Connection) -> Callable[[Connection], None] | None:
        """Reads what is there. None: wait for more."""
        try:
            data = conn.sock.recv(HEAD_BYTES)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return partial(self._drop, status=None)
        conn.head += data
        if not data:
            return partial(self._drop, status=400 if conn.head else None)
        if is_head_ready(conn.head):
            enqueue: Callable[[Connection], None] = self.enqueue_req
            return enqueue
        return partial(self._drop, status=431) if len(conn.head) > HEAD_BYTES else None

    def _drop(self, conn: Connection, *, status: int | None) -> None:
        self.nr_conns -= 1
        if status is not None:
            refuse(conn.sock, status)
            self._note_refused(status, bytes(conn.head))
        conn.close()

    # -- threads ---------------------------------------------------------------------------------
    def handle(self, conn: Connection) -> Any:
        """One request. Lingers here, in the thread, where no other request is delayed."""
        self._handling.conn = conn  # for `handle_error`, which gunicorn does not tell
        stays_open = super().handle(conn)
        self._handling.conn, conn.opening = None, b""
        if stays_open:
            conn.renew()
        else:
            util.close_graceful(conn.sock, timeout=LINGER_S, max_drain=LINGER_BYTES)
        return stays_open

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """As gunicorn's, but a peer that does not take the answer is no traceback in our log."""
        req.body.hang_up = req.force_close  # for `hang_up_if_unread`
        try:
            return super().handle_request(req, conn)
        except OSError as error:
            self.log.debug("the answer could not be sent: %s", type(error).__name__)
            return False

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answers what cannot be parsed. gunicorn would quote it, in the answer and in the log."""
        status = status_of(exc)
        if status is None:
            super().handle_error(req, client, addr, exc)
        else:
            self.log.debug("refused with %d: %s", status, type(exc).__name__)
            refuse(client, status)
            self._note_refused(status, self._handling.conn.opening)


def refuse(sock: socket.socket, status: int) -> None:
    """Sends an answer without a body, if the peer takes it now; the caller closes the connection."""
    reason = HTTPStatus(status).phrase
    answer = f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    try:
        sock.setblocking(False)
        sock.send(answer.encode())
    except OSError:
        return
