"""The benchmark of an upgrade runs, and its database is what it says."""

from __future__ import annotations

import pytest

from tests.bench import upgrade
from tests.bench.report import Options


@pytest.mark.slow
def test_a_small_run_is_migrated_while_an_old_receiver_stores() -> None:
    result = upgrade.run(Options(quick=True))
    assert result.is_met
    rows = {row.what.strip(): row.value for row in result.rows}
    assert rows["deliveries of the old receiver meanwhile"] > 0
    assert rows["creates sent for the crowd"] == 0
