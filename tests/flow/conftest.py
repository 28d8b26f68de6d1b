"""The one shared programme of the flow tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flow import programme as programmes
from tests.flow.programme import Programme
from tests.flow.stage import running


@pytest.fixture(scope="session")
def programme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programme]:
    """Played once; modules that look at it stand in one xdist group."""
    with running(tmp_path_factory.mktemp("programme"), seed=4) as place:
        yield programmes.play(place)
