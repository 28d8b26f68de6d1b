"""Counts that the database keeps are what counting would give, whatever changed the rows."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.adapters.sql.store import SqlStore
from app.core import events
from app.core.machine import Decision
from app.core.state import AttemptStatus, Phase
from tests.contract.store_builders import HAND, WORKSPACE, at_once, begin, claim


def counted(store: SqlStore) -> tuple[object, ...]:
    """What `counts` tells, by counting the rows."""
    number = sa.func.count()
    with store.reading() as connection:
        phases = connection.execute(sa.select(t.transcriptions.c.phase, number).group_by("phase")).all()
        status = (t.attempts.c.provider, t.attempts.c.status)
        statuses = connection.execute(sa.select(*status, number).group_by(*status)).all()
        alarm = t.history.c.alarm
        alarms = connection.execute(sa.select(alarm, number).where(alarm.is_not(None)).group_by(alarm)).all()
        sends = connection.execute(sa.select(number).select_from(t.sends)).scalar_one()
    return dict(map(tuple, phases)), {(p, f): n for p, f, n in statuses}, dict(map(tuple, alarms)), sends


def told(store: SqlStore) -> tuple[object, ...]:
    counts = store.counts()
    return counts.transcriptions, counts.attempts, counts.alarms, store.measures()[0].get("sends", 0)


def fail(store: SqlStore, recording_id: str) -> None:
    before = store.load(WORKSPACE, recording_id)
    line = replace(before.transcription.attempts[0], status=AttemptStatus.FAILED, provider="another:one")
    state = replace(before.transcription.with_attempt(line), phase=Phase.FAILED)
    decision = Decision(state, alarm="odd: very")
    store.commit(before, decision, event=events.Created(1.0, 1, "t1"), source=HAND)


def test_the_counts_follow_every_kind_of_change(sql_store: SqlStore) -> None:
    assert told(sql_store) == ({}, {}, {}, 0)
    for name in ("a", "b", "c"):
        begin(sql_store, recording_id=name)
        claim(sql_store, recording_id=name, budget=3)
    assert told(sql_store) == counted(sql_store)
    fail(sql_store, "a")
    assert told(sql_store) == counted(sql_store)
    assert sql_store.counts().attempts[("another:one", "failed")] == 1
    with sql_store.writing() as connection:
        connection.execute(t.sends.delete().where(t.sends.c.recording_id == "a"))
        connection.execute(t.attempts.delete().where(t.attempts.c.recording_id == "a"))
        connection.execute(t.history.update().where(t.history.c.recording_id == "a").values(alarm=None))
    assert told(sql_store) == counted(sql_store)
    assert sql_store.counts().alarms == {}


def test_what_is_rolled_back_is_not_counted(sql_store: SqlStore) -> None:
    begin(sql_store)
    try:
        with sql_store.writing() as connection:
            connection.execute(t.transcriptions.update().values(phase="stored"))
            raise KeyError
    except KeyError:
        pass
    assert told(sql_store) == counted(sql_store) == ({"creating": 1}, {}, {}, 0)


def test_commits_at_once_are_all_counted_and_none_waits_for_another_for_ever(sql_store: SqlStore) -> None:
    names = [f"r{number}" for number in range(8)]

    def work(name: str) -> None:
        begin(sql_store, recording_id=name)
        claim(sql_store, recording_id=name, budget=3)
        fail(sql_store, name)

    assert at_once(work, names) == [None] * 8
    assert told(sql_store) == counted(sql_store)
    assert sql_store.counts().transcriptions == {"failed": 8}
