"""
The record in SQLite or PostgreSQL: everything `app.ports.Store` promises, and what people ask.

Put together from one part per concern, all on the same `Database`: `sql_inbox` (deliveries),
`sql_commit` (the transcription), `sql_outbox` (commands), `sql_money` (sends, rates, turns),
`sql_accounts` (pauses), `sql_keys` (API keys that see), `sql_passes` (passes over a list),
`sql_breakers` (providers that are down), `sql_signs` (signs of life), `sql_identity` (names of its own),
`sql_answers` (counts that belong to outcomes), `sql_retention` (what is forgotten),
`sql_health` (how it is), `sql_people` (stories and counts), `sql_finding` (lists).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.adapters.sql_accounts import Accounts
from app.adapters.sql_breakers import Breakers
from app.adapters.sql_commit import Commits
from app.adapters.sql_health import Health
from app.adapters.sql_identity import Identity
from app.adapters.sql_inbox import Inbox
from app.adapters.sql_keys import Keys
from app.adapters.sql_money import Money
from app.adapters.sql_outbox import Outbox
from app.adapters.sql_passes import Passes
from app.adapters.sql_people import People
from app.adapters.sql_retention import Retention
from app.adapters.sql_signs import Signs

if TYPE_CHECKING:
    from app.ports import Store


class SqlStore(
    Inbox,
    Commits,
    Outbox,
    Money,
    Accounts,
    Keys,
    Passes,
    Breakers,
    Signs,
    Retention,
    Identity,
    Health,
    People,
):
    """The store. See `Database` for its arguments, `app.ports.Store` for its promises."""


def open_store(
    url: str, *, pool_size: int = 5, clock_offset_s: float = 0.0, makes_file: bool = True
) -> SqlStore:
    """
    The store at an address. Connects when first used, so it may be made before a fork.

    Args:
        url: `sqlite:///path`, `postgresql://…` or `postgres://…`.
        pool_size: Most connections of this process; who finds none free waits 5 s at most.
        clock_offset_s: For tests and chaos only, see `Database`.
        makes_file: See `Database`.

    Raises:
        ConfigError: Not an address of a database we can use. The first use may raise it too:
            PostgreSQL with `synchronous_commit=off`.
    """
    return SqlStore(url, pool_size=pool_size, clock_offset_s=clock_offset_s, makes_file=makes_file)


if TYPE_CHECKING:
    _: Store = open_store("")  # mypy: every promise has its method
