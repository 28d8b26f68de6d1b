"""The sentences of a stored transcript, as they are searched: read back from `sentences.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.transcripts.text import harmless

MAX_CHARS = 2000
"""A longer sentence is searched, and shown, in pieces: what has no full stop and no blank may be endless."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A sentence, or a piece of a long one. Times are seconds from the recording's start, where known."""

    speaker: str
    start_s: float | None
    end_s: float | None
    text: str


def read_passages(lines: Iterable[bytes]) -> Iterator[Passage]:
    """
    The sentences of a `sentences.json`, one line each as `SentencesJson` writes them.

    Raises:
        ValueError: Not such a file. The message holds none of it.
    """
    for line in lines:
        entry = line.strip().strip(b",")
        if entry in (b"", b"[", b"]", b"[]"):
            continue
        speaker, start_s, end_s, text = _fields(entry)
        for at in range(0, len(text), MAX_CHARS):
            yield Passage(speaker, start_s, end_s, text[at : at + MAX_CHARS])


def _fields(entry: bytes) -> tuple[str, float | None, float | None, str]:
    try:
        match json.loads(entry):
            case {
                "speaker": str(speaker),
                "start_s": int() | float() | None as start_s,
                "end_s": int() | float() | None as end_s,
                "text": str(text),
            }:
                return harmless(speaker), start_s, end_s, harmless(text)
    except (ValueError, RecursionError):
        pass
    raise ValueError("not a line of sentences.json")
