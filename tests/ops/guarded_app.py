"""The web application with the console, for a real gunicorn; no Redis, no database."""

from __future__ import annotations

import os

from flask import Flask

from app.ops import metrics, rq_board
from app.web.application import WebParts, create_app
from tests.ops.conftest import NAMES, NoInbox


def create() -> Flask:
    """What gunicorn loads: `tests.ops.guarded_app:create()`."""
    return create_app(
        WebParts(
            secrets_by_workspace={},
            committer=NoInbox(),
            readiness=lambda: ({"status": "ok"}, True),
            ops=lambda app: rq_board.mount(
                app,
                redis_url="redis://127.0.0.1:1/0",
                names=lambda: NAMES,
                password=os.environ.get("PASSWORD"),
            ),
            metrics=lambda: metrics.render(None, None),
        )
    )
