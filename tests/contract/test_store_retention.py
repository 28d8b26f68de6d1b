"""Bodies are forgotten in time; rows never, and nothing that somebody still needs."""

from __future__ import annotations

import os

import pytest

from app.adapters.sql.store import SqlStore
from app.core.machine import Decision
from app.orchestrator.records import Closing, Source
from tests.contract.conftest import AnyStore, Place
from tests.contract.store_builders import DONE, RECORDING, WORKSPACE, delivery
from tests.doubles.memory_store import MemoryStore
from tests.taking import take_deliveries

DAY_S = 86_400.0


def bodies(store: AnyStore) -> dict[str, bytes | None]:
    """By webhook id; None where it is no longer kept."""
    if isinstance(store, MemoryStore):
        return {w: d.new.body if d.has_body else None for (_, w), d in store.deliveries.items()}
    with store.reading() as connection:
        rows = connection.exec_driver_sql("SELECT webhook_id, body FROM deliveries").all()
    return {webhook_id: None if body is None else bytes(body) for webhook_id, body in rows}


def applied(store: AnyStore, *webhook_ids: str, body: bytes = b"{}") -> list[int]:
    """Deliveries that were received and applied just now; their ids."""
    store.add_deliveries([delivery(webhook_id, body=body) for webhook_id in webhook_ids])
    ids = []
    for taken in take_deliveries(store, len(webhook_ids)):
        before = store.load(WORKSPACE, RECORDING)
        decision = Decision(before.transcription, ignored="known")
        store.commit(before, decision, event=DONE, source=Source(delivery_id=taken.id))
        ids.append(taken.id)
    return ids


def test_the_body_of_a_delivery_applied_long_ago_goes_and_its_id_stays_known(store: AnyStore) -> None:
    applied(store, "m1")
    store.clock_offset_s += 10 * DAY_S
    assert store.forget_bodies(older_than_s=9 * DAY_S, limit=10) == 1
    assert bodies(store) == {"m1": None}
    store.add_deliveries([delivery("m1", body=b"again")])
    assert take_deliveries(store, 9) == [], "it is known"
    assert bodies(store) == {"m1": None}
    assert store.forget_bodies(older_than_s=9 * DAY_S, limit=10) == 0


def test_bodies_of_fresh_waiting_and_unreadable_deliveries_are_kept(store: AnyStore) -> None:
    store.add_deliveries([delivery("unreadable"), delivery("ignored")])
    unreadable, ignored = take_deliveries(store, 2)
    store.close_deliveries([Closing(unreadable.id, "unreadable: not JSON")])
    store.close_deliveries([Closing(ignored.id, "nothing to do", "bot.waved")])
    store.clock_offset_s += 10 * DAY_S
    applied(store, "fresh")
    store.add_deliveries([delivery("waiting")])
    assert store.forget_bodies(older_than_s=9 * DAY_S, limit=10) == 1
    kept = {webhook_id for webhook_id, body in bodies(store).items() if body is not None}
    assert kept == {"unreadable", "fresh", "waiting"}
    assert [d.webhook_id for d in take_deliveries(store, 9)] == ["waiting"]


def test_no_more_are_forgotten_at_once_than_asked_for(store: AnyStore) -> None:
    applied(store, *(f"m{number}" for number in range(5)))
    store.clock_offset_s += DAY_S
    assert [store.forget_bodies(older_than_s=60, limit=2) for _ in range(4)] == [2, 2, 1, 0]


def test_what_has_lost_its_body_cannot_be_replayed_and_all_else_of_it_is_as_before(
    sql_store: SqlStore,
) -> None:
    (delivery_id,) = applied(sql_store, "m1")
    (before,) = sql_store.deliveries_of(WORKSPACE, RECORDING)
    sql_store.clock_offset_s += DAY_S
    sql_store.forget_bodies(older_than_s=60, limit=9)
    assert sql_store.delivery(delivery_id) == (WORKSPACE, None)
    (after,) = sql_store.deliveries_of(WORKSPACE, RECORDING)
    assert after == before


@pytest.mark.slow
def test_in_sqlite_forgotten_bodies_make_room_for_new_ones(sql_place: Place) -> None:
    store = sql_place.open()
    assert isinstance(store, SqlStore)
    if not store.is_sqlite:
        return  # PostgreSQL's vacuum does it
    applied(store, *(f"msg_{number:05d}" for number in range(300)), body=os.urandom(900))
    store.clock_offset_s += DAY_S
    assert store.forget_bodies(older_than_s=60, limit=300) == 300
    with store.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    assert free > 40, f"{free} of {pages} pages; the bodies alone took 75"
