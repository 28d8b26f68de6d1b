"""The sweep drops bodies of deliveries nobody needs any more, a little at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.core.machine import Decision
from app.core.state import AtRecall, Phase
from app.orchestrator.records import Source
from app.orchestrator.timing import Timing
from tests.contract.store_builders import DONE, RECORDING, WORKSPACE, delivery
from tests.doubles.idle_service import service_of
from tests.doubles.memory_store import MemoryStore
from tests.policies import built_in
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


@pytest.mark.slow
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


DAY = 86_400.0


def ended(store: MemoryStore, recording: str, phase: Phase) -> None:
    """A recording that ended now, with what is known of it."""
    before = store.load(WORKSPACE, recording)
    state = replace(before.transcription, phase=phase, bot_id="b", metadata=(("title", "x"),))
    state = replace(state, completed_at=store.now(), first_heard_at=store.now())
    store.commit(before, Decision(state), event=DONE, source=Source(by="person"))


def phases(store: MemoryStore) -> dict[str, str]:
    return {recording: known.transcription.phase.value for (_, recording), known in store.recordings.items()}


def kept(store: MemoryStore, days: float, **policy: Any) -> dict[str, str]:
    """The phases after a sweep so many days later."""
    store.clock_offset_s = days * DAY
    service_of(store, policy=replace(built_in(), **policy)).sweep()
    return phases(store)


@pytest.fixture
def three() -> MemoryStore:
    store = MemoryStore()
    for phase in (Phase.STORED, Phase.FAILED, Phase.SKIPPED):
        ended(store, phase.value, phase)
    return store


def test_without_a_policy_everything_is_kept(three: MemoryStore) -> None:
    assert kept(three, 9_000) == {name: name for name in ("stored", "failed", "skipped")}


def test_results_are_erased_when_their_days_are_over(three: MemoryStore) -> None:
    over = {"results_kept_s": 10 * DAY, "delete_at_recall": "recording"}
    assert kept(three, 9, **over) == {name: name for name in ("stored", "failed", "skipped")}
    assert set(kept(three, 11, **over).values()) == {"erased"}
    assert three.load(WORKSPACE, "stored").transcription.to_delete is AtRecall.RECORDING
    assert {c.command.key for c in three.commands.values()} == {"erase_results", "delete_at_recall"}


def test_nothing_is_deleted_at_recall_unless_the_policy_says_so(three: MemoryStore) -> None:
    kept(three, 11, results_kept_s=10 * DAY)
    assert {c.command.key for c in three.commands.values()} == {"erase_results"}


def test_rows_go_before_results(three: MemoryStore) -> None:
    over = {"rows_kept_s": 5 * DAY, "results_kept_s": 10 * DAY}
    assert kept(three, 6, **over) == {"stored": "stored", "failed": "erased", "skipped": "erased"}
    state = three.load(WORKSPACE, "stored").transcription
    assert (state.bot_id, state.metadata) == (None, ())
    version = three.load(WORKSPACE, "stored").version
    kept(three, 7, **over)
    assert three.load(WORKSPACE, "stored").version == version, "once is enough"
    assert kept(three, 11, **over)["stored"] == "erased"


def test_one_sweep_erases_a_bounded_number() -> None:
    store = MemoryStore()
    for number in range(60):
        ended(store, f"r{number}", Phase.STORED)
    found = list(kept(store, 11, results_kept_s=10 * DAY).values())
    assert (found.count("erased"), found.count("stored")) == (50, 10)
    assert set(kept(store, 12, results_kept_s=10 * DAY).values()) == {"erased"}
