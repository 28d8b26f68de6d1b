"""
How a fault in a table of settings is said: in our words, with its line, its key and the nearest name that
exists. pydantic finds the faults; none of its own sentences is shown. What a key means is not known here: a
field that needs more than the general words brings them as `fault` (see `key`).
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

Say = Callable[[str], None]
KeyPath = tuple[str | int, ...]


class Table(BaseModel):
    """A table of the policy file: unknown keys are faults, and no type is made into another."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


def key(default: Any, about: str, *, fault: str = "has a value that cannot be used", **limits: Any) -> Any:
    """
    A key of a table, all of it in one place. Its unit is the end of its name.

    Args:
        default: What is built in.
        about: Its meaning, as the documents begin it.
        fault: What is said after the key where a limit is broken; `{value}` is the value.
        limits: pydantic's: `ge`, `le`, `min_length` …
    """
    return Field(default, description=about, json_schema_extra={"fault": fault}, **limits)


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known name that was most likely meant."""
    return next(iter(difflib.get_close_matches(name, list(known), 1, cutoff=cutoff)), None)


def ended(sentence: str) -> str:
    """With a full stop, unless it ends in a sign of its own."""
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."


class Lines:
    """On which line of a TOML text each key begins: `tomllib` keeps no places."""

    def __init__(self, text: str) -> None:
        # Each beginning of the text that can be read, with the line after the one before it.
        self._beginnings: list[tuple[int, Any]] = []
        lines, begins = re.split("\r?\n", text), 1
        for number in range(1, len(lines) + 1):
            try:
                self._beginnings.append((begins, tomllib.loads("\n".join(lines[:number]))))
            except tomllib.TOMLDecodeError:  # in the middle of a value
                continue
            begins = number + 1

    def of(self, path: KeyPath) -> int | None:
        """The line of a key, or of the innermost table around it that is there; None for none."""
        lines = (begins for begins, tables in self._beginnings if _has(tables, path))
        return next(lines, None) or (self.of(path[:-1]) if path else None)


def _has(tables: Any, path: KeyPath) -> bool:
    for part in path:
        try:
            tables = tables[part]
        except (KeyError, IndexError, TypeError):
            return False
    return bool(path)


def sentences(model: type[Table], error: ValidationError, *, where: str) -> Iterable[tuple[KeyPath, str]]:
    """Each fault of a table once: the path of its key, and the sentence."""
    said: dict[KeyPath, str] = {}
    for one in error.errors(include_url=False):
        path = tuple(part for part in one["loc"] if part != "[key]")
        said.setdefault(path, _sentence(model, path, dict(one), where))
    # Two wrong parts of one value may have one sentence.
    return [(path, text) for n, (path, text) in enumerate(said.items()) if text not in [*said.values()][:n]]


def _sentence(model: type[Table], path: KeyPath, error: dict[str, Any], where: str) -> str:
    table, field, depth = _declared(model, path)
    names = [str(part) for part in path if isinstance(part, str)]
    around = where if depth == 0 else f"{where} [{'.'.join(map(str, path[:depth]))}]"
    dotted, kind, value = ".".join(names), error["type"], error.get("input")
    if field is None:
        meant = nearest(names[-1], table.model_fields)
        hint = f"; did you mean {meant!r}?" if meant else f"; known are {', '.join(table.model_fields)}"
        return ended(f"Unknown key {names[-1]!r} in {around}{hint}")
    if kind == "value_error":
        text = str(error["ctx"]["error"])
        return ended(text if text.startswith(dotted) else f"{dotted}: {text}")
    if kind == "literal_error":
        allowed = _allowed(field.annotation)
        meant = nearest(str(value), allowed)
        hint = f"; did you mean {meant!r}?" if meant else ""
        return ended(f"{dotted}: {value!r} is not one of {', '.join(allowed)}{hint}")
    if kind.endswith("_type") and depth + 1 == len(path):
        return f"{around}: {names[-1]} has the wrong type; see policy.example.toml."
    extra = field.json_schema_extra
    fault = str(extra["fault"]) if isinstance(extra, dict) else ""
    return ended(f"{dotted}: {fault.format(value=value)}")


def _declared(model: type[Table], path: KeyPath, depth: int = 0) -> tuple[type[Table], FieldInfo | None, int]:
    """The innermost table around a key, its field (None: unknown), and how many parts lead to the table."""
    field = model.model_fields.get(str(path[0]))
    inner, steps = _table_in(field.annotation) if field is not None else (None, 0)
    if inner is None or len(path) <= steps:
        return model, field, depth
    return _declared(inner, path[steps:], depth + steps)


def _table_in(annotation: Any) -> tuple[type[Table] | None, int]:
    """The table that a field holds, and how many parts of a path lead into it: two through list and dict."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return annotation, 1
    is_many = get_origin(annotation) in (list, dict)
    found: Sequence[type[Table] | None] = [_table_in(inner)[0] for inner in get_args(annotation)]
    return next((table for table in found if table is not None), None), 2 if is_many else 1


def _allowed(annotation: Any) -> tuple[str, ...]:
    """The words of the `Literal` in a field's type."""
    inner = get_args(annotation)
    return inner if get_origin(annotation) is Literal else next(filter(None, map(_allowed, inner)), ())
