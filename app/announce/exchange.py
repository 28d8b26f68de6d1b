"""
One POST to an endpoint: no redirects, no cookies, nothing of the answer but its status and Retry-After.

An address that leads into a private network is refused where the connection is made, after its name was
resolved and for exactly the address that is connected to, unless the endpoint says `allow_private`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import requests

from app.announce.schedule import retry_after_s
from app.recall.http_exchange import TROUBLE, Call, Wire, name_of
from app.recall.url_checks import is_public, why_refused
from app.settings.outgoing import Endpoint


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one try. Without a status, `cause` says why: a word, safe to log."""

    status: int | None
    cause: str
    retry_after_s: float = 0.0
    took_s: float = 0.0

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants nothing any more (https://www.standardwebhooks.com)."""
        return self.status == 410


def post(endpoint: Endpoint, headers: Mapping[str, str], body: bytes, *, timeout_s: float) -> Answer:
    """Sends once. Never raises for what the other side or the way to it does."""
    began = time.monotonic()
    is_private_fine = endpoint.allow_private
    refusal = why_refused(endpoint.url, is_private_fine=is_private_fine, is_plain_fine=is_private_fine)
    if refusal is not None:
        return Answer(None, refusal)
    call = Call(overall_s=timeout_s, may_connect_to=None if is_private_fine else is_public)
    status, asked_s, cause = None, 0.0, ""
    with contextlib.closing(Wire()) as connections:
        try:
            prepared = requests.Request("POST", endpoint.url, headers=dict(headers), data=body).prepare()
            with call, connections.open(prepared, timeout_s=(timeout_s, timeout_s)) as response:
                call.check()
                status = response.status_code
                asked_s = retry_after_s(response.headers, now=datetime.now(UTC))
        except TROUBLE as error:
            cause = name_of(error, call)
    return Answer(status, cause or f"http_{status}", asked_s, time.monotonic() - began)
