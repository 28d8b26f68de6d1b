"""Announcements on both databases: written with the state, sent under a lease, two at a time per endpoint."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from app.adapters.sql.announcements import Try
from app.adapters.sql.outgoing_tables import endpoints, outgoing, outgoing_tries
from app.adapters.sql.store import SqlStore
from app.core import events
from app.core.circuit_breaker import FAILURE_THRESHOLD
from app.core.machine import Decision
from app.core.state import Phase
from app.errors import Stale
from app.orchestrator.records import Announcement, TakenAnnouncement
from tests.contract.store_builders import HAND, RECORDING, WORKSPACE, at_once, begin

TAKEN, REFUSED = Try("200", 0.01, is_taken=True), Try("500", 0.01, body="as sent")
GONE = Try("410", 0.01, is_gone=True, body="as sent")
DIGESTS = {"crm": "digest-1"}


def news(number: int = 1, endpoint: str = "crm") -> Announcement:
    return Announcement(f"id-{number}-{endpoint}", endpoint, "transcription.completed", "t1", '{"a": 1}')


def stored(store: SqlStore, *said: Announcement, version: int | None = None) -> list[int]:
    """A commit that announces; the numbers of what it announced."""
    if store.load(WORKSPACE, RECORDING).version == 0:
        begin(store)
    before = store.load(WORKSPACE, RECORDING)
    before = before if version is None else replace(before, version=version)
    asks = before.transcription.recording_asks + 1  # a commit must change something
    after = replace(before.transcription, phase=Phase.STORED, recording_asks=asks)
    event = events.Published(1.0, "t1", "deepgram_async", None)
    done = store.commit(before, Decision(after), event=event, source=HAND, news=said)
    return [offer.id for offer in done.announcements]


def take(store: SqlStore, number: int, endpoint: str = "crm") -> TakenAnnouncement | None:
    return store.take_announcement(number, endpoint, "digest-1", lease_s=30, probe_s=20)


def settle(store: SqlStore, taken: object, ended: Try, next_after_s: float | None = 5) -> None:
    assert isinstance(taken, TakenAnnouncement)
    store.settle_announcement(taken, ended, digest="digest-1", next_after_s=next_after_s, open_s=60)


def due(store: SqlStore) -> list[int]:
    found = store.due_announcements(DIGESTS, limit_each=50, offer_again_s=15)
    return [one.id for one in found]


def row(store: SqlStore, number: int) -> sa.Row[*tuple[object, ...]]:
    found = store.read_first(sa.select(outgoing).where(outgoing.c.id == number))
    assert found is not None
    return found


def test_a_commit_that_loses_announces_nothing(sql_store: SqlStore) -> None:
    begin(sql_store)
    with pytest.raises(Stale):
        stored(sql_store, news(), version=7)
    assert sql_store.read_first(sa.select(outgoing)) is None


def test_one_is_taken_once_and_what_it_says_was_fixed_in_the_commit(sql_store: SqlStore) -> None:
    (number,) = stored(sql_store, news())
    found = at_once(lambda _: take(sql_store, number), range(4))
    (taken,) = [one for one in found if one is not None]
    assert isinstance(taken, TakenAnnouncement)
    assert (taken.webhook_id, taken.facts, taken.body, taken.tries) == ("id-1-crm", '{"a": 1}', None, 1)
    settle(sql_store, taken, TAKEN)
    assert take(sql_store, number) is None
    assert (row(sql_store, number).status, row(sql_store, number).due_at) == ("delivered", None)


def test_a_failed_one_comes_back_at_its_time_with_the_bytes_that_were_sent(sql_store: SqlStore) -> None:
    (number,) = stored(sql_store, news())
    settle(sql_store, take(sql_store, number), REFUSED, next_after_s=300)
    assert due(sql_store) == []
    assert take(sql_store, number) is None
    sql_store.clock_offset_s += 301
    assert due(sql_store) == [number]
    sql_store.mark_announcements_offered([number])
    assert due(sql_store) == []
    taken = take(sql_store, number)
    assert taken is not None
    assert (taken.body, taken.tries) == ("as sent", 2)
    settle(sql_store, taken, REFUSED, next_after_s=None)
    assert (row(sql_store, number).status, row(sql_store, number).body) == ("given_up", None)
    log = sql_store.read_all(sa.select(outgoing_tries.c.answer).order_by(outgoing_tries.c.id))
    assert [answer for (answer,) in log] == ["500", "500"]
    tallies, _ = sql_store.measures()
    assert (tallies["outgoing:crm:failed"], tallies["outgoing:crm:given_up"]) == (1, 1)


def test_a_lease_that_ended_is_taken_by_another_and_the_first_changes_nothing(sql_store: SqlStore) -> None:
    (number,) = stored(sql_store, news())
    first = take(sql_store, number)
    sql_store.clock_offset_s += 31
    assert due(sql_store) == [number]
    settle(sql_store, take(sql_store, number), TAKEN)
    settle(sql_store, first, REFUSED)
    assert row(sql_store, number).status == "delivered"


def test_two_of_one_endpoint_are_under_way_and_no_more(sql_store: SqlStore) -> None:
    numbers = stored(sql_store, *(news(n) for n in range(5)), news(9, "other"))
    found = at_once(lambda number: take(sql_store, number), numbers[:5])
    assert sum(one is not None for one in found) == 2
    assert take(sql_store, numbers[5], "other") is not None
    assert take(sql_store, numbers[0], "other") is None  # it is for another endpoint


def test_an_endpoint_that_is_gone_is_asked_no_more_until_it_is_enabled(sql_store: SqlStore) -> None:
    first, second = stored(sql_store, news(1), news(2))
    settle(sql_store, take(sql_store, first), GONE)
    sql_store.clock_offset_s += 99_999
    assert due(sql_store) == []
    assert take(sql_store, second) is None
    changed = sql_store.due_announcements({"crm": "digest-2"}, limit_each=50, offer_again_s=15)
    assert {one.id for one in changed} == {first, second}  # at another address
    assert sql_store.enable_endpoint("crm") == 2
    assert set(due(sql_store)) == {first, second}


def test_what_was_under_way_beside_a_410_does_not_enable_the_endpoint(sql_store: SqlStore) -> None:
    gone, answered = [take(sql_store, number) for number in stored(sql_store, news(1), news(2))]
    settle(sql_store, gone, GONE)
    settle(sql_store, answered, TAKEN)
    assert sql_store.endpoint_state("crm").said("digest-1") == "disabled"
    assert due(sql_store) == []


def test_one_that_fails_in_a_row_is_probed_by_one_until_something_works(sql_store: SqlStore) -> None:
    numbers = stored(sql_store, *(news(n) for n in range(FAILURE_THRESHOLD + 2)))
    for number in numbers[:FAILURE_THRESHOLD]:
        settle(sql_store, take(sql_store, number), REFUSED, next_after_s=10_000)
    assert take(sql_store, numbers[-1]) is None
    assert due(sql_store) == []
    sql_store.clock_offset_s += 61
    probe = take(sql_store, numbers[-1])
    assert take(sql_store, numbers[-2]) is None
    settle(sql_store, probe, TAKEN)
    assert take(sql_store, numbers[-2]) is not None


def test_one_that_is_said_again_under_its_id_is_sent_anew(sql_store: SqlStore) -> None:
    (number,) = stored(sql_store, news())
    settle(sql_store, take(sql_store, number), TAKEN)
    assert stored(sql_store, replace(news(), facts='{"a": 2}')) == [number]
    taken = take(sql_store, number)
    assert taken is not None
    assert (taken.facts, taken.tries) == ('{"a": 2}', 1)


def test_resending_begins_at_the_first_try_and_nothing_erased_is_sent(sql_store: SqlStore) -> None:
    (number,) = stored(sql_store, news())
    settle(sql_store, take(sql_store, number), REFUSED, next_after_s=None)
    assert sql_store.resend_announcement(number) == "crm"
    assert due(sql_store) == [number]
    sql_store.write(outgoing.update().values(facts=None))
    assert take(sql_store, number) is None
    assert sql_store.resend_announcement(number) is None
    assert sql_store.resend_announcement(number + 1) is None


def test_one_that_was_put_off_has_its_try_back(sql_store: SqlStore) -> None:
    (number,) = stored(sql_store, news())
    taken = take(sql_store, number)
    assert taken is not None
    sql_store.put_off_announcement(taken, after_s=10)
    assert (row(sql_store, number).tries, due(sql_store)) == (0, [])
    sql_store.clock_offset_s += 11
    assert due(sql_store) == [number]


def test_a_clock_set_back_moves_what_waits(sql_store: SqlStore) -> None:
    (number,) = stored(sql_store, news())
    sql_store.record_heartbeat(quiet_s=600)
    settle(sql_store, take(sql_store, number), REFUSED, next_after_s=300)
    sql_store.clock_offset_s -= 86_400
    sql_store.record_heartbeat(quiet_s=600)
    sql_store.clock_offset_s += 301
    assert due(sql_store) == [number]
    assert sql_store.read_first(sa.select(endpoints)) is not None
