"""What attempts cost, as people and programs are told it; and a day's budget, from the wait to beyond it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.adapters.sql.spending import Spent
from app.cli import costs
from app.core import events
from app.core.cost import MICROS, Prices
from app.core.policy import Policy, ProviderChoice
from app.core.state import Phase
from tests.cli.conftest import FIRST, WORKSPACE, Home
from tests.cli.test_status import running

HOUR_S = 3600.0
PRICES = Prices("USD", {FIRST: MICROS // 10}, 1.5)


def paid(home: Home, *, duration_s: float = HOUR_S) -> str:
    """A recording with an attempt under way."""
    recording, at = home.hears(), home.store.now()
    sent = events.Sending(at, 1, FIRST, 0, duration_s)
    home.happens(recording, sent, events.Created(at, 1, f"t-{recording}", FIRST))
    return recording


@pytest.mark.slow
def test_an_hour_of_the_first_provider_is_in_every_list(home: Home) -> None:
    recording = paid(home)
    price, today = "0.27 USD", datetime.now(UTC).date().isoformat()
    assert price in home.run("list").out
    assert f"paid, about {price}" in home.run("show", recording).out
    told = home.run("list", "--json").json
    assert told["cost"] == {"amount": 0.27, "currency": "USD", "is_complete": True}
    assert told["attempts"][0]["cost"] == 0.27
    spent = {"day": today, "workspace": WORKSPACE, "provider": FIRST, "currency": "USD", "attempts": 1}
    assert home.run("list", "--costs", "--json").json == {**spent, "amount": 0.27}
    assert home.run("list", "--costs", "--since", "30d").out.split()[-6:] == [
        today, WORKSPACE, FIRST, "1", "0.27", "USD",
    ]  # fmt: skip
    said = home.run("status")
    assert f"spent today   {price}" in said.out
    assert home.run("status", "--json").json["spent_today"] == [{**spent, "amount": 0.27}]
    at = home.store.now()
    home.happens(recording, events.TranscriptFailed(at, f"t-{recording}", 1, "provider_error"))
    home.happens(recording, events.Sending(at, 2, "deepgram_async", 0))
    told = home.run("list", "--json").json
    assert [a["cost"] for a in told["attempts"]] == [0.27, None], "deepgram_async has no price"
    assert told["cost"] == {"amount": 0.27, "currency": "USD", "is_complete": False}
    assert "0.27+ USD" in home.run("list").out


@pytest.mark.slow
def test_without_a_price_or_an_attempt_nothing_is_said_to_be_free(home: Home) -> None:
    recording = home.hears()
    assert home.run("list", "--json").json["cost"] is None
    assert "per_hour" in home.run("list", "--costs").out
    at = home.store.now()
    home.happens(recording, events.Sending(at, 1, FIRST, 0), events.Created(at, 1, "t", FIRST))
    assert home.run("list", "--json").json["cost"] is None
    home.happens(recording, events.TranscriptFailed(at, "t", 1, "provider_error"))
    home.happens(recording, events.Sending(at, 2, "assembly_ai_async", 0, 100.0))
    assert home.run("list", "--json").json["cost"]["is_complete"] is True, "the length is both attempts'"


@pytest.mark.slow
def test_a_budget_is_waited_for_and_a_person_goes_beyond_it(home: Home, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(f'providers = ["{FIRST}"]\n[cost]\ndaily_budget = 0.25\n')
    home.monkeypatch.setenv("AFTERWORD_POLICY", str(tmp_path / "p.toml"))
    recording, at = home.hears(), home.store.now()
    home.happens(recording, events.DailyBudgetReached(at, 1, FIRST, 900.0, HOUR_S))
    assert "waits for the next day: the daily budget is reached" in home.run("list").out
    status = home.run("status")
    assert "spent today   0.00 USD of 0.25 USD" in status.out
    assert "budget        paused" in status.out
    assert "--over-budget` pays for one all the same" in status.out
    with running(home):
        said = home.run("check")
    assert said.code == 1
    assert "The daily budget is reached: new attempts wait for the next UTC day" in said.out
    assert home.run("retry", recording, "--yes").code == 1
    before = home.version(recording)
    said = home.run("retry", recording, "--over-budget", typed="n\n")
    assert (said.code, home.version(recording)) == (1, before)
    assert f"charge for: about 0.27 USD with {FIRST}." in said.out
    assert home.run("retry", recording, "--over-budget", "--yes").code == 0
    state = home.store.load(WORKSPACE, recording).transcription
    assert (state.phase, state.exceeds_daily_budget) == (Phase.CREATING, True)
    assert "budget        ok" in home.run("status").out


def test_a_backfill_names_its_price_by_the_lengths_that_recall_says(home: Home) -> None:
    home.recorded(days_ago=2)
    said = home.run("backfill", "--since", "7d", "--dry-run")
    assert "1 to transcribe: up to 1 paid transcripts" in said.out
    assert f"USD with {FIRST}." in said.out


POLICY = Policy((ProviderChoice(FIRST),), 1, prices=PRICES)


@pytest.mark.parametrize(
    ("provider", "duration_s", "number", "said"),
    [
        (FIRST, 7200.0, 1, f"about 0.30 USD with {FIRST}"),
        (FIRST, None, 1, f"about 0.15 USD for an hour of recording with {FIRST}"),
        (FIRST, None, 2, f"about 0.15 USD for each hour of recording with {FIRST}"),
        (FIRST, 60.0, 1, f"about 0.0025 USD with {FIRST}"),
        ("b_async", 60.0, 1, "what b_async costs is not known ([cost] per_hour has no price)"),
    ],
)
def test_a_price_is_an_amount_or_a_rate_or_not_known(
    provider: str, duration_s: float | None, number: int, said: str
) -> None:
    assert costs.price_of(POLICY, provider, duration_s, number=number) == said


def test_a_day_is_told_by_provider_and_currency() -> None:
    spent = [Spent(1, "w", "a", "USD", 500_000, 1), Spent(1, "v", "b", "USD", MICROS, 2)]
    budget = Prices("USD", daily_budget=2 * MICROS)
    assert costs.today([], Prices()) is None
    assert costs.today([], budget) == "0.00 USD of 2.00 USD"
    assert costs.today(spent, budget) == "1.50 USD of 2.00 USD (a 0.50 USD, b 1.00 USD)"
    euros = Spent(1, "v", "b", "EUR", MICROS, 2)
    assert costs.today([*spent[:1], euros], budget) == "1.00 EUR; 0.50 USD of 2.00 USD"
