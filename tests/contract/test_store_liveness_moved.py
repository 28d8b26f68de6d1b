"""Heartbeats and a clock that is set back: what else was noted by the clock as it was."""

from __future__ import annotations

import pytest

from app.orchestrator.records import PauseSubject, Slot
from tests.contract.conftest import AnyStore
from tests.contract.store_builders import RECORDING, WORKSPACE, begin, begun
from tests.taking import take

QUIET_S = 600.0


def test_slot_a_command_brings_along_moves_with_the_clock_that_is_set_back(store: AnyStore) -> None:
    leased = begun(store)
    store.record_heartbeat(quiet_s=QUIET_S)
    store.defer(leased, after_s=10, cause="rate", slot=Slot("list", store.now() + 10))
    store.clock_offset_s -= 3_600
    store.record_heartbeat(quiet_s=QUIET_S)
    store.clock_offset_s += 11
    again = take(store, leased.id, lease_s=15)
    assert again is not None
    assert again.slot is not None
    assert again.slot.at == pytest.approx(store.now(), abs=5), "else it comes back when the hour is over"


def test_what_is_from_before_a_silence_stays_so_when_the_clock_is_set_back_after_it(store: AnyStore) -> None:
    store.record_heartbeat(quiet_s=QUIET_S)
    begin(store)
    store.clock_offset_s += 2 * QUIET_S
    store.record_heartbeat(quiet_s=QUIET_S)
    assert store.load(WORKSPACE, RECORDING).predates_downtime
    store.clock_offset_s -= 3_600
    store.record_heartbeat(quiet_s=QUIET_S)
    assert store.load(WORKSPACE, RECORDING).predates_downtime


def test_a_pause_that_ended_before_the_clock_was_set_back_counts_as_long_as_it_was(store: AnyStore) -> None:
    store.record_heartbeat(quiet_s=QUIET_S)
    store.pause(WORKSPACE, PauseSubject.ACCOUNT, 401, probe_after_s=1)
    store.clock_offset_s += 70
    store.unpause(WORKSPACE)
    store.record_heartbeat(quiet_s=QUIET_S)
    store.clock_offset_s -= 3_600
    store.record_heartbeat(quiet_s=QUIET_S)
    assert store.paused_since(WORKSPACE, store.now() - 1_000) == pytest.approx(70, abs=5)
    assert store.paused_since(WORKSPACE, store.now() + 5) == 0, "it is over"
