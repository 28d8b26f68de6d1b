"""
What the body of create_transcript may say: Recall's 400s.

What the options of a provider may be is in `options`. Sources:
https://docs.recall.ai/reference/recording_create_transcript_create, https://docs.recall.ai/docs/async-transcription.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from app.simulator.api.answers import Answer, invalid, problem
from app.simulator.api.options import why_refused
from app.simulator.api.shapes import ASYNC_PROVIDERS

METADATA_VALUE_MAX = 500

_FIELDS = {"provider", "diarization", "metadata"}
_NOT_ALLOWED = ["This field is not allowed."]


def read_json(raw: bytes, content_type: str | None) -> dict[str, Any] | Answer:
    """The JSON object of a body, or the 400 or 415 it gets."""
    if not (content_type or "").startswith("application/json"):
        return problem(415, "unsupported_media_type", f'Unsupported media type "{content_type}" in request.')
    try:
        body = json.loads(raw)
    except ValueError:
        return problem(400, "parse_error", "JSON parse error.")
    if not isinstance(body, dict):
        return invalid({"non_field_errors": ["Invalid data. Expected a dictionary."]})
    return body


def refuse_create(body: dict[str, Any], *, generation: str | None, stale: Collection[str]) -> Answer | None:
    """
    Why this body is a 400; None when it is not.

    Args:
        generation: Of the option objects, see `options`; None leaves them unread.
        stale: Models that the providers have withdrawn.
    """
    unknown = sorted(set(body) - _FIELDS)
    if unknown:
        return invalid(dict.fromkeys(unknown, _NOT_ALLOWED))
    for why in (
        _why_provider(body.get("provider"), generation=generation, stale=stale),
        _why_diarization(body.get("diarization")),
        why_metadata(body.get("metadata", {})),
    ):
        if why is not None:
            return invalid(why)
    return None


def why_metadata(metadata: object) -> dict[str, Any] | None:
    """What is wrong with `metadata`: an object of strings (or nulls) of at most 500 characters."""
    if not isinstance(metadata, dict):
        return {"metadata": ["Expected a dictionary of items."]}
    for key, value in metadata.items():
        if value is not None and not isinstance(value, str):
            return {"metadata": {key: ["Not a valid string."]}}
        if value is not None and len(value) > METADATA_VALUE_MAX:
            return {
                "metadata": {key: [f"Ensure this field has no more than {METADATA_VALUE_MAX} characters."]}
            }
    return None


def _why_provider(
    provider: object, *, generation: str | None, stale: Collection[str]
) -> dict[str, Any] | None:
    if provider is None:
        return {"provider": ["This field is required."]}
    if not isinstance(provider, dict):
        return {"provider": ["Invalid data. Expected a dictionary."]}
    # Both forms of a 400 are met in the wild: lists of messages, and plain strings.
    if len(provider) != 1:
        return {"provider": "Exactly one provider must be specified."}
    ((name, options),) = provider.items()
    if name not in ASYNC_PROVIDERS:
        return {"provider": {name: _NOT_ALLOWED}}
    if not isinstance(options, dict):
        return {"provider": {name: ["Invalid data. Expected a dictionary."]}}
    wrong = why_refused(name, options, generation=generation, stale=stale) if generation else None
    return {"provider": {name: wrong}} if wrong else None


def _why_diarization(diarization: object) -> dict[str, Any] | None:
    if diarization is None:
        return None
    if not isinstance(diarization, dict):
        return {"diarization": ["Invalid data. Expected a dictionary."]}
    key = "use_separate_streams_when_available"
    if not isinstance(diarization.get(key, False), bool):
        return {"diarization": {key: ["Must be a valid boolean."]}}
    return None
