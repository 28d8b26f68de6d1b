"""What a database adds to the store: processes, forks, migrations and honest errors."""

from __future__ import annotations

import multiprocessing
import re
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.adapters.sql import migrations
from app.adapters.sql.engine import Database, parse_url
from app.adapters.sql.store import SqlStore, open_store
from app.adapters.sql.tables import metadata
from app.core.machine import Decision
from app.errors import ConfigError, Stale, StoreUnavailable
from app.orchestrator.records import Leased, PauseSubject
from tests.contract.conftest import Place
from tests.contract.store_builders import (
    CREATE,
    DONE,
    HAND,
    RECORDING,
    WORKSPACE,
    at_once,
    begin,
    claim,
    delivery,
)
from tests.taking import take, take_deliveries


def in_processes(work: Callable[[int], Any], number: int) -> list[Any]:
    """Forks, as RQ and gunicorn do, and gives each child's result."""
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def child(index: int) -> None:
        try:
            answers.put(work(index))
        except Exception as error:  # handed to the test by name
            answers.put(type(error).__name__)

    children = [context.Process(target=child, args=(index,)) for index in range(number)]
    for process in children:
        process.start()
    results = [answers.get() for _ in children]
    for process in children:
        process.join()
    return results


# -- processes -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_of_many_processes_one_takes_a_command(sql_store: SqlStore) -> None:
    (offer,) = begin(sql_store, CREATE).offerable
    results = in_processes(lambda _: take(sql_store, offer.id, lease_s=15), 6)
    assert sum(isinstance(result, Leased) for result in results) == 1
    assert results.count(None) == 5


@pytest.mark.slow
def test_of_many_processes_one_claims_an_attempt_and_the_others_are_stale(sql_store: SqlStore) -> None:
    begin(sql_store, CREATE)
    before = sql_store.load(WORKSPACE, RECORDING)

    def job(index: int) -> str:
        state = replace(before.transcription, recording_asks=index + 1)
        sql_store.commit(before, Decision(state), event=DONE, source=HAND)
        return "written"

    assert sorted(in_processes(job, 6)) == ["Stale"] * 5 + ["written"]


@pytest.mark.slow
def test_a_store_used_before_a_fork_works_on_both_sides(sql_store: SqlStore) -> None:
    sql_store.add_deliveries([delivery("before")])

    def child(index: int) -> int:
        for number in range(20):
            sql_store.add_deliveries([delivery(f"child-{index}-{number}")])
        return sql_store.counts().deliveries_unapplied

    counts = in_processes(child, 3)
    assert all(count >= 21 for count in counts)
    sql_store.add_deliveries([delivery("after")])
    assert len(take_deliveries(sql_store, 100)) == 62


@pytest.mark.slow
def test_a_child_forked_during_a_write_does_not_wait_for_the_parents_thread(sql_store: SqlStore) -> None:
    with sql_store.writing():
        (seconds,) = in_processes(lambda _: _timed(lambda: sql_store.load(WORKSPACE, RECORDING)), 1)
    assert seconds < 2
    assert in_processes(lambda _: sql_store.check_write(), 1) == [None]


@pytest.mark.slow
def test_writers_in_many_processes_do_not_starve_each_other(sql_store: SqlStore) -> None:
    def job(index: int) -> float:
        return max(
            _timed(lambda n=n: sql_store.add_deliveries([delivery(f"{index}-{n}")]))  # type: ignore[misc]
            for n in range(50)
        )

    assert max(in_processes(job, 4)) < 2.0
    assert len(take_deliveries(sql_store, 1000)) == 200


