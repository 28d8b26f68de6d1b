"""
Recall's answers as values: what a status looks like in JSON, and in HTML where Recall's front door speaks.

Seen live by integrators where known (401, 404 of an unknown route); in the style of Django REST framework
where no body is published (402, 404 of an object, 429). Source: https://docs.recall.ai/docs/errors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

BAD_TOKEN = (
    "Invalid API token. The API token provided might be for another Recall region (such as us-east-1, "
    "us-west-2, eu-central-1, or ap-northeast-1). Verify token is valid and belongs to the correct region."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False  # the connection is closed instead
    late_s: float = 0.0  # simulated; passes before the answer
    # Whether an Idempotency-Key may bring this answer back. Not when the request never got that far.
    remember: bool = True


def ok(body: Any, status: int = 200) -> Answer:
    """Success with JSON."""
    return Answer(status, json.dumps(body).encode())


def problem(status: int, code: str, detail: str) -> Answer:
    """The usual shape of a refusal."""
    return Answer(status, json.dumps({"code": code, "detail": detail}).encode())


def invalid(fields: Any) -> Answer:
    """A 400 with a map of fields, to lists of messages or to plain strings: both are met."""
    return Answer(400, json.dumps(fields).encode())


def not_found() -> Answer:
    """404 of an object: unknown, or in another region or workspace."""
    return problem(404, "not_found", "Not found.")


def unrouted() -> Answer:
    """404 of a path that is no route: a page, not JSON."""
    page = b"<!doctype html>\n<html lang=en><head><title>Not Found</title></head><body><h1>Not Found</h1>\n"
    return Answer(
        404,
        page + b"<p>The requested resource was not found on this server.</p></body></html>\n",
        "text/html",
    )


def blocked(style: str = "json") -> Answer:
    """403 of the firewall in front of Recall; it never reached Recall. As JSON since 2026; a page before."""
    if style == "json":
        detail = "The request was blocked: no body in a GET, and no localhost address in any."
        return replace(problem(403, "request_blocked", detail), remember=False)
    if style == "text":
        return Answer(403, b"request_blocked\n", "text/plain", remember=False)
    page = b"<HTML><HEAD><TITLE>ERROR</TITLE></HEAD><BODY><H1>403 ERROR</H1>\n"
    return Answer(403, page + b"Request blocked. (simulated)\n</BODY></HTML>\n", "text/html", remember=False)


def unauthorized(code: str, detail: str, allow: str) -> Answer:
    """401, with the two headers seen live."""
    body = json.dumps({"code": code, "detail": detail}).encode()
    return Answer(401, body, headers=(("WWW-Authenticate", "Token"), ("Allow", allow)))


def method_not_allowed(method: str, allow: str) -> Answer:
    """405; judged after the key."""
    body = json.dumps({"code": "method_not_allowed", "detail": f'Method "{method}" not allowed.'}).encode()
    return Answer(405, body, headers=(("Allow", allow),))


def throttled(retry_after: str | None) -> Answer:
    """429, with or without its header."""
    detail = {"code": "throttled", "detail": "Request was throttled."}
    headers = () if retry_after is None else (("Retry-After", retry_after),)
    return Answer(429, json.dumps(detail).encode(), headers=headers)


def no_balance() -> Answer:
    """402: the self-serve balance is too low."""
    return problem(402, "insufficient_credit", "Your balance is too low for this request.")


def shed(status: int = 503) -> Answer:
    """Load shed, or an error page, somewhere before Recall's code."""
    return Answer(status, b"<html><body><h1>Service Unavailable</h1></body></html>\n", "text/html")


def cut() -> Answer:
    """No answer at all."""
    return Answer(0, cut=True, remember=False)


def scripted(status: int, retry_after: str, waf_style: str) -> Answer:
    """The answer a script asks for by its number."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]()
    if status == 403:
        return blocked(waf_style)
    if status == 429:
        return throttled(retry_after)
    if status == 507:
        full = problem(507, "insufficient_capacity", "No capacity at the moment, try again later.")
        return replace(full, headers=(("Retry-After", retry_after),))
    return shed(status)


def conflict() -> Answer:
    """409: a request with the same Idempotency-Key is still running."""
    return Answer(
        409,
        b'{"code": "conflict", "detail": "A request with this Idempotency-Key is in progress."}',
        remember=False,
    )


_BY_STATUS: Mapping[int, Callable[[], Answer]] = {
    400: lambda: invalid({"non_field_errors": ["Refused by script."]}),
    402: no_balance,
    404: not_found,
    409: conflict,
}
