"""
Who may see `/ops` and `/metrics`: whoever knows the password, or, where none is set, whoever sits at this
machine. And which POSTs are a person's own: none that another site made the browser send.

Without a password everything must speak for a local person: both ends of the socket, the Host, and no trace
of a proxy. What cannot be told counts against. One thing cannot be seen from here: a proxy on this machine
that rewrites Host and says nothing of itself. Whoever runs one sets AFTERWORD_OPS_PASSWORD.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Request, Response, request
from werkzeug.exceptions import Forbidden, NotFound, Unauthorized

USER = "ops"
_LOCAL_HOST = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE | re.ASCII)
_PROXY_HEADERS = ("HTTP_FORWARDED", "HTTP_X_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Written out: werkzeug leaves a one-word realm unquoted, which RFC 7617 does not allow.
_CHALLENGE = 'Basic realm="Afterword", charset="UTF-8"'


def install(app: Flask, *, password: str | None) -> None:
    """
    Puts the guard before every route below `/ops` and before `/metrics`.

    Args:
        password: Of the user `ops`; None or empty: only this machine may look.
    """

    @app.before_request
    def guard() -> None:
        if is_guarded(request):
            check(request, password=password or None)

    @app.after_request
    def unframed(response: Response) -> Response:
        if is_guarded(request):
            # A page in a frame of somebody else's could be clicked in, our check of origins notwithstanding.
            response.headers["Content-Security-Policy"] = (
                "frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
            )
            response.headers["X-Frame-Options"] = "DENY"
            response.headers["Referrer-Policy"] = "same-origin"
        return response


def is_guarded(asked: Request) -> bool:
    """By the rule that matched, so that no spelling of a path slips through; by the path where none did."""
    place = asked.url_rule.rule if asked.url_rule is not None else asked.path
    return place in ("/ops", "/metrics") or place.startswith(("/ops/", "/metrics/"))


def check(asked: Request, *, password: str | None) -> None:
    """
    Returns when this request may go on.

    Raises:
        NotFound: No password is set, and it does not come from this machine.
        Unauthorized: The password is not right, or missing.
        Forbidden: It would change something, and does not come from our own pages.
    """
    if password is None:
        if not is_local(asked.environ):
            raise NotFound
    elif not _knows(asked, password):
        raise Unauthorized(response=Response(status=401, headers={"WWW-Authenticate": _CHALLENGE}))
    if asked.method not in _SAFE_METHODS and not is_same_origin(asked.environ):
        raise Forbidden


def is_local(environ: Mapping[str, Any]) -> bool:
    """Whether a person at this machine asks, and nobody in between. Under an unknown server: no."""
    sock = environ.get("gunicorn.socket")
    if sock is None or not _LOCAL_HOST.fullmatch(environ.get("HTTP_HOST", "")):
        return False
    if any(name.startswith(_PROXY_HEADERS) for name in environ):
        return False
    try:
        ends = (sock.getsockname(), sock.getpeername())
    except OSError:  # the peer is gone
        return False
    return all(_is_loopback(end) for end in ends)


def _is_loopback(end: Any) -> bool:
    """Of a socket's address. A Unix socket is not: behind it sits a proxy."""
    if not isinstance(end, tuple) or not end or not isinstance(end[0], str):
        return False
    try:
        ip = ipaddress.ip_address(end[0].partition("%")[0])
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def _knows(asked: Request, password: str) -> bool:
    given = asked.authorization
    if given is None or given.type != "basic":
        return False
    # Both are compared whole and always: neither length nor a right user name shows in the time taken.
    is_user = _is_equal(given.username or "", USER)
    is_password = _is_equal(given.password or "", password)
    return is_user & is_password


def _is_equal(left: str, right: str) -> bool:
    digests = (hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in (left, right))
    return hmac.compare_digest(*digests)


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
