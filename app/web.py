"""
The HTTP face: Recall's webhooks, health, and the place where console and API are hung in.

Knows routes, and which status answers which refusal. Refuses to know what a webhook means: it verifies, hands
over and says 202 once the row is committed; it never calls Recall and never touches Redis.
Everything a stranger can reach is here or in `http_limits`; no answer repeats anything that was sent.
"""

from __future__ import annotations

import json
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, NotFound

from app.errors import StoreUnavailable
from app.http_limits import BodyRefused, declared_length, hang_up_if_unread, read_body
from app.inbox import PATIENCE_S, Waiting
from app.late_answers import Plain, answer_later
from app.ports import NewDelivery
from app.recall.webhook import (
    HEADER_NAMES,
    REMEDIES,
    RejectionKind,
    Secret,
    WebhookRejected,
    judge_headers,
    verify,
)

BODY_BYTES = 1024 * 1024
READINESS_FOR_S = 1.0
READINESS_TOO_OLD_S = 5.0
READINESS_PATIENCE_S = 1.0
RETRY_AFTER_S = 5
DEFAULT_WORKSPACE = "default"

_ENVIRON_KEYS = tuple((name, "HTTP_" + name.upper().replace("-", "_")) for name in HEADER_NAMES)
_KEPT_HEADERS = frozenset({"Allow", "WWW-Authenticate", "Retry-After"})
_ALL_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

Readiness = Callable[[], tuple[Mapping[str, object], bool]]

_PARTS = ("database", "queue", "storage", "workers", "recall")
# Said when nobody can say better: asking has hung for longer than a probe should wait.
UNAVAILABLE: tuple[Mapping[str, object], bool] = (
    {"status": "unavailable", "parts": dict.fromkeys(_PARTS, "unknown"), "oldest_undone_s": None},
    False,
)


