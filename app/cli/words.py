"""How times, spans and ids are said to people: in UTC with the zone, in units that fit, as far as needed."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from datetime import UTC, datetime

import click
from rich.console import Console

from app.adapters.sql.finding import Finding
from app.settings.program_name import pasteable

_SHORT = 8  # characters of an id; enough among thousands of random ones
_COMMAND = re.compile(r"`[^`]+`")  # to be pasted: half of one would run by itself
_GLUE = "\0"
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


def time_of(at: float, *, precise: bool = False) -> str:
    """UTC, to the second or to the millisecond, and its zone."""
    moment = datetime.fromtimestamp(at, UTC).replace(tzinfo=None)
    return f"{moment.isoformat(' ', 'milliseconds' if precise else 'seconds')} UTC"


def span(seconds: float) -> str:
    """A length of time, never below zero: `4.2 s`, `12 min`, `3.5 h`, `9 days`."""
    seconds = max(0.0, seconds)
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86_400:.0f} days"


def seconds_of(text: str, name: str, *, otherwise: str = "") -> float:
    """Seconds of `12h`, `7d`, `2w`. Raises `click.BadParameter`, naming the option."""
    match = re.fullmatch(r"(\d{1,4})([smhdw])", text)
    if match is None:
        raise click.BadParameter(f"a number and h, d or w, such as 7d{otherwise}", param_hint=name)
    return int(match[1]) * _UNITS[match[2]]


def moment_of(text: str, *, now: float, name: str) -> float:
    """Seconds since the epoch of `7d` (ago) or of a date or time in ISO 8601 (UTC without a zone)."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return now - seconds_of(text, name, otherwise=", or a date such as 2026-11-28")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def short_id(store: Finding, recording: str) -> str:
    """As much of a recording's id as names it alone."""
    return recording[:_SHORT] if len(store.find_recording(recording[:_SHORT])) == 1 else recording


def printable(text: str) -> str:
    """Without what a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in text)


# What JSON leaves as it is inside a text, and is no sign to be seen: C1 controls, line and reordering marks.
_OBEYED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def harmless_json(text: str) -> str:
    """The same JSON without what a terminal would obey."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def open_console(*, is_stderr: bool = False) -> Console:
    """As wide as the terminal says, or `COLUMNS`: also one that can do nothing else (`TERM=dumb`)."""
    is_terminal = (sys.stderr if is_stderr else sys.stdout).isatty()
    width, height = shutil.get_terminal_size() if is_terminal else (None, None)
    return Console(stderr=is_stderr, highlight=False, width=width, height=height)


def say(console: Console, text: str, *, indent: str = "", style: str | None = None) -> None:
    """
    A line, or several; on a terminal that is too narrow folded between words, what follows set in. Ids stay
    in one piece, commands too where there is room, and a pipe gets it whole.
    """
    for line in pasteable(text).split("\n"):
        is_folded = console.is_terminal and len(line) > console.width
        for piece in _folded(line, max(console.width, 20), indent) if is_folded else [line]:
            console.print(piece, style=style, markup=False, soft_wrap=True)


def _folded(line: str, width: int, indent: str) -> list[str]:
    room = width - len(indent) - 6  # less what is set in, and what stands beside it without a blank
    whole = _COMMAND.sub(lambda c: c[0].replace(" ", _GLUE) if len(c[0]) <= room else c[0], line)
    pieces = textwrap.wrap(
        whole, width, subsequent_indent=f"{indent}    ", break_long_words=False, break_on_hyphens=False
    )
    return [piece.replace(_GLUE, " ") for piece in pieces]
