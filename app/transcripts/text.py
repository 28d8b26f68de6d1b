"""
Text that is safe to print and how words join to text, in any script.

Nothing here changes the order or the letters of a word: right-to-left text, accents, emoji
and the harmless direction marks stay as they are.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

MAX_NAME_CHARS = 200
"""A name is repeated with every sentence, so a participant must not be able to make it long."""

MAX_ID_CHARS = 64
"""So is a participant's id; a longer one is cut and ends in its digest."""

# Line ends and terminal controls become blanks: a word must not begin a line that looks like a speaker's.
_BLANKED = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029), " ")
# Embeddings, overrides and isolates reorder what follows them, the next speaker's name included. Bare marks
# (U+200E, U+200F, U+061C) reach no further than their neighbours and stay. https://www.unicode.org/reports/tr9/
_DROPPED: dict[int, str | None] = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), None)
_NOT_UTF8 = dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")
_HARMLESS: dict[int, str | None] = {**_BLANKED, **_DROPPED, **_NOT_UTF8}

_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})

# Scripts that write words without blanks: Thai, Lao, Myanmar, Khmer; radicals, punctuation and kana; enclosed
# forms to unified ideographs; compatibility forms; the rest of Han. Korean has blanks, so Hangul is not here.
UNSPACED_RANGES = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u312f\u3190-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff9f"
    "\U00020000-\U0003ffff"
)
# Full-width punctuation carries its own room, so there is no blank beside it even next to a Latin word.
_WIDE_PUNCTUATION = (
    "\u3001-\u3003\u3008-\u3011\u3014-\u301f\ufe30-\ufe4f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
_NO_BLANK_BETWEEN = re.compile(
    f"[{UNSPACED_RANGES}][{UNSPACED_RANGES}]|[{_WIDE_PUNCTUATION}].|.[{_WIDE_PUNCTUATION}]", re.DOTALL
)

# A provider may hand over several full-width sentences as one word.
_WIDE_SENTENCE = re.compile("[^。！？｡]*[。！？｡]+[」』”’）】》〉]*|[^。！？｡]+")


def harmless(text: str) -> str:
    """`text` without control characters, line ends and reordering controls; all else untouched."""
    # Everything in the table is unprintable in Python's sense, and hardly any word is.
    return text if text.isprintable() else text.translate(_HARMLESS)


def visible_parts(text: str) -> list[str]:
    """
    Cut one word of a provider into the parts that a sentence may end between.

    Blanks separate parts (a "word" may be a whole utterance), and so does the end of a sentence in
    full-width punctuation. No-break and ideographic spaces inside a part are kept. The parts are harmless,
    with something to see in each; a blank word has none.
    """
    text = harmless(text)
    if text.isascii() and " " not in text:  # as most are
        return [text] if text else []
    parts = (part.strip() for part in text.split(" "))
    return [piece for part in parts if _is_visible(part) for piece in _WIDE_SENTENCE.findall(part)]


def display_name(name: str | None) -> str | None:
    """A participant's name on one line, at most `MAX_NAME_CHARS` long; None if there is nothing to see."""
    parts = harmless(name or "").split()
    shown = " ".join(parts)[:MAX_NAME_CHARS].rstrip()
    return shown if _is_visible(shown) else None


def display_id(text: str) -> str | None:
    """
    A participant's id on one line, at most `MAX_ID_CHARS` long; None if it is blank. Two ids stay two: one
    that had to be changed ends in 32 hex digits of the SHA-256 of what it was.
    """
    shown = harmless(text.strip())
    if shown != text.strip() or len(shown) > MAX_ID_CHARS:
        digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]
        return f"{shown[: MAX_ID_CHARS - 33]}~{digest}"
    return shown or None


def blank_between(before: str, after: str) -> str:
    """
    What stands between two neighbouring words: a single space, as Recall joins words; nothing between two
    characters of scripts written without blanks (Chinese, Japanese, …) and beside full-width punctuation.
    """
    between = before[-1] + after[0]
    return " " if between.isascii() or not _NO_BLANK_BETWEEN.match(between) else ""


def is_unspaced(before: str, after: str) -> bool:
    """Whether a word of a script without blanks goes on between two characters: it may be cut there."""
    return blank_between(before, after) == ""


def join(words: Iterable[str]) -> str:
    """Words, none of them empty, as running text. See `blank_between`."""
    words = list(words)
    spaced = " ".join(words)
    if spaced.isascii():  # no script without blanks
        return spaced
    text: list[str] = []
    for word in words:
        if text:
            text.append(blank_between(text[-1], word))
        text.append(word)
    return "".join(text)


def _is_visible(text: str) -> bool:
    # Not `isprintable`: that calls characters newer than this Python's Unicode tables unprintable.
    return any(unicodedata.category(char) not in _INVISIBLE for char in text)
