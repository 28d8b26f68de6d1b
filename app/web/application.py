"""
The HTTP face: Recall's webhooks, health, and the place where console and API are hung in.

A webhook is verified, handed over, and answered 202 once its row is committed; Recall is never called and
Redis never touched. Everything a stranger can reach is here or in `bounded_worker`; no answer repeats
anything that was sent.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, NotFound

from app.errors import ConfigError, StoreUnavailable
from app.orchestrator.records import NewDelivery
from app.recall.signatures import REMEDIES, RejectionKind, Secret, WebhookRejected, judge_headers, verify
from app.settings.workspaces import DEFAULT_WORKSPACE
from app.web import near_misses
from app.web.bounded_worker import REFUSED, BodyRefused, declared_length, hang_up_if_unread, read_body
from app.web.deferred_response import Plain, defer_response
from app.web.group_commit import ACK_TIMEOUT_S
from app.web.gunicorn_app import refuse_to_start, refuse_unless_served_by_ours
from app.web.near_misses import is_plausible, is_plausible_head, signature_headers

BODY_BYTES = 1024 * 1024
RETRY_AFTER_S = 5

_KEPT_HEADERS = frozenset({"Allow", "WWW-Authenticate", "Retry-After"})
_ALL_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Inbox(Protocol):
    """What the webhook route needs; `app.web.group_commit.Committer` is it."""

    def submit(self, row: NewDelivery) -> None: ...

    def submit_deferred(self, row: NewDelivery, answer: Future[bool]) -> None: ...

    def note_rejected(self, kind: str, *, remedy: str = "", is_plausible: bool = False) -> None: ...


@dataclass(frozen=True, slots=True)
class WebParts:
    """
    What the application is made of; `app.wiring.web_parts` puts it together.

    Attributes:
        secrets_by_workspace: Who may sign; the names are the last part of the webhook's path.
        readiness: The body of `/readyz`, and whether a write to the inbox works. Answers within a second.
        ops: Hangs the console in, together with the guard that decides who sees it and `/metrics`.
        metrics: The body of `/metrics`.
        api: Hangs `/v1` in.
    """

    secrets_by_workspace: Mapping[str, tuple[Secret, ...]]
    committer: Inbox
    readiness: Callable[[], tuple[Mapping[str, object], bool]]
    ops: Callable[[Flask], None] | None = None
    metrics: Callable[[], bytes] | None = None
    api: Callable[[Flask], None] | None = None
    log: Any = field(default_factory=structlog.get_logger)


def create_app(parts: WebParts | None = None) -> Flask:
    """
    The WSGI application.

    Without parts the configuration of the environment is used, and no server is accepted but gunicorn with
    our worker: all limits are its own. With them the caller answers for the server.

    Raises:
        SystemExit: The configuration is not usable (78), or the server is another one. It was told why.
    """
    if parts is None:
        refuse_unless_served_by_ours()
        from app.wiring import web_parts  # here: tests and the simulator need no configuration

        try:
            parts = web_parts()
        except ConfigError as error:
            refuse_to_start(error.problems)
    app = Flask("app.web.application", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES  # for forms; the webhook counts for itself
    app.url_map.merge_slashes = False  # /webhooks//recall is nothing, not a redirect
    _add_webhook(app, parts)
    _add_health(app, parts.readiness)
    _add_other_faces(app, parts)
    _add_refusals(app, parts)
    app.after_request(_finish)
    return app


def _add_webhook(app: Flask, parts: WebParts) -> None:
    def receive(workspace: str = DEFAULT_WORKSPACE) -> Response:
        secrets = parts.secrets_by_workspace.get(workspace)
        if secrets is None:
            raise NotFound
        declared_length(request.environ, limit_bytes=BODY_BYTES)
        claims = judge_headers(signature_headers(request.environ))
        body = read_body(request.environ, limit_bytes=BODY_BYTES)
        now_s = time.time()
        verified = verify(claims, body, secrets, now_s=now_s)
        row = NewDelivery(
            workspace=workspace,
            webhook_id=verified.webhook_id,
            received_at_s=now_s,
            sent_at_s=verified.timestamp_s,
            secret_label=verified.secret_label,
            body=body,
        )
        # Made now, sent when the row is committed.
        deferred = defer_response(request.environ, within_s=ACK_TIMEOUT_S, otherwise=_unavailable)
        if deferred is None:
            parts.committer.submit(row)
        else:
            parts.committer.submit_deferred(row, deferred)
        return Response(status=202)

    # strict_slashes: /webhooks/recall/ is the same place, not a redirect.
    options: dict[str, Any] = {"provide_automatic_options": False, "strict_slashes": False}
    for rule in ("/webhooks/recall", "/webhooks/recall/<workspace>"):
        app.add_url_rule(rule, "webhook", receive, methods=["POST"], **options)


def _add_health(app: Flask, readiness: Callable[[], tuple[Mapping[str, object], bool]]) -> None:
    """`/healthz` is 200 while the process serves, `/readyz` while a delivery can be stored."""

    def readyz() -> Response:
        body, is_ready = readiness()
        return Response(json.dumps(body), 200 if is_ready else 503, content_type="application/json")

    app.add_url_rule("/healthz", "healthz", lambda: {"status": "ok"}, provide_automatic_options=False)
    app.add_url_rule("/readyz", "readyz", readyz, provide_automatic_options=False)


def _add_other_faces(app: Flask, parts: WebParts) -> None:
    if parts.metrics is not None:
        metrics = parts.metrics

        def show_metrics() -> Response:
            return Response(metrics(), content_type="text/plain; version=0.0.4; charset=utf-8")

        app.add_url_rule("/metrics", "metrics", show_metrics, provide_automatic_options=False)
    for hang_in in filter(None, (parts.ops, parts.api)):
        hang_in(app)


def _add_refusals(app: Flask, parts: WebParts) -> None:
    """Which status answers which refusal: the whole table, in one place."""
    has_secrets = any(parts.secrets_by_workspace.values())  # without any, no webhook is expected

    def note(kind: str, *, is_meant: bool, remedy: str | None = None) -> None:
        told = near_misses.REMEDIES[kind] if remedy is None else remedy
        parts.committer.note_rejected(kind, remedy=told, is_plausible=has_secrets and is_meant)

    app.extensions[REFUSED] = lambda status, head: note(
        near_misses.kind_of(status), is_meant=is_plausible_head(head)
    )

    @app.errorhandler(WebhookRejected)
    def not_verified(error: WebhookRejected) -> Response:
        # Rightly signed and too old or early is Recall's all the same, or was: most likely our clock.
        is_meant = error.kind is RejectionKind.STALE or is_plausible(signature_headers(request.environ))
        note(error.kind.value, is_meant=is_meant, remedy=_remedy_for(error.kind, parts.secrets_by_workspace))
        return _error_response(_PUBLIC_CODES[error.kind], 401)

    @app.errorhandler(BodyRefused)
    def not_readable(error: BodyRefused) -> Response:
        note(error.code, is_meant=is_plausible(signature_headers(request.environ)))
        return _error_response(error.code, error.status)

    app.register_error_handler(StoreUnavailable, lambda error: _not_stored())

    @app.errorhandler(HTTPException)
    def by_flask(error: HTTPException) -> Response:
        if is_plausible(signature_headers(request.environ)):
            note(near_misses.WRONG_METHOD if error.code == 405 else near_misses.WRONG_PATH, is_meant=True)
        response = _error_response(error.name.lower().replace(" ", "_"), error.code or 500)
        response.headers.extend((k, v) for k, v in error.get_response().headers if k in _KEPT_HEADERS)
        return response

    _note_refused_before_routing(app, lambda: note(near_misses.WRONG_PATH, is_meant=True))

    @app.errorhandler(Exception)
    def our_fault(error: Exception) -> Response:
        # The outermost line of web. Where and what kind; never the message, which may quote what was sent.
        stack = "".join(traceback.format_tb(error.__traceback__))
        kind = type(error).__name__
        parts.log.error("request_failed", route=request.endpoint, error=kind, stack=stack)
        return _error_response("internal_error", 500, "This is our fault; the log has the cause.")


def _note_refused_before_routing(app: Flask, note: Callable[[], None]) -> None:
    """`/v1` asks for its key first: a webhook that goes there by mistake is answered 401."""

    @app.after_request
    def look(response: Response) -> Response:
        is_refused = response.status_code == 401 and request.routing_exception is not None
        if is_refused and is_plausible(signature_headers(request.environ)):
            note()
        return response


def _remedy_for(kind: RejectionKind, secrets_by_workspace: Mapping[str, tuple[Secret, ...]]) -> str:
    """With the labels of the secrets that were tried, where one of them should have fitted."""
    if kind is not RejectionKind.BAD_SIGNATURE:
        return REMEDIES[kind]
    workspace = (request.view_args or {}).get("workspace", DEFAULT_WORKSPACE)
    labels = [s.label for s in secrets_by_workspace.get(workspace, ())]
    return f"{REMEDIES[kind]}. Tried: {', '.join(labels) or 'none, there is none'}"


# A forger learns nothing from the difference between a wrong and an old signature being told apart; a person
# who sets up a webhook does. So all kinds are told, in one word.
_PUBLIC_CODES: Mapping[RejectionKind, str] = {
    RejectionKind.MISSING_HEADERS: "unsigned",
    RejectionKind.MALFORMED: "malformed_signature",
    RejectionKind.BAD_SIGNATURE: "bad_signature",
    RejectionKind.STALE: "stale",
}


def _error_response(code: str, status: int, message: str | None = None) -> Response:
    error = {"code": code} if message is None else {"code": code, "message": message}
    return Response(json.dumps({"error": error}), status=status, content_type="application/json")


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
