"""Transcripts in Recall's shape, written by hand: the vocabulary of the tests in this folder."""

from __future__ import annotations

import io
import json
from typing import Any

from app.transcripts.formats import FORMATS
from app.transcripts.model import Summary
from app.transcripts.render import render

Json = Any


def said(text: str | None, start_s: Json = None, end_s: Json = None) -> dict[str, Json]:
    """A word as Recall's asynchronous transcripts have it: `absolute` is always null."""
    return {
        "text": text,
        "start_timestamp": {"relative": start_s, "absolute": None},
        "end_timestamp": {"relative": end_s, "absolute": None},
    }


def spoke(
    text: str, *, who: Json = "Ana", id: Json = 1, language: str | None = "en", at_s: float = 0.0
) -> dict[str, Json]:
    """One turn; its words are the blank-separated parts of `text`, one each second, 0.8 s long."""
    words = [said(word, at_s + n, at_s + n + 0.8) for n, word in enumerate(text.split(" "))]
    return turn(words, who=who, id=id, language=language)


def turn(words: Json, *, who: Json = "Ana", id: Json = 1, language: Json = "en") -> dict[str, Json]:
    return {
        "participant": {
            "id": id,
            "name": who,
            "is_host": None,
            "platform": "unknown",
            "extra_data": {"zoom": {"conf_user_id": "u"}},
            "email": None,
        },
        "language_code": language,
        "words": words,
    }


def rendered(*turns: Json) -> dict[str, str]:
    """Every format of a transcript with these turns."""
    return rendered_bytes(json.dumps(turns).encode())[0]


def rendered_bytes(content: bytes) -> tuple[dict[str, str], Summary]:
    outputs = {name: io.StringIO() for name in FORMATS}
    summary = render(io.BytesIO(content), outputs)
    return {name: out.getvalue() for name, out in outputs.items()}, summary


def text_of(*turns: Json) -> str:
    return rendered(*turns)["transcript.txt"]


def sentences_of(*turns: Json) -> list[dict[str, Json]]:
    entries: list[dict[str, Json]] = json.loads(rendered(*turns)["sentences.json"])
    return entries


def summary_of(*turns: Json) -> Summary:
    return rendered_bytes(json.dumps(turns).encode())[1]
