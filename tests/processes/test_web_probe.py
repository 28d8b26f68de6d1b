"""The addresses that `up` says, and whether web answers there."""

from __future__ import annotations

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from app.processes import web_probe


def test_addresses_can_be_opened_as_they_are_told() -> None:
    assert web_probe.addresses("127.0.0.1", 8000) == {
        "webhook": "http://127.0.0.1:8000/webhooks/recall",
        "readyz": "http://127.0.0.1:8000/readyz",
        "ops": "http://127.0.0.1:8000/ops/",
    }
    assert web_probe.addresses("::1", 9000)["readyz"] == "http://[::1]:9000/readyz"


def test_listening_everywhere_is_said_and_told_by_an_address_that_can_be_opened() -> None:
    told = web_probe.addresses("0.0.0.0", 8000)
    assert told["ops"] == "http://127.0.0.1:8000/ops/"
    assert "every address" in told["listens_on"]


class _Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.slow
def test_web_that_answers_is_there_and_a_silent_or_closed_port_is_not() -> None:
    with HTTPServer(("127.0.0.1", 0), _Healthy) as server:
        threading.Thread(target=server.handle_request).start()
        assert web_probe.answers("127.0.0.1", server.server_port)
    assert not web_probe.answers("127.0.0.1", server.server_port)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began_at = time.monotonic()
        assert not web_probe.answers("127.0.0.1", silent.getsockname()[1])
        assert time.monotonic() - began_at < 5
