"""
Odd files of a transcript: what a writer less strict than JSON makes, and what is no transcript at all.

The same transcript has the same bytes at every download.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Mapping
from typing import Any

Turns = list[dict[str, Any]]
_LONE_LOW_SURROGATE = "\udc61"
_DEVICE = "iPhone"
_GARBAGE = bytes(range(256)) * 8

# Word of a script's `bodies`, and what it takes.
KINDS: Mapping[str, str] = {
    "ok": "", "nan": "", "infinity": "", "bom": "", "surrogate": "", "surrogate_word": "",
    "raw_surrogate": "", "speaker": "", "renamed": "", "renamed_back": "",
    "participant": "a whole number of at least 1",
    "garbage": "", "html": "", "object": "", "half": "", "nothing": "",
}  # fmt: skip
UNREADABLE = frozenset({"garbage", "html", "object", "half", "nothing"})
"""Those that no reader can make a transcript of."""


def render(turns: Turns, kind: str, argument: str = "") -> bytes:
    """
    The file.

    Args:
        turns: As they were spoken; not changed.
        kind: One of KINDS.
        argument: Of `participant`: the length of the longest participant id, bytes.
    """
    if kind in _NO_TRANSCRIPT:
        return _NO_TRANSCRIPT[kind](turns)
    if kind in ("bom", "raw_surrogate"):
        return _other_bytes(turns, kind)
    changed = _CHANGED[kind](turns, argument) if kind in _CHANGED else turns
    is_ascii = kind in ("surrogate", "surrogate_word")  # as the escape that it arrives in
    return _dumped(changed, ensure_ascii=is_ascii)


def _dumped(turns: Turns, *, ensure_ascii: bool = False) -> bytes:
    return json.dumps(turns, ensure_ascii=ensure_ascii, separators=(",", ":")).encode()


def _other_bytes(turns: Turns, kind: str) -> bytes:
    if kind == "bom":
        return codecs.BOM_UTF8 + _dumped(turns)
    named = _named_with_a_surrogate(turns, "")
    return json.dumps(named, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _with_confidence(value: float) -> Callable[[Turns, str], Turns]:
    def changed(turns: Turns, argument: str) -> Turns:
        return [
            {**turn, "words": [{**word, "confidence": value} for word in turn["words"]]} for turn in turns
        ]

    return changed


def _named_with_a_surrogate(turns: Turns, argument: str) -> Turns:
    return [_of(turn, name=f"{turn['participant'].get('name') or ''}{_LONE_LOW_SURROGATE}") for turn in turns]


def _said_with_a_surrogate(turns: Turns, argument: str) -> Turns:
    def odd(word: dict[str, Any]) -> dict[str, Any]:
        return {**word, "text": f"{word['text']}{_LONE_LOW_SURROGATE}"}

    return [{**turn, "words": [odd(word) for word in turn["words"]]} for turn in turns]


def _flat(turns: Turns, argument: str) -> Turns:
    # Seen in older files: a name where a participant is now.
    return [{"speaker": turn["participant"].get("name"), "words": turn["words"]} for turn in turns]


def _renamed(turns: Turns, argument: str) -> Turns:
    """A device's name until it was known who speaks."""
    half = len(turns) // 2
    return [_of(turn, name=_DEVICE) if place < half else turn for place, turn in enumerate(turns)]


def _renamed_back(turns: Turns, argument: str) -> Turns:
    """Who speaks, and later only the device's name."""
    half = len(turns) // 2
    return [_of(turn, name=_DEVICE) if place >= half else turn for place, turn in enumerate(turns)]


def _with_a_long_id(turns: Turns, argument: str) -> Turns:
    return [_of(turn, id=f"{turn['participant'].get('id')}-{'x' * int(argument)}") for turn in turns]


def _of(turn: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {**turn, "participant": {**turn["participant"], **changed}}


_CHANGED: Mapping[str, Callable[[Turns, str], Turns]] = {
    "nan": _with_confidence(float("nan")),
    "infinity": _with_confidence(float("-inf")),
    "surrogate": _named_with_a_surrogate,
    "surrogate_word": _said_with_a_surrogate,
    "speaker": _flat,
    "renamed": _renamed,
    "renamed_back": _renamed_back,
    "participant": _with_a_long_id,
}
_NO_TRANSCRIPT: Mapping[str, Callable[[Turns], bytes]] = {
    "garbage": lambda turns: _GARBAGE,
    "html": lambda turns: b"<html><body>Moved.</body></html>\n",
    "object": lambda turns: b'{"code": "not_ready", "detail": "Try again."}',
    "half": lambda turns: _dumped(turns)[: max(1, len(_dumped(turns)) // 2)],
    "nothing": lambda turns: b"",
}
