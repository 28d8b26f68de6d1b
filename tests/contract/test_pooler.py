"""
Behind PgBouncer with `pool_mode = transaction`: what every store promises holds, and nothing of ours is left
in a session that the next transaction of another client gets.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy as sa

from app.adapters.sql.migrations import migrate, newest_revision
from app.adapters.sql.store import SqlStore, open_store
from app.errors import StoreUnavailable
from tests.contract.conftest import Place, emptied
from tests.contract.pooler import pooled
from tests.contract.store_builders import delivery

# The core of the contract, run here with the fixture `place` of this module.
from tests.contract.test_store import *  # noqa: F403
from tests.contract.test_store_money import *  # noqa: F403
from tests.contract.test_store_outbox import *  # noqa: F403
from tests.taking import take_deliveries

_SETTINGS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


@pytest.fixture(scope="module")
def pooler(postgresql_url: str) -> Iterator[str]:
    with pooled(postgresql_url) as url:
        yield url


@pytest.fixture
def place(pooler: str) -> Iterator[Place]:
    url = emptied(pooler)
    opened: list[SqlStore] = []

    def another() -> SqlStore:
        opened.append(open_store(url, pool_size=10))
        return opened[-1]

    yield Place("postgresql", url, another)
    for store in opened:
        store.close()


def test_many_threads_and_processes_worth_of_connections_share_three_of_the_server(place: Place) -> None:
    stores = [place.open() for _ in range(3)]

    def work(n: int) -> None:
        store = stores[n % 3]
        store.add_deliveries([delivery(f"m{n}")])
        store.beat(f"worker-{n}")
        store.has_unapplied()

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(work, range(120)))  # often enough for a driver to prepare its statements
    assert len(take_deliveries(stores[0], 200)) == 120


def test_our_time_outs_hold_for_our_transactions_and_for_no_one_elses(place: Place) -> None:
    store = place.open()
    assert isinstance(store, SqlStore)
    for begin in (store.reading, store.writing):
        with begin() as connection:
            ours = [connection.execute(sa.text(f"SHOW {name}")).scalar() for name in _SETTINGS]
            assert connection.execute(sa.text("SHOW transaction_isolation")).scalar() == "read committed"
        assert ours == ["5s", "5s", "10s"]
    with psycopg.connect(place.url, autocommit=True, prepare_threshold=None) as other:
        for _ in range(20):  # whichever of the server's connections it gets
            theirs = [(other.execute(f"SHOW {name}").fetchone() or ("",))[0] for name in _SETTINGS]
            assert theirs == ["0", "0", "0"]
            for left in ("pg_prepared_statements", "pg_locks WHERE locktype = 'advisory'"):
                assert other.execute(f"SELECT count(*) FROM {left}").fetchone() == (0,)


def test_two_migrations_at_once_go_through_a_pooler(pooler: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(migrate, [pooler, pooler])) == [newest_revision()] * 2


def test_the_one_mode_that_cannot_work_is_named(postgresql_url: str) -> None:
    with pooled(postgresql_url, pool_mode="statement") as url:
        store = open_store(url)
        with pytest.raises(StoreUnavailable, match="pool_mode must be transaction or session"):
            store.check_write()
        store.close()


def test_a_pooler_in_session_mode_works_as_well(postgresql_url: str) -> None:
    with pooled(postgresql_url, pool_mode="session") as url:
        store = open_store(url, pool_size=1)
        store.add_deliveries([delivery("m1")])
        store.check_write()
        assert [kept.webhook_id for kept in take_deliveries(store, 9)] == ["m1"]
        store.close()


def test_a_database_that_the_pooler_does_not_have_is_named(pooler: str) -> None:
    store = open_store(f"{pooler.removesuffix('postgres')}nodb")
    with pytest.raises(StoreUnavailable, match="the pooler (has|knows) no database nodb"):
        store.check_write()
    store.close()
