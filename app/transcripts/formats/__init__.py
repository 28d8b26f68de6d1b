"""
The formats a transcript is written in: one small module each, listed in `FORMATS`.

A renderer sees sentences, one after the other, and writes at once. It keeps nothing that grows
with the transcript, reads no clock, and writes the same bytes for the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TextIO

from app.transcripts.formats.plain_text import PlainText
from app.transcripts.formats.sentences_json import SentencesJson
from app.transcripts.model import Sentence
from app.transcripts.result_folder import MANIFEST, PROVIDER_RAW, RAW


class Renderer(Protocol):
    """One format, made with the file to write to (UTF-8, no newline translation)."""

    def sentence(self, sentence: Sentence) -> None:
        """One more sentence, in their order."""

    def end(self) -> None:
        """Write what comes last. Does not close the file."""


FORMATS: Mapping[str, Callable[[TextIO], Renderer]] = {
    "sentences.json": SentencesJson,
    "transcript.txt": PlainText,
}
"""File name to renderer. A new format is a module and a line here."""

MEDIA_TYPES: Mapping[str, str] = {
    **dict.fromkeys((RAW, PROVIDER_RAW, "sentences.json", MANIFEST), "application/json"),
    "transcript.txt": "text/plain; charset=utf-8",
}
"""Media type of every file of a stored transcript."""
