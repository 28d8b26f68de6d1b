"""
What is wrong with the settings and the policy file: sentences of ours, each with its key, its line and the
nearest name that exists. pydantic finds the faults of the file; none of its own sentences is shown.
"""

from __future__ import annotations

import difflib
import functools
import operator
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

Say = Callable[[str], None]
KeyPath = tuple[str | int, ...]


class Table(BaseModel):
    """A table of the policy file: unknown keys are faults, and no type is made into another."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


def key(default: Any, about: str) -> Any:
    """
    A key of a table, all of it in one place with its type. Its unit is the end of its name; its default is
    built in, and `about` is its meaning as `policy.example.toml` says it.
    """
    return Field(default, description=about)


class Fault(NamedTuple):
    """A sentence, and the settings it is about; without any it is about all of them (a line of `.env`)."""

    sentence: str
    names: frozenset[str]

    def is_about(self, names: Collection[str]) -> bool:
        return not self.names or not self.names.isdisjoint(names)


class Faults:
    """Those found while settings are read, and what a check needs besides the value it is about."""

    def __init__(self, root: Path) -> None:
        self.root, self.is_isolated = root, False
        self.given: Mapping[str, str] = {}  # every variable, from wherever it came, by its name
        self.lines: dict[str, int] = {}  # of `.env`, by the name of what stands there
        self.found: list[Fault] = []
        self.warnings: list[str] = []

    @property
    def names(self) -> frozenset[str]:
        """Of the settings with a fault."""
        return frozenset().union(*(fault.names for fault in self.found))

    def add(self, name: str, text: str) -> None:
        """Of one setting. A text that begins with a blank goes on with the name, without a colon."""
        place = f" (.env, line {self.lines[name]})" if name in self.lines else ""
        sentence = ended(name + text if text.startswith(" ") else f"{name}: {text}")
        self.say(sentence[:-1] + place + sentence[-1], {name, name.removesuffix("_FILE")})

    def say(self, sentence: str, names: Iterable[str] = ()) -> None:
        """Of several settings, or of `.env` itself."""
        self.found.append(Fault(sentence, frozenset(names)))


def must(is_good: Callable[[Any], object], fault: str) -> AfterValidator:
    """In a field's type: what is asked of its value, unless that is None; else `fault`, where `{}` is it."""

    def check(value: Any) -> Any:
        if value is not None and not is_good(value):
            raise ValueError(fault.format(value))
        return value

    return AfterValidator(check)


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known name that was most likely meant."""
    return next(iter(difflib.get_close_matches(name, list(known), 1, cutoff=cutoff)), None)


def ended(sentence: str) -> str:
    """With a full stop, unless it ends in a sign of its own."""
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."


def sentences(model: type[Table], error: ValidationError, *, where: str) -> Iterator[tuple[KeyPath, str]]:
    """Each fault of a table, once: the path of its key, and the sentence."""
    said: dict[KeyPath, str] = {}
    for one in error.errors(include_url=False):
        path = tuple(part for part in one["loc"] if part != "[key]")
        said.setdefault(path, _sentence(model, path, dict(one), where))
    for number, (path, sentence) in enumerate(said.items()):
        if sentence not in [*said.values()][:number]:  # two wrong parts of one value may have one sentence
            yield path, ended(sentence)


def _sentence(model: type[Table], path: KeyPath, error: Mapping[str, Any], where: str) -> str:
    names = [part for part in path if isinstance(part, str)]
    around = f"{where} [{'.'.join(map(str, path[:-1]))}]" if len(path) > 1 else where
    match error["type"]:
        case "extra_forbidden":
            known = _table_at(model, path[:-1]).model_fields
            near = nearest(names[-1], known)
            hint = f"did you mean {near!r}?" if near else f"known are {', '.join(known)}"
            return f"Unknown key {names[-1]!r} in {around}; {hint}"
        case "missing":
            return f"{around}: {names[-1]} is missing"
        case "value_error":
            text, dotted = str(error["ctx"]["error"]), ".".join(names)
            return text if text.startswith(dotted) else f"{dotted}: {text}"
        case "literal_error":
            allowed = re.findall("'(.*?)'", error["ctx"]["expected"])
            near = nearest(str(error["input"]), allowed)
            hint = f"; did you mean {near!r}?" if near else ""
            return f"{'.'.join(names)}: {error['input']!r} is not one of {', '.join(allowed)}{hint}"
    return f"{around}: {names[-1]} has the wrong type; see policy.example.toml"


def _table_at(annotation: Any, path: KeyPath) -> type[Table]:
    """The table at the end of a path, from the type of what is at its beginning."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return _table_at(annotation.model_fields[str(path[0])].annotation, path[1:]) if path else annotation
    *_, inner = (one for one in get_args(annotation) if one is not type(None))
    return _table_at(inner, path[1:] if get_origin(annotation) in (list, dict) else path)


def line_of(text: str, path: KeyPath) -> int | None:
    """The line of a TOML text on which a key begins, or the innermost table around it that is there."""
    for line, tables in _beginnings(text):
        with suppress(KeyError, IndexError, TypeError):
            functools.reduce(operator.getitem, path, tables)
            return line
    return line_of(text, path[:-1]) if len(path) > 1 else None


@functools.lru_cache(1)
def _beginnings(text: str) -> list[tuple[int, Any]]:
    """Each beginning of a text that can be read, after the line on which what is new in it begins."""
    lines, found, begins = re.split("\r?\n", text), [], 1
    for number in range(1, len(lines) + 1):
        with suppress(tomllib.TOMLDecodeError):  # in the middle of a value
            found.append((begins, tomllib.loads("\n".join(lines[:number]))))
            begins = number + 1
    return found