class Inbox(Protocol):
    """What the webhook route needs; `app.inbox.Committer` is it."""

    def submit(self, row: NewDelivery) -> None:
        """Returns when the row is durable. Raises `StoreUnavailable`."""
        ...

    def submit_late(self, row: NewDelivery, waiting: Waiting) -> None:
        """Returns at once; `waiting` is told when the row is durable, or that it is not."""
        ...

    def note_rejected(self, kind: str, *, remedy: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class WebParts:
    """
    What the application is made of; `app.wiring.web_parts` puts it together.

    Attributes:
        secrets_by_workspace: Who may sign; the names are the last part of the webhook's path.
        committer: Where verified deliveries go.
        readiness: The body of `/readyz`, and whether a write to the inbox works. Asked once a second at most.
        ops: Hangs the console in, together with the guard that decides who sees it and `/metrics`.
        metrics: The body of `/metrics`.
        log: A structlog logger.
    """

    secrets_by_workspace: Mapping[str, tuple[Secret, ...]]
    committer: Inbox
    readiness: Readiness
    ops: Callable[[Flask], None] | None = None
    metrics: Callable[[], bytes] | None = None
    log: Any = field(default_factory=structlog.get_logger)


def create_app(parts: WebParts | None = None) -> Flask:
    """
    The WSGI application.

    Args:
        parts: Without them the configuration of the environment is used.

    Raises:
        app.errors.ConfigError: The configuration is not usable.
    """
    if parts is None:
        from app.wiring import web_parts  # here: tests and the simulator need no configuration

        parts = web_parts()
    app = Flask("app.web", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES  # for forms; the webhook counts for itself
    app.url_map.merge_slashes = False  # /webhooks//recall is nothing, not a redirect
    _add_webhook(app, parts)
    _add_health(app, parts)
    _add_places_for_later(app, parts)
    _add_refusals(app, parts)
    app.after_request(_finish)
    return app


def _add_webhook(app: Flask, parts: WebParts) -> None:
    def receive(workspace: str = DEFAULT_WORKSPACE) -> Response:
        secrets = parts.secrets_by_workspace.get(workspace)
        if secrets is None:
            raise NotFound
        if declared_length(request.environ) > BODY_BYTES:
            raise BodyRefused(413, "too_large")
        claim = judge_headers(_signature_headers(request.environ))
        body = read_body(request.environ, limit_bytes=BODY_BYTES)
        now_s = time.time()
        verified = verify(claim, body, secrets, now_s=now_s)
        row = NewDelivery(
            workspace=workspace,
            webhook_id=verified.webhook_id,
            received_at_s=now_s,
            sent_at_s=verified.timestamp_s,
            secret_label=verified.secret_label,
            body=body,
        )
        # Made now, sent when the row is committed.
        late = answer_later(request.environ, within_s=PATIENCE_S, otherwise=_unavailable)
        if late is None:
            parts.committer.submit(row)
        else:
            parts.committer.submit_late(row, late)
        return Response(status=202)

    for rule in ("/webhooks/recall", "/webhooks/recall/<workspace>"):
        app.add_url_rule(rule, "webhook", receive, methods=["POST"], provide_automatic_options=False)


def _signature_headers(environ: Mapping[str, Any]) -> dict[str, str]:
    return {name: environ[key] for name, key in _ENVIRON_KEYS if key in environ}


class CachedReadiness:
    """
    Asks once a second at most, one at a time: a probe that hammers costs the database one write a second,
    and while that write hangs no more than one thread hangs with it.
    """

    def __init__(self, ask: Readiness, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._answered_at = float("-inf")
        self._answer: tuple[Mapping[str, object], bool] = UNAVAILABLE

    def __call__(self) -> tuple[Mapping[str, object], bool]:
        """The last answer while it is young, or not too old and being renewed by somebody else."""
        age_s = self._monotonic() - self._answered_at
        if age_s < READINESS_FOR_S:
            return self._answer
        is_usable = age_s < READINESS_TOO_OLD_S
        if not self._lock.acquire(timeout=0.0 if is_usable else READINESS_PATIENCE_S):
            return self._answer if is_usable else UNAVAILABLE
        try:
            if self._monotonic() - self._answered_at >= READINESS_FOR_S:
                self._answer = self._ask()
                self._answered_at = self._monotonic()
            return self._answer
        finally:
            self._lock.release()


def _add_health(app: Flask, parts: WebParts) -> None:
    readiness = CachedReadiness(parts.readiness)

    def healthz() -> Response:
        return _json_response({"status": "ok"}, 200)

    def readyz() -> Response:
        body, is_ready = readiness()
        return _json_response(body, 200 if is_ready else 503)

    app.add_url_rule("/healthz", "healthz", healthz, provide_automatic_options=False)
    app.add_url_rule("/readyz", "readyz", readyz, provide_automatic_options=False)


def _add_places_for_later(app: Flask, parts: WebParts) -> None:
    def v1(rest: str = "") -> Response:
        response = _error_response("unauthorized", 401)
        response.headers["WWW-Authenticate"] = "Bearer"
        return response

    for rule in ("/v1/", "/v1/<path:rest>"):
        app.add_url_rule(rule, "v1", v1, methods=_ALL_METHODS, provide_automatic_options=False)
    if parts.metrics is not None:
        metrics = parts.metrics

        def show_metrics() -> Response:
            return Response(metrics(), content_type="text/plain; version=0.0.4; charset=utf-8")

        app.add_url_rule("/metrics", "metrics", show_metrics, provide_automatic_options=False)
    if parts.ops is not None:
        parts.ops(app)


def _add_refusals(app: Flask, parts: WebParts) -> None:
    """Which status answers which refusal: the whole table, in one place."""

    @app.errorhandler(WebhookRejected)
    def not_verified(error: WebhookRejected) -> Response:
        parts.committer.note_rejected(error.kind.value, remedy=REMEDIES[error.kind])
        return _error_response(_PUBLIC_CODES[error.kind], 401)

    @app.errorhandler(BodyRefused)
    def not_readable(error: BodyRefused) -> Response:
        parts.committer.note_rejected(error.code)
        return _error_response(error.code, error.status)

    @app.errorhandler(StoreUnavailable)
    def not_stored(error: StoreUnavailable) -> Response:
        return _not_stored()

    @app.errorhandler(HTTPException)
    def by_flask(error: HTTPException) -> Response:
        response = error.get_response()
        plain = _error_response(error.name.lower().replace(" ", "_"), error.code or 500)
        plain.headers.extend((k, v) for k, v in response.headers if k in _KEPT_HEADERS)
        return plain

    @app.errorhandler(Exception)
    def our_fault(error: Exception) -> Response:
        # The outermost line of web. Where and what kind; never the message, which may quote what was sent.
        stack = "".join(traceback.format_tb(error.__traceback__))
        kind = type(error).__name__
        parts.log.error("request_failed", route=request.endpoint, error=kind, stack=stack)
        return _error_response("internal_error", 500)


# A forger learns nothing from the difference between a wrong and an old signature being told apart; a person
# who sets up a webhook does. So all kinds are told, in one word.
_PUBLIC_CODES: Mapping[RejectionKind, str] = {
    RejectionKind.MISSING_HEADERS: "unsigned",
    RejectionKind.MALFORMED: "malformed_signature",
    RejectionKind.BAD_SIGNATURE: "bad_signature",
    RejectionKind.STALE: "stale",
}


def _json_response(body: Mapping[str, object], status: int) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")


def _error_response(code: str, status: int) -> Response:
    return _json_response({"error": {"code": code}}, status)


def _not_stored() -> Response:
    response = _error_response("unavailable", 503)
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def _unavailable() -> Plain:
    """The same, for a row of which it is learnt after Flask is done with the request."""
    response = _dressed(_not_stored())
    return response.status, response.headers.to_wsgi_list(), response.get_data()


def _finish(response: Response) -> Response:
    hang_up_if_unread(request.environ)
    return _dressed(response)


def _dressed(response: Response) -> Response:
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")
    return response
