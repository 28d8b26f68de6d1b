"""
The limits the receiver is held against, served by gunicorn with the same gunicorn.conf.py.

`bare` is Flask with one view that answers 202 and nothing else: no framework's user can be faster.
`verify_only` is the same after reading the body and verifying the signature, as the receiver does it.
"""

from __future__ import annotations

import os
import time

from flask import Flask, Response, request

from app.recall.signatures import judge_headers, parse_secret, verify
from app.web.application import BODY_BYTES
from app.web.bounded_worker import read_body

_NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature")


def bare() -> Flask:
    """What gunicorn loads: `tests.bench.bare:bare()`."""
    app = Flask("bare", static_folder=None)

    @app.post("/webhooks/recall")
    def receive() -> Response:
        return Response(status=202)

    return app


def verify_only() -> Flask:
    """What gunicorn loads: `tests.bench.bare:verify_only()`."""
    secrets = (parse_secret(os.environ["RECALL_WEBHOOK_SECRETS"]),)
    app = Flask("verify_only", static_folder=None)

    @app.post("/webhooks/recall")
    def receive() -> Response:
        claim = judge_headers({name: request.headers[name] for name in _NAMES})
        verify(claim, read_body(request.environ, limit_bytes=BODY_BYTES), secrets, now_s=time.time())
        return Response(status=202)

    return app
