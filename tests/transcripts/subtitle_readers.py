"""What three independent programs read in our subtitles: (start, end, text) in seconds, markup undone."""

from __future__ import annotations

import html
import io
import re
import unicodedata
from collections.abc import Callable
from datetime import timedelta

import pysubs2
import srt
import webvtt

from tests.transcripts.test_properties import visible

Read = tuple[float, float, str]

_FULL_WIDTH = str.maketrans("\uff1c\uff1e\uff5b\uff5d", "<>{}")


def _seconds(at: timedelta) -> float:
    return at.total_seconds()


def by_srt(content: str) -> list[Read]:
    return [(_seconds(c.start), _seconds(c.end), c.content) for c in srt.parse(content)]


def by_pysubs2(content: str, kind: str) -> list[Read]:
    # Written with "\\N" for a line end there.
    events = pysubs2.SSAFile.from_string(content, format_=kind)
    return [(e.start / 1000, e.end / 1000, e.text.replace("\\N", "\n")) for e in events]


def by_webvtt(content: str, kind: str) -> list[Read]:
    found = webvtt.from_buffer(io.StringIO(content), format=kind).captions
    return [(c.start_in_seconds + _ms(c.start), c.end_in_seconds + _ms(c.end), c.text) for c in found]


def _ms(stamp: str) -> float:
    return int(stamp[-3:]) / 1000


SRT_READERS: dict[str, Callable[[str], list[Read]]] = {
    "srt": by_srt,
    "pysubs2": lambda content: by_pysubs2(content, "srt"),
    "webvtt": lambda content: by_webvtt(content, "srt"),
}
VTT_READERS: dict[str, Callable[[str], list[Read]]] = {
    # Neither reads the entities that a browser does.
    "pysubs2": lambda content: _unescaped(by_pysubs2(content, "vtt")),
    "webvtt": lambda content: _unescaped(by_webvtt(content, "vtt")),
    "the standard": lambda content: by_the_standard(content),  # noqa: PLW0108  # it comes below
}


def _unescaped(cues: list[Read]) -> list[Read]:
    return [(start_s, end_s, html.unescape(text)) for start_s, end_s, text in cues]


def by_the_standard(content: str) -> list[Read]:
    """By the grammar of https://www.w3.org/TR/webvtt1/, as strictly as a validator."""
    header, *blocks = content.removesuffix("\n\n").split("\n\n")
    assert header == "WEBVTT"
    found = []
    for block in blocks:
        times, _, text = block.partition("\n")
        stamp = r"(\d{2,}):([0-5]\d):([0-5]\d\.\d{3})"
        matched = re.fullmatch(f"{stamp} --> {stamp}", times)
        assert matched, times
        hours, minutes, seconds = matched.groups()[0::3], matched.groups()[1::3], matched.groups()[2::3]
        start, end = (
            int(h) * 3600 + int(m) * 60 + float(s) for h, m, s in zip(hours, minutes, seconds, strict=True)
        )
        voice = re.fullmatch(r"<v [^<>\n]+>([^<>]*)</v>", text)
        assert voice, text
        found.append((round(start, 3), round(end, 3), html.unescape(voice[1])))
    return found


def words_read(cues: list[Read]) -> str:
    """All that can be seen, in order, with the signs of which a format has only full-width forms."""
    text = visible("".join(text for _, _, text in cues))
    return unicodedata.normalize("NFKC", text.translate(_FULL_WIDTH))
