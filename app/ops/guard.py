"""
Who may see `/ops` and `/metrics`: a request with the password of the user `ops`; `/metrics` also with a
token of its own. Where neither is set, no request: a proxy on this machine looks like a person at it. And
which POSTs are a person's own: none that another site made the browser send.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Request, Response, request
from werkzeug.exceptions import Forbidden, NotFound, Unauthorized

from app.ops import USER

METRICS = "/metrics"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Written out: werkzeug leaves a one-word realm unquoted, which RFC 7617 does not allow.
_CHALLENGE = 'Basic realm="Afterword", charset="UTF-8"'
# What stands below `/ops` may set one of its own, and must then name all of these.
_POLICY = (
    "default-src 'none'; connect-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "object-src 'none'"
)


def install(app: Flask, *, password: str | None, metrics_token: str | None = None) -> None:
    """
    Puts the guard before every route below `/ops` and before `/metrics`, which a bearer `metrics_token` opens
    alone. None or empty opens nothing.
    """

    @app.before_request
    def guard() -> None:
        if is_guarded(request):
            check(request, password=password or None, metrics_token=metrics_token or None)

    @app.after_request
    def confined(response: Response) -> Response:
        if is_guarded(request):
            response.headers.setdefault("Content-Security-Policy", _POLICY)
            response.headers["X-Frame-Options"] = "DENY"
            response.headers["Referrer-Policy"] = "same-origin"
        return response


def is_guarded(asked: Request) -> bool:
    """By the rule that matched, so that no spelling of a path slips through; by the path where none did."""
    place = _place(asked)
    return place in ("/ops", METRICS) or place.startswith(("/ops/", f"{METRICS}/"))


def _place(asked: Request) -> str:
    return asked.url_rule.rule if asked.url_rule is not None else asked.path


def check(asked: Request, *, password: str | None, metrics_token: str | None = None) -> None:
    """
    Returns when this request may go on.

    Raises:
        NotFound: Nothing is set that could open this.
        Unauthorized: Password or token is not right, or missing.
        Forbidden: It would change something, and does not come from our own pages.
    """
    token = metrics_token if _place(asked) == METRICS else None
    if password is None and token is None:
        raise NotFound
    if not (_knows(asked, password) | _bears(asked, token)):
        challenge = _CHALLENGE if password is not None else "Bearer"
        raise Unauthorized(response=Response(status=401, headers={"WWW-Authenticate": challenge}))
    if asked.method not in _SAFE_METHODS and not is_same_origin(asked.environ):
        raise Forbidden


def _knows(asked: Request, password: str | None) -> bool:
    if password is None or _claim(asked)[0] != "basic":
        return False
    given = asked.authorization
    if given is None:  # not base64, or no text in it
        return False
    # Both are compared whole and always: neither length nor a right user name shows in the time taken.
    is_user = _is_equal((given.username or "").encode(), USER.encode())
    is_password = _is_equal((given.password or "").encode(), password.encode())
    return is_user & is_password


def _bears(asked: Request, token: str | None) -> bool:
    scheme, given = _claim(asked)
    if token is None or scheme != "bearer":
        return False
    return _is_equal(given.strip(" \t").encode("latin-1", "replace"), token.encode())


def _claim(asked: Request) -> tuple[str, str]:
    """The scheme and the rest of the header. werkzeug takes a token with a = in it for parameters."""
    scheme, _, rest = asked.headers.get("Authorization", "").partition(" ")
    return scheme.lower(), rest


def _is_equal(left: bytes, right: bytes) -> bool:
    return hmac.compare_digest(hashlib.sha256(left).digest(), hashlib.sha256(right).digest())


def is_same_origin(environ: Mapping[str, Any]) -> bool:
    """
    Whether a state-changing request was sent by one of our own pages.

    `Sec-Fetch-Site` decides where the browser sends it (https and loopback only), else `Origin`, else
    `Referer`; their host must be the Host. With none of them, no: every browser of today sends one, and a
    program can. Source: https://owasp.org/www-project-csrf (the cheat sheet's "standard headers").
    """
    site = environ.get("HTTP_SEC_FETCH_SITE")
    if site is not None:
        return bool(site == "same-origin")
    source = environ.get("HTTP_ORIGIN") or environ.get("HTTP_REFERER")
    host = environ.get("HTTP_HOST")
    if not source or not host:
        return False
    try:
        parts = urlsplit(source)
    except ValueError:
        return False
    # The scheme is not compared: a proxy that ends TLS would make it differ.
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
