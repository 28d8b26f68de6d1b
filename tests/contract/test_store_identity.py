"""Names that an installation gives itself once, and the heartbeats of hosts that are gone."""

from __future__ import annotations

import re
import threading

import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.adapters.sql.installation import QUEUE_ID
from app.adapters.sql.store import SqlStore
from tests.contract.conftest import Place


def test_name_is_made_once_and_is_the_same_for_every_process(sql_place: Place) -> None:
    stores = [sql_place.open() for _ in range(6)]
    found: list[str] = []

    def ask(store: object) -> None:
        assert isinstance(store, SqlStore)
        found.append(store.identity(QUEUE_ID))

    threads = [threading.Thread(target=ask, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    assert re.fullmatch("[0-9a-f]{16}", found[0])


def test_other_name_is_another(sql_store: SqlStore) -> None:
    assert sql_store.identity(QUEUE_ID) != sql_store.identity("something_else")


def test_heartbeats_of_hosts_that_are_gone_are_forgotten_after_a_week(sql_store: SqlStore) -> None:
    sql_store.beat("web@gone")
    sql_store.beat("web@quiet")
    with sql_store.writing() as connection:
        day = 86_400
        for name, age_s in (("web@gone", 7.1 * day), ("web@quiet", 6.9 * day)):
            old = t.heartbeats.update().where(t.heartbeats.c.name == name)
            connection.execute(old.values(at=sql_store.db_now - sa.literal(age_s)))
    sql_store.beat("web@here")
    assert sql_store.heartbeats().keys() == {"web@quiet", "web@here"}
