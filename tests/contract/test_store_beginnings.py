"""What every store promises about the beginning of a job: one question for all that is to be known first."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.adapters.sql.store import SqlStore
from app.core import events
from app.core.machine import Decision
from app.core.state import Attempt, AttemptStatus
from app.errors import LeaseLost, Stale
from app.orchestrator.records import (
    KEY_ACCEPTED,
    KEY_BY_HAND,
    KEY_FOREIGN,
    BootClock,
    Leased,
    PauseSubject,
    Presence,
    Send,
    Source,
)
from tests.contract.conftest import AnyStore, Place
from tests.contract.store_builders import CREATE, RECORDING, WORKSPACE, at_once, begin, begun, claim, delivery
from tests.taking import take

QUIET_S = 600.0
HERE = Presence(QUIET_S)
UNREADABLE = '{"workspace": "w", "recording_id": "r", "goal": "unheard of", "phase": "unheard of"}'


def test_a_begun_command_is_leased_and_loaded_with_what_is_to_be_known_first(store: AnyStore) -> None:
    (offer,) = begin(store, CREATE).offerable
    store.set_key_status(WORKSPACE, "f1", KEY_ACCEPTED)
    store.set_key_status(WORKSPACE, "f2", KEY_FOREIGN)
    store.set_key_status(WORKSPACE, "f3", KEY_BY_HAND)
    store.set_key_status("another", "f4", KEY_ACCEPTED)
    for _ in range(5):
        store.record_result(WORKSPACE, "down_async", worked=False, open_s=60)
        store.record_result("another", "fine_here_async", worked=False, open_s=60)
    store.record_result(WORKSPACE, "failed_once_async", worked=False, open_s=60)
    found = store.begin(offer.id, HERE, lease_s=15)
    assert found is not None
    assert (found.leased.command, found.leased.tries) == (CREATE, 1)
    assert found.before == store.load(WORKSPACE, RECORDING)
    assert abs(found.at - store.now()) < 5
    assert not found.is_paused
    assert found.keys == {"f1", "f3"}
    assert found.tripped == {"down_async"}
    assert store.begin(offer.id, HERE, lease_s=15) is None, "another has it"


def test_a_pause_of_any_kind_is_known_at_the_beginning(store: AnyStore) -> None:
    (offer,) = begin(store, CREATE).offerable
    store.pause("another", PauseSubject.ACCOUNT, 401, probe_after_s=0)
    first = store.begin(offer.id, HERE, lease_s=15)
    assert first is not None
    assert not first.is_paused
    store.defer(first.leased, after_s=0, cause="x")
    store.pause(WORKSPACE, PauseSubject.CREATES, 402, probe_after_s=0)
    second = store.begin(offer.id, HERE, lease_s=15)
    assert second is not None
    assert second.is_paused


def test_of_many_one_begins_a_command(place: Place) -> None:
    stores = [place.open() for _ in range(4)]
    (offer,) = begin(stores[0], CREATE).offerable
    results = at_once(lambda store: store.begin(offer.id, HERE, lease_s=15), stores * 3)
    assert [r for r in results if isinstance(r, Exception)] == []
    assert results.count(None) == 11


def test_a_try_is_counted_whatever_the_state_holds(place: Place) -> None:
    """Else a state that cannot be read would be tried for ever."""
    store = place.open()
    if not isinstance(store, SqlStore):
        pytest.skip("holds no bytes")
    (offer,) = begin(store, CREATE).offerable
    with store.writing() as connection:
        connection.execute(t.transcriptions.update().values(state=UNREADABLE))
    for _ in range(2):
        with pytest.raises(ValueError, match="not a valid"):
            store.begin(offer.id, HERE, lease_s=15)
        store.clock_offset_s += 16
    with store.reading() as connection:
        assert connection.execute(sa.select(t.commands.c.tries)).scalar_one() == 2


def test_an_absence_is_noted_before_a_command_is_begun(store: AnyStore) -> None:
    (offer,) = begin(store, CREATE).offerable
    boot = BootClock("a boot", lambda: 5.0 + store.clock_offset_s)
    presence = Presence(QUIET_S, boot)
    store.record_heartbeat(quiet_s=QUIET_S, boot=boot)
    store.clock_offset_s += 2 * QUIET_S
    found = store.begin(offer.id, presence, lease_s=15)
    assert found is not None
    assert found.before.predates_downtime


def test_a_clock_that_was_set_back_takes_no_begun_command_away(store: AnyStore) -> None:
    """The step is noted under the lease, and moves it into the past with everything that was to come."""
    (offer,) = begin(store, CREATE).offerable
    up_s = 0.5 * QUIET_S
    boot = BootClock("a boot", lambda: up_s)
    store.clock_offset_s += up_s
    store.record_heartbeat(quiet_s=QUIET_S, boot=boot)
    store.clock_offset_s -= up_s / 2
    found = store.begin(offer.id, Presence(QUIET_S, boot), lease_s=15)
    assert found is not None
    assert store.steady_since() == pytest.approx(store.now(), abs=5), "the step is noted"
    assert store.begin(offer.id, Presence(QUIET_S, boot), lease_s=15) is None, "another has it"
    assert store.renew(found.leased, lease_s=15)


def test_what_is_known_of_a_begun_command_is_read_under_its_lease(place: Place) -> None:
    """Else a create could begin on a state from before another worker's claim."""
    store, other = place.open(), place.open()
    if not isinstance(store, SqlStore):
        pytest.skip("has one transaction for it")
    (offer,) = begin(store, CREATE).offerable
    taken: list[object] = []

    def look(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM transcriptions" in statement and not taken:
            taken.append(other.begin(offer.id, HERE, lease_s=15))

    sa.event.listen(store.engine, "before_cursor_execute", look)
    assert store.begin(offer.id, HERE, lease_s=15) is not None
    assert taken == [None]


@pytest.mark.slow
def test_received_deliveries_come_with_the_clock_and_the_last_absence(store: AnyStore) -> None:
    store.record_heartbeat(quiet_s=QUIET_S)
    store.clock_offset_s += 2 * QUIET_S
    store.add_deliveries([delivery(f"m{n}") for n in range(3)])
    first = store.receive(2, HERE)
    assert [d.webhook_id for d in first.deliveries] == ["m0", "m1"]
    assert first.has_more
    assert 0 < first.at - first.away_until < 5, "it ended just now"
    second = store.receive(2, HERE)
    assert [d.webhook_id for d in second.deliveries] == ["m2"]
    assert second.has_more, "those that were tried before"
    assert second.away_until == pytest.approx(first.away_until, abs=5)


def test_nothing_more_waits_when_all_are_taken(store: AnyStore) -> None:
    assert store.receive(10, HERE).has_more is False
    store.add_deliveries([delivery("m1")])
    received = store.receive(10, HERE)
    assert (len(received.deliveries), received.has_more) == (1, False)


# -- a claim on what was loaded a moment ago ---------------------------------------------------------


def test_a_claim_on_what_was_loaded_before_a_silence_was_noted_is_stale(store: AnyStore) -> None:
    """A worker that stood still meanwhile: the state says now that Recall is to be looked at first."""
    leased = begun(store)
    before = store.load(WORKSPACE, RECORDING)
    store.record_heartbeat(quiet_s=QUIET_S)
    store.clock_offset_s += 2 * QUIET_S
    store.record_heartbeat(quiet_s=QUIET_S)
    line = Attempt(1, CREATE.provider, AttemptStatus.SENDING)
    decision = Decision(before.transcription.with_attempt(line))
    sending = events.Sending(1.0, 1, CREATE.provider, 0)
    source = Source(command=leased, is_finished=False)
    with pytest.raises(Stale):
        store.commit(before, decision, event=sending, source=source, send=Send(1, 0, "k", "f", "b"))
    assert store.load(WORKSPACE, RECORDING) == replace(before, predates_downtime=True), "nothing is written"
    assert store.send_times(WORKSPACE, RECORDING, 1, key_serial=0).since_first_s is None


def test_a_claim_on_what_another_has_claimed_is_stale(store: AnyStore) -> None:
    leased = begun(store)
    before = store.load(WORKSPACE, RECORDING)
    claim(store, budget=3)
    line = Attempt(1, CREATE.provider, AttemptStatus.SENDING)
    decision = Decision(replace(before.transcription.with_attempt(line), looks_for_others=7))
    sending = events.Sending(1.0, 1, CREATE.provider, 0)
    source = Source(command=leased, is_finished=False)
    with pytest.raises(Stale):
        store.commit(before, decision, event=sending, source=source, send=Send(1, 0, "k", "f", "b"))


def test_a_claim_under_a_lease_that_went_to_another_writes_nothing(store: AnyStore) -> None:
    leased = begun(store)
    before = store.load(WORKSPACE, RECORDING)
    store.clock_offset_s += 16
    assert isinstance(take(store, leased.id, lease_s=15), Leased)
    line = Attempt(1, CREATE.provider, AttemptStatus.SENDING)
    decision = Decision(before.transcription.with_attempt(line))
    sending = events.Sending(1.0, 1, CREATE.provider, 0)
    source = Source(command=leased, is_finished=False)
    with pytest.raises(LeaseLost):
        store.commit(before, decision, event=sending, source=source, send=Send(1, 0, "k", "f", "b"))
    assert store.load(WORKSPACE, RECORDING) == before
