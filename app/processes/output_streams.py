"""
The standard streams of a command: what happens when they cannot show a letter or lead nowhere.

A letter that the terminal's encoding lacks is written plainly. A reader that leaves early (`| head`) has what
it wanted: the rest of the output is dropped, and the command goes on to its own exit code. A full disk is
told at the end. The streams wait for a slow reader (`| less`), as those of every command do.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress
from typing import Any, Never, TextIO, cast

_ERRORS = "afterword-plain"
_PLAIN = {"…": "...", "–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "→": "->"}


class _Outlet(io.FileIO):
    """A descriptor that can always be written to; `trouble` is why what was written is not there."""

    trouble: OSError | None = None

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # any buffer, as the base class
        try:
            return super().write(data)
        except OSError as error:
            self.trouble = error
            return len(data)


class _Text(io.TextIOWrapper):
    @property
    def buffer(self) -> Never:
        """Hidden from click, which would write UTF-8 into it where the encoding is ASCII."""
        raise AttributeError("buffer")


def take_over() -> list[_Outlet]:
    """Replaces `sys.stdout` and `sys.stderr`; a missing one (`>&-`) leads nowhere. Once, and first."""
    codecs.register_error(_ERRORS, _plainly)
    # Else the next file that is opened would be standard output: the database, say.
    for fd in range(3):
        with suppress(OSError):
            os.fstat(fd)
            continue
        os.open(os.devnull, os.O_RDWR)
    sys.stdout, out = _opened(sys.stdout, 1)
    sys.stderr, err = _opened(sys.stderr, 2)
    return [out, err]


def close(outlets: list[_Outlet], code: int) -> int:
    """
    Writes what is left. Returns the exit code: `code`, or 1 where the output of a command that did its work
    could not be written.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    trouble = outlets[0].trouble
    if trouble is None or isinstance(trouble, BrokenPipeError):
        return code
    sys.stderr.write(f"afterword: the output could not be written ({trouble.strerror}).\n")
    sys.stderr.flush()
    return code or 1


def _opened(stream: TextIO | None, fd: int) -> tuple[TextIO, _Outlet]:
    outlet = _Outlet(fd, "w", closefd=False)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    is_unbuffered = getattr(stream, "write_through", False)
    text = _Text(
        io.BufferedWriter(cast(Any, outlet)),  # it writes bytes, whatever its base may return
        encoding=encoding,
        errors=_ERRORS,
        line_buffering=fd == 2 or outlet.isatty(),
        write_through=is_unbuffered,
    )
    return text, outlet


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    plain = (_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in letters)
    return "".join(plain), error.end
