"""Costs in words: what an attempt is estimated at, by the prices of the policy, and what days came to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.adapters.sql.spending import Spent
from app.cli.listing import print_table
from app.core.cost import DAY_S, Prices, amount_of
from app.core.policy import Policy


def money(micros: int, currency: str) -> str:
    """`0.27 USD`; small amounts to a hundredth of a cent."""
    amount = amount_of(micros)
    digits = 2 if amount >= 1 or round(amount, 2) == amount else 4
    return f"{amount:.{digits}f} {currency}"


def price_of(policy: Policy, provider: str, duration_s: float | None, *, number: int = 1) -> str:
    """Of one attempt, or of `number` that last `duration_s` seconds together."""
    prices = policy.prices
    is_separate = policy.separate_streams_of(provider)
    micros = prices.estimate(provider, duration_s or 3600.0, separate_streams=is_separate)
    if micros is None:
        return f"what {provider} costs is not known ([cost] per_hour has no price)"
    if duration_s is None:
        of = "an hour of recording" if number == 1 else "each hour of recording"
        return f"about {money(micros, prices.currency)} for {of} with {provider}"
    return f"about {money(micros, prices.currency)} with {provider}"


def today(spent: Sequence[Spent], prices: Prices) -> str | None:
    """What this UTC day came to, by provider; None where that is nothing and there is no budget."""
    if not spent and not prices.daily_budget:
        return None
    said = []
    for currency in sorted({one.currency for one in spent} or {prices.currency}):
        of_currency = [one for one in spent if one.currency == currency]
        by = {one.provider: 0 for one in of_currency}
        for one in of_currency:
            by[one.provider] += one.micros
        total = money(sum(by.values()), currency)
        if prices.daily_budget and currency == prices.currency:
            total += f" of {money(prices.daily_budget, currency)}"
        each = ", ".join(f"{provider} {money(micros, currency)}" for provider, micros in sorted(by.items()))
        said.append(f"{total} ({each})" if len(by) > 1 else total)
    return "; ".join(said)


def date_of(day: int) -> str:
    """ISO 8601."""
    return datetime.fromtimestamp(day * DAY_S, UTC).date().isoformat()


def spent_record(spent: Spent) -> dict[str, Any]:
    """For programs: docs/json.md."""
    return {
        "day": date_of(spent.day),
        "workspace": spent.workspace,
        "provider": spent.provider,
        "currency": spent.currency,
        "amount": amount_of(spent.micros),
        "attempts": spent.attempts,
    }


def print_spent(console: Console, spent: Sequence[Spent]) -> None:
    """A line for each day, workspace and provider."""
    rows = [
        (date_of(one.day), one.workspace, one.provider, str(one.attempts), money(one.micros, one.currency))
        for one in spent
    ]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("day (UTC)", "workspace", "provider", "attempts", "cost"):
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    print_table(console, table, ("  ".join(row) for row in rows))
