"""
`transcript.srt` and `transcript.vtt`: the cues of `app.transcripts.cues`, in the order of the transcript.

Where people talk over each other a cue may begin before the one ahead of it: players sort. SubRip has no
speakers and no way to escape: what its readers take for markup is written in its full-width form.
Sources: https://www.w3.org/TR/webvtt1/, https://docs.fileformat.com/video/srt/
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TextIO

from app.transcripts.cue_times import Cue
from app.transcripts.cues import CueBuilder
from app.transcripts.model import Sentence

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_FULL_WIDTH = str.maketrans("<>{}", "\uff1c\uff1e\uff5b\uff5d")
# Two of them in a line, and some reader takes it for a cue's times.
_TIME = re.compile(r"\d:\d\d?[:.,]\d")
_COLON = re.compile(r"(?<=\d):(?=\d)")


class CueWriter(ABC):
    """A format made of cues, with the file to write to."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    @abstractmethod
    def cue(self, cue: Cue) -> None:
        """One more cue, in their order."""


class Subtitles:
    """A renderer that makes the cues once, for all formats of them."""

    def __init__(self, writers: Sequence[CueWriter]) -> None:
        self._writers = writers
        self._cues = CueBuilder()

    def sentence(self, sentence: Sentence) -> None:
        self._write(self._cues.feed(sentence))

    def end(self) -> None:
        self._write(self._cues.finish())

    def _write(self, cues: Iterable[Cue]) -> None:
        for cue in cues:
            for writer in self._writers:
                writer.cue(cue)


class Srt(CueWriter):
    """Writes a number, `HH:MM:SS,mmm --> HH:MM:SS,mmm`, the lines, and a blank line."""

    _number = 0

    def cue(self, cue: Cue) -> None:
        self._number += 1
        text = _without_times("\n".join(cue.lines).translate(_FULL_WIDTH), "\uff1a")
        times = f"{_clock(cue.start_s, ',')} --> {_clock(cue.end_s, ',')}"
        self._out.write(f"{self._number}\n{times}\n{text}\n\n")


class Vtt(CueWriter):
    """Writes `WEBVTT` and cues, each in the voice (`<v NAME>`) of its speaker."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(out)
        out.write("WEBVTT\n\n")

    def cue(self, cue: Cue) -> None:
        text = _without_times("\n".join(cue.lines).translate(_ENTITIES), "&#58;")
        times = f"{_clock(cue.start_s, '.')} --> {_clock(cue.end_s, '.')}"
        self._out.write(f"{times}\n<v {cue.label.translate(_ENTITIES)}>{text}</v>\n\n")


def _without_times(text: str, colon: str) -> str:
    return _COLON.sub(colon, text) if ":" in text and _TIME.search(text) else text


def _clock(time_s: float, point: str) -> str:
    seconds, milliseconds = divmod(round(time_s * 1000), 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}{point}{milliseconds:03}"
