"""
What an answer to a create means: created, refused, or unknown. PURE.

Money hangs on this file. An answer is judged by its status, by Recall's machine-readable code and by
field names, never by prose. What must change together: this, and "Definite" and "Unknown" in the
section "Money" of the design.
Sources: https://docs.recall.ai/docs/errors, https://docs.recall.ai/reference-link/idempotency
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from app.recall import json_fields
from app.recall.json_fields import Unreadable
from app.recall.resources import MAX_ANSWER_BYTES, names_another_recording, providers_of, recording_of
from app.recall.translation.models import refuses_model
from app.recall.types import CreateAnswer, CreateOrder


def read_create_answer(
    status: int, headers: Mapping[str, str], body: bytes, *, order: CreateOrder, now: datetime, cap_s: float
) -> CreateAnswer:
    """
    What a complete answer to `create_request` means.

    "refused" is any 4xx except 409, and 507: nothing was made. "created" is a 2xx with an id that names
    its recording or our marker, and neither another one. Everything else is "unknown": 409 (the same
    key is in flight), 5xx, 3xx, any other 2xx. A 400 is compared with the provider of `order`, which was
    sent; `now` and `cap_s` are for `retry_after_s`.
    """
    wait_s = retry_after_s(headers, now=now, cap_s=cap_s) if status in (429, 503, 507) else None
    if 200 <= status < 300:
        return _read_created(status, body, order)
    said = _said(body)
    is_refused = status == 507 or (400 <= status < 500 and status != 409)
    return CreateAnswer(
        "refused" if is_refused else "unknown",
        status=status,
        code=_code_of(said),
        names_provider=status == 400 and _names_provider(said, order),
        names_model=status == 400
        and refuses_model(json.dumps(said), order.provider, order.form, order.model),
        retry_after_s=wait_s,
        detail=f"http_{status}",
    )


def _read_created(status: int, body: bytes, order: CreateOrder) -> CreateAnswer:
    try:
        artifact = json_fields.json_object(body, at_most=MAX_ANSWER_BYTES)
    except Unreadable:
        return CreateAnswer("unknown", status=status, detail="unreadable_answer")
    transcript_id = json_fields.canonical_id(artifact.get("id"))
    if transcript_id is None:
        return CreateAnswer("unknown", status=status, detail="no_id")
    # A replay under a wrong key, or a mixed-up cache: only the list can tell.
    if names_another_recording(artifact, json_fields.canonical_id(order.recording_id)):
        return CreateAnswer("unknown", status=status, detail="other_recording")
    said = artifact.get("metadata")
    if isinstance(said, dict) and str(said.get(json_fields.OUR_KEY)).lower() != order.marker.lower():
        return CreateAnswer("unknown", status=status, detail="other_marker")
    # Recall's schema requires `recording`; an id alone may be of any transcript.
    if not isinstance(said, dict) and recording_of(artifact) is None:
        return CreateAnswer("unknown", status=status, detail="names_no_recording")
    providers = providers_of(artifact)
    provider = order.provider if order.provider in providers else next(iter(providers), None)
    return CreateAnswer("created", transcript_id=transcript_id, provider=provider, status=status)


def _said(body: bytes) -> Any:
    """An error's JSON, whatever its shape; None for HTML and the like."""
    try:
        return json.loads(body[:MAX_ANSWER_BYTES])
    except (ValueError, RecursionError):
        return None


def _code_of(said: Any) -> str:
    """Recall's `code`, or the field names of a field map; "" when there is neither."""
    if not isinstance(said, dict):
        return ""
    if own := json_fields.code(said.get("code")):
        return own
    return ",".join(sorted(name for name in said if json_fields.code(name))[:5])


def _names_provider(said: Any, order: CreateOrder) -> bool:
    """
    Whether a 400 is about the provider, its options or its credentials.

    Cautious: field names, and in the texts nothing but the provider's name as we sent it (or without
    `_async`, as in "credentials for deepgram_streaming"). "Recallai" alone would match too much.
    """
    vendor = order.provider.removesuffix("_async")
    needles = {order.provider} | ({vendor} - {"recallai"})
    name = re.compile(rf"(?<![a-z0-9_])({'|'.join(map(re.escape, needles))})(?![a-z0-9])")
    # An option may be called like a neighbour of `provider` (rev_async has `metadata`): it proves nothing.
    fields = {"provider", "credentials", order.provider, *order.options} - {"metadata", "diarization"}
    return any(
        word in fields if is_name else bool(name.search(word.lower())) for word, is_name in _words(said)
    )


def _words(said: Any, depth: int = 6) -> Iterator[tuple[str, bool]]:
    """Every field name (True) and every text (False), not deeper than Recall nests its field maps."""
    if isinstance(said, str):
        yield said, False
    elif isinstance(said, dict) and depth:
        for key, value in said.items():
            yield key, True
            yield from _words(value, depth - 1)
    elif isinstance(said, list) and depth:
        for item in said:
            yield from _words(item, depth - 1)


def retry_after_s(headers: Mapping[str, str], *, now: datetime, cap_s: float = 300.0) -> float:
    """
    Seconds to wait before repeating a request that got 429, 503 or 507.

    Args:
        headers: Response headers; any capitalisation.
        now: Aware UTC; used when the header holds a date.
        cap_s: Upper bound, seconds. A sender once sending a year must not park a job.

    Returns:
        Seconds, 0 <= s <= cap_s. 1.0 (or the cap) when the header is absent or nonsense.

    Source: RFC 9110, 10.2.3.
    """
    said = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    if re.fullmatch(r"[0-9]+", said):
        return min(float(said[:300]), cap_s)
    try:
        then = parsedate_to_datetime(said)
    except (ValueError, TypeError, OverflowError, IndexError):
        return min(1.0, cap_s)
    aware = then if then.tzinfo else then.replace(tzinfo=UTC)
    return min(max((aware - now).total_seconds(), 0.0), cap_s)
