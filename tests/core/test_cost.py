"""Prices, estimates and days; what of them survives the database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.core import events as ev
from app.core.cost import DAY_S, MICROS, Cost, Prices, amount_of, day_of, micros_of
from app.core.machine import decide
from app.core.policy import Order, Policy, ProviderChoice
from app.core.reasons import DAILY_BUDGET_REACHED
from app.core.state import Attempt, AttemptStatus, Phase, Transcription, from_record, to_record
from tests.core.playbook import HOUR, Dialogue
from tests.core.scenes.beginnings import seen

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
    assert Prices(daily_budget=1).lacks("b_async")


def test_amounts_are_whole_and_days_begin_at_midnight_utc() -> None:
    assert (micros_of(0.15), amount_of(150_000)) == (150_000, 0.15)
    assert sum([micros_of(0.1)] * 3) == micros_of(0.3)
    assert [day_of(at) for at in (0.0, DAY_S - 0.001, DAY_S, -0.5)] == [0, 0, 1, -1]


def test_a_provider_that_a_budget_cannot_be_held_against_is_not_led_by() -> None:
    policy = Policy((ProviderChoice("a_async"),), 1, prices=PRICES)
    assert policy.intended(Order(provider="b_async")).providers == policy.providers
    priced = replace(policy, prices=replace(PRICES, per_hour={"a_async": 1, "b_async": 1}))
    assert [c.key for c in priced.intended(Order(provider="b_async")).providers] == ["b_async", "a_async"]
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


def of(*prices: int, daily_budget: int = 0) -> Policy:
    """Providers at these prices."""
    names = ("a_async", "b_async")[: len(prices)]
    table = Prices("USD", dict(zip(names, prices, strict=True)), 1.0, daily_budget)
    return Policy(tuple(map(ProviderChoice, names)), len(names), prices=table)


def running(policy: Policy, *, duration_s: float | None) -> Dialogue:
    d = Dialogue(policy)
    d.told(ev.RecordingDone(10.0))
    d.told(ev.Sending(11.0, 1, "a_async", 0, duration_s))
    d.told(ev.Created(12.0, 1, "t", "a_async"))
    return d


def test_a_new_price_is_none_of_what_was_claimed_at_the_old_one() -> None:
    d = running(of(7, 8), duration_s=HOUR)
    d.policy = of(70, 80)
    d.told(ev.TranscriptFailed(20.0, "t", 1, "provider_error"))
    d.told(ev.Sending(21.0, 2, "b_async", 0))
    assert [a.cost.micros for a in d.state.attempts if a.cost] == [7, 80]


@pytest.mark.parametrize("daily_budget", [0, 100])
def test_what_is_learnt_or_corrected_later_counts_on_the_day_of_its_claim(daily_budget: int) -> None:
    d = running(of(7, daily_budget=daily_budget), duration_s=None)
    d.told(ev.TranscriptDone(DAY_S + 1.0, "t", 1))
    d.told(ev.Stored(DAY_S + 2.0, "t", "a_async", "en", is_empty=False, duration_s=2 * HOUR))
    assert d.state.attempts[0].cost == Cost(14, "USD", 0)
    d.told(ev.RecordingAsked(DAY_S + 3.0, ev.RecordingCondition.DONE, duration_s=3 * HOUR))
    assert d.state.attempts[0].cost == Cost(21, "USD", 0)


def test_each_participants_stream_is_charged_for_where_the_provider_gets_them() -> None:
    streams = {"a_async": True, "b_async": False}
    choices = tuple(ProviderChoice(key, separate_streams=each) for key, each in streams.items())
    policy = Policy(choices, 2, prices=Prices("USD", dict.fromkeys((*streams, "c_async"), 10), 3.0))
    lines = tuple(
        Attempt(n, key, AttemptStatus.RUNNING) for n, key in enumerate((*streams, "c_async"), start=1)
    )
    t = Transcription("w", "r", Phase.TRANSCRIBING, is_recording_done=True, attempts=lines)
    after = decide(t, ev.RecordingAsked(1.0, ev.RecordingCondition.DONE, duration_s=HOUR), policy).state
    costs = [line.cost.micros for line in after.attempts if line.cost is not None]
    assert costs == [30, 10, 30], "of one that has left the policy the dearer is assumed"


def test_a_corrected_cost_stays_on_the_day_of_its_claim_though_the_answer_came_the_day_after() -> None:
    d = Dialogue(of(7))
    d.told(ev.RecordingDone(10.0))
    d.told(ev.Sending(DAY_S - 1.0, 1, "a_async", 0, HOUR))
    d.told(ev.Created(DAY_S + 1.0, 1, "t", "a_async"))
    d.told(ev.RecordingAsked(DAY_S + 9.0, ev.RecordingCondition.DONE, duration_s=2 * HOUR))
    assert d.state.attempts[0].cost == Cost(14, "USD", 0)


def test_the_wait_for_a_days_budget_begins_anew_once_the_attempt_was_sent() -> None:
    d = Dialogue(of(7, daily_budget=1))
    d.told(ev.RecordingDone(10.0))
    busy = ev.Refusal.BUSY
    d.told(ev.Sending(11.0, 1, "a_async", 0))
    d.told(ev.CreateRefused(12.0, 1, busy, "http_429"))
    d.told(ev.DailyBudgetReached(20.0, 1, "a_async", 600.0))
    d.told(ev.Sending(30.0, 1, "a_async", 1))
    d.told(ev.CreateRefused(31.0, 1, busy, "http_429"))
    d.told(ev.DailyBudgetReached(20.0 + DAY_S, 1, "a_async", 600.0))
    assert d.phase is Phase.CREATING, d.state.reason


@pytest.mark.parametrize(("waited_s", "is_over"), [(DAY_S - 1.0, False), (float(DAY_S), True)])
def test_the_wait_for_a_days_budget_ends_after_the_policys_patience(waited_s: float, is_over: bool) -> None:
    d = Dialogue(of(7, daily_budget=1))
    d.told(ev.RecordingDone(10.0))
    for at in (20.0, 20.0 + waited_s):
        d.told(ev.DailyBudgetReached(at, 1, "a_async", 600.0))
    assert (d.phase is Phase.FAILED) is is_over
    assert d.state.reason == (DAILY_BUDGET_REACHED if is_over else None)


def test_what_is_allowed_beyond_the_budget_is_one_attempt() -> None:
    """The next one is planned by the machine, and no person was told its price."""
    policy = Policy((ProviderChoice("a_async"), ProviderChoice("b_async")), 2)
    running = Attempt(1, "a_async", AttemptStatus.RUNNING, transcript_id="t1", since=10.0)
    given = Transcription("w", "r", Phase.TRANSCRIBING, is_recording_done=True, attempts=(running,))
    allowed = replace(given, exceeds_daily_budget=True)
    after = decide(allowed, ev.TranscriptFailed(20.0, "t1", 1), policy).state
    assert (after.planned, after.exceeds_daily_budget) == (2, False)
    failed = replace(given, phase=Phase.FAILED, attempts=(replace(running, status=AttemptStatus.FAILED),))
    again = decide(failed, ev.RetryAsked(30.0, budget=2, over_budget=True), policy).state
    assert (again.planned, again.exceeds_daily_budget) == (2, True)


def test_an_extra_that_waits_for_the_days_budget_is_sent_when_a_person_pays_beyond_it() -> None:
    d = running(of(7, daily_budget=8), duration_s=HOUR)
    d.told(ev.TranscriptDone(13.0, "t", 1))
    d.told(ev.Stored(14.0, "t", "a_async", "en", is_empty=False))
    d.told(ev.Published(15.0, "t", "a_async", "en"))
    d.told(ev.ExtraOrdered(20.0, "o1"))
    d.told(ev.Listed(21.0, 0, (seen("t", "done", 1, "a_async"),)))
    d.told(ev.DailyBudgetReached(22.0, 2, "a_async", 600.0))
    assert d.state.daily_budget_wait_since == 22.0
    commands = d.told(ev.RetryAsked(30.0, budget=0, over_budget=True))
    assert (d.state.planned, d.state.exceeds_daily_budget) == (2, True)
    assert [c.key for c in commands] == ["create:2"]
