"""The webhook route, health, and the worker that serves them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.web.application import WebParts


def create_app(parts: WebParts | None = None) -> Flask:
    """For `gunicorn 'app.web:create_app()'`: see `app.web.application.create_app`."""
    from app.web import application  # here: other modules of this package are used without Flask

    return application.create_app(parts)
