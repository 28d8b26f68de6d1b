"""What every store promises about commands, rates and accounts that refuse us."""

from __future__ import annotations

import itertools

import pytest

from app.adapters.sql.store import SqlStore
from app.core import events
from app.core.commands import AskTranscript, CreateTranscript, LookUpTranscript
from app.errors import LeaseLost
from app.orchestrator.records import Leased, PauseSubject, Slot, Source
from tests.contract.conftest import AnyStore, Place
from tests.contract.store_builders import CREATE, RECORDING, WORKSPACE, at_once, begin, begun, creating
from tests.taking import take

# -- leases ----------------------------------------------------------------------------------------


def test_a_command_is_taken_by_one_of_many(place: Place) -> None:
    stores = [place.open() for _ in range(4)]
    (offer,) = begin(stores[0], CREATE).offerable
    results = at_once(lambda store: take(store, offer.id, lease_s=15), stores * 3)
    winners = [r for r in results if isinstance(r, Leased)]
    assert len(winners) == 1
    assert results.count(None) == 11
    winner = winners[0]
    assert (winner.workspace, winner.recording_id) == (WORKSPACE, RECORDING)
    assert (winner.command, winner.tries) == (CREATE, 1)


def test_a_command_that_is_not_due_or_does_not_exist_is_not_taken(store: AnyStore) -> None:
    begin(store, AskTranscript("t1", after_s=60))
    ids = range(1, 20)
    assert [take(store, n, lease_s=15) for n in ids] == [None] * 19


def test_a_command_may_be_taken_a_moment_early(store: AnyStore) -> None:
    leased = begun(store)
    store.defer(leased, after_s=0.04, cause="x")
    assert take(store, leased.id, lease_s=15) is not None


def test_a_lease_ends_by_itself_and_renewing_keeps_it(store: AnyStore) -> None:
    leased = begun(store)
    store.clock_offset_s += 10
    assert store.renew(leased, lease_s=15)
    store.clock_offset_s += 10
    assert take(store, leased.id, lease_s=15) is None
    store.clock_offset_s += 6
    again = take(store, leased.id, lease_s=15)
    assert again is not None
    assert again.tries == 2
    assert again.token != leased.token


def test_who_lost_the_lease_can_neither_renew_defer_nor_drop(store: AnyStore) -> None:
    slow = begun(store)
    store.clock_offset_s += 16
    quick = take(store, slow.id, lease_s=15)
    assert quick is not None
    assert not store.renew(slow, lease_s=15)
    with pytest.raises(LeaseLost):
        store.defer(slow, after_s=0, cause="x")
    store.drop(slow)
    assert store.renew(quick, lease_s=15)


def test_a_dropped_command_is_finished(store: AnyStore) -> None:
    leased = begun(store)
    store.drop(leased)
    assert store.load(WORKSPACE, RECORDING).pending == ()
    assert take(store, leased.id, lease_s=15) is None


def test_deferring_does_not_count_as_a_try_and_keeps_the_slot(store: AnyStore) -> None:
    leased = begun(store)
    slot_at = store.now() + 30
    store.defer(leased, after_s=30, cause="rate", slot=Slot("retrieve", slot_at))
    assert store.due(10, offer_again_s=0) == []
    store.clock_offset_s += 31
    (due,) = store.due(10, offer_again_s=15)
    again = take(store, due.id, lease_s=15)
    assert again is not None
    assert again.tries == 1
    assert again.slot is not None
    assert again.slot.rate == "retrieve", "it is used for that rate alone"
    assert again.slot.at == pytest.approx(slot_at, abs=1e-3)


# -- offers ----------------------------------------------------------------------------------------


def test_due_commands_come_oldest_first_and_no_more_than_asked(store: AnyStore) -> None:
    for number in range(4):
        command = LookUpTranscript(number + 1, after_s=10 - number)
        begin(store, command, recording_id=f"r{number}")
    assert store.due(10, offer_again_s=15) == []
    store.clock_offset_s += 11
    found = store.due(3, offer_again_s=15)
    assert [offer.description[-2:] for offer in found] == ["r3", "r2", "r1"]


def test_an_offer_nobody_took_is_due_again_after_a_while(store: AnyStore) -> None:
    begin(store, CREATE)
    store.clock_offset_s += 16
    (due,) = store.due(10, offer_again_s=15)
    store.mark_offered([due.id, 999_999])
    assert store.due(10, offer_again_s=15) == []
    store.clock_offset_s += 16
    assert store.due(10, offer_again_s=15) == [due]


def test_asking_what_is_due_changes_nothing(store: AnyStore) -> None:
    begin(store, CREATE)
    store.clock_offset_s += 16
    assert store.due(10, offer_again_s=15) == store.due(10, offer_again_s=15) != []


def test_a_leased_command_is_not_due_until_its_lease_ends(store: AnyStore) -> None:
    leased = begun(store)
    store.clock_offset_s += 10
    assert store.due(10, offer_again_s=0) == []
    store.clock_offset_s += 6
    assert [offer.id for offer in store.due(10, offer_again_s=0)] == [leased.id]


def test_marking_nothing_is_no_error_and_hides_nothing(store: AnyStore) -> None:
    begin(store, CREATE)
    store.clock_offset_s += 16
    due = store.due(10, offer_again_s=15)
    store.mark_offered([])
    assert store.due(10, offer_again_s=15) == due != []


# -- rates -----------------------------------------------------------------------------------------


