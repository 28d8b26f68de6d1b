"""What every store promises about whose fault it is: providers that are down, accounts, and whose turn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.core.circuit_breaker import FAILURE_THRESHOLD, LONGEST
from app.core.commands import AskTranscript, CreateTranscript
from app.orchestrator.provider_forms import KnownForm
from app.orchestrator.records import PauseSubject, SendOutcome
from tests.contract.conftest import AnyStore, Place
from tests.contract.store_builders import RECORDING, WORKSPACE, at_once, begin, claim

OTHER = "b0000000-0000-4000-8000-000000000002"
P, OPEN_S, PROBE_S = "deepgram_async", 120.0, 900.0


def fail(store: AnyStore, times: int = 1, *, provider: str = P, workspace: str = WORKSPACE) -> None:
    for _ in range(times):
        store.record_result(workspace, provider, worked=False, open_s=OPEN_S)


def work(store: AnyStore) -> None:
    store.record_result(WORKSPACE, P, worked=True, open_s=OPEN_S)


def enter(store: AnyStore) -> bool:
    return store.allow_request(WORKSPACE, P, probe_s=PROBE_S)


def fail_probe(store: AnyStore, *, open_for_s: float) -> None:
    """Waits for the end of `open_for_s`, which must not come sooner; tries, and fails."""
    store.clock_offset_s += open_for_s - 2
    assert not enter(store), "still shut"
    store.clock_offset_s += 3
    assert enter(store)
    fail(store)


# -- providers -------------------------------------------------------------------------------------


def test_what_is_known_of_a_form_is_changed_by_one_caller_at_a_time_and_loaded(store: AnyStore) -> None:
    def hold(name: str) -> KnownForm:
        return store.update_form(WORKSPACE, P, lambda known, now: known.held(name, now=now, hold_s=60))

    seen = [known for known in at_once(hold, "abcdefgh") if isinstance(known, KnownForm)]
    assert (len(seen), len({known.held_by for known in seen})) == (8, 1)
    learned = store.update_form(WORKSPACE, P, lambda known, now: known.accepted("recall"))
    gone = store.update_form(WORKSPACE, P, lambda known, now: known.without_model("m", now=now, for_s=9))
    assert gone == replace(learned, refused_models=("m",), models_until=gone.models_until)
    assert store.load(WORKSPACE, "any").forms == {P: gone}
    assert store.load("other", "any").forms == {}
    store.clock_offset_s += 10
    assert store.load(WORKSPACE, "any").forms == {P: replace(gone, refused_models=())}


def test_some_failures_in_a_row_open_one_provider_and_only_that_one(store: AnyStore) -> None:
    fail(store, FAILURE_THRESHOLD - 1)
    assert store.tripped_providers(WORKSPACE) == frozenset()
    assert enter(store)
    fail(store)
    assert store.tripped_providers(WORKSPACE) == {P}
    assert not enter(store)
    assert store.tripped_providers("other") == frozenset()
    assert store.allow_request("other", P, probe_s=PROBE_S)
    assert store.allow_request(WORKSPACE, "assembly_ai_async", probe_s=PROBE_S)


def test_failures_with_a_success_between_them_are_not_in_a_row(store: AnyStore) -> None:
    fail(store, FAILURE_THRESHOLD - 1)
    work(store)
    fail(store, FAILURE_THRESHOLD - 1)
    assert store.tripped_providers(WORKSPACE) == frozenset()


def test_a_provider_that_never_failed_may_work_without_a_trace(store: AnyStore) -> None:
    work(store)
    assert enter(store)
    assert store.tripped_providers(WORKSPACE) == frozenset()


def test_when_its_time_is_over_one_caller_probes_for_all(place: Place) -> None:
    stores = [place.open() for _ in range(4)]
    fail(stores[0], FAILURE_THRESHOLD)
    for store in set(stores):
        store.clock_offset_s += OPEN_S + 1
    assert stores[0].tripped_providers(WORKSPACE) == frozenset(), "due for a probe"
    results = at_once(enter, stores * 3)
    assert sorted(map(bool, results)) == [False] * 11 + [True]
    assert stores[0].tripped_providers(WORKSPACE) == {P}, "the others go elsewhere meanwhile"


def test_a_probe_that_tried_nothing_gives_its_place_back(store: AnyStore) -> None:
    fail(store, FAILURE_THRESHOLD)
    store.clock_offset_s += OPEN_S + 1
    assert enter(store)
    assert not enter(store)
    store.release_probe(WORKSPACE, P)
    assert enter(store)
    work(store)
    store.release_probe(WORKSPACE, P)
    assert enter(store), "an open one has no place to give back"


def test_a_probe_that_works_opens_the_provider_and_forgets_everything(store: AnyStore) -> None:
    fail(store, FAILURE_THRESHOLD)
    fail_probe(store, open_for_s=OPEN_S)
    store.clock_offset_s += 2 * OPEN_S + 1
    assert enter(store)
    work(store)
    assert store.tripped_providers(WORKSPACE) == frozenset()
    assert [enter(store), enter(store)] == [True, True]
    fail(store, FAILURE_THRESHOLD)
    store.clock_offset_s += OPEN_S + 1
    assert enter(store), "shut for the first time again"


def test_each_probe_that_fails_opens_for_longer_up_to_a_limit(store: AnyStore) -> None:
    fail(store, FAILURE_THRESHOLD)
    for factor in (1, 2, 4, LONGEST, LONGEST):
        fail_probe(store, open_for_s=factor * OPEN_S)
        assert store.tripped_providers(WORKSPACE) == {P}


def test_a_probe_nobody_hears_of_again_is_taken_by_another_later(store: AnyStore) -> None:
    fail(store, FAILURE_THRESHOLD)
    store.clock_offset_s += OPEN_S + 1
    assert enter(store)
    store.clock_offset_s += PROBE_S - 2
    assert not enter(store)
    store.clock_offset_s += 3
    assert store.tripped_providers(WORKSPACE) == frozenset()
    assert enter(store)


def test_failures_of_attempts_already_under_way_do_not_prolong_it(store: AnyStore) -> None:
    fail(store, FAILURE_THRESHOLD)
    store.clock_offset_s += OPEN_S / 2
    fail(store, 20)
    store.clock_offset_s += OPEN_S / 2 + 1
    fail(store)
    assert enter(store)


def test_a_late_success_closes_an_open_breaker(store: AnyStore) -> None:
    fail(store, FAILURE_THRESHOLD)
    work(store)
    assert store.tripped_providers(WORKSPACE) == frozenset()
    assert enter(store)


def test_failures_told_at_once_are_all_counted(place: Place) -> None:
    stores = [place.open() for _ in range(FAILURE_THRESHOLD)]
    assert at_once(fail, stores) == [None] * FAILURE_THRESHOLD
    assert stores[0].tripped_providers(WORKSPACE) == {P}


# -- how long an account refused us ---------------------------------------------------------------


def paused_for(store: AnyStore, seconds: float, *, workspace: str = WORKSPACE) -> None:
    store.pause(workspace, PauseSubject.ACCOUNT, 402, probe_after_s=15)
    store.clock_offset_s += seconds
    store.unpause(workspace)


def test_the_time_paused_is_the_sum_of_its_pauses_and_of_the_running_one(store: AnyStore) -> None:
    began_at = store.now()
    assert store.paused_since(WORKSPACE, began_at) == 0.0
    paused_for(store, 100)
    store.clock_offset_s += 1000
    paused_for(store, 20)
    store.clock_offset_s += 1000
    store.pause(WORKSPACE, PauseSubject.ACCOUNT, 401, probe_after_s=15)
    store.clock_offset_s += 3
    assert store.paused_since(WORKSPACE, began_at) == pytest.approx(123, abs=1)


def test_a_pause_about_creates_alone_stops_no_clock_and_no_command_of_anything_else(store: AnyStore) -> None:
    began_at = store.now()
    begin(store, CreateTranscript(1, P), recording_id=RECORDING)
    begin(store, AskTranscript("t"), recording_id=OTHER)
    store.pause(WORKSPACE, PauseSubject.CREATES, 402, probe_after_s=60)
    store.clock_offset_s += 30
    offered = [item.description for item in store.due(10, offer_again_s=1)]
    assert [d for d in offered if d.startswith("ask")], "reads go on"
    assert not [d for d in offered if d.startswith("create")], "creates wait for the probe"
    for state in ("running", "over"):
        assert store.paused_since(WORKSPACE, began_at) == pytest.approx(30, abs=1), state
        assert store.paused_since(WORKSPACE, began_at, for_creates=False) == 0.0, state
        store.unpause(WORKSPACE)


def test_of_a_pause_only_what_came_after_a_time_counts(store: AnyStore) -> None:
    paused_for(store, 100)
    assert store.paused_since(WORKSPACE, store.now() - 40) == pytest.approx(40, abs=1)
    assert store.paused_since(WORKSPACE, store.now() + 9) == 0.0
    store.clock_offset_s += 50
    assert store.paused_since(WORKSPACE, store.now() - 40) == 0.0
    store.pause(WORKSPACE, PauseSubject.ACCOUNT, 402, probe_after_s=15)
    store.clock_offset_s += 60
    assert store.paused_since(WORKSPACE, store.now() - 40) == pytest.approx(40, abs=1)


def test_pauses_of_another_workspace_do_not_count_and_ending_none_leaves_nothing(store: AnyStore) -> None:
    began_at = store.now()
    paused_for(store, 100, workspace="other")
    store.unpause(WORKSPACE)
    assert store.paused_since(WORKSPACE, began_at) == 0.0


def test_a_pause_ended_by_many_at_once_is_counted_once(place: Place) -> None:
    stores = [place.open() for _ in range(6)]
    began_at = stores[0].now()
    stores[0].pause(WORKSPACE, PauseSubject.ACCOUNT, 402, probe_after_s=15)
    for store in set(stores):
        store.clock_offset_s += 100
    assert at_once(lambda store: store.unpause(WORKSPACE), stores) == [None] * 6
    assert stores[0].paused_since(WORKSPACE, began_at) == pytest.approx(100, abs=2)


# -- a 403: the payload's fault or the account's -------------------------------------------------


def sent(store: AnyStore, recording_id: str, outcome: SendOutcome | None, *, ordinal: int = 1) -> None:
    """A create of a recording, answered."""
    if store.load(WORKSPACE, recording_id).version == 0:
        begin(store, recording_id=recording_id)
    send_id = claim(store, recording_id=recording_id, ordinal=ordinal, budget=9).send_id
    assert send_id is not None
    if outcome is not None:
        store.record_send_outcome(send_id, outcome=outcome)
    store.clock_offset_s += 1


def is_refused_elsewhere(store: AnyStore) -> bool:
    return store.creates_refused_elsewhere(WORKSPACE, RECORDING, within_s=600)


def test_a_403_of_this_recording_alone_points_at_its_payload(store: AnyStore) -> None:
    assert not is_refused_elsewhere(store)
    sent(store, RECORDING, SendOutcome("refused", 403))
    assert not is_refused_elsewhere(store)


def test_a_403_of_another_recording_points_at_the_account(store: AnyStore) -> None:
    sent(store, "another", SendOutcome("refused", 403))
    sent(store, RECORDING, SendOutcome("refused", 403))
    assert is_refused_elsewhere(store)
    assert not store.creates_refused_elsewhere("other", RECORDING, within_s=600)


def test_a_403_of_long_ago_points_at_nothing(store: AnyStore) -> None:
    sent(store, "another", SendOutcome("refused", 403))
    store.clock_offset_s += 600
    assert not is_refused_elsewhere(store)


@pytest.mark.parametrize("who", [RECORDING, "another", "a third"])
def test_a_create_that_worked_since_clears_the_account(store: AnyStore, who: str) -> None:
    sent(store, "another", SendOutcome("refused", 403))
    sent(store, who, SendOutcome("created", 200), ordinal=2)
    assert not is_refused_elsewhere(store)
    sent(store, "another", SendOutcome("refused", 403), ordinal=3)
    assert is_refused_elsewhere(store)


@pytest.mark.parametrize(
    "outcome",
    [
        SendOutcome("refused", 400),
        SendOutcome("refused", 429),
        SendOutcome("unknown"),
        SendOutcome("not_sent"),
    ],
)
def test_other_outcomes_are_no_403_and_take_back_that_recordings_own(
    store: AnyStore, outcome: SendOutcome
) -> None:
    sent(store, "another", outcome)
    assert not is_refused_elsewhere(store)
    sent(store, "another", SendOutcome("refused", 403), ordinal=2)
    assert is_refused_elsewhere(store)
    sent(store, "a third", outcome)
    assert is_refused_elsewhere(store), "a third recording says nothing about the second"
    sent(store, "another", outcome, ordinal=3)
    assert not is_refused_elsewhere(store)


def test_a_send_without_an_answer_yet_says_nothing(store: AnyStore) -> None:
    sent(store, "another", SendOutcome("refused", 403))
    sent(store, "another", None, ordinal=2)
    assert is_refused_elsewhere(store)


# -- whose turn ------------------------------------------------------------------------------------


def test_of_many_one_claims_the_interval_and_then_none_for_a_while(place: Place) -> None:
    stores = [place.open() for _ in range(4)]
    for _ in range(2):
        results = at_once(lambda store: store.claim_interval("reconcile", every_s=300), stores * 3)
        assert sorted(map(bool, results)) == [False] * 11 + [True]
        for store in set(stores):
            store.clock_offset_s += 299
        assert not stores[0].claim_interval("reconcile", every_s=300)
        for store in set(stores):
            store.clock_offset_s += 2


def test_intervals_of_other_names_are_independent(store: AnyStore) -> None:
    assert store.claim_interval("reconcile", every_s=300)
    assert store.claim_interval("sweep", every_s=300)
    assert not store.claim_interval("sweep", every_s=300)
