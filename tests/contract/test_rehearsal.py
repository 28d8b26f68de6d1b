"""What a worker rehearses before it forks leaves no trace, and is known to the horses."""

from __future__ import annotations

import logging
from contextlib import closing

import pytest
import sqlalchemy as sa

from app.adapters.sql.rehearsal import rehearse
from app.adapters.sql.store import SqlStore, open_store
from app.adapters.sql.tables import metadata
from tests import compiled_once
from tests.contract.conftest import Place
from tests.contract.store_builders import CREATE, begin, delivery
from tests.contract.test_store_sql import in_processes


def _rows(store: SqlStore) -> dict[str, list[tuple[object, ...]]]:
    with store.reading() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(sa.select(table))), key=repr)
            for table in metadata.sorted_tables
        }


def test_nothing_of_a_rehearsal_is_kept(sql_store: SqlStore) -> None:
    sql_store.add_deliveries([delivery("waits")])
    begin(sql_store, CREATE)
    before = _rows(sql_store)
    rehearse(sql_store)
    assert _rows(sql_store) == before
    assert all(before[name] for name in ("deliveries", "commands"))


def test_what_follows_a_rehearsal_is_kept(sql_store: SqlStore) -> None:
    rehearse(sql_store)
    sql_store.add_deliveries([delivery("after")])
    assert len(_rows(sql_store)["deliveries"]) == 1


def test_a_rehearsal_that_breaks_off_leaves_the_store_as_it_was(sql_store: SqlStore) -> None:
    before = _rows(sql_store)

    def broken() -> None:
        with sql_store.rehearsal():
            begin(sql_store, CREATE)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert _rows(sql_store) == before
    sql_store.check_write()


@pytest.mark.slow
def test_a_horse_compiles_nothing_that_was_rehearsed(
    sql_store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    sql_store.engine.echo = True

    def job(_: int) -> list[str]:
        with caplog.at_level(logging.INFO, "sqlalchemy.engine"):
            rehearse(sql_store)  # the same again, in a process of its own
        return [record.getMessage() for record in caplog.records if "[generated in" in record.getMessage()]

    with compiled_once.each_by_itself():
        sql_store.close()
        assert in_processes(job, 1) != [[]]
        rehearse(sql_store)
        sql_store.close()
        assert in_processes(job, 1) == [[]]


def test_a_rehearsal_after_a_long_silence_ends_and_leaves_it_to_be_noticed(sql_place: Place) -> None:
    sql_store = sql_place.open()
    begin(sql_store, CREATE)
    sql_store.record_heartbeat(quiet_s=600.0)
    with closing(open_store(sql_place.url, clock_offset_s=5_000.0)) as later:
        before = _rows(later)
        rehearse(later)
        assert _rows(later) == before
        assert later.record_heartbeat(quiet_s=600.0) > 0
