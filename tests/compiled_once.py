"""
SQL is compiled once per test process instead of once per database: each test has a database of its own, and a
third of the processor's time of those that use one was spent on compiling the same statements.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine


class _Shared(dict[Any, Any]):
    """What SQLAlchemy keeps by (dialect object, …), kept by (kind of dialect, …)."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_of_kind(key), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__(_of_kind(key), compiled)


def _of_kind(key: Any) -> Any:
    dialect, *statement = key
    return (type(dialect), getattr(dialect, "server_version_info", None), *statement)


_COMPILED = _Shared()


def share() -> None:
    """From now on, in this process."""
    event.listen(Engine, "engine_connect", _use)


def _use(connection: Connection) -> None:
    connection.execution_options(compiled_cache=_COMPILED)


@contextmanager
def each_by_itself() -> Iterator[None]:
    """Each engine keeps what it compiled, as in the service."""
    event.remove(Engine, "engine_connect", _use)
    try:
        yield
    finally:
        share()
