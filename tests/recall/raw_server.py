"""
A server of bare sockets for faults that a web server cannot commit. Each connection is handed to the
next behaviour of a list (the last one for all that follow), with the request already read.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Behaviour = Callable[[socket.socket], None]


@dataclass
class RawServer:
    behaviours: list[Behaviour]
    tls: ssl.SSLContext | None = None
    at_port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    accepted: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)
    listener: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", self.at_port))

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def serve(self) -> None:
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            behaviour = self.behaviours[min(self.connections, len(self.behaviours) - 1)]
            self.connections += 1
            self.accepted.set()
            threading.Thread(target=self._one, args=(conn, behaviour), daemon=True).start()

    def _one(self, conn: socket.socket, behaviour: Behaviour) -> None:
        # A client that hangs up is what half of these tests are about.
        with contextlib.suppress(OSError), conn:
            if self.tls is not None:
                conn = self.tls.wrap_socket(conn, server_side=True)
            while request := read_request(conn):
                self.requests.append(request)
                if not _keeps_alive(behaviour, conn):
                    break


def _keeps_alive(behaviour: Behaviour, conn: socket.socket) -> bool:
    behaviour(conn)
    return getattr(behaviour, "keeps_alive", False)


def read_request(conn: socket.socket) -> bytes:
    """Head and body as announced; b"" when the other side says nothing."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = conn.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(h[15:]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:")), 0)
    while len(body) < length and (piece := conn.recv(65536)):
        body += piece
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def raw_server(
    *behaviours: Behaviour, tls: ssl.SSLContext | None = None, at_port: int = 0
) -> Iterator[RawServer]:
    server = RawServer(list(behaviours) or [hang_up], tls, at_port)
    serving = threading.Thread(target=server.serve, daemon=True)
    serving.start()
    try:
        yield server
    finally:
        # Closed under a thread that is about to accept, its number would be the next server's listener.
        with contextlib.suppress(OSError):  # a test has closed it
            server.listener.shutdown(socket.SHUT_RDWR)
        serving.join(timeout=1)  # not every system wakes a thread that accepts
        server.listener.close()


def hang_up(conn: socket.socket) -> None:
    """Closes without a word."""


def send(data: bytes, *, keep: bool = False) -> Behaviour:
    def behave(conn: socket.socket) -> None:
        conn.sendall(data)

    behave.keeps_alive = keep  # type: ignore[attr-defined]
    return behave


def answer(
    status: int, body: bytes = b"", *headers: str, length: int | None = None, keep: bool = False
) -> Behaviour:
    lines = [
        f"HTTP/1.1 {status} Word",
        f"Content-Length: {len(body) if length is None else length}",
        *headers,
        # Without it the client may use the dying connection once more.
        *([] if keep else ["Connection: close"]),
    ]
    return send("\r\n".join(lines).encode() + b"\r\n\r\n" + body, keep=keep)


def drip(start: bytes, piece: bytes = b"x", *, every_s: float = 0.05) -> Behaviour:
    """Something now and then, for ever: no single read ever times out."""

    def behave(conn: socket.socket) -> None:
        conn.sendall(start)
        for _ in range(400):
            time.sleep(every_s)
            conn.sendall(piece)

    return behave


def silence(conn: socket.socket) -> None:
    """Neither answers nor hangs up, until the client does."""
    conn.recv(1)
