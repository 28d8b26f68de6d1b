"""One request as a route sees it: its key, its path, its checked query and body."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Request, Response
from pydantic import BaseModel, ValidationError

from app.adapters.sql.access import AccessKey
from app.api.keys import Scope
from app.api.problems import Problem
from app.api.types import UUID_PATTERN, Given, NoQuery, Told
from app.web.bounded_worker import BodyRefused, read_body

BODY_BYTES = 64 * 1024
METADATA = "metadata."
NO_RECORDING = "00000000-0000-0000-0000-000000000000"
_ID = re.compile("[A-Za-z0-9_-]{1,100}")

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call:
    """`query` and `body` are of the route's types; `metadata`: of the query, in the order given."""

    request: Request
    key: AccessKey
    path: Mapping[str, str]
    query: Any = None
    metadata: tuple[tuple[str, str], ...] = ()
    body: Any = None
    body_bytes: bytes = b""


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path. `scope`: that its key must have. `answers`: by status, with their types."""

    method: str
    path: str
    scope: Scope
    run: Callable[[Call], Response]
    about: str
    answers: Mapping[int, type[Told] | type[Given] | None]
    query: type[Given] = NoQuery
    body: type[Given] | None = None
    has_metadata: bool = False
    codes: tuple[str, ...] = ()  # of problems, beside those of every route

    def checked(self, request: Request, key: AccessKey, path: Mapping[str, str]) -> Call:
        """Raises `Problem`."""
        _check(path)
        query, metadata = self._query(request)
        if self.body is None:
            return Call(request, key, path, query, metadata)
        body_bytes = _body(request)
        return Call(request, key, path, query, metadata, _body_as(self.body, body_bytes), body_bytes)

    def _query(self, request: Request) -> tuple[Given, tuple[tuple[str, str], ...]]:
        given: dict[str, str] = {}
        metadata: list[tuple[str, str]] = []
        for name, value in request.args.items(multi=True):
            if self.has_metadata and name.startswith(METADATA) and name != METADATA:
                metadata.append((_plain(name, name.removeprefix(METADATA)), _plain(name, value)))
            elif name in given:
                raise Problem("invalid_request", f"{_shown(name)} is given twice.")
            else:
                given[name] = value
        return _valid(self.query, given), tuple(metadata)


def _check(path: Mapping[str, str]) -> None:
    if not re.fullmatch(UUID_PATTERN, path.get("recording_id", NO_RECORDING)):
        raise Problem("invalid_request", "recording_id: Recall's ids are UUIDs, in five groups.")
    if not _ID.fullmatch(path.get("id", "txn_")):
        raise Problem("not_found")


def _plain(name: str, text: str) -> str:
    if len(text) > 500 or any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise Problem("invalid_request", f"{_shown(name)}: too long, or with control characters.")
    return text


def _body(request: Request) -> bytes:
    try:
        return read_body(request.environ, limit_bytes=BODY_BYTES)
    except BodyRefused as refused:
        raise Problem(refused.code) from refused


def _body_as(kind: type[_Model], body: bytes) -> _Model:
    """JSON, whatever the Content-Type; nothing at all is an empty object."""
    try:
        given = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError):
        raise Problem("invalid_request", "The body is no JSON.") from None
    return _valid(kind, given)


def _valid(kind: type[_Model], given: object) -> _Model:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise Problem("invalid_request", _sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    """Of the first fault, without the value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(_shown(str(part)) for part in first["loc"])
    what = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        return f"{place}: there is no such field or parameter."
    return f"{place}: {what}." if place else f"The body: {what}."


def _shown(name: str) -> str:
    return name if len(name) <= 60 and name.isascii() and name.isprintable() else "a name"
