"""
What JSON does not allow and writers write: a byte order mark, UTF-16, NaN and Infinity, half a surrogate
pair, bytes that are no UTF-8, bare control characters. A transcript is paid for; none of these may cost it.
What is stored is what was downloaded; only what is rendered comes through here.

Bytes, and whether they are inside a string; no structure. Chunk by chunk, each cut where no character,
escape or number can be cut apart.
Sources: https://docs.python.org/3/library/json.html#standard-compliance-and-interoperability, RFC 8259
"""

from __future__ import annotations

import codecs
import json
import re
from typing import BinaryIO

# Blank outside of strings already; inside they become a blank in every rendering.
_BLANKS = bytes(0x20 if byte < 0x20 else byte for byte in range(256))
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}".encode()
# A whole pair written as two halves, which is no UTF-8, is the character that it means.
_PAIR_BYTES = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")
_HALF_PAIR_BYTES = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
# Cheap, and right but where a backslash is escaped.
_MAY_BE_HALF = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
    rb"|\\\\"
)
# Escaped backslashes and whole pairs are matched to be left alone; the group is half a pair.
_HALF_PAIR_ESCAPES = re.compile(
    rb"(?:\\\\)+"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
# Strings are matched to be left alone; then what is no number, and one that no parser need hold.
_STRINGS_AND_ODD_NUMBERS = re.compile(
    rb'"[^"\\]*(?:\\.[^"\\]*)*"?|(-?(?:NaN|Infinity))'
    rb"|(?<![-+.0-9eE])([-+.0-9eE]{300,}|-?[0-9.]+[eE][-+]?[0-9]{5,})",
    re.DOTALL,
)
# All digits alike and no signs: then a long number, or its exponent, is a piece of text to look for.
_ALIKE = bytes.maketrans(b"E123456789", b"e000000000")
_LONG_DIGITS, _LONG_EXPONENT = b"0" * 140, b"e00000"


class LenientJson:
    """
    The bytes of `source` as JSON in UTF-8; as much of a binary file as a parser needs.

    NaN and Infinity read as null, half a surrogate pair and undecodable bytes as U+FFFD, a number of 300
    characters or an exponent of five digits as the text of it: larger ones end ijson, in C, by a crash.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._decoder: codecs.IncrementalDecoder | None = None
        self._is_begun = False
        self._is_inside = False  # of a string, where the last chunk ended
        self._held: list[bytes] = []

    def read(self, size: int = -1) -> bytes:
        """About `size` bytes, more where no place to cut was found; b"" at the end."""
        while size:
            piece = self._source.read(size)
            text = self._utf8(piece)
            cut = max(text.rfind(b","), text.rfind(b" ")) + 1 if piece else len(text)
            if cut or not piece:
                whole, self._held = b"".join((*self._held, text[:cut])), [text[cut:]]
                return self._mended(whole)
            self._held.append(text)
        return b""

    def _utf8(self, piece: bytes) -> bytes:
        if not self._is_begun:
            self._is_begun = True
            while len(piece) < 4 and (more := self._source.read(4)):
                piece += more
            encoding = json.detect_encoding(piece)
            if encoding not in ("utf-8", "utf-8-sig"):
                self._decoder = codecs.getincrementaldecoder(encoding)("replace")
                return self._decoder.decode(piece).removeprefix("\ufeff").encode()
            piece = piece.removeprefix(codecs.BOM_UTF8)
        return self._decoder.decode(piece, not piece).encode() if self._decoder else piece

    def _mended(self, chunk: bytes) -> bytes:
        chunk = _decodable(chunk).translate(_BLANKS)
        if (b"\\ud" in chunk or b"\\uD" in chunk) and _MAY_BE_HALF.search(chunk):
            chunk = _HALF_PAIR_ESCAPES.sub(lambda m: b"\\ufffd" if m[1] else m[0], chunk)
        was_inside, self._is_inside = self._is_inside, self._is_inside ^ bool(_quotes(chunk) % 2)
        if not _may_hold_odd_numbers(chunk):
            return chunk
        opened = b'"' if was_inside else b""
        return _STRINGS_AND_ODD_NUMBERS.sub(_as_json, opened + chunk)[len(opened) :]


def _decodable(chunk: bytes) -> bytes:
    try:
        chunk.decode()  # thrice as fast as the line below
    except UnicodeDecodeError:
        chunk = _PAIR_BYTES.sub(_joined, chunk)
        return _HALF_PAIR_BYTES.sub(_REPLACEMENT, chunk).decode("utf-8", "replace").encode()
    return chunk


def _joined(pair: re.Match[bytes]) -> bytes:
    return (
        pair[0].decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16").encode()
    )


def _may_hold_odd_numbers(chunk: bytes) -> bool:
    if b"NaN" in chunk or b"Infinity" in chunk:
        return True
    alike = chunk.translate(_ALIKE, b"+-")
    return _LONG_DIGITS in alike or _LONG_EXPONENT in alike


def _as_json(found: re.Match[bytes]) -> bytes:
    return b"null" if found[1] else b'"%b"' % found[2] if found[2] else found[0]


def _quotes(chunk: bytes) -> int:
    """How many quotation marks open or close a string."""
    escaped = chunk.replace(b"\\\\", b"").count(b'\\"') if b"\\" in chunk else 0
    return chunk.count(b'"') - escaped
