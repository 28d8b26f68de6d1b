"""What the database tells of how the service is: ages from the first wish, Recall, providers, webhooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.adapters.sql.health import Facts
from app.adapters.sql.store import SqlStore
from app.orchestrator.records import Closing, PauseSubject
from tests.contract.store_builders import RECORDING, WORKSPACE, begin, delivery
from tests.taking import take_deliveries

KEY = "0a1b2c3d"


def facts(store: SqlStore) -> Facts:
    return store.health(WORKSPACE, fingerprint=KEY)


def put(store: SqlStore, table: sa.Table, **values: Any) -> None:
    with store.writing() as connection:
        connection.execute(table.insert().values(**values))


def wish(store: SqlStore, rows: Sequence[tuple[str, float, float]]) -> None:
    """Commands by (key, seconds since they were first due, seconds until they are due again)."""
    now = store.now()
    values = [
        {
            "workspace": WORKSPACE, "recording_id": RECORDING, "key": key, "kind": "fetch_transcript",
            "args": "{}", "due_at": now + due_s, "tries": 0, "is_held": False, "wanted_since": now - wanted_s,
        }
        for key, wanted_s, due_s in rows
    ]  # fmt: skip
    with store.writing() as connection:
        connection.execute(t.commands.insert(), values)


# -- since when work is undone ---------------------------------------------------------------------
def test_command_that_is_put_off_again_and_again_ages_from_its_first_wish(sql_store: SqlStore) -> None:
    begin(sql_store)
    assert facts(sql_store).oldest_undone_s is None
    wish(sql_store, [("alarm in ten minutes", -600, 600), ("fetch", 1560, 45), ("due now", 3, -3)])

    assert facts(sql_store).oldest_undone_s == pytest.approx(1560, abs=5)


def test_what_is_wanted_in_future_only_is_not_undone(sql_store: SqlStore) -> None:
    begin(sql_store)
    wish(sql_store, [("alarm", -600, 600), ("alarm of tomorrow", -86_400, 86_400)])

    assert facts(sql_store).oldest_undone_s is None


def test_command_of_the_version_before_ages_from_when_it_was_due(sql_store: SqlStore) -> None:
    begin(sql_store)
    wish(sql_store, [("fetch", 90, -90)])
    with sql_store.writing() as connection:
        connection.execute(t.commands.update().values(wanted_since=0))

    assert facts(sql_store).oldest_undone_s == pytest.approx(90, abs=5)


def test_waiting_delivery_ages_from_when_it_came(sql_store: SqlStore) -> None:
    sql_store.add_deliveries([delivery("m1")])

    oldest_s = facts(sql_store).oldest_undone_s
    assert oldest_s is not None
    assert oldest_s > 1e6, "it came 1000 s after the epoch"


def test_oldest_wish_is_found_behind_thousands_that_are_due_before_it(sql_store: SqlStore) -> None:
    begin(sql_store)
    wish(sql_store, [("stuck", 70_000, 3000)])
    wish(sql_store, [(f"c{number}", 60, -60 + number / 100) for number in range(2500)])

    assert facts(sql_store).oldest_undone_s == pytest.approx(70_000, abs=60)


@contextmanager
def statements_of(store: SqlStore) -> Iterator[list[tuple[str, Any]]]:
    found: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        found.append((statement, parameters))

    sa.event.listen(store.engine, "before_cursor_execute", note)
    yield found
    sa.event.remove(store.engine, "before_cursor_execute", note)


def test_nothing_large_is_read_to_its_end(sql_store: SqlStore) -> None:
    """Deliveries, commands and artifacts grow without end: each is reached by an index and a limit."""
    with statements_of(sql_store) as statements:
        facts(sql_store)

    large = [
        (s, p)
        for s, p in statements
        if any(f"FROM {name}" in s for name in ("deliveries", "commands", "artifacts"))
    ]
    assert len(large) == 6
    for statement, parameters in large:
        assert "LIMIT" in statement
        with sql_store.reading() as connection:
            if sql_store.is_sqlite:
                plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all())
                assert "TEMP B-TREE" not in plan, plan
                assert "USING" in plan or "SCAN deliveries" in plan or "SCAN artifacts" in plan, plan
            else:
                connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
                plan = str(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).all())
                assert "Index" in plan, plan
                assert "Sort" not in plan, plan


# -- Recall ----------------------------------------------------------------------------------------
def test_trouble_pause_and_key_are_of_this_workspace_and_this_key(sql_store: SqlStore) -> None:
    now = sql_store.now()
    put(sql_store, t.installation, key="recall_trouble:other", at=now - 500)
    put(sql_store, t.recall_keys, workspace=WORKSPACE, fingerprint="ffffffff", status="foreign", at=now)
    put(sql_store, t.recall_keys, workspace="other", fingerprint=KEY, status="foreign", at=now)
    sql_store.pause("other", PauseSubject.ACCOUNT, 401, probe_after_s=60)
    found = facts(sql_store)
    assert (found.recall_trouble_since, found.is_key_foreign, found.pause) == (None, False, None)

    put(sql_store, t.installation, key=f"recall_trouble:{WORKSPACE}", at=now - 70)
    put(sql_store, t.recall_keys, workspace=WORKSPACE, fingerprint=KEY, status="foreign", at=now)
    sql_store.pause(WORKSPACE, PauseSubject.ACCOUNT, 401, probe_after_s=60)
    found = facts(sql_store)
    assert found.recall_trouble_since == pytest.approx(now - 70)
    assert found.is_key_foreign
    assert found.pause is not None
    assert found.pause.cause == "recall_answers_401"


def test_provider_is_passed_over_while_open_and_until_a_probe_has_tried_it(
    sql_store: SqlStore,
) -> None:
    for _ in range(5):
        sql_store.record_result(WORKSPACE, "assembly_ai_async", worked=False, open_s=120)
    sql_store.record_result(WORKSPACE, "deepgram_async", worked=False, open_s=120)
    found = facts(sql_store)
    assert found.breakers == {"assembly_ai_async": "open"}
    assert found.passed_over == {"assembly_ai_async"}

    sql_store.clock_offset_s = 130
    found = facts(sql_store)
    assert found.breakers == {"assembly_ai_async": "half_open"}
    assert found.passed_over == {"assembly_ai_async"}
    assert sql_store.allow_request(WORKSPACE, "assembly_ai_async", probe_s=600)
    sql_store.clock_offset_s = 600
    assert facts(sql_store).passed_over == {"assembly_ai_async"}, "the one that tries it is under way"

    sql_store.clock_offset_s = 900
    assert facts(sql_store).passed_over == set(), "nothing waits for it, or it would have been tried"
    sql_store.record_result(WORKSPACE, "assembly_ai_async", worked=True, open_s=120)
    assert facts(sql_store).breakers == {}


# -- webhooks --------------------------------------------------------------------------------------
def test_deliveries_are_counted_and_their_last_moments_noted(sql_store: SqlStore) -> None:
    sql_store.count_deliveries({"stale": 2, "malformed": 1}, accepted=0, is_refused=False)
    assert facts(sql_store).refused_at is None
    sql_store.count_deliveries({"stale": 3}, accepted=0, is_refused=True)
    sql_store.count_deliveries({}, accepted=7, is_refused=False)
    sql_store.count_deliveries({"stale": 1}, accepted=0, is_refused=False)

    _, counters = sql_store.measures()
    assert counters == {"rejected:stale": 6, "rejected:malformed": 1, "accepted": 7}
    found = facts(sql_store)
    assert found.refused_at == pytest.approx(found.now, abs=5)
    assert found.accepted_at == pytest.approx(found.now, abs=5)
    sql_store.clock_offset_s = 700
    sql_store.count_deliveries({}, accepted=1, is_refused=False)
    found = facts(sql_store)
    assert found.accepted_at == pytest.approx(found.now, abs=5)
    assert found.refused_at == pytest.approx(found.now - 700, abs=5)


def test_unreadable_delivery_stands_until_it_is_replayed(sql_store: SqlStore) -> None:
    sql_store.add_deliveries([delivery("m1"), delivery("m2")])
    unknown, bad = take_deliveries(sql_store, 2)
    sql_store.close_deliveries([Closing(unknown.id, "calendar.made_up", "unknown kind")])
    assert not facts(sql_store).has_unreadable
    assert facts(sql_store).last_webhook_at == 1000.0

    sql_store.close_deliveries([Closing(bad.id, "unreadable: not JSON")])
    assert facts(sql_store).has_unreadable
    sql_store.put_aside(bad.id, kind="recording.done")
    assert not facts(sql_store).has_unreadable


def test_tallies_are_summed_over_their_shards(sql_store: SqlStore) -> None:
    for shard in (1, 2):
        put(sql_store, t.tallies, name="recall:create:2xx", shard=shard, value=4)

    tallies, _ = sql_store.measures()
    assert tallies["recall:create:2xx"] == 8


def test_heartbeats_and_an_empty_installation(sql_store: SqlStore) -> None:
    found = facts(sql_store)
    assert (found.heartbeats, found.last_webhook_at, found.last_stored_at) == ({}, None, None)
    sql_store.beat("dispatcher", detail="x")
    age_s, detail = facts(sql_store).heartbeats["dispatcher"]
    assert detail == "x"
    assert age_s == pytest.approx(0, abs=5)
