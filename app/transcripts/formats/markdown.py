"""
`transcript.md`: a paragraph per speaker turn, with the time of day where the recording's start is known.

    **Ana** (00:01:23, 14:01:26): Good morning. Shall we start?

Every sign that Markdown reads within a line is escaped; a line begins with a name in bold, never with a word,
so that none becomes a heading or a list.
Source: https://spec.commonmark.org/0.31.2/#backslash-escapes
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TextIO

from app.transcripts.formats.plain_text import clock
from app.transcripts.model import Sentence
from app.transcripts.text import blank_between

_MARKUP = re.compile(r"[\\`*_\[\]<>&~|$]")


class Markdown:
    """`started_at`: when the recording began, aware; the times are written in UTC."""

    def __init__(self, out: TextIO, started_at: datetime | None) -> None:
        self._out = out
        self._started_at = started_at.astimezone(UTC) if started_at is not None else None
        self._before = ""
        out.write("# Transcript\n")
        if self._started_at is not None:
            out.write(f"\nRecording started at {self._started_at:%Y-%m-%d %H:%M:%S} UTC.\n")

    def sentence(self, sentence: Sentence) -> None:
        if sentence.starts_turn:
            times = ", ".join((clock(sentence.start_s), *self._time_of_day(sentence.start_s)))
            separator = "\n\n" if self._before else "\n"
            lead = f"{separator}**{_escaped(sentence.speaker.label)}** ({times}): "
        else:
            lead = blank_between(self._before, sentence.text)
        self._out.write(lead + _escaped(sentence.text))
        self._before = sentence.text

    def end(self) -> None:
        self._out.write("\n" if self._before else "\nNothing was said.\n")

    def _time_of_day(self, time_s: float | None) -> tuple[str, ...]:
        if self._started_at is None or time_s is None:
            return ()
        return (f"{self._started_at + timedelta(seconds=time_s):%H:%M:%S}",)


def _escaped(text: str) -> str:
    return _MARKUP.sub(lambda found: f"\\{found[0]}", text)
