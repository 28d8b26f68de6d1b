"""
Requests to Recall as values: method, address, headers, body. PURE.

Sockets, clocks and the meaning of answers are elsewhere. What must change together: a request and the
reader of its answer (`create_response` for a create, `resources` for everything that is read).
Source: https://docs.recall.ai/reference (schemas v1.11)
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlencode, urlsplit

from app.recall import json_fields
from app.recall.json_fields import Unreadable
from app.recall.types import CreateOrder

USER_AGENT = "afterword"
with suppress(PackageNotFoundError):  # a checkout that is not installed
    USER_AGENT += f"/{version('afterword')}"
_API = "/api/v1"
_ADDRESS = re.compile(r"[!-~]{1,4000}")  # printable ASCII without blanks


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """Everything to put on the wire. `headers` hold the key and stay out of `repr`."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)


def create_body(order: CreateOrder) -> bytes:
    """The body of `create_request`. The same order gives the same bytes."""
    body = {
        "provider": {order.provider: dict(order.options)},
        "diarization": {"use_separate_streams_when_available": order.separate_streams},
        "metadata": {json_fields.OUR_KEY: order.marker},
    }
    return json.dumps(body, sort_keys=True).encode()


def create_request(base_url: str, api_key: str, order: CreateOrder, body: bytes | None = None) -> HttpRequest:
    """
    POST create_transcript: the request that costs money. `body`: what was sent first under the order's key.

    Source: https://docs.recall.ai/reference/recording_create_transcript,
    https://docs.recall.ai/reference-link/idempotency
    """
    headers = _headers(api_key) | {
        "Content-Type": "application/json",
        "Idempotency-Key": order.idempotency_key,
    }
    url = f"{base_url}{_API}/recording/{_own_id(order.recording_id)}/create_transcript/"
    return HttpRequest("POST", url, headers, create_body(order) if body is None else body)


def retrieve_request(base_url: str, api_key: str, transcript_id: str) -> HttpRequest:
    """GET one transcript, with a fresh download URL in the answer."""
    return _get(base_url, api_key, f"/transcript/{_own_id(transcript_id)}/")


def delete_request(base_url: str, api_key: str, transcript_id: str) -> HttpRequest:
    """DELETE one transcript at Recall."""
    return replace(retrieve_request(base_url, api_key, transcript_id), method="DELETE")


def recording_request(base_url: str, api_key: str, recording_id: str) -> HttpRequest:
    """GET one recording."""
    return _get(base_url, api_key, f"/recording/{_own_id(recording_id)}/")


def recording_delete_request(base_url: str, api_key: str, recording_id: str) -> HttpRequest:
    """DELETE a recording's media, its transcripts with it. https://docs.recall.ai/reference/recording_destroy"""
    return replace(recording_request(base_url, api_key, recording_id), method="DELETE")


def list_request(base_url: str, api_key: str, *, recording_id: str, cursor: str | None = None) -> HttpRequest:
    """
    GET a page of a recording's transcripts. `cursor` is what `cursor_of` made of the page before, kept by a
    caller perhaps. Raises `Unreadable`: it is none of this list.
    """
    return _get(base_url, api_key, _listed("transcript", cursor, recording_id=_own_id(recording_id)))


def recordings_list_request(
    base_url: str, api_key: str, *, created_after: float, cursor: str | None = None
) -> HttpRequest:
    """
    GET a page of recordings created after a time (seconds since the epoch), whatever their state: those
    under way say how far back the next reading must begin. `cursor` as in `list_request`.
    """
    after = datetime.fromtimestamp(created_after, UTC).isoformat()
    return _get(base_url, api_key, _listed("recording", cursor, created_at_after=after))


def cursor_of(following: str, what: str) -> str:
    """
    The cursor in the address of a next page: path and query on our own base URL.

    Scheme, host and whatever precedes Recall's own path are dropped: behind a TLS terminator, a proxy or an
    alias of the region the address names a server that we did not ask. The key goes to our base URL alone.
    `following` is `next` as Recall wrote it, or a cursor of ours; `what` is `transcript` or `recording`.

    Raises:
        Unreadable: No address, without a query, or of another list.
    """
    own = f"{_API}/{what}"
    try:
        parts = urlsplit(following if _ADDRESS.fullmatch(following) else "")
    except ValueError:  # a host in half a bracket
        parts = urlsplit("")
    is_relative = not parts.netloc and not parts.path  # RFC 3986, 4.2: "?cursor=…"
    if not parts.query or not (is_relative or parts.path.rstrip("/").endswith(own)):
        raise Unreadable("the next page is not one of this list")
    return f"{own}/?{parts.query}"


def probe_request(base_url: str, api_key: str) -> HttpRequest:
    """A list, not a retrieve: any path of any server may answer 404, a page of JSON is Recall."""
    return _get(base_url, api_key, "/transcript/?status_code=processing")


def _listed(what: str, cursor: str | None, **query: str) -> str:
    return f"/{what}/?{urlencode(query)}" if cursor is None else cursor_of(cursor, what).removeprefix(_API)


def _get(base_url: str, api_key: str, path: str) -> HttpRequest:
    # Never with a body, not even an empty JSON one: Recall's firewall answers 403 to that.
    # https://docs.recall.ai/docs/errors
    return HttpRequest("GET", f"{base_url}{_API}{path}", _headers(api_key))


def _headers(api_key: str) -> dict[str, str]:
    # The word `Token` is optional in one of Recall's documents, required in another.
    # https://docs.recall.ai/reference/authentication
    return {"Authorization": f"Token {api_key}", "Accept": "application/json", "User-Agent": USER_AGENT}


def _own_id(value: str) -> str:
    """Ids were checked when they came in; this is the last line before they are part of an address."""
    if json_fields.canonical_id(value) is None:
        raise Unreadable("an id that is not a UUID")
    return value
