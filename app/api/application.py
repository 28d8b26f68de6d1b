"""
The blueprint of `/v1`. In this order, for every path below it: the key; a slot for the answer; the key's
rate; the path and its method; the scope; query and body; the route. Only the documentation needs no key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from flask import Blueprint, Flask, Request, Response, request
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.exceptions import NotFound as NoRoute
from werkzeug.routing import Map, RequestRedirect, Rule

from app.adapters.sql.access import AccessKey
from app.api.calls import Route
from app.api.keys import Keyring
from app.api.limits import ANSWER_DEADLINE_S, RequestRates, Slots, within_deadline
from app.api.openapi import document_of, page_of
from app.api.problems import Problem
from app.errors import BlobsUnavailable, StoreUnavailable

PREFIX = "/v1"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_CORS_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Range"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ApiParts:
    """`cors_origins`: whose pages may call; none by default."""

    keys: Keyring
    rates: RequestRates
    routes: Sequence[Route]
    slots: Slots
    cors_origins: frozenset[str] = frozenset()


def mount(app: Flask, parts: ApiParts) -> None:
    """Hangs `/v1` in: every path below it, also one that no rule could match."""
    api = _Api(parts)
    blueprint = Blueprint("v1", __name__)

    @blueprint.before_app_request
    def serve() -> Response | None:
        is_ours = request.path == PREFIX or request.path.startswith(f"{PREFIX}/")
        return api.answer(request, request.path.removeprefix(PREFIX)) if is_ours else None

    app.register_blueprint(blueprint)


class _Api:
    def __init__(self, parts: ApiParts) -> None:
        self._parts = parts
        self._map = Map(
            [Rule(r.path, methods=[r.method], endpoint=n) for n, r in enumerate(parts.routes)],
            strict_slashes=False,
            redirect_defaults=False,
            merge_slashes=False,
        ).bind("")
        document = document_of(parts.routes)
        page = page_of(document)
        self._open: Mapping[str, Callable[[], Response]] = {
            "/openapi.json": lambda: Response(document, content_type="application/json"),
            "/docs": lambda: _page(page),
        }

    def answer(self, asked: Request, path: str) -> Response:
        """Whatever is asked: a problem is an answer, too."""
        origin = self._allowed_origin(asked)
        if origin and asked.method == "OPTIONS" and "Access-Control-Request-Method" in asked.headers:
            response = Response(status=204)
            response.headers["Access-Control-Allow-Methods"] = ", ".join(_METHODS)
            response.headers["Access-Control-Allow-Headers"] = _CORS_HEADERS
            response.headers["Access-Control-Max-Age"] = "600"
        else:
            response = self._answered(asked, path)
        if self._parts.cors_origins:
            response.vary.add("Origin")
        if origin:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = "ETag, Content-Range, Retry-After"
        return response

    def _allowed_origin(self, asked: Request) -> str | None:
        origin = asked.headers.get("Origin")
        return origin if origin in self._parts.cors_origins else None

    def _answered(self, asked: Request, path: str) -> Response:
        try:
            return self._answer_or_raise(asked, path)
        except Problem as problem:
            return problem.response()
        except (StoreUnavailable, BlobsUnavailable) as error:
            log.info("api_unavailable", cause=type(error).__name__)
            return Problem("unavailable").response()

    def _answer_or_raise(self, asked: Request, path: str) -> Response:
        public = self._open.get(path) if asked.method in ("GET", "HEAD") else None
        key = None if public is not None else self._key_of(asked)
        give = self._parts.slots.take("" if key is None else key.name)
        if give is None:
            raise Problem("busy")
        try:
            response = public() if public is not None else self._routed(asked, path, key)
        except BaseException:
            give()
            raise
        if not response.is_sequence:
            response.response = within_deadline(response.iter_encoded(), deadline_s=ANSWER_DEADLINE_S)
        response.call_on_close(give)
        return response

    def _key_of(self, asked: Request) -> AccessKey:
        key = self._parts.keys.key_of(asked.headers.get("Authorization", ""))
        if key is None:
            raise Problem("unauthorized", headers={"WWW-Authenticate": 'Bearer realm="Afterword"'})
        return key

    def _routed(self, asked: Request, path: str, key: AccessKey | None) -> Response:
        assert key is not None
        wait_s = self._parts.rates.wait_s(key.name)
        if wait_s is not None:
            raise Problem("rate_limited", headers={"Retry-After": str(int(wait_s) + 1)})
        route, values = self._route_of(path, asked.method)
        if route.scope not in key.scopes:
            raise Problem("forbidden", f"This key lacks the scope {route.scope} for this route.")
        return route.run(route.checked(asked, key, values))

    def _route_of(self, path: str, method: str) -> tuple[Route, dict[str, Any]]:
        try:
            number, values = self._map.match(path, method=method)
        except MethodNotAllowed as error:
            allowed = ", ".join(sorted(error.valid_methods or ()))
            raise Problem("method_not_allowed", headers={"Allow": allowed}) from None
        except (NoRoute, RequestRedirect):
            raise Problem("no_route") from None
        return self._parts.routes[number], dict(values)


def _page(text: str) -> Response:
    response = Response(text, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return response
