"""
Lists: filters, a cursor that survives insertions, and an absolute `next`.

Recall documents neither page size nor order. Source: https://docs.recall.ai/reference/transcript_list.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode

from app.simulator.api import answers
from app.simulator.api.answers import Answer


class Listed(Protocol):
    """What a list can order and filter by."""

    @property
    def id(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def created_at(self) -> datetime: ...


T = TypeVar("T", bound=Listed)
_ORDERS: Mapping[str, Callable[[Listed], str]] = {
    # Keys are texts that grow along the list, so that a cursor is simply the last key seen.
    "newest": lambda item: f"{10**12 - item.seq:013d}",
    "oldest": lambda item: f"{item.seq:013d}",
    "mixed": lambda item: hashlib.sha256(item.id.encode()).hexdigest(),
}


def why_bad_query(query: Mapping[str, str], *, uuids: Sequence[str], codes: Sequence[str]) -> Answer | None:
    """The 400 of a filter value that cannot be: an id, a date or a state."""
    wrong: dict[str, list[str]] = {}
    for name in uuids:
        if name in query and not _is_uuid(query[name]):
            wrong[name] = ["Enter a valid UUID."]
    for name in ("created_at_after", "created_at_before"):
        if name in query and parse_stamp(query[name]) is None:
            wrong[name] = ["Enter a valid date/time."]
    if query.get("status_code") not in (None, *codes):
        wrong["status_code"] = ["Select a valid choice."]
    return answers.invalid(wrong) if wrong else None


def parse_stamp(text: str) -> datetime | None:
    """An ISO-8601 moment; one without an offset is UTC. None when it is none."""
    try:
        # An unescaped + in a query arrives as a blank.
        at = datetime.fromisoformat(text.replace(" ", "+") if text.count(" ") == 1 and "T" in text else text)
    except ValueError:
        return None
    return at if at.tzinfo else datetime.fromisoformat(at.isoformat() + "+00:00")


def in_period(item: Listed, query: Mapping[str, str]) -> bool:
    """Whether `created_at` lies between the two optional bounds (checked before by `why_bad_query`)."""
    after, before = (parse_stamp(query.get(name, "")) for name in ("created_at_after", "created_at_before"))
    return (after is None or item.created_at > after) and (before is None or item.created_at < before)


def address(own: str, form: str) -> str:
    """
    The address of a list as `next` shows it.

    Args:
        own: As it is asked for here, absolute.
        form: `own`, as behind a TLS terminator (`https`) or a proxy (`recall`), or without a host (`path`).
    """
    path = "/" + own.split("/", 3)[3]
    match form:
        case "https":
            return own.replace("http://", "https://", 1)
        case "recall":
            return f"https://us-east-1.api.recall.ai{path}"
        case "path":
            return path
        case _:
            return own


def page(
    items: Sequence[T],
    query: Mapping[str, str],
    *,
    url: str,
    order: str,
    size: int,
    render: Callable[[T], dict[str, Any]],
) -> Answer:
    """
    One page of already filtered items.

    Args:
        url: Absolute address of the list without its query; `next` is built on it, with all filters kept.
    """
    key = _ORDERS[order]
    last_seen = _decode(query["cursor"]) if query.get("cursor") else ""
    if last_seen is None:
        return answers.problem(404, "not_found", "Invalid cursor")
    rest = sorted((item for item in items if key(item) > last_seen), key=key)
    shown = rest[:size]
    following = None
    if len(rest) > size:
        following = f"{url}?{urlencode({**query, 'cursor': _encode(key(shown[-1]))})}"
    return answers.ok({"next": following, "previous": None, "results": [render(item) for item in shown]})


def _encode(key: str) -> str:
    return base64.urlsafe_b64encode(b"p=" + key.encode()).decode()


def _decode(cursor: str) -> str | None:
    try:
        text = base64.urlsafe_b64decode(cursor.encode()).decode()
    except ValueError:
        return None
    return text[2:] if text.startswith("p=") else None


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
