"""What people and watchers are told: lists, one recording's whole story, counts."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from app.adapters.sql.finding import Filters
from app.adapters.sql.store import SqlStore
from app.adapters.sql.tables import transcription_id
from app.core import events
from app.core.commands import AskTranscript
from app.core.machine import Decision
from app.core.state import Phase
from app.orchestrator.records import ArtifactRow, Closing, PauseSubject, SendOutcome, Source
from tests.contract.store_builders import (
    CREATE,
    DONE,
    HAND,
    RECORDING,
    WORKSPACE,
    begin,
    begun,
    claim,
    delivery,
)
from tests.taking import take_deliveries


def test_everything_about_a_recording_is_shown(sql_store: SqlStore) -> None:
    leased = begun(sql_store)
    send_id = claim(sql_store, source=Source(command=leased, is_finished=False), budget=3).send_id
    assert send_id is not None
    sql_store.record_send_outcome(send_id, outcome=SendOutcome("created"))
    shown = sql_store.show(WORKSPACE, RECORDING)
    assert shown is not None
    assert shown.transcription.id == transcription_id(WORKSPACE, RECORDING)
    assert re.fullmatch("txn_[0-9a-f]{32}", shown.transcription.id)
    (attempt,), (send,), (command,) = shown.attempts, shown.sends, shown.commands
    assert (attempt["ordinal"], attempt["budget"], attempt["fate"]) == (1, 3, "sending")
    assert (send["key"], send["outcome"]) == ("key-1-0", "created")
    assert command["args"]["kind"] == "create_transcript"
    assert "token" not in command
    assert len(shown.history) == 2
    assert sql_store.show(WORKSPACE, "unknown") is None


def test_the_lines_of_attempts_follow_the_state(sql_store: SqlStore) -> None:
    begin(sql_store)
    claim(sql_store, budget=3)
    before = sql_store.load(WORKSPACE, RECORDING)
    line = replace(before.transcription.attempts[0], transcript_id="t1", key_serial=2, error="400")
    decision = Decision(before.transcription.with_attempt(line))
    sql_store.commit(before, decision, event=events.Created(1.0, 1, "t1"), source=HAND)
    shown = sql_store.show(WORKSPACE, RECORDING)
    assert shown is not None
    (row,) = shown.attempts
    assert (row["transcript_id"], row["generation"], row["error"], row["budget"]) == ("t1", 2, "400", 3)


def test_one_artifact_is_current(sql_store: SqlStore) -> None:
    begin(sql_store)
    for transcript_id, current in (("t1", "t1"), ("t2", "t1"), ("t2", "t2")):
        before = sql_store.load(WORKSPACE, RECORDING)
        row = ArtifactRow(WORKSPACE, RECORDING, transcript_id, None, "p", "spoken", None, "f", ("a", "b"))
        state = replace(before.transcription, phase=Phase.STORED, current=current)
        event = events.Stored(1.0, transcript_id, "p", None, is_empty=False)
        sql_store.commit(before, Decision(state), event=event, source=HAND, artifact=row)
    shown = sql_store.show(WORKSPACE, RECORDING)
    assert shown is not None
    assert [(a["transcript_id"], a["is_current"]) for a in shown.artifacts] == [("t1", False), ("t2", True)]
    assert shown.artifacts[0]["files"] == ["a", "b"]


def test_recordings_are_found_by_the_beginning_of_either_id(sql_store: SqlStore) -> None:
    for name in ("abc1", "abc", "abd", "100%"):
        begin(sql_store, recording_id=name)
    assert sql_store.find_recording("ab") == [(WORKSPACE, "abc"), (WORKSPACE, "abc1"), (WORKSPACE, "abd")]
    assert sql_store.find_recording("abc") == [(WORKSPACE, "abc")], "a whole id is not a prefix"
    assert sql_store.find_recording("1%") == []
    assert sql_store.find_recording(transcription_id(WORKSPACE, "abd")[:20]) == [(WORKSPACE, "abd")]


def test_lists_go_on_where_they_stopped(sql_store: SqlStore) -> None:
    for number in range(5):
        begin(sql_store, recording_id=f"r{number}")
        sql_store.clock_offset_s += 10
    first = sql_store.list_transcriptions(limit=3)
    rest = sql_store.list_transcriptions(limit=3, before=first[-1].cursor)
    assert [t.state.recording_id for t in (*first, *rest)] == ["r4", "r3", "r2", "r1", "r0"]
    assert sql_store.list_transcriptions(Filters(phase=Phase.STORED)) == []
    assert len(sql_store.list_transcriptions(Filters(phase=Phase.CREATING))) == 5


def test_deliveries_of_a_recording_are_listed_without_bodies_and_can_be_replayed(sql_store: SqlStore) -> None:
    sql_store.add_deliveries([delivery("m1")])
    (taken,) = take_deliveries(sql_store, 1)
    before = sql_store.load(WORKSPACE, RECORDING)
    decision = Decision(before.transcription, ignored="x")
    sql_store.commit(before, decision, event=DONE, source=Source(delivery_id=taken.id))
    (row,) = sql_store.deliveries_of(WORKSPACE, RECORDING)
    assert (row["webhook_id"], row["kind"], "body" in row) == ("m1", "recording_done", False)
    assert sql_store.delivery(taken.id) == (WORKSPACE, delivery("m1").body)


def test_counts_tell_what_there_is(sql_store: SqlStore) -> None:
    begin(sql_store, CREATE, AskTranscript("t1", after_s=600))
    claim(sql_store, budget=3)
    sql_store.clock_offset_s += 50
    counts = sql_store.counts()
    assert counts.transcriptions == {"creating": 1}
    assert counts.attempts == {("recallai_async", "sending"): 1}
    assert (counts.commands_pending, counts.commands_due) == (2, 1)
    sql_store.add_deliveries([delivery("m1"), delivery("m2"), delivery("m3")])
    first, second, _ = take_deliveries(sql_store, 3)
    sql_store.close_deliveries([Closing(first.id, "not JSON")])
    sql_store.close_deliveries([Closing(second.id, "unknown event", "bot.waved")])
    for number in (3, 4):
        sql_store.count_deliveries({"forged": number}, accepted=0, is_refused=False)
    sql_store.pause(WORKSPACE, PauseSubject.ACCOUNT, 402, probe_after_s=1)
    before = sql_store.load(WORKSPACE, RECORDING)
    sql_store.commit(before, Decision(before.transcription, alarm="odd"), event=DONE, source=HAND)
    counts = sql_store.counts()
    assert (counts.deliveries_unapplied, counts.deliveries_unreadable) == (1, 1)
    assert (counts.rejected, counts.alarms, counts.paused) == ({"forged": 7}, {"odd": 1}, (WORKSPACE,))


def test_heartbeats_have_an_age(sql_store: SqlStore) -> None:
    sql_store.beat("worker-1", detail="idle")
    sql_store.clock_offset_s += 30
    age_s, detail = sql_store.heartbeats()["worker-1"]
    assert age_s == pytest.approx(30, abs=2)
    assert detail == "idle"
