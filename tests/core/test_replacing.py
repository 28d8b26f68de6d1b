"""The rules' `replace` does what that of `dataclasses` does, with every record of the core."""

from __future__ import annotations

import dataclasses
import importlib
import pickle
import pkgutil
from typing import Any

import pytest

import app.core
from app.core.replacing import replace
from app.core.state import Phase, Transcription

MODULES = [
    importlib.import_module(f"app.core.{found.name}") for found in pkgutil.iter_modules(app.core.__path__)
]
RECORDS = sorted(
    {
        kind
        for module in MODULES
        for kind in vars(module).values()
        if dataclasses.is_dataclass(kind) and isinstance(kind, type)
    },
    key=lambda kind: kind.__qualname__,
)


def a_record(kind: type[Any]) -> Any:
    """With a different value in each field; no rule reads it."""
    return kind(**{field.name: f"the old {field.name}" for field in dataclasses.fields(kind)})


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__qualname__)
def test_it_does_what_the_library_does(kind: type[Any]) -> None:
    old = a_record(kind)
    assert replace(old) == old
    assert replace(old) is not old
    for field in dataclasses.fields(kind):
        new = replace(old, **{field.name: "new"})
        assert type(new) is kind
        assert new == dataclasses.replace(old, **{field.name: "new"}) != old
        assert hash(new) == hash(dataclasses.replace(old, **{field.name: "new"}))
    assert old == a_record(kind)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__qualname__)
def test_no_record_does_anything_when_it_is_made(kind: type[Any]) -> None:
    """Else a copy of its fields would not be enough."""
    assert not hasattr(kind, "__post_init__")
    assert all(field.init for field in dataclasses.fields(kind))
    assert not hasattr(a_record(kind), "__dict__")


def test_what_it_makes_is_frozen_and_is_pickled() -> None:
    new = replace(Transcription("w", "r"), phase=Phase.STORED)
    with pytest.raises(dataclasses.FrozenInstanceError):
        new.phase = Phase.NEW  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(new)) == new
    assert dataclasses.asdict(new) == dataclasses.asdict(Transcription("w", "r", Phase.STORED))


def test_a_field_that_there_is_not_is_an_error() -> None:
    wrong: dict[str, Any] = {"fase": Phase.STORED}
    with pytest.raises(AttributeError):
        replace(Transcription("w", "r"), **wrong)
