"""
The screenplays in `content/`: one text file per conversation, read here into frozen records.

    title: Invoice {number}, second look       header lines, up to the first blank line
    language: en-GB
    vary paid / rest = £900 / £80 | £700 / £95 the seed takes one row; {paid} and {rest} belong together
    cast ana = Ana Duarte | Ilse Varga ; host  names to choose from; marks: host phone unnamed desktop email
    == opening ==                              a named section (optional); may `vary` things of its own
    ana: Hi, can you hear me?                  a turn; {ana} is the first name, {Paid} begins with a capital
    bo ^: Yes, go ahead.                       begins before the turn above has ended
    bo [es-MX]: Un segundo. (2.5) Ya.          a turn in another language; a silence of 2.5 s

Lines that begin with `#` are comments. Nothing here is about time or JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from app.simulator.meetings.dice import Dice

_TURN = re.compile(r"(?P<speaker>\w+)(?: \[(?P<language>[\w-]+)\])?(?P<overlaps> \^)?: (?P<text>.+)")
_SECTION = re.compile(r"== (?P<name>.+) ==")
_BLANK_TO_FILL = re.compile(r"\{(\w+)\}")


class ScriptError(ValueError):
    """A screenplay that cannot be read or filled: a mistake in a file of this project."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What the seed decides: one row of values for these names."""

    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Role:
    """A speaking role; `key` is also the Choice that names it."""

    key: str
    marks: frozenset[str]


@dataclass(frozen=True, slots=True)
class Line:
    """One turn of speech. `language` is None where the script's own is spoken."""

    speaker: str
    text: str
    language: str | None
    overlaps: bool

    def filled(self, facts: Mapping[str, str]) -> Line:
        """The line as it is said once everything is chosen; a speaker may be a fact too."""
        speaker = facts.get(f"as {self.speaker}", self.speaker)
        return Line(speaker, fill(self.text, facts), self.language, self.overlaps)


@dataclass(frozen=True, slots=True)
class Section:
    """Lines under one heading, and what varies in them."""

    name: str
    choices: tuple[Choice, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """One file of `content/`; `header` holds title, language and, where it is not plain, style."""

    header: Mapping[str, str]
    roles: tuple[Role, ...]
    sections: tuple[Section, ...]


@cache
def load(name: str) -> Script:
    """
    Read a screenplay of this package, once per process.

    Raises:
        FileNotFoundError: There is none of that name.
        ScriptError: It cannot be understood.
    """
    # Here and not above: it costs more than the rest of the import, and most processes never make a meeting.
    from importlib import resources

    file = resources.files("app.simulator.meetings").joinpath("content", f"{name}.txt")
    return parse(file.read_text(encoding="utf-8"))


def parse(text: str) -> Script:
    """Read a screenplay; see the module's docstring for the format. Raises ScriptError."""
    header: dict[str, str] = {}
    roles: list[Role] = []
    sections: list[tuple[str, list[Choice], list[Line]]] = [("", [], [])]
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, choices, lines = sections[-1]
        if found := _SECTION.fullmatch(line):
            sections.append((found["name"], [], []))
        elif line.startswith("cast "):
            role, choice = _cast(line)
            roles.append(role)
            choices.append(choice)
        elif line.startswith("vary "):
            choices.append(_choice(line.removeprefix("vary ")))
        elif line.startswith(("title: ", "language: ", "style: ")):
            key, _, value = line.partition(": ")
            header[key] = value
        elif found := _TURN.fullmatch(line):
            lines.append(Line(found["speaker"], found["text"], found["language"], bool(found["overlaps"])))
        else:
            raise ScriptError(f"line {number} of section {name!r} is none of a screenplay's lines: {line!r}")
    return Script(header, tuple(roles), tuple(Section(n, tuple(c), tuple(ll)) for n, c, ll in sections))


def _cast(line: str) -> tuple[Role, Choice]:
    names, _, marks = line.removeprefix("cast ").partition(" ; ")
    choice = _choice(names)
    return Role(choice.names[0], frozenset(marks.split())), choice


def _choice(line: str) -> Choice:
    names, equals, rows = line.partition(" = ")
    choice = Choice(tuple(names.split(" / ")), tuple(tuple(row.split(" / ")) for row in rows.split(" | ")))
    if not equals or any(len(row) != len(choice.names) for row in choice.rows):
        raise ScriptError(f"each row must have a value for each name: {line!r}")
    return choice


def choose(choices: Iterable[Choice], dice: Dice, *, facts: Mapping[str, str]) -> dict[str, str]:
    """The facts given and one row of each choice; a value may name an earlier fact in braces."""
    chosen = dict(facts)
    for choice in choices:
        for name, value in zip(choice.names, dice.one_of(choice.rows), strict=True):
            chosen[name] = fill(value, chosen)
    return chosen


def fill(text: str, facts: Mapping[str, str]) -> str:
    """Put facts in place of `{name}`, and of `{Name}` with a capital. An unknown one is a ScriptError."""

    def fact(found: re.Match[str]) -> str:
        name = found[1]
        if name in facts:
            return facts[name]
        try:
            value = facts[name[0].lower() + name[1:]]
        except KeyError:
            raise ScriptError(f"{{{name}}} is not defined, in {text!r}") from None
        return value[0].upper() + value[1:]

    return _BLANK_TO_FILL.sub(fact, text)
