"""
The record in SQLite or PostgreSQL: everything `app.orchestrator.ports.Store` promises, and what people ask.

Put together from one part per concern, each in a file of its name, all on the same `Database`; `Beginnings`
is made of `transitions`, `loading`, `outbox`, `inbox`, `liveness`, `installation` and `tallies`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.adapters.sql.access import Access
from app.adapters.sql.account_pauses import AccountPauses
from app.adapters.sql.api_keys import ApiKeys
from app.adapters.sql.beginnings import Beginnings
from app.adapters.sql.circuit_breakers import CircuitBreakers
from app.adapters.sql.health import Health
from app.adapters.sql.provider_forms import ProviderForms
from app.adapters.sql.queries import Queries
from app.adapters.sql.recall_list_passes import ListPasses
from app.adapters.sql.sends_and_rates import SendsAndRates

if TYPE_CHECKING:
    from app.orchestrator.ports import Store


class SqlStore(
    Beginnings,
    SendsAndRates,
    AccountPauses,
    ApiKeys,
    ListPasses,
    CircuitBreakers,
    ProviderForms,
    Health,
    Queries,
    Access,
):
    """The store. See `Database` for its arguments, `app.orchestrator.ports.Store` for its promises."""


def open_store(
    url: str, *, pool_size: int = 5, clock_offset_s: float = 0.0, makes_file: bool = True
) -> SqlStore:
    """
    The store at an address; see `Database`. Connects when first used, so it may be made before a fork.

    Raises:
        ConfigError: Not an address of a database we can use. The first use may raise it too:
            PostgreSQL with `synchronous_commit=off`.
    """
    return SqlStore(url, pool_size=pool_size, clock_offset_s=clock_offset_s, makes_file=makes_file)


if TYPE_CHECKING:
    _: Store = open_store("")  # mypy: every promise has its method
