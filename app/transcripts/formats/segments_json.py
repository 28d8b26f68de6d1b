"""
`segments.json`: bota.dev's segments, a JSON list with one sentence per line.

Shape: https://docs.bota.dev/api-reference/transcriptions/get-transcription
"""

from __future__ import annotations

import json
from typing import TextIO

from app.transcripts.formats.sentences_json import to_millisecond
from app.transcripts.model import Sentence


class SegmentsJson:
    """
    Writes `{"text", "speaker", "start", "end", "confidence"}` per line: seconds, null where not known.
    Recall's words have no confidence, so that is null as well.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._separator = "\n"
        out.write("[")

    def sentence(self, sentence: Sentence) -> None:
        entry = {
            "text": sentence.text,
            "speaker": sentence.speaker.label,
            "start": to_millisecond(sentence.start_s),
            "end": to_millisecond(sentence.end_s),
            "confidence": None,
        }
        self._out.write(self._separator + json.dumps(entry, ensure_ascii=False, allow_nan=False))
        self._separator = ",\n"

    def end(self) -> None:
        self._out.write("]\n" if self._separator == "\n" else "\n]\n")
