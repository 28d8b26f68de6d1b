"""The sweep drops bodies of deliveries nobody needs any more, a little at a time."""

from __future__ import annotations

from app.core.machine import Decision
from app.orchestrator.records import Source
from app.orchestrator.timing import Timing
from tests.contract.store_builders import DONE, RECORDING, WORKSPACE, delivery
from tests.doubles.idle_service import service_of
from tests.doubles.memory_store import MemoryStore
from tests.taking import take_deliveries

KEPT_S = Timing().bodies_kept_s


def applied(number: int) -> MemoryStore:
    store = MemoryStore()
    store.add_deliveries([delivery(f"m{n}") for n in range(number)])
    for taken in take_deliveries(store, number):
        decision = Decision(store.load(WORKSPACE, RECORDING).transcription, ignored="known")
        before = store.load(WORKSPACE, RECORDING)
        store.commit(before, decision, event=DONE, source=Source(delivery_id=taken.id))
    return store


def left(store: MemoryStore) -> int:
    return sum(row.has_body for row in store.deliveries.values())


def test_bodies_are_kept_for_two_weeks_and_then_forgotten() -> None:
    store = applied(3)
    service = service_of(store)
    store.clock_offset_s = KEPT_S - 3600
    service.sweep()
    assert left(store) == 3
    store.clock_offset_s = KEPT_S + 3600
    service.sweep()
    assert left(store) == 0
    assert len(store.deliveries) == 3, "their ids are known for ever"


def test_one_sweep_forgets_a_bounded_number_and_the_next_minute_goes_on() -> None:
    store = applied(2_500)
    service = service_of(store)
    store.clock_offset_s = KEPT_S + 3600
    service.sweep()
    assert left(store) == 500
    service.sweep()
    assert left(store) == 500, "not before a minute has passed"
    store.clock_offset_s += 61
    service.sweep()
    assert left(store) == 0
