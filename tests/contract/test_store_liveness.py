"""Heartbeats: what tells a long stop, a backup put back and a clock set back from an ordinary day."""

from __future__ import annotations

import pytest

from app.orchestrator.records import PauseSubject
from tests.contract.conftest import AnyStore
from tests.contract.store_builders import RECORDING, WORKSPACE, begin, begun, claim
from tests.taking import take

QUIET_S = 600.0


def is_old(store: AnyStore, recording_id: str = RECORDING) -> bool:
    return store.load(WORKSPACE, recording_id).predates_downtime


def test_what_is_known_from_before_a_long_silence_says_so_until_it_changes(store: AnyStore) -> None:
    store.record_heartbeat(quiet_s=QUIET_S)
    begin(store)
    store.clock_offset_s += QUIET_S + 60
    assert not is_old(store), "nobody has signed since"
    store.record_heartbeat(quiet_s=QUIET_S)
    assert is_old(store)
    begin(store, recording_id="new")
    assert not is_old(store, "new")
    claim(store, budget=3)
    assert not is_old(store)


def test_steady_work_is_no_silence_however_long_a_recording_waits(store: AnyStore) -> None:
    store.record_heartbeat(quiet_s=QUIET_S)
    begin(store)
    for _ in range(10):
        store.clock_offset_s += 0.1 * QUIET_S
        store.record_heartbeat(quiet_s=QUIET_S)
    assert not is_old(store)


def test_a_first_start_is_no_silence(store: AnyStore) -> None:
    begin(store)
    store.record_heartbeat(quiet_s=QUIET_S)
    assert not is_old(store)


def test_ages_of_sends_survive_a_clock_that_is_set_back_an_hour(store: AnyStore) -> None:
    begin(store)
    store.record_heartbeat(quiet_s=QUIET_S)
    claim(store, budget=3)
    store.clock_offset_s += 3_000
    store.record_heartbeat(quiet_s=QUIET_S)
    store.clock_offset_s -= 3_600
    store.record_heartbeat(quiet_s=QUIET_S)
    times = store.send_times(WORKSPACE, RECORDING, 1, key_serial=0)
    assert times.since_first_s == pytest.approx(3_000, abs=5)


def test_nothing_waits_an_hour_longer_because_the_clock_was_set_back(store: AnyStore) -> None:
    leased = begun(store)
    store.record_heartbeat(quiet_s=QUIET_S)
    store.defer(leased, after_s=10, cause="x")
    slot_at = store.reserve(WORKSPACE, "list", gap_s=5.0)
    store.pause("paused", PauseSubject.ACCOUNT, 401, probe_after_s=10)
    assert store.claim_interval("reconcile", every_s=60)
    store.clock_offset_s -= 3_600
    store.record_heartbeat(quiet_s=QUIET_S)
    assert store.reserve(WORKSPACE, "list", gap_s=5.0) == pytest.approx(slot_at - 3_600 + 5, abs=2)
    store.clock_offset_s += 11
    assert take(store, leased.id, lease_s=15) is not None
    assert store.take_probe("paused", every_s=60)
    assert not store.claim_interval("reconcile", every_s=60)
    store.clock_offset_s += 60
    assert store.claim_interval("reconcile", every_s=60)


def test_a_silence_stays_in_the_past_when_the_clock_is_set_back_after_it(store: AnyStore) -> None:
    store.record_heartbeat(quiet_s=QUIET_S)
    store.clock_offset_s += 10_000
    store.record_heartbeat(quiet_s=QUIET_S)
    store.clock_offset_s -= 3_600
    store.record_heartbeat(quiet_s=QUIET_S)
    begin(store)
    store.clock_offset_s += 10
    assert not is_old(store)
