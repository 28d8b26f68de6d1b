"""
A PostgreSQL server that stands still with its connections alive: nobody waits for it for ever.

The server is stopped by SIGSTOP, as a frozen virtual machine or a debugger would: its kernel goes on
acknowledging every byte.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext

import psutil
import pytest
import sqlalchemy as sa

from app.adapters.sql.postgresql import SILENCE_S, allow_silence
from app.adapters.sql.store import SqlStore, open_store
from app.errors import StoreUnavailable
from tests.contract.conftest import emptied
from tests.contract.store_builders import delivery
from tests.taking import take_deliveries

pytestmark = pytest.mark.slow


@pytest.fixture
def store(postgresql_url: str) -> Iterator[SqlStore]:
    """One connection, so that the server's process behind it is known."""
    opened = open_store(emptied(postgresql_url), pool_size=1)
    yield opened
    opened.close()


def process_behind(store: SqlStore, *, silence_s: float) -> int:
    """The server's process of the one connection, whose patience is set."""
    with store.reading() as connection:
        allow_silence(connection, silence_s)
        return int(connection.execute(sa.select(sa.func.pg_backend_pid())).scalar_one())


@contextmanager
def stopped(*processes: int) -> Iterator[None]:
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(processes):
            os.kill(pid, signal.SIGCONT)


def timed(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


def test_a_server_that_stands_still_is_given_up_within_ten_seconds_and_used_again(store: SqlStore) -> None:
    server = psutil.Process(process_behind(store, silence_s=SILENCE_S)).parent()
    assert server is not None

    def work() -> None:
        with pytest.raises(StoreUnavailable, match="refused or silent"):
            store.add_deliveries([delivery("m1")])

    with stopped(server.pid, *(child.pid for child in server.children())):
        assert timed(work) < 10
    assert timed(lambda: store.add_deliveries([delivery("m2")])) < 5
    assert [d.webhook_id for d in take_deliveries(store, 9)] == ["m2"], "m1 failed, so it is not there"


def test_one_connection_that_stands_still_is_replaced_without_an_error(store: SqlStore) -> None:
    with stopped(process_behind(store, silence_s=1)):
        assert timed(lambda: store.add_deliveries([delivery("m1")])) < 4
    assert len(take_deliveries(store, 9)) == 1


def test_a_server_that_stops_in_the_middle_of_a_transaction_ends_it(store: SqlStore) -> None:
    store.add_deliveries([delivery("m1")])
    pid = process_behind(store, silence_s=1)
    with ExitStack() as held:

        def work() -> None:
            with store.writing() as connection:
                connection.execute(sa.text("DELETE FROM deliveries"))
                held.enter_context(stopped(pid))
                connection.execute(sa.text("SELECT 1"))

        with pytest.raises(StoreUnavailable, match="refused or silent"):
            work()
        assert timed(store.check_write) < 4, "the pool has room for a new connection"
    assert len(take_deliveries(store, 9)) == 1, "nothing of it was written"


def test_a_long_answer_that_keeps_coming_is_no_silence(store: SqlStore) -> None:
    slow = "SELECT g, repeat('x', 20000), pg_sleep(0.7) FROM generate_series(1, 4) g"
    process_behind(store, silence_s=1.5)
    with store.reading() as connection:
        assert len(connection.execute(sa.text(slow)).all()) == 4


@pytest.mark.parametrize(("silence_s", "is_given_up"), [(0.5, True), (5, False)])
def test_one_that_is_only_slow_is_waited_for_as_long_as_allowed(
    store: SqlStore, silence_s: float, is_given_up: bool
) -> None:
    def work() -> None:
        with store.reading() as connection:
            allow_silence(connection, silence_s)
            connection.execute(sa.text("SELECT pg_sleep(1.5)"))

    with pytest.raises(StoreUnavailable) if is_given_up else nullcontext():
        work()
