"""
What JSON does not allow and writers write: a byte order mark, UTF-16, NaN and Infinity, half a surrogate
pair, bytes that are no UTF-8, bare control characters. A transcript is paid for; none of these may cost it.
What is stored is what was downloaded; only what is rendered comes through here.

Knows bytes, and whether they are inside a string; no structure. Chunk by chunk, each cut where no character,
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
_STRINGS_AND_NO_NUMBERS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|(-?(?:NaN|Infinity))', re.DOTALL)


class LenientJson:
    """
    The bytes of `source` as JSON in UTF-8; as much of a binary file as a parser needs.

    NaN and Infinity read as null, half a surrogate pair and undecodable bytes as U+FFFD.
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
        if b"NaN" not in chunk and b"Infinity" not in chunk:
            return chunk
        opened = b'"' if was_inside else b""
        mended = _STRINGS_AND_NO_NUMBERS.sub(lambda m: b"null" if m[1] else m[0], opened + chunk)
        return mended[len(opened) :]


def _decodable(chunk: bytes) -> bytes:
    try:
        chunk.decode()  # thrice as fast as the line below
    except UnicodeDecodeError:
        return _HALF_PAIR_BYTES.sub(_REPLACEMENT, chunk).decode("utf-8", "replace").encode()
    return chunk


def _quotes(chunk: bytes) -> int:
    """How many quotation marks open or close a string."""
    escaped = chunk.replace(b"\\\\", b"").count(b'\\"') if b"\\" in chunk else 0
    return chunk.count(b'"') - escaped