def test_slots_of_a_rate_are_evenly_spaced_and_taken_once(place: Place) -> None:
    stores = [place.open() for _ in range(8)]
    start = stores[0].now()

    def job(store: AnyStore) -> list[float]:
        return [store.reserve(WORKSPACE, "list", gap_s=0.5) for _ in range(5)]

    results = at_once(job, stores)
    slots = sorted(slot for result in results if isinstance(result, list) for slot in result)
    assert len(slots) == 40
    gaps = [later - earlier for earlier, later in itertools.pairwise(slots)]
    assert gaps == pytest.approx([0.5] * 39, abs=1e-3)
    assert start - 0.1 <= slots[0] <= start + 2


def test_an_idle_rate_does_not_save_up_slots(store: AnyStore) -> None:
    store.reserve(WORKSPACE, "list", gap_s=1)
    store.clock_offset_s += 100
    first, second = (store.reserve(WORKSPACE, "list", gap_s=1) for _ in range(2))
    assert first == pytest.approx(store.now(), abs=2)
    assert second - first == pytest.approx(1, abs=1e-3)


def test_rates_of_other_names_and_workspaces_are_independent(store: AnyStore) -> None:
    for _ in range(10):
        store.reserve(WORKSPACE, "list", gap_s=10)
    now = store.now()
    assert store.reserve(WORKSPACE, "retrieve", gap_s=10) == pytest.approx(now, abs=2)
    assert store.reserve("other", "list", gap_s=10) == pytest.approx(now, abs=2)


def test_a_pushed_rate_gives_no_earlier_slot_and_is_never_pulled_back(store: AnyStore) -> None:
    now = store.now()
    store.push_rate(WORKSPACE, "list", after_s=60)
    store.push_rate(WORKSPACE, "list", after_s=5)
    assert store.reserve(WORKSPACE, "list", gap_s=1) == pytest.approx(now + 60, abs=2)


# -- accounts --------------------------------------------------------------------------------------


def test_a_paused_workspace_is_offered_one_command_when_its_probe_is_due(store: AnyStore) -> None:
    for number in range(3):
        begin(store, CREATE, recording_id=f"r{number}")
    begin(store, CREATE, workspace="other")
    store.clock_offset_s += 16
    store.pause(WORKSPACE, PauseSubject.ACCOUNT, 402, probe_after_s=15)
    assert [offer.description[-len(RECORDING) :] for offer in store.due(10, offer_again_s=15)] == [RECORDING]
    store.clock_offset_s += 15.1
    assert len(store.due(10, offer_again_s=15)) == 2
    assert store.take_probe(WORKSPACE, every_s=15)
    assert len(store.due(10, offer_again_s=15)) == 1


def test_one_of_many_takes_the_probe(place: Place) -> None:
    stores = [place.open() for _ in range(4)]
    assert not stores[0].take_probe(WORKSPACE, every_s=15), "nothing is paused"
    stores[0].pause(WORKSPACE, PauseSubject.ACCOUNT, 401, probe_after_s=0)
    results = at_once(lambda store: store.take_probe(WORKSPACE, every_s=15), stores * 3)
    assert sorted(map(bool, results)) == [False] * 11 + [True]


def test_a_pause_keeps_its_beginning_and_takes_the_latest_cause(store: AnyStore) -> None:
    store.pause(WORKSPACE, PauseSubject.ACCOUNT, 401, probe_after_s=15)
    first = store.paused(WORKSPACE)
    store.clock_offset_s += 5
    store.pause(WORKSPACE, PauseSubject.ACCOUNT, 402, probe_after_s=15)
    second = store.paused(WORKSPACE)
    assert first is not None
    assert second is not None
    assert (second.cause, second.since) == ("recall_answers_402", first.since)
    assert second.probe_at == pytest.approx(store.now() + 15, abs=2)
    assert store.paused("other") is None


def test_the_end_of_a_pause_wakes_what_waited_for_it_and_nothing_else(store: AnyStore) -> None:
    leased = begun(store, CREATE, recording_id="waits")
    begin(store, AskTranscript("t1", after_s=600), recording_id="alarm")
    store.pause(WORKSPACE, PauseSubject.ACCOUNT, 402, probe_after_s=15)
    store.defer(leased, after_s=300, cause="x")
    assert store.due(10, offer_again_s=15) == []
    store.unpause(WORKSPACE)
    assert store.paused(WORKSPACE) is None
    assert [offer.id for offer in store.due(10, offer_again_s=15)] == [leased.id]


def test_a_create_refused_for_the_accounts_sake_wakes_with_the_account(store: AnyStore) -> None:
    leased = begun(store)
    before = store.load(WORKSPACE, RECORDING)
    refused = events.CreateRefused(1.0, 1, events.Refusal.ACCOUNT, wait_s=900)
    again = creating(before, CreateTranscript(1, "p", 1, after_s=900), recording_asks=1)
    store.commit(before, again, event=refused, source=Source(command=leased))
    store.pause(WORKSPACE, PauseSubject.ACCOUNT, 402, probe_after_s=15)
    store.unpause(WORKSPACE)
    assert len(store.due(10, offer_again_s=15)) == 1


def test_the_first_start_is_noted_once(store: AnyStore) -> None:
    first = store.first_start()
    store.clock_offset_s += 1000
    assert store.first_start() == first == pytest.approx(store.now() - 1000, abs=600)


def test_a_heartbeat_is_written_over(store: AnyStore) -> None:
    for detail in ("idle", "busy"):
        store.beat("worker-1", detail=detail)
    beats = store.heartbeats() if isinstance(store, SqlStore) else store.heartbeats
    assert beats["worker-1"][1] == "busy"
