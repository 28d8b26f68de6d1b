"""The benchmark of the search index runs, and finds what it stores."""

from __future__ import annotations

import pytest

from tests.bench import search
from tests.bench.report import Options


@pytest.mark.slow
def test_a_small_run_has_a_row_for_each_question() -> None:
    result = search.run(Options(quick=True))
    assert len([row for row in result.rows if row.what.startswith("search: ")]) == 5
    assert all(row.value > 0 for row in result.rows if row.unit in ("ms", "kB", "s"))
