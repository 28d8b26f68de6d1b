"""The sweep drops bodies of deliveries nobody needs any more, a little at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import structlog

from app.adapters.memory import MemoryStore
from app.core.machine import Decision
from app.core.policy import built_in
from app.orchestrator.command_context import Workspace
from app.orchestrator.ports import Source
from app.orchestrator.service import Service
from tests.contract.store_words import DONE, RECORDING, WORKSPACE, delivery

POLICY = built_in()
KEPT_S = POLICY.durations.bodies_kept_s


@dataclass
class Idle:
    """A queue that is never asked for more, and results without leftovers."""

    def ask_reconcile(self) -> None: ...

    def room(self) -> int:
        return 0

    def sweep(self) -> int:
        return 0

    def now(self) -> float:
        return 0.0

    def boottime(self) -> float:
        return 0.0


def service_of(store: MemoryStore) -> Service:
    idle = cast(Any, Idle())
    workspaces = {WORKSPACE: Workspace(WORKSPACE, idle, POLICY)}
    log = structlog.get_logger()
    return Service(
        store=store, queue=idle, blobs=idle, clock=idle, workspaces=workspaces, scratch=Path("/none"), log=log
    )


def applied(number: int) -> MemoryStore:
    store = MemoryStore()
    store.add_deliveries([delivery(f"m{n}") for n in range(number)])
    for taken in store.take_deliveries(number):
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
