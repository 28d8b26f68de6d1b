"""
Text into the words by which it is found, and a question into the words that are looked for. Both databases
index these words as they are, so that the same question finds the same on both.

Capitals, width and, in Latin, Greek, Arabic and Hebrew letters, accents and vowel marks make no difference;
nothing is stemmed. Scripts written without blanks, and Korean, whose endings are written to the word, become
overlapping pairs of characters: "会議室" is 会議 議室 室. So two characters find each place they stand in.

Must change together: what is made of a text here, and `FORMAT`: an index made before is made anew by it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from app.transcripts.text import UNSPACED_RANGES

FORMAT = f"1 {unicodedata.unidata_version}"
"""Changes when the same text gives other words."""

MAX_QUERY_CHARS, MAX_QUERY_WORDS = 1000, 100
"""As much of a question is looked for; what follows is passed over."""

_LONGEST_WORD = 64

_WORD_OF_ASCII = re.compile("[a-z0-9]+")
# After NFD: accents of Latin and Greek letters, vowel marks of Hebrew and Arabic, Arabic's stretching sign.
# Elsewhere a mark is a letter's own: й is no и, が no か.
_PASSED_OVER = re.compile(
    "(?<=[a-z\u00df-\u024f\u0370-\u03ff])[\u0300-\u036f]+"
    "|[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u0652\u0670]"
)
_PAIRED = f"{UNSPACED_RANGES}\u1100-\u11ff\uac00-\ud7af"
_RUN = re.compile(f"(?P<paired>[{_PAIRED}]+)|[^{_PAIRED}]+")
_VARIATIONS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_QUOTES = str.maketrans("“”„‟＂", '"""""')


class _Kept(dict[int, str]):
    """For `str.translate`: letters, digits and marks stay, format characters go, all else parts words."""

    def __missing__(self, code: int) -> str:
        category = unicodedata.category(chr(code))
        is_dropped = category == "Cf" or any(code in variations for variations in _VARIATIONS)
        kept = "" if is_dropped else chr(code) if category[0] in "LNM" else " "
        if code < 0x10000:  # all there are: 100 MB
            self[code] = kept
        return kept


_KEPT = _Kept()


@dataclass(frozen=True, slots=True)
class Phrase:
    """
    Words that stand one after the other.

    Attributes:
        is_open: The last one is the beginning of a word: a single character of a script without blanks.
    """

    words: tuple[str, ...]
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A sentence is found that has all of these, by a speaker whose name has all of those."""

    phrases: tuple[Phrase, ...]
    speaker: tuple[Phrase, ...] = ()


def words_of(text: str) -> list[str]:
    """In their order. None of them holds a blank, a quotation mark or another sign; each is one at least."""
    words: list[str] = []
    for run, is_paired in _runs(text):
        words += _pairs(run) if is_paired else [run]
    return words


def parse_query(text: str, speaker: str = "") -> Query | None:
    """
    Any text is a question: words in any order, and phrases between quotation marks. A word that consists of
    several ("e-mail", "don't", "会議室") is a phrase.

    Args:
        speaker: Words of the speaker's name; without any, every speaker's sentences are meant.

    Returns:
        None where nothing can be found: neither is given, or one of the two has no letter and no digit.
    """
    phrases, names = tuple(_phrases(text)), tuple(_phrases(speaker))
    is_void = any(given.strip() and not found for given, found in ((text, phrases), (speaker, names)))
    return None if is_void or not (phrases or names) else Query(phrases, names)


def _phrases(text: str) -> Iterator[Phrase]:
    if len(text) > MAX_QUERY_CHARS:
        # Not half a word; a script without blanks has pairs in any piece.
        text = text[: MAX_QUERY_CHARS + 1].rpartition(" ")[0] or text[:MAX_QUERY_CHARS]
    left = MAX_QUERY_WORDS
    for number, part in enumerate(text.translate(_QUOTES).split('"')):
        for piece in [part] if number % 2 else part.split():
            phrase = _phrase(piece, left)
            if phrase.words:
                yield phrase
                left -= len(phrase.words)


def _phrase(text: str, most: int) -> Phrase:
    words: list[str] = []
    is_open = False
    runs = list(_runs(text))
    for number, (run, is_paired) in enumerate(runs, start=1):
        is_open = is_paired and number == len(runs) and len(run) == 1
        if not is_paired:
            words.append(run)
        elif number == len(runs) and len(run) > 1:
            words += _pairs(run)[:-1]  # the text may go on where the question ends
        else:
            words += _pairs(run)
    return Phrase(tuple(words[:most]), is_open and len(words) <= most)


def _pairs(run: str) -> list[str]:
    """The last character stands alone, so that each one begins a word."""
    return [run[at : at + 2] for at in range(len(run))]


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """Pieces of one kind of script, and whether they become pairs."""
    if text.isascii():
        yield from ((word[:_LONGEST_WORD], False) for word in _WORD_OF_ASCII.findall(text.lower()))
        return
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    text = unicodedata.normalize("NFKC", _PASSED_OVER.sub("", text))
    for word in text.translate(_KEPT).split(" "):
        for run in _RUN.finditer(word):
            is_paired = run["paired"] is not None
            yield (run[0] if is_paired else run[0][:_LONGEST_WORD]), is_paired
