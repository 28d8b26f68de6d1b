"""The growth benchmark runs, and its databases hold what it says."""

from __future__ import annotations

import math
from pathlib import Path

import sqlalchemy as sa

from app.adapters import sql_tables as t
from app.adapters.sql_store import open_store
from tests.bench import growth
from tests.bench.crowd import TRANSCRIPT, WORKSPACE, crowd
from tests.bench.report import Options


def test_a_crowd_is_as_many_whole_recordings_each_with_ids_of_its_own(tmp_path: Path) -> None:
    some = crowd(tmp_path / "c.db", 40, seed=3)
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
    assert (counts.transcriptions, counts.sends) == ({"stored": 40}, 40), "kept counts are as after a life"
    assert counts.attempts == {("recallai_async", "done"): 40}
    shown = store.show(WORKSPACE, some[0])
    assert shown is not None
    assert shown.transcription.state.recording_id == some[0]
    assert shown.transcription.state.current == shown.artifacts[0]["transcript_id"] != TRANSCRIPT
    assert len(shown.history) == 6
    assert not store.has_unapplied()
    store.close()


def test_bodies_are_in_the_database_where_they_are_wanted(tmp_path: Path) -> None:
    crowd(tmp_path / "c.db", 10, seed=3, keeps_bodies=True)
    store = open_store(f"sqlite:///{tmp_path}/c.db", clock_offset_s=90 * 86_400.0)
    assert store.forget_bodies(older_than_s=86_400.0, limit=100) == 30
    store.close()


def test_every_question_is_asked_of_every_size_and_has_a_ratio() -> None:
    result = growth.run(Options(quick=True, rounds=1))
    told = {row.what: row.value for row in result.rows}
    for question in growth.QUESTIONS:
        (value,) = [value for what, value in told.items() if what.startswith(f"{question} (")]
        assert value >= 1.0
    assert all(math.isfinite(value) for value in told.values())
    per_size = result.raw["milliseconds"]
    assert list(per_size) == [50, 500]
    assert all(len(took) == 15 for asked in per_size.values() for took in asked.values())
    assert told["bytes per recording, 500"] > 1000
    assert told["  of these free for new rows once the bodies are forgotten"] > 0
