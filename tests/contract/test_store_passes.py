"""Passes that outlast a job, and API keys that were seen to see: see `app.orchestrator.ports.Store`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.adapters.sql.store import SqlStore
from app.core import events, reasons
from app.core.machine import Decision
from app.core.state import Phase
from app.orchestrator.records import KEY_ACCEPTED, KEY_BY_HAND, KEY_FOREIGN, KEY_UNSEEING
from app.recall.types import Answer
from tests.contract.conftest import AnyStore, Place
from tests.contract.store_builders import CREATE, HAND, WORKSPACE, at_once, begin

LEASE_S = 45.0


def test_a_pass_is_one_workers_until_its_lease_ends(store: AnyStore) -> None:
    held = store.take_pass(WORKSPACE, "reconcile", lease_s=LEASE_S)
    assert held is not None
    assert held.progress is None
    assert store.take_pass(WORKSPACE, "reconcile", lease_s=LEASE_S) is None
    assert store.take_pass("another", "reconcile", lease_s=LEASE_S) is not None
    store.clock_offset_s += LEASE_S + 1
    assert store.take_pass(WORKSPACE, "reconcile", lease_s=LEASE_S) is not None


def test_of_many_workers_one_takes_the_pass(place: Place) -> None:
    stores = [place.open() for _ in range(6)]
    taken = at_once(lambda store: store.take_pass(WORKSPACE, "reconcile", lease_s=LEASE_S), stores)
    assert sum(held is not None for held in taken) == 1


def test_progress_is_kept_by_whoever_holds_the_pass_and_by_nobody_else(store: AnyStore) -> None:
    slow = store.take_pass(WORKSPACE, "reconcile", lease_s=LEASE_S)
    assert slow is not None
    assert store.keep_pass(slow, lease_s=LEASE_S, progress='{"page": 1}')
    store.clock_offset_s += LEASE_S + 1
    other = store.take_pass(WORKSPACE, "reconcile", lease_s=LEASE_S)
    assert other is not None
    assert other.progress == '{"page": 1}'
    assert not store.keep_pass(slow, lease_s=LEASE_S, progress='{"page": 2}')
    assert not store.leave_pass(slow, progress=None)
    assert store.leave_pass(other, progress='{"page": 3}')
    again = store.take_pass(WORKSPACE, "reconcile", lease_s=LEASE_S)
    assert again is not None
    assert again.progress == '{"page": 3}'


def test_a_lease_is_renewed_with_each_page(store: AnyStore) -> None:
    held = store.take_pass(WORKSPACE, "reconcile", lease_s=LEASE_S)
    assert held is not None
    for _ in range(3):
        store.clock_offset_s += LEASE_S - 5
        assert store.keep_pass(held, lease_s=LEASE_S, progress="{}")
    assert store.take_pass(WORKSPACE, "reconcile", lease_s=LEASE_S) is None


def test_a_pass_waits_when_it_stopped_before_its_end_and_is_in_no_hands(store: AnyStore) -> None:
    assert not store.has_pass_waiting()
    held = store.take_pass(WORKSPACE, "reconcile", lease_s=LEASE_S)
    assert held is not None
    store.keep_pass(held, lease_s=LEASE_S, progress="{}")
    assert not store.has_pass_waiting()
    store.clock_offset_s += LEASE_S + 1
    assert store.has_pass_waiting(), "its worker was killed"
    store.leave_pass(held, progress="{}")
    assert store.has_pass_waiting()
    again = store.take_pass(WORKSPACE, "reconcile", lease_s=LEASE_S)
    assert again is not None
    store.leave_pass(again, progress=None)
    assert not store.has_pass_waiting()


def test_a_pass_is_not_held_for_an_hour_when_the_clock_is_set_back(store: AnyStore) -> None:
    store.record_heartbeat(quiet_s=600)
    held = store.take_pass(WORKSPACE, "reconcile", lease_s=LEASE_S)
    assert held is not None
    store.keep_pass(held, lease_s=LEASE_S, progress="{}")
    store.clock_offset_s -= 3600
    store.record_heartbeat(quiet_s=600)
    store.clock_offset_s += LEASE_S + 1
    assert store.take_pass(WORKSPACE, "reconcile", lease_s=LEASE_S) is not None


def test_a_key_is_known_by_its_latest_status_and_for_one_workspace(place: Place) -> None:
    store = place.open()
    assert store.key_status(WORKSPACE, "f1") is None
    store.set_key_status(WORKSPACE, "f1", KEY_FOREIGN)
    assert place.open().key_status(WORKSPACE, "f1") == KEY_FOREIGN
    store.set_key_status(WORKSPACE, "f1", KEY_ACCEPTED)
    assert place.open().key_status(WORKSPACE, "f1") == KEY_ACCEPTED
    assert store.key_status("another", "f1") is None
    assert store.key_status(WORKSPACE, "f2") is None


def test_a_persons_yes_to_a_key_stays(place: Place) -> None:
    store = place.open()
    store.set_key_status(WORKSPACE, "f1", KEY_ACCEPTED)
    store.set_key_status(WORKSPACE, "f1", KEY_BY_HAND)
    for status in (KEY_UNSEEING, KEY_FOREIGN):
        store.set_key_status(WORKSPACE, "f1", status)
    assert place.open().key_status(WORKSPACE, "f1") == KEY_BY_HAND


def hear(store: AnyStore, recording_id: str, at: float, *, workspace: str = WORKSPACE) -> None:
    begin(store, recording_id=recording_id, workspace=workspace)
    change(store, recording_id, workspace=workspace, first_heard_at=at)


def change(store: AnyStore, recording_id: str, *, workspace: str = WORKSPACE, **changes: object) -> None:
    before = store.load(workspace, recording_id)
    state = replace(before.transcription, **changes)  # type: ignore[arg-type]
    store.commit(before, Decision(state), event=events.DowntimeDetected(1.0), source=HAND)


def test_a_key_is_held_against_what_was_heard_of_last_and_may_still_be_at_recall(store: AnyStore) -> None:
    assert store.newest_recordings(WORKSPACE, 3) == []
    for number in range(6):
        hear(store, f"r{number}", 1_000.0 + number)
    hear(store, "elsewhere", 9_000.0, workspace="another")
    change(store, "r5", phase=Phase.ERASED)
    change(store, "r4", phase=Phase.FAILED, reason=reasons.RECORDING_GONE)
    change(store, "r3", phase=Phase.FAILED, reason=reasons.OUR_FAULT)
    change(store, "r2", phase=Phase.STORED)
    assert store.newest_recordings(WORKSPACE, 3) == ["r3", "r2", "r1"]


def test_where_nothing_else_is_known_a_key_is_held_against_unknown_recordings(
    store: AnyStore,
) -> None:
    hear(store, "unknown", 1_000.0)
    change(store, "unknown", phase=Phase.FAILED, reason=reasons.RECORDING_UNKNOWN)
    assert store.newest_recordings(WORKSPACE, 3) == ["unknown"]


def test_what_is_known_to_be_deleted_at_recall_is_held_against_no_key_that_is_in_use(store: AnyStore) -> None:
    for name in ("gone", "erased", "heard"):
        hear(store, name, 1_000.0)
    change(store, "gone", phase=Phase.FAILED, reason=reasons.RECORDING_GONE)
    change(store, "erased", phase=Phase.ERASED)
    change(store, "heard", phase=Phase.STORED)
    assert store.newest_recordings(WORKSPACE, 3) == ["heard"]
    change(store, "heard", is_recording_gone=True)
    assert store.newest_recordings(WORKSPACE, 3) == []
    assert sorted(store.newest_recordings(WORKSPACE, 3, gone_too=True)) == ["erased", "gone", "heard"]


def test_answers_outside_a_command_are_counted_and_move_the_trouble(store: AnyStore) -> None:
    store.note_answers(WORKSPACE, [Answer("recordings", "2xx"), Answer("recordings", "http_403")])
    began = store.recall_trouble_since(WORKSPACE)
    assert began == pytest.approx(store.now(), abs=5)
    store.note_answers(WORKSPACE, [Answer("recordings", "http_429"), Answer("download", "2xx")])
    assert store.recall_trouble_since(WORKSPACE) is not None
    if isinstance(store, SqlStore):
        assert store.measures()[0]["recall:recordings:http_403"] == 1
        assert store.recall_trouble_since("another") is None
    store.note_answers(WORKSPACE, [Answer("recordings", "silence"), Answer("recording", "4xx")])
    assert store.recall_trouble_since(WORKSPACE) is None


def test_a_create_waits_while_there_is_a_command_for_one(store: AnyStore) -> None:
    assert not store.has_create(WORKSPACE)
    begin(store, CREATE)
    assert store.has_create(WORKSPACE)
    assert not store.has_create("another")
