"""What the inbox job does with deliveries that need nothing: they are closed together, or tried again."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from app.errors import StoreUnavailable
from app.orchestrator.records import Closing, NewDelivery
from tests.contract.store_builders import WORKSPACE
from tests.doubles.idle_service import service_of
from tests.doubles.memory_store import MemoryStore

WAVED = json.dumps({"event": "bot.waved", "data": {}}).encode()


class Counting(MemoryStore):
    """How often deliveries were closed, and how many each time; away for the first `away` times."""

    def __init__(self, away: int = 0) -> None:
        super().__init__()
        self.closed: list[int] = []
        self.away = away

    def close_deliveries(self, closings: Sequence[Closing]) -> None:
        if self.away:
            self.away -= 1
            raise StoreUnavailable("gone")
        self.closed.append(len(closings))
        super().close_deliveries(closings)


def holding(store: Counting, *bodies: bytes) -> Counting:
    now = store.now()
    rows = [NewDelivery(WORKSPACE, f"m{n}", now, int(now), "label", body) for n, body in enumerate(bodies)]
    store.add_deliveries(rows)
    return store


def test_deliveries_that_need_nothing_are_closed_in_one_transaction_each_with_its_note() -> None:
    store = holding(Counting(), WAVED, b"not JSON", WAVED)
    service_of(store).receive()
    assert store.closed == [3]
    assert not store.has_unapplied()
    notes = [(row.kind, (row.note or "").partition(":")[0]) for row in store.deliveries.values()]
    assert [kind for kind, _ in notes] == ["bot.waved", None, "bot.waved"]
    assert notes[1][1] == "unreadable"


def test_a_database_that_goes_away_before_they_are_closed_costs_them_no_try() -> None:
    store = holding(Counting(away=1), WAVED, WAVED)
    with pytest.raises(StoreUnavailable):
        service_of(store).receive()
    assert [row.tries for row in store.deliveries.values()] == [0, 0]
    service_of(store).receive()
    assert not store.has_unapplied()
