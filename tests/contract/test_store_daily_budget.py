"""What stores promise about a day's budget: claims at once, what is given back, what keeps its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.adapters.sql.spending import Spent
from app.adapters.sql.store import SqlStore
from app.core import events
from app.core.commands import CreateTranscript
from app.core.cost import Cost, day_of
from app.core.machine import Decision, decide
from app.core.state import AtRecall, Attempt, AttemptStatus
from app.orchestrator.records import Committed
from tests.contract.conftest import AnyStore, Place
from tests.contract.store_builders import HAND, RECORDING, WORKSPACE, at_once, begin, claim, state_of
from tests.policies import built_in

DAY = 20_000
TEN = Cost(10, "USD", DAY)


def take(store: AnyStore, recording_id: str, *, cost: Cost | None = TEN, budget: int = 35) -> bool:
    """Whether the claim of its first attempt was written."""
    begin(store, recording_id=recording_id)
    return _take(store, recording_id, cost=cost, budget=budget)


def _take(store: AnyStore, recording_id: str, *, cost: Cost | None = TEN, budget: int = 35) -> bool:
    limits: dict[str, Any] = {"budget": 3, "daily_budget": budget, "bot": recording_id}
    return _is_written(claim(store, recording_id=recording_id, cost=cost, **limits))


def _is_written(committed: Committed) -> bool:
    assert committed.is_over_daily_budget is (committed.send_id is None)
    return committed.is_written


def moved(store: AnyStore, recording_id: str, **changes: Any) -> None:
    """The first attempt's line changes by another event than a claim."""
    before = store.load(WORKSPACE, recording_id)
    line = before.transcription.attempts[0]
    state = before.transcription.with_attempt(replace(line, **changes))
    store.commit(before, Decision(state), event=events.CreateUnknown(1.0, 1), source=HAND)


@pytest.mark.slow
def test_claims_at_once_never_exceed_the_days_budget(place: Place) -> None:
    stores = [place.open() for _ in range(4)]
    names = [f"r{number}" for number in range(12)]
    for name in names:
        begin(stores[0], recording_id=name)
    results = at_once(lambda name: _take(stores[int(name[1:]) % 4], name), names)
    assert sorted(map(str, results)) == ["False"] * 9 + ["True"] * 3


def test_a_claim_beyond_the_budget_leaves_no_trace_and_one_up_to_it_is_made(store: AnyStore) -> None:
    assert take(store, "a", budget=20)
    begin(store, recording_id="b")
    before = store.load(WORKSPACE, "b")
    assert not _take(store, "b", budget=19)
    assert store.load(WORKSPACE, "b") == before
    assert _take(store, "b", budget=20)


def test_an_attempt_whose_cost_is_not_known_is_not_held_to_be_free(store: AnyStore) -> None:
    assert not take(store, "a", cost=None)
    assert _take(store, "a", cost=None, budget=0)


def test_what_was_refused_is_given_back_and_what_is_unknown_or_erased_is_not(store: AnyStore) -> None:
    for name in ("a", "b", "c"):
        assert take(store, name)
    assert not take(store, "d")
    moved(store, "a", status=AttemptStatus.UNKNOWN, is_doubtful=True)
    before = store.load(WORKSPACE, "b")
    erased = decide(before.transcription, events.EraseAsked(1.0, AtRecall.TRANSCRIPT), built_in())
    store.commit(before, erased, event=events.EraseAsked(1.0, AtRecall.TRANSCRIPT), source=HAND)
    assert not _take(store, "d")
    moved(store, "c", status=AttemptStatus.REFUSED, cost=None)
    assert _take(store, "d")


def test_a_correction_counts_from_then_on(store: AnyStore) -> None:
    assert take(store, "a", cost=replace(TEN, micros=30))
    assert not take(store, "b")
    moved(store, "a", cost=replace(TEN, micros=25))
    assert _take(store, "b")
    moved(store, "a", cost=replace(TEN, micros=999))
    assert not take(store, "c")


def test_a_repetition_under_the_same_key_has_its_place_already(store: AnyStore) -> None:
    assert take(store, "a", budget=10)
    moved(store, "a", status=AttemptStatus.CLAIMED, is_doubtful=True)
    assert _take(store, "a", budget=5)


def test_each_day_has_its_own_budget_but_for_what_a_clock_that_was_ahead_spent(store: AnyStore) -> None:
    assert take(store, "yesterdays", budget=10)
    tomorrow = replace(TEN, day=DAY + 1)
    assert take(store, "todays", cost=tomorrow, budget=10)
    assert not take(store, "set back", budget=29)
    assert not take(store, "todays too", cost=tomorrow, budget=19)
    assert _take(store, "todays too", cost=tomorrow, budget=20)


def test_another_currency_is_no_part_of_the_sum(store: AnyStore) -> None:
    assert take(store, "a", cost=replace(TEN, micros=99, currency="EUR"), budget=99)
    assert take(store, "b", budget=10)


def test_days_are_summed_by_workspace_and_provider(sql_store: SqlStore) -> None:
    today = day_of(sql_store.now())
    for name, cost in (("a", 1), ("b", 2)):
        assert take(sql_store, name, cost=Cost(cost, "USD", today))
    assert take(sql_store, "c", cost=Cost(4, "USD", today - 2))
    found = Spent(today, WORKSPACE, "recallai_async", "USD", 3, 2)
    assert sql_store.spent() == [found]
    assert sql_store.spent(days=3) == [found, replace(found, day=today - 2, micros=4, attempts=1)]
    assert sql_store.counts().spent_today == (found,)


def test_what_waits_for_the_budget_is_counted_until_it_goes_on(sql_store: SqlStore) -> None:
    begin(sql_store)
    before = sql_store.load(WORKSPACE, RECORDING)
    event = events.DailyBudgetReached(1.0, 1, "recallai_async", 600.0)
    again = CreateTranscript(1, "recallai_async", after_s=600.0)
    state = replace(before.transcription, daily_budget_wait_since=1.0)
    sql_store.commit(before, Decision(state, (again,)), event=event, source=HAND)
    assert sql_store.health(WORKSPACE, fingerprint="f").is_budget_reached
    assert sql_store.counts().over_budget == 1
    before = sql_store.load(WORKSPACE, RECORDING)
    line = Attempt(1, "recallai_async", AttemptStatus.CLAIMED)
    now = Decision(state_of(sql_store).with_attempt(line), (replace(again, after_s=0.0),))
    sql_store.commit(before, now, event=events.RetryAsked(2.0, 0, over_budget=True), source=HAND)
    assert not sql_store.health(WORKSPACE, fingerprint="f").is_budget_reached


@pytest.mark.parametrize("query", ["sum", "waiting"])
def test_both_questions_go_by_their_index(sql_store: SqlStore, query: str) -> None:
    if not sql_store.is_sqlite:
        pytest.skip("PostgreSQL reads a small table as a whole")
    asked = {
        "sum": "SELECT sum(cost) FROM attempts WHERE cost_day >= 20000 AND currency = 'USD'",
        "waiting": "SELECT count(*) FROM commands WHERE waits_for = 'daily_budget'",
    }[query]
    with sql_store.reading() as connection:
        plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}").all())
    assert "INDEX ix_" in plan, plan
