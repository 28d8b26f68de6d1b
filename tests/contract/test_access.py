"""What `/v1` keeps, on both databases: keys, rates, requests of a day, a workspace's processing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.adapters.sql.access import REQUEST_TAKES_S, REQUESTS_KEPT_S, AccessKey, EarlierRequest
from app.adapters.sql.finding import Filters
from app.adapters.sql.store import SqlStore
from app.core.policy import Processing
from app.core.state import Phase
from tests.contract.store_builders import WORKSPACE, begin

KEY = AccessKey("crm", "d1", frozenset({"config:read", "transcriptions:read"}), "default")


def test_a_key_is_kept_and_its_name_is_taken_for_good(sql_store: SqlStore) -> None:
    assert sql_store.add_access_key(KEY)
    assert not sql_store.add_access_key(AccessKey("crm", "d2", frozenset({"config:read"})))
    (kept,) = sql_store.access_keys()
    assert (kept.name, kept.digest, kept.scopes, kept.workspace) == ("crm", "d1", KEY.scopes, "default")
    assert abs(kept.created_at - sql_store.now()) < 5
    assert sql_store.revoke_access_key("crm")
    assert not sql_store.revoke_access_key("crm")
    assert not sql_store.add_access_key(KEY)
    assert sql_store.access_keys()[0].revoked_at is not None


def test_requests_are_taken_up_to_a_burst_and_come_back_with_time(sql_store: SqlStore) -> None:
    def take(number: int = 5, name: str = "crm") -> float | None:
        return sql_store.take_requests(name, number, gap_s=1.0, burst_s=10.0)

    assert [take(), take()] == [None, None]
    wait_s = take()
    assert wait_s is not None
    assert 4 < wait_s <= 5
    assert take(name="other") is None
    sql_store.clock_offset_s += 5.1
    assert take() is None
    assert take() is not None
    sql_store.clock_offset_s += 3600
    assert [take(), take()] == [None, None]
    assert take() is not None  # what was not taken is not saved up


def test_of_many_at_once_as_many_are_let_in_as_there_are(sql_store: SqlStore) -> None:
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda _: sql_store.take_requests("crm", 1, gap_s=60, burst_s=300), range(12)))
    assert taken.count(None) == 5


def test_a_request_is_begun_once_and_its_answer_is_known_for_a_day(sql_store: SqlStore) -> None:
    assert sql_store.begin_request("crm", "k", digest="a") is None
    assert sql_store.begin_request("crm", "k", digest="a") == EarlierRequest("a", None)
    assert sql_store.begin_request("other", "k", digest="b") is None
    sql_store.end_request("crm", "k", status=201)
    assert sql_store.begin_request("crm", "k", digest="c") == EarlierRequest("a", 201)
    sql_store.clock_offset_s += REQUESTS_KEPT_S - 5
    assert sql_store.begin_request("crm", "k", digest="a") == EarlierRequest("a", 201)
    sql_store.clock_offset_s += 10
    assert sql_store.begin_request("crm", "k", digest="c") is None


def test_a_request_that_was_not_answered_may_be_sent_again(sql_store: SqlStore) -> None:
    sql_store.begin_request("crm", "refused", digest="a")
    sql_store.end_request("crm", "refused", status=None)
    assert sql_store.begin_request("crm", "refused", digest="b") is None

    sql_store.begin_request("crm", "died", digest="a")
    sql_store.clock_offset_s += REQUEST_TAKES_S + 1
    assert sql_store.begin_request("crm", "died", digest="b") == EarlierRequest("a", None)
    assert sql_store.begin_request("crm", "died", digest="a") is None
    assert sql_store.begin_request("crm", "died", digest="a") == EarlierRequest("a", None)


def test_what_was_said_of_processing_comes_with_each_load(sql_store: SqlStore) -> None:
    assert sql_store.processing(WORKSPACE) is None
    sql_store.set_processing(WORKSPACE, is_enabled=True, provider="x_async", by="crm")
    sql_store.set_processing(WORKSPACE, is_enabled=False, provider=None, by="bi")
    said = sql_store.load(WORKSPACE, "r").processing
    assert said is not None
    assert said == Processing(is_enabled=False, provider=None, by="bi", at=said.at)
    assert sql_store.load("another", "r").processing is None


@pytest.mark.parametrize("is_by_recording", [True, False])
def test_a_transcription_is_found_whole_and_in_its_workspace_alone(
    sql_store: SqlStore, is_by_recording: bool
) -> None:
    begin(sql_store, recording_id="rec-1")
    (row,) = sql_store.list_transcriptions()
    id_ = "rec-1" if is_by_recording else row.id
    for workspace, is_found in ((None, True), (WORKSPACE, True), ("another", False)):
        assert (sql_store.find_transcription(id_, workspace=workspace) is not None) is is_found
    assert sql_store.find_transcription(id_[:-1]) is None


def test_lists_are_narrowed_by_workspace_recording_phases_and_an_end(sql_store: SqlStore) -> None:
    begin(sql_store, recording_id="rec-1")
    (row,) = sql_store.list_transcriptions()
    at, phase = row.first_heard_at, row.state.phase
    other = next(p for p in Phase if p is not phase)
    for filters, number in (
        (Filters(workspace=WORKSPACE, recording_id="rec-1", phases=(phase, other), until=at + 1), 1),
        (Filters(workspace="another"), 0),
        (Filters(recording_id="rec"), 0),
        (Filters(phases=(other,)), 0),
        (Filters(until=at), 0),
    ):
        assert len(sql_store.list_transcriptions(filters)) == number, filters
