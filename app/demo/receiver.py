"""A tiny receiver of outgoing webhooks, as a product would have one: it verifies, keeps, and answers 204."""

from __future__ import annotations

import json
import secrets
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook

_LONGEST_BYTES = 1 << 21


@dataclass
class Receiver:
    """`told`: the types of what came, by recording; `last`: the latest body; `refused`: wrongly signed."""

    secret: str
    url: str = ""
    told: dict[str, set[str]] = field(default_factory=dict)
    last: dict[str, Any] | None = None
    refused: int = 0

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """The status to answer."""
        try:
            Webhook(self.secret).verify(body, headers)
        except Exception:  # whatever is wrong with it, it is not from the service
            self.refused += 1
            return 401
        self.last = event = json.loads(body)
        self.told.setdefault(str(event["data"].get("recording_id")), set()).add(str(event["type"]))
        return 204

    def policy(self) -> str:
        """The table by which the service knows it; the secret is in the variable `DEMO_WEBHOOK_SECRET`."""
        return (
            f'[webhooks.demo]\nurl = "{self.url}"\nsecret_env = "DEMO_WEBHOOK_SECRET"\nallow_private = true\n'
        )


@contextmanager
def receiving() -> Iterator[Receiver]:
    """On a port of its own, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(min(int(self.headers.get("Content-Length", "0")), _LONGEST_BYTES))
            self.send_response(receiver.take(dict(self.headers), body))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """The demonstration shows what came."""

    receiver = Receiver("whsec_" + b64encode(secrets.token_bytes(32)).decode())
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}/afterword"
        threading.Thread(target=server.serve_forever, name="receiver", daemon=True).start()
        try:
            yield receiver
        finally:
            server.shutdown()