def _timed(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


# -- migrations ------------------------------------------------------------------------------------


def test_revisions_are_the_numbers_in_the_names_of_the_steps() -> None:
    """So that a command which only compares them does not load Alembic."""
    steps = list(ScriptDirectory.from_config(migrations.alembic_config()).walk_revisions())
    assert len(steps) >= 8
    assert [Path(step.path).name.partition("_")[0] for step in steps] == [step.revision for step in steps]
    assert migrations.newest_revision() == steps[0].revision


def test_the_migrations_make_what_the_tables_say(sql_store: SqlStore, tmp_path: Path) -> None:
    with sql_store.reading() as connection:
        # Of an expression, which each database spells in its own way: it has a test of its own, as the
        # tables of the search index have, which are here on PostgreSQL alone.
        apart = ("ix_transcriptions_bot", "search_")
        options = {"include_object": lambda _, name, *__: not str(name).startswith(apart)}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
        migrated = _constraints(connection)
    declared = {
        table.name: {str(c.name) for c in table.constraints if isinstance(c, sa.CheckConstraint)}
        for table in metadata.sorted_tables
    }
    assert migrated == declared
    assert migrated["attempts"] == {"ck_attempts_ordinal", "ck_attempts_budget"}


def _constraints(connection: sa.Connection) -> dict[str, set[str]]:
    inspector = sa.inspect(connection)
    return {
        t.name: {str(c["name"]) for c in inspector.get_check_constraints(t.name)}
        for t in metadata.sorted_tables
    }


def test_the_migrated_sqlite_schema_is_word_for_word_the_declared_one(sqlite_template: Path) -> None:
    with closing(sqlite3.connect(sqlite_template)) as connection:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        migrated = {name: _normal(sql) for name, sql in connection.execute(query)}
    del migrated["alembic_version"]
    dialect = sa.create_engine("sqlite://").dialect
    declared = {
        table.name: _normal(str(sa.schema.CreateTable(table).compile(dialect=dialect)))
        for table in metadata.sorted_tables
    }
    assert migrated == declared


def _normal(sql: str) -> list[str]:
    return sorted(re.sub(r"\s+", " ", part.strip(" \n\t();")) for part in sql.split(","))


def test_migrating_again_or_many_at_once_is_harmless(tmp_path: Path, postgresql_url: str) -> None:
    for url in (f"sqlite:///{tmp_path}/new folder/new.db", postgresql_url):
        results = in_processes(lambda _, url=url: migrations.migrate(url), 4)  # type: ignore[misc]
        assert results == [migrations.newest_revision()] * 4
        assert migrations.current_revision(url) == migrations.newest_revision()


def test_a_database_newer_than_the_program_is_not_touched(sql_url: str) -> None:
    assert not migrations.is_newer_than_program(sql_url)
    _set_revision(sql_url, "9999")
    try:
        assert migrations.is_newer_than_program(sql_url)
        with pytest.raises(ConfigError, match="newer than this program"):
            migrations.migrate(sql_url)
    finally:
        _set_revision(sql_url, migrations.newest_revision())


def _set_revision(url: str, revision: str) -> None:
    database = Database(url)
    with database.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
    database.close()


def test_asking_for_the_revision_creates_no_file(tmp_path: Path) -> None:
    assert migrations.current_revision(f"sqlite:///{tmp_path}/none/new.db") is None
    assert list(tmp_path.iterdir()) == []


def test_files_are_private_and_durable(tmp_path: Path) -> None:
    path = tmp_path / "home" / "new.db"
    migrations.migrate(f"sqlite:///{path}")
    store = open_store(f"sqlite:///{path}")
    store.check_write()
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with store.reading() as connection:
        pragmas = {n: connection.exec_driver_sql(f"PRAGMA {n}").scalar() for n in _PRAGMAS}
    assert pragmas == _PRAGMAS
    store.close()


_PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 4000}


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["mysql://u:s3cret@h/d", "sqlite://", "sqlite:///:memory:", "no address s3cret"]
)
def test_an_address_we_cannot_use_is_a_problem_of_configuration(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_store(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_means_one_driver(scheme: str) -> None:
    assert parse_url(f"{scheme}://u:p@h/d").drivername == "postgresql+psycopg"


def test_a_server_that_loses_acknowledged_rows_is_refused(postgresql_url: str) -> None:
    mark = "&" if "?" in postgresql_url else "?"
    store = open_store(f"{postgresql_url}{mark}options=-c%20synchronous_commit%3Doff")
    with pytest.raises(ConfigError, match="synchronous_commit=off"):
        store.check_write()


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    store = open_store("postgresql://user:s3cret@127.0.0.1:1/db")
    with pytest.raises(StoreUnavailable, match="is the server of DATABASE_URL running") as caught:
        store.add_deliveries([delivery("m1")])
    assert "s3cret" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_a_database_without_tables_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="run `./afterword migrate`"):
        open_store(f"sqlite:///{tmp_path}/empty.db").load(WORKSPACE, RECORDING)


def test_a_full_disk_fails_the_whole_batch_and_says_so(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/full.db"
    migrations.migrate(url)
    store = open_store(url, pool_size=1)
    with store.reading() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1")  # no smaller than it is: not one page more
    with pytest.raises(StoreUnavailable, match="full disk"):
        store.add_deliveries([delivery("small"), delivery("large", body=b"x" * 500_000)])
    with store.reading() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    assert take_deliveries(store, 10) == []
    store.add_deliveries([delivery("large", body=b"x" * 500_000)])
    assert len(take_deliveries(store, 10)) == 1


@pytest.mark.slow
def test_a_database_locked_by_another_program_gives_up_within_five_seconds(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/locked.db"
    migrations.migrate(url)
    store = open_store(url)
    with closing(sqlite3.connect(tmp_path / "locked.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        start = time.monotonic()
        with pytest.raises(StoreUnavailable, match="locked by another program"):
            store.check_write()
        assert time.monotonic() - start < 5
        assert store.load(WORKSPACE, RECORDING).version == 0, "readers do not wait"
    store.check_write()


def test_a_write_transaction_is_the_only_one_from_its_start_and_not_from_its_first_write(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/one.db"
    migrations.migrate(url)
    store = open_store(url)
    with (
        closing(sqlite3.connect(tmp_path / "one.db", timeout=0)) as other,
        store.writing(),
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")
    store.close()


def test_no_value_of_a_row_is_in_an_error(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/empty.db")
    with pytest.raises(StoreUnavailable) as caught:
        store.add_deliveries([delivery("m1", body=b"Ada Lovelace")])
    assert "Ada" not in f"{caught.value} {caught.value.__cause__}"


def test_a_commit_that_fails_half_way_leaves_nothing(sql_store: SqlStore) -> None:
    begin(sql_store, CREATE)
    before = sql_store.load(WORKSPACE, RECORDING)
    with sql_store.writing() as connection:
        connection.execute(sa.text("ALTER TABLE history RENAME TO away"))
    with pytest.raises(StoreUnavailable):
        claim(sql_store, budget=3)
    with sql_store.writing() as connection:
        connection.execute(sa.text("ALTER TABLE away RENAME TO history"))
    assert sql_store.load(WORKSPACE, RECORDING) == before
    assert sql_store.send_times(WORKSPACE, RECORDING, 1, key_serial=0).since_first_s is None


def test_a_server_that_restarts_is_used_again_without_an_error(postgresql_url: str) -> None:
    store = open_store(postgresql_url)
    store.check_write()
    other = open_store(postgresql_url)
    with other.reading() as connection:
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        connection.execute(sa.text(end + " AND application_name = 'afterword'"))
    store.check_write()
    store.close()
    other.close()


# -- together ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_handles_commit_beside_each_other_without_deadlock(sql_place: Place) -> None:
    stores = [sql_place.open() for _ in range(4)]
    names = [f"r{number}" for number in range(6)]
    for name in names:
        begin(stores[0], CREATE, recording_id=name)

    def work(index: int) -> int:
        done = 0
        for name in names * 3:
            store = stores[index % 4]
            before = store.load(WORKSPACE, name)
            state = replace(before.transcription, recording_asks=before.transcription.recording_asks + 1)
            try:
                store.commit(before, Decision(state, (CREATE,)), event=DONE, source=HAND)
                done += 1
            except Stale:
                store.pause(WORKSPACE, PauseSubject.ACCOUNT, probe_after_s=0)
                store.unpause(WORKSPACE)
            store.mark_offered(range(1, 100))
        return done

    results = at_once(work, range(8))
    assert not [r for r in results if isinstance(r, Exception)]
    assert sum(stores[0].load(WORKSPACE, n).version - 1 for n in names) == sum(map(int, results))  # type: ignore[arg-type]


def test_the_store_holds_no_connection_before_it_is_used(postgresql_url: str) -> None:
    assert open_store(postgresql_url).engine.pool.status().count("Connections in pool: 0") == 1
