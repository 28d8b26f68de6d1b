"""Prices, estimates and days; what of them survives the database."""

from __future__ import annotations

import pytest

from app.core.cost import DAY_S, MICROS, Cost, Prices, amount_of, day_of, micros_of
from app.core.policy import Order, Policy, ProviderChoice
from app.core.state import Attempt, AttemptStatus, Transcription, from_record, to_record

PRICES = Prices("USD", {"a_async": 150_000}, 1.8, 5 * MICROS)


@pytest.mark.parametrize(
    ("duration_s", "separate", "micros"),
    [(3600.0, False, 150_000), (3600.0, True, 270_000), (60.0, False, 2_500), (0.01, False, 0)],
)
def test_an_estimate_is_the_price_of_the_length_and_its_streams(
    duration_s: float, separate: bool, micros: int
) -> None:
    assert PRICES.estimate("a_async", duration_s, separate_streams=separate) == micros
    assert PRICES.estimate("b_async", duration_s, separate_streams=separate) is None


def test_a_price_lacks_only_where_there_is_a_budget() -> None:
    assert (PRICES.lacks("a_async"), PRICES.lacks("b_async")) == (False, True)
    assert not Prices().lacks("b_async")


def test_amounts_are_whole_and_days_begin_at_midnight_utc() -> None:
    assert (micros_of(0.15), amount_of(150_000)) == (150_000, 0.15)
    assert sum([micros_of(0.1)] * 3) == micros_of(0.3)
    assert [day_of(at) for at in (0.0, DAY_S - 0.001, DAY_S)] == [0, 0, 1]


def test_a_provider_that_a_budget_cannot_be_held_against_is_not_led_by() -> None:
    policy = Policy((ProviderChoice("a_async"),), 1, prices=PRICES)
    assert policy.intended(Order(provider="b_async")).providers == policy.providers
    free = Policy(policy.providers, 1)
    assert [c.key for c in free.intended(Order(provider="b_async")).providers] == ["b_async", "a_async"]


def test_a_cost_survives_the_database_and_earlier_records_have_none() -> None:
    line = Attempt(1, "a_async", AttemptStatus.RUNNING, cost=Cost(7, "USD", 20_000))
    state = Transcription("default", "r", attempts=(line,), duration_s=3.5, exceeds_daily_budget=True)
    record = to_record(state)
    assert from_record(record) == state
    for name in ("duration_s", "exceeds_daily_budget", "daily_budget_wait_since"):
        del record[name]
    del record["attempts"][0]["cost"]
    assert from_record(record).attempts[0].cost is None
