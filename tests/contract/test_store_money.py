"""What every store promises about paid attempts: budgets, stamps, and a bot's rate."""

from __future__ import annotations

from typing import Any

import pytest

from app.core import events
from app.core.machine import Decision
from app.core.state import Attempt, AttemptStatus
from app.errors import BudgetExceeded, Stale
from app.orchestrator.records import NOT_SENT, SendTimes
from tests.contract.conftest import AnyStore, Place
from tests.contract.store_builders import (
    HAND,
    RECORDING,
    WORKSPACE,
    at_once,
    begin,
    claim,
    creating,
    state_of,
)


def test_a_claim_above_the_budget_is_refused_and_leaves_no_trace(store: AnyStore) -> None:
    begin(store)
    claim(store, ordinal=1, budget=1)
    before = store.load(WORKSPACE, RECORDING)
    with pytest.raises(BudgetExceeded):
        claim(store, ordinal=2, budget=1)
    assert store.load(WORKSPACE, RECORDING) == before
    assert store.send_times(WORKSPACE, RECORDING, 2, key_serial=0) == SendTimes()


def test_a_claim_without_any_budget_is_refused(store: AnyStore) -> None:
    begin(store)
    with pytest.raises(BudgetExceeded):
        claim(store)


def test_a_budget_raised_by_hand_counts(store: AnyStore) -> None:
    before = store.load(WORKSPACE, RECORDING)
    store.commit(before, creating(before, budget=2), event=events.RetryAsked(1.0, 2), source=HAND)
    claim(store, ordinal=2, budget=1)
    assert state_of(store).attempts[0].ordinal == 2


def test_no_budget_reaches_beyond_nine(store: AnyStore) -> None:
    begin(store)
    with pytest.raises(BudgetExceeded):
        claim(store, ordinal=10, budget=99)
    claim(store, ordinal=9, budget=99)


def test_an_attempt_found_at_recall_is_a_fact_that_no_budget_undoes(store: AnyStore) -> None:
    begin(store)
    before = store.load(WORKSPACE, RECORDING)
    found = Attempt(4, "deepgram_async", AttemptStatus.RUNNING, transcript_id="t4")
    state = before.transcription.with_attempt(found)
    store.commit(before, Decision(state), event=events.Created(1.0, 4, "t4"), source=HAND, budget=1)
    assert state_of(store).attempts == (found,)
    with pytest.raises(BudgetExceeded):
        claim(store, ordinal=5, budget=1)


def test_a_repeated_send_of_a_claimed_attempt_needs_no_further_budget(store: AnyStore) -> None:
    begin(store)
    claim(store, ordinal=3, budget=3)
    claim(store, ordinal=3, key_serial=1, budget=1)
    assert state_of(store).attempts[0].key_serial == 1


@pytest.mark.slow
def test_many_workers_claim_an_attempt_once(place: Place) -> None:
    stores = [place.open() for _ in range(4)]
    begin(stores[0])
    before = stores[0].load(WORKSPACE, RECORDING)
    state = before.transcription.with_attempt(Attempt(1, "p", AttemptStatus.SENDING))

    def job(store: AnyStore) -> object:
        sending = events.Sending(1.0, 1, "p", 0)
        return store.commit(before, Decision(state), event=sending, source=HAND, budget=3)

    results = at_once(job, stores * 3)
    assert sum(isinstance(r, Stale) for r in results) == 11


def test_ages_of_sends_are_of_one_key_and_by_the_stores_clock(store: AnyStore) -> None:
    begin(store)
    assert store.send_times(WORKSPACE, RECORDING, 1, key_serial=0) == SendTimes()
    claim(store, budget=3, fingerprint="old")
    store.clock_offset_s += 100
    claim(store, budget=3, fingerprint="new")
    store.clock_offset_s += 10
    claim(store, key_serial=1, budget=3, fingerprint="new")
    first = store.send_times(WORKSPACE, RECORDING, 1, key_serial=0)
    assert first.since_first_s == pytest.approx(110, abs=2)
    assert first.since_last_s == pytest.approx(10, abs=2)
    assert first.fingerprints == {"old", "new"}
    second = store.send_times(WORKSPACE, RECORDING, 1, key_serial=1)
    assert second.since_first_s == second.since_last_s == pytest.approx(0, abs=2)


def test_what_certainly_never_left_is_no_send_and_only_that_very_request_is_taken_out(
    store: AnyStore,
) -> None:
    begin(store)
    limit: dict[str, Any] = {"budget": 3, "bot_limit": (1, 60.0)}
    first = claim(store, fingerprint="old", **limit).send_id
    assert first is not None
    assert claim(store, **limit).wait_s is not None
    store.record_send_outcome(first, outcome=NOT_SENT)
    assert store.send_times(WORKSPACE, RECORDING, 1, key_serial=0) == SendTimes()
    second = claim(store, fingerprint="new", **limit).send_id
    assert second not in (None, first)
    store.clock_offset_s += 10
    store.record_send_outcome(
        first, outcome=NOT_SENT
    )  # a stopped worker's late word is about its own request
    times = store.send_times(WORKSPACE, RECORDING, 1, key_serial=0)
    assert times.since_first_s == pytest.approx(10, abs=2)
    assert times.fingerprints == {"new"}
    assert claim(store, **limit).wait_s is not None


def test_a_bots_rate_is_held_across_its_recordings_and_says_how_long_to_wait(store: AnyStore) -> None:
    limit: dict[str, Any] = {"budget": 3, "bot_limit": (2, 60.0)}
    for number in range(3):
        begin(store, recording_id=f"r{number}")
    assert claim(store, recording_id="r0", **limit).wait_s is None
    store.clock_offset_s += 20
    assert claim(store, recording_id="r1", **limit).wait_s is None
    before = store.load(WORKSPACE, "r2")
    wait_s = claim(store, recording_id="r2", **limit).wait_s
    assert wait_s == pytest.approx(40, abs=2)
    assert store.load(WORKSPACE, "r2") == before, "nothing is written while the rate is used up"
    assert claim(store, recording_id="r2", bot="another", **limit).wait_s is None
    store.clock_offset_s += 41
    assert claim(store, recording_id="r2", **limit).wait_s is None


def test_claims_for_one_bot_at_once_never_exceed_its_rate(place: Place) -> None:
    store = place.open()
    names = [f"r{number}" for number in range(12)]
    for name in names:
        begin(store, recording_id=name)

    def job(name: str) -> float | None:
        return claim(store, recording_id=name, budget=3, bot_limit=(5, 60.0)).wait_s

    results = at_once(job, names)
    assert sum(wait_s is None for wait_s in results) == 5
    assert all(wait_s is None or isinstance(wait_s, float) for wait_s in results)
