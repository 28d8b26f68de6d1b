"""A JSON object against the type hints of a class or a function: unknown names, values of another type."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

Complaints = set[str]


def complaints(value: Any, hint: Any) -> Complaints:
    """Each as `path: what`; none where it fits."""
    return set(_complaints(value, hint, ""))


def _complaints(value: Any, hint: Any, path: str) -> Iterator[str]:
    if hint is Any or isinstance(hint, typing.TypeVar):
        return
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        yield from _in_one_of(value, parts, path)
    elif origin is Literal:
        if value not in parts:
            yield f"{path}: not one of its types"
    elif origin in (list, Sequence):
        yield from _in_list(value, parts[0], path)
    elif origin is dict:
        yield from _in_list(list(value.values()) if isinstance(value, Mapping) else value, parts[1], path)
    else:
        yield from _in_class(value, hint, path)


def _in_class(value: Any, hint: Any, path: str) -> Iterator[str]:
    if isinstance(hint, type) and issubclass(hint, Enum):
        if value not in [each.value for each in hint]:
            yield f"{path}: {value} is not in {hint.__name__}"
    elif hint in (str, bool, int, float, types.NoneType):
        if type(value) is not hint and not (hint is float and type(value) is int):
            yield f"{path}: not {hint.__name__}"
    else:
        yield from _in_object(value, typing.get_type_hints(hint), path)


def _in_one_of(value: Any, hints: tuple[Any, ...], path: str) -> Iterator[str]:
    """Of several that none fits, the complaints of the one that it comes nearest to: the deepest."""
    found = [list(_complaints(value, each, path)) for each in hints if each is not types.NoneType]
    if all(found):
        yield from max(found, key=lambda each: each[0].partition(":")[0].count("."))


def _in_list(value: Any, hint: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{path}: not a list"
        return
    for each in value:
        yield from _complaints(each, hint, path)


def _in_object(value: Any, hints: Mapping[str, Any], path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path}: not an object"
        return
    for name, inner in value.items():
        below = f"{path}.{name}" if path else name
        if name in hints:
            yield from _complaints(inner, hints[name], below)
        else:
            yield f"{below}: unknown"
