"""The acknowledged path's own connection to SQLite: as durable, as careful after a fork, as patient."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.adapters.sql.migrations import migrate
from app.adapters.sql.store import SqlStore, open_store
from app.adapters.sql.write_lock import WriteLock
from app.errors import StoreUnavailable
from app.orchestrator.records import NewDelivery
from tests.process_checks import exit_code_of_a_fork


def row(webhook_id: Any) -> NewDelivery:
    return NewDelivery("default", webhook_id, 1.0, 1, "blue", b"{}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    migrate(f"sqlite:///{path}")
    opened = open_store(f"sqlite:///{path}")
    yield opened
    opened.close()


def ids(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [found for (found,) in connection.execute("SELECT webhook_id FROM deliveries ORDER BY 1")]


def test_every_commit_of_it_reaches_the_disk_before_it_returns(store: SqlStore) -> None:
    store.add_deliveries([row("a")])

    connection = store._dedicated._own()
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert not connection.in_transaction


def test_child_of_a_fork_opens_its_own_and_both_work(store: SqlStore, path: Path) -> None:
    store.add_deliveries([row("before")])
    inherited = store._dedicated._own()

    def child() -> None:
        store.add_deliveries([row("child")])
        assert store._dedicated._own() is not inherited

    assert exit_code_of_a_fork(child) == 0
    store.add_deliveries([row("after")])

    assert ids(path) == ["after", "before", "child"]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_batch_that_fails_leaves_nothing_and_the_next_one_is_stored(store: SqlStore, path: Path) -> None:
    store.add_deliveries([row("before")])
    with pytest.raises(StoreUnavailable):
        store.add_deliveries([row("good"), row(None)])
    store.add_deliveries([row("after")])

    assert ids(path) == ["after", "before"]


def test_connection_is_opened_again_after_the_store_was_closed(store: SqlStore, path: Path) -> None:
    store.add_deliveries([row("a")])
    store.close()
    store.add_deliveries([row("b")])

    assert ids(path) == ["a", "b"]


def test_urgent_writer_waits_for_who_writes_and_not_for_who_queues(path: Path) -> None:
    write_lock = WriteLock(path)
    with path.with_name("a.db-next").open("w") as next_:  # somebody is next
        fcntl.flock(next_, fcntl.LOCK_EX)
        with write_lock.taken(wait_s=1.0, is_urgent=True):
            pass
        with pytest.raises(StoreUnavailable), write_lock.taken(wait_s=0.05):
            pass
    with path.with_name("a.db-turn").open("w") as held:  # somebody writes
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StoreUnavailable), write_lock.taken(wait_s=0.05, is_urgent=True):
            pass


def test_a_database_put_back_without_its_journal_mode_is_settled_by_the_first_delivery(
    store: SqlStore, path: Path
) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode=delete").fetchone() == ("delete",)
    store.add_deliveries([row("a")])
    assert ids(path) == ["a"]
