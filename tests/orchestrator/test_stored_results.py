"""Whether a store is the one that the database means."""

from __future__ import annotations

import pytest

from app.orchestrator.stored_results import why_other_store
from tests.contract.blob_files import put_bytes
from tests.doubles.memory_blobs import MemoryBlobs


class Rows:
    """The latest first."""

    def __init__(self, number: int) -> None:
        self.folders = [f"w/rec-{n}/tra" for n in range(number)]

    def latest_results(self, limit: int) -> list[str]:
        return self.folders[:limit]


@pytest.mark.parametrize(
    ("number", "missing", "is_other"),
    [
        (0, (), False),  # nothing is stored yet
        (1000, (), False),
        (1000, (3,), False),  # one was taken away by hand
        (1000, (0,), True),  # copied before the last of them was stored
        (1000, (1, 2, 3, 4, 5), True),
        (1, (0,), True),
        (1000, tuple(range(10)), True),
    ],
)
def test_a_store_without_the_latest_results_is_another(
    number: int, missing: tuple[int, ...], is_other: bool
) -> None:
    rows, blobs = Rows(number), MemoryBlobs()
    for n, folder in enumerate(rows.folders[:10]):
        if n not in missing:
            put_bytes(blobs, f"{folder}/manifest.json", b"{}")
    why = why_other_store(rows, blobs)
    assert (why is not None) == is_other
    if why is not None:
        assert f"of the latest {min(10, number)} results {len(missing)} are not there" in why
