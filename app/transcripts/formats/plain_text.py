"""
`transcript.txt`: one paragraph per speaker turn, a blank line between paragraphs.

    [00:01:23] Ana: Good morning. Shall we start?
"""

from __future__ import annotations

from typing import TextIO

from app.transcripts.model import Sentence
from app.transcripts.text import blank_between


class PlainText:
    """Writes `[HH:MM:SS] Speaker: text`; the time is where the first sentence begins, rounded down."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._before = ""

    def sentence(self, sentence: Sentence) -> None:
        if sentence.starts_turn:
            separator = "\n\n" if self._before else ""
            lead = f"{separator}[{clock(sentence.start_s)}] {sentence.speaker.label}: "
        else:
            lead = blank_between(self._before, sentence.text)
        self._out.write(lead + sentence.text)
        self._before = sentence.text

    def end(self) -> None:
        self._out.write("\n" if self._before else "")


def clock(time_s: float | None) -> str:
    """`HH:MM:SS`, rounded down; `--:--:--` where not known."""
    if time_s is None:
        return "--:--:--"
    minutes, seconds = divmod(int(time_s), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
