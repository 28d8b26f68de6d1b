"""
The formats a transcript is written in: one small module each, listed in `FORMATS`.

A renderer sees sentences, one after the other, and writes at once. It keeps nothing that grows
with the transcript, reads no clock, and writes the same bytes for the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol, TextIO

from app.transcripts.formats.markdown import Markdown
from app.transcripts.formats.plain_text import PlainText
from app.transcripts.formats.segments_json import SegmentsJson
from app.transcripts.formats.sentences_json import SentencesJson
from app.transcripts.formats.subtitles import CueWriter, Srt, Vtt
from app.transcripts.model import Sentence
from app.transcripts.result_folder import MANIFEST, PARTICIPANTS, PROVIDER_RAW, RAW


class Renderer(Protocol):
    """One format, made with the file to write to (UTF-8, no newline translation)."""

    def sentence(self, sentence: Sentence) -> None:
        """One more sentence, in their order."""

    def end(self) -> None:
        """Write what comes last. Does not close the file."""


_Made = Renderer | CueWriter


def _relative(format_: Callable[[TextIO], _Made]) -> Callable[[TextIO, datetime | None], _Made]:
    """Of a format that has no time of day."""
    return lambda out, _: format_(out)


FORMATS: Mapping[str, Callable[[TextIO, datetime | None], _Made]] = {
    "sentences.json": _relative(SentencesJson),
    "segments.json": _relative(SegmentsJson),
    "transcript.txt": _relative(PlainText),
    "transcript.md": Markdown,
    "transcript.srt": _relative(Srt),
    "transcript.vtt": _relative(Vtt),
}
"""
File name to what writes it, made with the file and when the recording started, where that is known. A new
format is a module and a line here and below.
"""

MEDIA_TYPES: Mapping[str, str] = {
    **dict.fromkeys((RAW, PROVIDER_RAW, PARTICIPANTS, MANIFEST), "application/json"),
    **dict.fromkeys(("sentences.json", "segments.json"), "application/json"),
    "transcript.txt": "text/plain; charset=utf-8",
    "transcript.md": "text/markdown; charset=utf-8",
    "transcript.srt": "application/x-subrip; charset=utf-8",
    "transcript.vtt": "text/vtt; charset=utf-8",
}
"""Media type of every file of a stored transcript."""
