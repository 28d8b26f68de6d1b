"""`python -m tests.transcripts.peak WORDS_PER_TURN WORDS...`: the most bytes that rendering so many holds."""

from __future__ import annotations

import io
import json
import sys
import tracemalloc
from typing import BinaryIO, cast

from app.transcripts.formats import FORMATS
from app.transcripts.render import render
from tests.transcripts.recall_json import spoke


class _Endless:
    """A transcript of `turns` turns that is nowhere whole."""

    def __init__(self, turns: int, one: bytes) -> None:
        self._turns, self._one = turns, one
        self.seek(0)

    def tell(self) -> int:
        return 0

    def seek(self, where: int) -> None:
        self._left, self._buffer = self._turns, b"["

    def read(self, size: int = -1) -> bytes:
        while len(self._buffer) < size and self._left:
            self._left -= 1
            self._buffer += self._one + (b"," if self._left else b"]")
        chunk, self._buffer = self._buffer[:size], self._buffer[size:]
        return chunk


class _Sink(io.StringIO):  # keeps nothing
    def write(self, text: str) -> int:
        return len(text)


def peak_bytes(words_per_turn: int, words: int) -> int:
    one = json.dumps(spoke(" ".join(["so"] * words_per_turn))).encode()
    tracemalloc.start()
    source = _Endless(words // words_per_turn, one)
    render(cast("BinaryIO", source), {name: _Sink() for name in FORMATS})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


if __name__ == "__main__":
    per_turn, *numbers = map(int, sys.argv[1:])
    peak_bytes(50, 200)  # what is kept from the first rendering on is then there
    sys.stdout.write(" ".join(str(peak_bytes(per_turn, number)) for number in numbers))
