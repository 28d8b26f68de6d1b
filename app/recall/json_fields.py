"""
Tolerant readers of foreign JSON: every function takes anything and returns a value of ours or None.
PURE: no I/O, no clock. Which field belongs to which message is in `endpoints` and `webhook_events`.

What passes is safe to keep: ids are canonical UUIDs (they become paths), codes are short words,
texts can be stored by both databases (no NUL, no lone surrogate) and are bounded. What JSON does not
allow but its writers write (NaN, a byte order mark, half a surrogate pair) is read: an id that was paid
for must not be lost over a name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from app.errors import AfterwordError

# Recall's own limit for a metadata value. https://docs.recall.ai/docs/custom-metadata
MAX_VALUE_CHARS = 500
MAX_KEY_CHARS = 100
MAX_PAIRS = 100
OUR_KEY = "afterword"

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


class Unreadable(AfterwordError):
    """Bytes that are not what they should be. The reason never quotes them."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def json_object(body: bytes, *, at_most: int) -> Mapping[str, Any]:
    """
    The JSON object in `body`.

    Raises:
        Unreadable: Longer than `at_most` bytes, not JSON, too deep, or not an object. Bytes that are not
            of its encoding are read as U+FFFD.
    """
    if len(body) > at_most:
        raise Unreadable("over-long")
    try:
        text = body.decode(json.detect_encoding(body), "replace")
        parsed = json.loads(text, strict=False)
    except ValueError:  # also for an integer of thousands of digits
        raise Unreadable("not JSON") from None
    except RecursionError:
        raise Unreadable("nested too deeply") from None
    if not isinstance(parsed, dict):
        raise Unreadable("not a JSON object")
    return parsed


def at(value: Any, *path: str) -> Any:
    """What lies at `path`, or None when any step of it is missing or not an object."""
    for step in path:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def canonical_id(value: Any) -> str | None:
    """A UUID in lower case with hyphens, or None for everything else (`../`, a number, a brace)."""
    if isinstance(value, str) and _UUID.fullmatch(lowered := value.lower()):
        return lowered
    return None


def code(value: Any) -> str | None:
    """A short machine-readable word, or None: prose must not travel into logs under this name."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None


def seconds_since_epoch(value: Any) -> float | None:
    """An ISO-8601 time (`Z` or an offset; without either it is UTC) as seconds since the epoch."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def bot_and_metadata(holder: Any, recording: Any) -> tuple[str | None, tuple[tuple[str, str | None], ...]]:
    """The bot's id and the metadata of bot and recording. `holder`: the object in which the bot stands."""
    bot_id = at(holder, "bot", "id") or at(holder, "bot_id")
    return canonical_id(bot_id), metadata(at(holder, "bot", "metadata"), at(recording, "metadata"))


def metadata(*sources: Any) -> tuple[tuple[str, str | None], ...]:
    """
    Metadata objects merged, the later winning, as sorted pairs. A null is kept, but takes no text's place.

    Values that are neither text nor null are dropped, and so is what is too long or cannot be stored:
    cutting a value short would make another value of it. Half a surrogate pair becomes U+FFFD. Of too many
    pairs the first in order stay, and always `afterword`, which may say that a recording is to be left alone.
    """
    merged: dict[str, str | None] = {}
    for source in sources:
        for key, value in source.items() if isinstance(source, dict) else ():
            key, value = _whole(key), _whole(value)
            if _is_storable_pair(key, value) and not (value is None and key in merged):
                merged[key] = value
    first = sorted(merged, key=lambda key: (key != OUR_KEY, key))[:MAX_PAIRS]
    return tuple((key, merged[key]) for key in sorted(first))


def _whole(value: Any) -> Any:
    """A text that UTF-8 can hold; anything else as it is."""
    return _HALF_PAIR.sub("\N{REPLACEMENT CHARACTER}", value) if isinstance(value, str) else value


def _is_storable_pair(key: str, value: Any) -> bool:
    # PostgreSQL refuses NUL, which JSON may spell.
    if len(key) > MAX_KEY_CHARS or "\0" in key:
        return False
    return value is None or (isinstance(value, str) and len(value) <= MAX_VALUE_CHARS and "\0" not in value)
