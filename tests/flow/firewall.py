"""
A firewall between the service and Recall, as it really stands there: it passes everything on, or refuses
everything with a page of its own and Recall never hears of it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_PAGE = b"<html><h1>403 ERROR</h1>Request blocked.</html>\n"
_NOT_PASSED_ON = frozenset({"host", "connection", "content-length", "transfer-encoding", "date", "server"})


class Firewall(ThreadingHTTPServer):
    """`refused` counts what it kept from Recall while it `is_shut`, by method."""

    daemon_threads = True

    def __init__(self, recall_url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passage)
        self.recall_url = recall_url
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.is_shut = False
        self.refused = {"GET": 0, "POST": 0}


class _Passage(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Firewall

    def do_GET(self) -> None:
        """Passes on, or refuses."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.is_shut:
            self.server.refused[self.command] += 1
            self._send(403, {"Content-Type": "text/html"}, _PAGE)
            return
        try:
            self._send(*self._ask_recall(body))
        except (HTTPException, OSError):  # cut by Recall: cut here
            self.close_connection = True

    do_POST = do_GET

    def _ask_recall(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection(urlsplit(self.server.recall_url).netloc, timeout=30)
        try:
            connection.request(self.command, self.path, body or None, _kept(self.headers.items()))
            answer = connection.getresponse()
            # The next page's address must lead past us again.
            text = answer.read().replace(self.server.recall_url.encode(), self.server.url.encode())
            return answer.status, _kept(answer.getheaders()), text
        finally:
            connection.close()

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


def _kept(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if name.lower() not in _NOT_PASSED_ON}


@contextmanager
def standing(recall_url: str) -> Iterator[Firewall]:
    """A firewall before the Recall at this address."""
    with Firewall(recall_url) as firewall:
        threading.Thread(target=firewall.serve_forever, daemon=True).start()
        try:
            yield firewall
        finally:
            firewall.shutdown()
