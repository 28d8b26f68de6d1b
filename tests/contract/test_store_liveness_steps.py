"""
The database's clock steps, forward or back, and is held against machines' seconds since their start: a step
is told from time that passed, and what is concluded from silence begins anew.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import pytest

from app.adapters.sql.clock_steps import Reading, judged
from app.orchestrator.records import BootClock, PauseSubject
from tests.contract.conftest import AnyStore
from tests.contract.store_builders import RECORDING, WORKSPACE, begin, claim

QUIET_S = 600.0
HOUR = 3_600.0


@dataclass
class Machine:
    """One start of one machine; its seconds since then, which only `waits` moves."""

    store: AnyStore
    boot_id: str = "first start"
    since_start_s: float = field(default_factory=time.monotonic)
    began_s: float = field(default_factory=time.monotonic)

    def signs(self) -> float:
        return self.store.record_heartbeat(quiet_s=QUIET_S, boot=BootClock(self.boot_id, self._now_s))

    def waits(self, seconds: float, *, signs: bool = True) -> None:
        """Time passes, for the database too; the machine signs each half minute."""
        while seconds > 0:
            step_s = min(30.0, seconds) if signs else seconds
            self.store.clock_offset_s += step_s
            self.since_start_s += step_s
            seconds -= step_s
            if signs:
                self.signs()

    def _now_s(self) -> float:
        return self.since_start_s + time.monotonic() - self.began_s


def last_send_s(store: AnyStore) -> float | None:
    return store.send_times(WORKSPACE, RECORDING, 1, key_serial=0).since_last_s


def first_send_s(store: AnyStore) -> float | None:
    return store.send_times(WORKSPACE, RECORDING, 1, key_serial=0).since_first_s


@pytest.fixture
def machine(store: AnyStore) -> Machine:
    """At work, and a create has just been sent."""
    machine = Machine(store)
    begin(store)
    machine.signs()
    claim(store, budget=3)
    return machine


@pytest.mark.parametrize("by_s", [75 * 60.0, 26 * HOUR, 45.0])
def test_a_step_forward_lets_the_silence_after_a_lost_create_begin_anew(
    machine: Machine, store: AnyStore, by_s: float
) -> None:
    machine.waits(120)
    store.clock_offset_s += by_s
    machine.signs()
    assert last_send_s(store) == pytest.approx(0, abs=5)
    assert first_send_s(store) == pytest.approx(by_s + 120, abs=5), "never too small: its key may be dead"
    machine.waits(300)
    assert last_send_s(store) == pytest.approx(300, abs=5)


def test_a_step_back_lets_the_silence_begin_anew_also_when_time_that_passed_hides_it(
    machine: Machine, store: AnyStore
) -> None:
    machine.waits(50 * 60, signs=False)
    store.clock_offset_s -= 20 * 60
    machine.signs()
    assert last_send_s(store) == pytest.approx(0, abs=5)
    assert first_send_s(store) == pytest.approx(50 * 60, abs=5)


def test_patience_stands_still_for_a_step_forward_and_no_longer(machine: Machine, store: AnyStore) -> None:
    began = store.now()
    machine.waits(600)
    store.clock_offset_s += 26 * HOUR
    machine.signs()
    waited_s = store.now() - store.paused_since(WORKSPACE, began) - began
    assert waited_s == pytest.approx(600, abs=5)
    machine.waits(600)
    assert store.now() - store.paused_since(WORKSPACE, began) - began == pytest.approx(1200, abs=5)


def test_patience_stands_still_while_nothing_works_and_an_account_that_is_paused_meanwhile_counts_once(
    machine: Machine, store: AnyStore
) -> None:
    began = store.now()
    machine.waits(600)
    store.pause(WORKSPACE, PauseSubject.ACCOUNT, 402, probe_after_s=15)
    machine.waits(26 * HOUR, signs=False)
    machine.signs()
    store.unpause(WORKSPACE)
    machine.waits(600)
    assert store.now() - store.paused_since(WORKSPACE, began) - began == pytest.approx(1200, abs=5)


def test_patience_stands_still_while_nothing_works(machine: Machine, store: AnyStore) -> None:
    began = store.now()
    machine.waits(26 * HOUR, signs=False)
    machine.signs()
    machine.waits(600)
    assert store.now() - store.paused_since(WORKSPACE, began) - began == pytest.approx(600, abs=5)


def test_a_stop_of_hours_is_measured_and_is_no_step(machine: Machine, store: AnyStore) -> None:
    machine.waits(2 * HOUR, signs=False)
    machine.signs()
    assert last_send_s(store) == pytest.approx(2 * HOUR, abs=5)
    assert store.steady_since() == 0.0
    assert store.load(WORKSPACE, RECORDING).predates_downtime


def test_a_step_is_no_silence_and_a_silence_behind_a_step_is_one(machine: Machine, store: AnyStore) -> None:
    store.clock_offset_s += 5 * HOUR
    machine.signs()
    assert not store.load(WORKSPACE, RECORDING).predates_downtime
    machine.waits(2 * HOUR, signs=False)
    store.clock_offset_s -= 2 * HOUR
    machine.signs()
    assert store.load(WORKSPACE, RECORDING).predates_downtime


def test_over_a_restart_of_the_machine_nothing_can_be_told_and_the_silence_begins_anew(
    machine: Machine, store: AnyStore
) -> None:
    machine.waits(HOUR, signs=False)
    store.clock_offset_s += HOUR  # down for an hour, or for none: the new start cannot know
    restarted = Machine(store, "second start", since_start_s=9.0)
    restarted.signs()
    assert last_send_s(store) == pytest.approx(0, abs=5)
    assert first_send_s(store) == pytest.approx(2 * HOUR, abs=5)
    assert store.load(WORKSPACE, RECORDING).predates_downtime, "it was away, too"


@pytest.mark.slow
@pytest.mark.parametrize("signs", [True, False])
def test_a_clock_that_went_back_over_a_restart_may_hide_any_silence(
    machine: Machine, store: AnyStore, signs: bool
) -> None:
    machine.waits(HOUR, signs=signs)
    begin(store, recording_id="the newest")  # after the last sign
    store.clock_offset_s -= 3 * HOUR  # a backup of then, put back on a machine whose clock is behind
    Machine(store, "second start", since_start_s=9.0).signs()
    assert store.load(WORKSPACE, RECORDING).predates_downtime
    assert store.load(WORKSPACE, "the newest").predates_downtime
    begin(store, recording_id="of now")
    assert not store.load(WORKSPACE, "of now").predates_downtime


def test_a_second_machine_that_joins_is_no_step(machine: Machine, store: AnyStore) -> None:
    machine.waits(600)
    joining = Machine(store, "of another machine", since_start_s=1e6)
    joining.signs()
    assert store.steady_since() == 0.0
    store.clock_offset_s += 30
    machine.since_start_s += 30
    joining.since_start_s += 30
    joining.signs()
    assert store.steady_since() == 0.0


@pytest.mark.slow
def test_a_machine_that_stood_still_while_others_signed_takes_nothing_for_a_step(
    machine: Machine, store: AnyStore
) -> None:
    frozen = Machine(store, "frozen for an hour")
    frozen.signs()
    machine.waits(HOUR)
    frozen.signs()
    assert store.steady_since() == 0.0
    assert last_send_s(store) == pytest.approx(HOUR, abs=5)


def test_a_step_is_found_once_whichever_machine_finds_it(machine: Machine, store: AnyStore) -> None:
    other = Machine(store, "other")
    other.signs()
    store.clock_offset_s += HOUR
    machine.signs()
    found_at = store.steady_since()
    machine.waits(60)
    other.since_start_s += 60
    other.signs()
    assert store.steady_since() == found_at
    other.waits(60)
    assert store.steady_since() == found_at


@pytest.mark.slow
def test_clocks_that_drift_apart_slowly_never_step(machine: Machine, store: AnyStore) -> None:
    for _ in range(200):
        store.clock_offset_s += 1.0
        machine.waits(60, signs=False)
        machine.signs()
    assert store.steady_since() == 0.0


def test_a_reading_during_which_the_process_was_stopped_measures_nothing() -> None:
    ticks = iter([100.0, 145.0])
    boot = BootClock("b", lambda: next(ticks))
    assert boot.distance_of(1_000.0, begun_s=boot.now_s()) is None


def test_without_a_measure_each_long_gap_counts_as_a_step_and_a_silence() -> None:
    step = judged(Reading(10_000.0, 10_000.0 - 300, None, None), quiet_s=QUIET_S)
    assert (step.forward_s, step.is_downtime) == (300.0, True)
    assert not judged(Reading(10_000.0, 10_000.0 - 80, None, None), quiet_s=QUIET_S).is_step
    assert not judged(Reading(10_000.0, None, 5.0, None), quiet_s=QUIET_S).is_step
