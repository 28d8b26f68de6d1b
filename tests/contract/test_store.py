"""What every store promises: the inbox and the commit. Beside it: `test_store_money`, `test_store_outbox`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.core import events
from app.core.commands import AskTranscript, FetchTranscript, LookUpTranscript
from app.core.machine import Decision
from app.core.seen import Seen, TranscriptStatus
from app.core.state import PendingTranscript, Phase
from app.errors import LeaseLost, Stale
from app.orchestrator.records import ArtifactRow, Closing, PauseSubject, SendTimes, Source
from tests.contract.conftest import AnyStore, Place
from tests.contract.store_builders import (
    CREATE,
    DONE,
    HAND,
    RECORDING,
    WORKSPACE,
    at_once,
    begin,
    begun,
    claim,
    creating,
    delivery,
    history_of,
    state_of,
)
from tests.taking import take, take_deliveries

# -- inbox -----------------------------------------------------------------------------------------


def test_a_delivery_known_already_is_kept_as_it_was(store: AnyStore) -> None:
    store.add_deliveries([delivery("m1", body=b"first")])
    store.add_deliveries([delivery("m1", body=b"second"), delivery("m2"), delivery("m2")])
    taken = take_deliveries(store, 10)
    assert [(d.webhook_id, d.body) for d in taken] == [("m1", b"first"), ("m2", b"{}")]


def test_the_same_webhook_id_in_another_workspace_is_another_delivery(store: AnyStore) -> None:
    store.add_deliveries([delivery("m1"), delivery("m1", workspace="other")])
    assert {d.workspace for d in take_deliveries(store, 10)} == {WORKSPACE, "other"}


def test_no_deliveries_at_all_are_no_error(store: AnyStore) -> None:
    store.add_deliveries([])
    assert not store.has_unapplied()


def test_bodies_come_back_byte_for_byte(store: AnyStore) -> None:
    body = bytes(range(256)) * 4
    store.add_deliveries([delivery("m1", body=body)])
    assert take_deliveries(store, 1)[0].body == body


def tries_of(store: AnyStore, limit: int = 9) -> list[tuple[str, int]]:
    return [(taken.webhook_id, taken.tries) for taken in take_deliveries(store, limit)]


def test_untried_deliveries_come_together_and_oldest_first_no_more_than_asked(store: AnyStore) -> None:
    store.add_deliveries([delivery(f"m{n}") for n in range(3)])
    assert tries_of(store, 2) == [("m0", 1), ("m1", 1)]
    assert tries_of(store, 2) == [("m2", 1)], "what was tried does not come with what was not"


def test_a_tried_delivery_comes_alone_after_the_untried_and_the_least_tried_first(store: AnyStore) -> None:
    store.add_deliveries([delivery("m0"), delivery("m1")])
    take_deliveries(store, 2)
    assert [tries_of(store) for _ in range(3)] == [[("m0", 2)], [("m1", 2)], [("m0", 3)]]
    store.add_deliveries([delivery("m2")])
    assert tries_of(store) == [("m2", 1)]
    assert tries_of(store) == [("m2", 2)]


def test_one_that_always_fails_takes_no_neighbours_with_it(store: AnyStore) -> None:
    store.add_deliveries([delivery(f"m{n}") for n in range(4)])
    take_deliveries(store, 9)  # the worker was killed over m1
    ended = {}
    while taken := take_deliveries(store, 9):
        (one,) = taken
        if one.webhook_id != "m1" or one.tries > 8:
            store.close_deliveries([Closing(one.id, "applied, or given up")])
            ended[one.webhook_id] = one.tries
    assert ended == {"m0": 2, "m2": 2, "m3": 2, "m1": 9}


def test_a_returned_try_does_not_count(store: AnyStore) -> None:
    store.add_deliveries([delivery(f"m{n}") for n in range(3)])
    taken = take_deliveries(store, 9)
    store.return_deliveries([d.id for d in taken[1:]])
    assert tries_of(store) == [("m1", 1), ("m2", 1)]
    assert tries_of(store) == [("m0", 2)]
    store.return_deliveries([])
    for _ in range(5):
        store.return_deliveries([taken[0].id])
    assert tries_of(store) == [("m0", 1)], "never below none"


def test_a_closed_delivery_is_not_taken_again_and_its_id_stays_known(store: AnyStore) -> None:
    store.add_deliveries([delivery("m1")])
    (taken,) = take_deliveries(store, 1)
    store.close_deliveries([Closing(taken.id, "unreadable")])
    store.add_deliveries([delivery("m1")])
    assert take_deliveries(store, 1) == []
    assert not store.has_unapplied()


def test_deliveries_from_many_threads_arrive_once_each(place: Place) -> None:
    store = place.open()
    results = at_once(lambda n: store.add_deliveries([delivery(f"m{n // 2}")]), range(20))
    assert results == [None] * 20
    assert len(take_deliveries(store, 100)) == 10


# -- commit ----------------------------------------------------------------------------------------


def test_a_recording_nobody_heard_of_is_new_at_version_zero(store: AnyStore) -> None:
    loaded = store.load(WORKSPACE, RECORDING)
    assert (loaded.version, loaded.transcription.phase, loaded.pending) == (0, Phase.NEW, ())


def test_a_commit_is_read_back_whole(store: AnyStore) -> None:
    before = store.load(WORKSPACE, RECORDING)
    decision = creating(
        before,
        CREATE,
        AskTranscript("t1", after_s=600),
        bot_id="bot-1",
        metadata=(("naïve", "värde"),),
        pending_transcripts=(PendingTranscript("t9", 2.5),),
        processed_transcripts=("t0",),
        provider_wait_since=1234.56789,
    )
    store.commit(before, decision, event=DONE, source=HAND)
    after = store.load(WORKSPACE, RECORDING)
    assert (after.transcription, after.version) == (decision.state, 1)
    assert after.pending == (CREATE, AskTranscript("t1"))


def test_a_commit_tells_what_is_due_now_and_marks_it_as_offered(store: AnyStore) -> None:
    committed = begin(store, CREATE, AskTranscript("t1", after_s=600))
    (offer,) = committed.offerable
    assert offer.description == f"create transcript, attempt 1 with recallai_async, for recording {RECORDING}"
    assert committed.wait_s is None
    assert store.due(10, offer_again_s=15) == []


def test_what_the_caller_will_not_offer_is_left_to_the_dispatcher(store: AnyStore) -> None:
    before = store.load(WORKSPACE, RECORDING)
    decision = creating(before, CREATE)
    committed = store.commit(before, decision, event=DONE, source=HAND, offer_now=False)
    assert committed.offerable == ()
    assert len(store.due(10, offer_again_s=15)) == 1


@pytest.mark.slow
def test_fifty_commits_on_one_version_write_once(place: Place) -> None:
    store = place.open()
    begin(store)
    before = store.load(WORKSPACE, RECORDING)

    def job(number: int) -> object:
        state = replace(before.transcription, recording_asks=number + 1)
        return store.commit(before, Decision(state, (CREATE,)), event=DONE, source=HAND)

    results = at_once(job, range(50))
    assert sum(isinstance(r, Stale) for r in results) == 49
    assert store.load(WORKSPACE, RECORDING).version == 2
    assert len(history_of(store)) == 2


def test_two_first_commits_of_one_recording_write_once(place: Place) -> None:
    stores = [place.open() for _ in range(8)]
    results = at_once(lambda store: begin(store, CREATE), stores)
    late = [r for r in results if isinstance(r, BaseException)]
    assert all(isinstance(r, Stale) for r in late)
    # Whoever loaded after the first commit writes the same state again, which leaves the version alone.
    after = stores[0].load(WORKSPACE, RECORDING)
    assert (after.version, len(after.pending)) == (1, 1)


def test_an_outdated_commit_leaves_no_trace(store: AnyStore) -> None:
    old = store.load(WORKSPACE, RECORDING)
    begin(store)
    store.add_deliveries([delivery("m1")])
    (taken,) = take_deliveries(store, 1)
    with pytest.raises(Stale):
        store.commit(old, creating(old, CREATE), event=DONE, source=Source(delivery_id=taken.id))
    assert store.has_unapplied()
    assert store.load(WORKSPACE, RECORDING).pending == ()
    assert len(history_of(store)) == 1


def test_a_delivery_is_applied_once(store: AnyStore) -> None:
    store.add_deliveries([delivery("m1")])
    source = Source(delivery_id=take_deliveries(store, 1)[0].id, by="webhook")
    before = store.load(WORKSPACE, RECORDING)
    store.commit(before, creating(before), event=DONE, source=source)
    assert not store.has_unapplied()
    again = store.load(WORKSPACE, RECORDING)
    with pytest.raises(Stale):
        store.commit(again, creating(again, recording_asks=1), event=DONE, source=source)
    assert store.load(WORKSPACE, RECORDING) == again


@pytest.mark.slow
@pytest.mark.parametrize("is_known", [True, False])
def test_an_ignored_event_marks_its_source_and_is_remembered(store: AnyStore, is_known: bool) -> None:
    if is_known:
        begin(store)
    store.add_deliveries([delivery("m1")])
    source = Source(delivery_id=take_deliveries(store, 1)[0].id, by="webhook")
    before = store.load(WORKSPACE, RECORDING)
    decision = Decision(before.transcription, ignored="known already", alarm="odd")
    store.commit(before, decision, event=DONE, source=source)
    assert not store.has_unapplied()
    assert store.load(WORKSPACE, RECORDING) == before
    line = history_of(store)[-1]
    assert (line["ignored"], line["alarm"], line["by"]) == ("known already", "odd", "webhook")


def test_an_event_ignored_on_an_outdated_state_is_decided_again(store: AnyStore) -> None:
    begin(store)
    old = store.load(WORKSPACE, RECORDING)
    store.commit(old, creating(old, recording_asks=1), event=DONE, source=HAND)
    with pytest.raises(Stale):
        store.commit(old, Decision(old.transcription, ignored="so it seemed"), event=DONE, source=HAND)


def test_a_command_of_the_same_key_replaces_the_pending_one(store: AnyStore) -> None:
    begin(store, FetchTranscript("t1"))
    before = store.load(WORKSPACE, RECORDING)
    later = FetchTranscript("t1", after_s=60)
    store.commit(before, creating(before, later, recording_asks=1), event=DONE, source=HAND)
    assert store.load(WORKSPACE, RECORDING).pending == (FetchTranscript("t1"),)
    assert store.due(10, offer_again_s=0) == []
    store.clock_offset_s += 61
    (due,) = store.due(10, offer_again_s=0)
    leased = take(store, due.id, lease_s=15)
    assert leased is not None
    assert leased.tries == 1


def test_dropped_commands_are_gone_and_others_stay(store: AnyStore) -> None:
    begin(store, CREATE, AskTranscript("t1", after_s=600))
    before = store.load(WORKSPACE, RECORDING)
    decision = Decision(replace(before.transcription, recording_asks=1), dropped=(AskTranscript("t1"),))
    store.commit(before, decision, event=DONE, source=HAND)
    assert store.load(WORKSPACE, RECORDING).pending == (CREATE,)


def test_commands_of_other_recordings_are_left_alone(store: AnyStore) -> None:
    begin(store, CREATE, recording_id="other")
    begin(store, CREATE)
    before = store.load(WORKSPACE, RECORDING)
    state = replace(before.transcription, recording_asks=1)
    store.commit(before, Decision(state, dropped=(CREATE,)), event=DONE, source=HAND)
    assert store.load(WORKSPACE, "other").pending == (CREATE,)


def test_the_history_keeps_codes_and_ids_but_no_names(store: AnyStore) -> None:
    begin(store, CREATE)
    seen = Seen("t1", TranscriptStatus.DONE, 1, "deepgram_async")
    before = store.load(WORKSPACE, RECORDING)
    state = replace(before.transcription, recording_asks=1)
    listed = events.Listed(2.0, 1, seen=(seen,), since_first_send_s=7.0)
    store.commit(before, Decision(state), event=listed, source=HAND)
    first, second = history_of(store)
    assert (first["event"], first["goal_before"], first["goal_after"]) == (
        "recording_done",
        "new",
        "creating",
    )
    assert first["commands"] == ["create:1"]
    assert first["summary"] == {"bot_id": "bot-1", "look_first": False}
    assert second["summary"]["seen"][0]["transcript_id"] == "t1"
    assert "Ada" not in str((first, second))


# -- the source's command ----------------------------------------------------------------------------


def test_the_command_is_done_when_its_event_is_committed(store: AnyStore) -> None:
    leased = begun(store, LookUpTranscript(0))
    before = store.load(WORKSPACE, RECORDING)
    source = Source(command=leased, by="worker")
    store.commit(before, creating(before, recording_asks=1), event=events.Listed(1.0, 0), source=source)
    assert store.load(WORKSPACE, RECORDING).pending == ()
    assert not store.renew(leased, lease_s=15)


def test_a_worker_whose_command_was_taken_by_another_writes_nothing(store: AnyStore) -> None:
    slow = begun(store, LookUpTranscript(0))
    store.clock_offset_s += 16
    quick = take(store, slow.id, lease_s=15)
    assert quick is not None
    before = store.load(WORKSPACE, RECORDING)
    decision = creating(before, CREATE, recording_asks=1)
    with pytest.raises(LeaseLost):
        store.commit(before, decision, event=events.Listed(1.0, 0), source=Source(command=slow))
    assert store.load(WORKSPACE, RECORDING) == before
    store.commit(before, decision, event=events.Listed(1.0, 0), source=Source(command=quick))


def test_an_expired_lease_nobody_else_took_is_good_enough(store: AnyStore) -> None:
    leased = begun(store, LookUpTranscript(0))
    store.clock_offset_s += 600
    before = store.load(WORKSPACE, RECORDING)
    source = Source(command=leased)
    store.commit(before, creating(before, recording_asks=1), event=events.Listed(1.0, 0), source=source)
    assert store.load(WORKSPACE, RECORDING).version == 2


def test_a_command_that_asks_for_itself_again_starts_afresh(store: AnyStore) -> None:
    leased = begun(store, LookUpTranscript(1))
    before = store.load(WORKSPACE, RECORDING)
    decision = creating(before, LookUpTranscript(1, after_s=30), recording_asks=1)
    store.commit(before, decision, event=events.Listed(1.0, 1), source=Source(command=leased))
    assert not store.renew(leased, lease_s=15)
    assert store.due(10, offer_again_s=0) == []
    store.clock_offset_s += 31
    (due,) = store.due(10, offer_again_s=0)
    again = take(store, due.id, lease_s=15)
    assert again is not None
    assert (again.tries, again.slot) == (1, None)


def test_a_command_replaced_under_a_workers_hands_is_lost_to_it(store: AnyStore) -> None:
    leased = begun(store, FetchTranscript("t1"))
    before = store.load(WORKSPACE, RECORDING)
    store.commit(before, creating(before, FetchTranscript("t1"), recording_asks=1), event=DONE, source=HAND)
    assert not store.renew(leased, lease_s=15)
    after = store.load(WORKSPACE, RECORDING)
    with pytest.raises(LeaseLost):
        store.commit(after, creating(after, recording_asks=2), event=DONE, source=Source(command=leased))
    store.clock_offset_s += 16
    (due,) = store.due(10, offer_again_s=15)
    assert take(store, due.id, lease_s=15) is not None


def test_a_claim_keeps_its_command_so_that_a_death_before_the_answer_is_noticed(store: AnyStore) -> None:
    leased = begun(store)
    claim(store, source=Source(command=leased, is_finished=False), budget=3)
    assert store.renew(leased, lease_s=15)
    store.clock_offset_s += 16
    (due,) = store.due(10, offer_again_s=0)
    other = take(store, due.id, lease_s=15)
    assert other is not None
    assert other.tries == 2


def test_a_claim_by_a_worker_thought_dead_is_refused(store: AnyStore) -> None:
    slow = begun(store)
    store.clock_offset_s += 16
    assert take(store, slow.id, lease_s=15) is not None
    with pytest.raises(LeaseLost):
        claim(store, source=Source(command=slow, is_finished=False), budget=3)
    assert state_of(store).attempts == ()
    assert store.send_times(WORKSPACE, RECORDING, 1, key_serial=0) == SendTimes()


def test_a_stored_result_comes_with_the_commit(store: AnyStore) -> None:
    begin(store)
    before = store.load(WORKSPACE, RECORDING)
    row = ArtifactRow(WORKSPACE, RECORDING, "t1", 1, "p", "spoken", "en", "folder", ("manifest.json",))
    state = replace(before.transcription, phase=Phase.STORED, current="t1")
    event = events.Stored(1.0, "t1", "p", "en", is_empty=False)
    store.commit(before, Decision(state), event=event, source=HAND, artifact=row)
    assert state_of(store).phase is Phase.STORED


def test_deliveries_of_a_workspace_that_no_settings_have_wait_for_it_untried(store: AnyStore) -> None:
    store.add_deliveries([delivery("m1", workspace="removed"), delivery("m2")])
    store.pause("removed", PauseSubject.WORKSPACE_UNKNOWN, probe_after_s=3600)
    store.pause(WORKSPACE, PauseSubject.ACCOUNT, 401, probe_after_s=3600)  # keeps none from being applied
    assert tries_of(store) == [("m2", 1)]
    store.close_deliveries([Closing(2, "nothing to do", "bot.waved")])
    assert (store.has_unapplied(), tries_of(store)) == (False, [])
    store.unpause("removed")
    assert store.has_unapplied()
    assert tries_of(store) == [("m1", 1)]
