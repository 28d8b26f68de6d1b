"""
`sentences.json`: a JSON list, one sentence per line so that two versions can be compared.

What Recall's sample code calls sentence by sentence is one entry per speaker turn; these are sentences.
"""

from __future__ import annotations

import json
from typing import TextIO

from app.transcripts.model import Sentence


class SentencesJson:
    """Writes `{"speaker", "speaker_id", "language", "start_s", "end_s", "text"}` per line."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._separator = "\n"
        out.write("[")

    def sentence(self, sentence: Sentence) -> None:
        entry = {
            "speaker": sentence.speaker.label,
            "speaker_id": sentence.speaker.participant_id,
            "language": sentence.language,
            "start_s": to_millisecond(sentence.start_s),
            "end_s": to_millisecond(sentence.end_s),
            "text": sentence.text,
        }
        self._out.write(self._separator + json.dumps(entry, ensure_ascii=False, allow_nan=False))
        self._separator = ",\n"

    def end(self) -> None:
        self._out.write("]\n" if self._separator == "\n" else "\n]\n")


def to_millisecond(time_s: float | None) -> float | None:
    """Rounded; None stays None."""
    return None if time_s is None else round(time_s, 3)
