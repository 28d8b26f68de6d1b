"""The garbage collector stands still for imports, and no longer."""

from __future__ import annotations

import gc

import pytest

from app.processes.garbage import without_collecting


@pytest.mark.parametrize("was_enabled", [True, False])
def test_collector_is_afterwards_as_it_was_also_when_an_import_fails(*, was_enabled: bool) -> None:
    before = gc.isenabled()
    (gc.enable if was_enabled else gc.disable)()
    try:
        with pytest.raises(ImportError):
            fail()
        assert gc.isenabled() is was_enabled
    finally:
        (gc.enable if before else gc.disable)()


def fail() -> None:
    with without_collecting():
        assert not gc.isenabled()
        raise ImportError
