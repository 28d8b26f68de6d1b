"""What the end of an attempt says about its provider, and when a provider counts as down."""

from __future__ import annotations

import pytest

from app.core import events as ev
from app.core.circuit_breaker import CircuitBreaker, verdicts
from app.core.machine import decide
from app.core.seen import FailureCause, Seen, TranscriptStatus
from app.core.state import Transcription
from tests.core.playbook import Dialogue, stored
from tests.policies import built_in

FIRST = built_in().providers[0].key
T1 = "t1"


def running() -> Transcription:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    return d.state


def learnt(before: Transcription, event: ev.Event) -> list[tuple[str, bool]]:
    return list(verdicts(before, decide(before, event, built_in()).state, event))


def listed(failure: FailureCause, status: TranscriptStatus = TranscriptStatus.FAILED) -> ev.Listed:
    return ev.Listed(1, 1, (Seen(T1, status, 1, FIRST, "x", failure=failure),))


@pytest.mark.parametrize("failure", FailureCause)
def test_a_failed_transcript_counts_against_its_provider_only_where_the_provider_is_the_cause(
    failure: FailureCause,
) -> None:
    against = [(FIRST, False)] if failure is FailureCause.PROVIDER else []
    assert learnt(running(), ev.TranscriptFailed(1, T1, 1, "x", failure)) == against
    assert learnt(running(), listed(failure)) == against
    fetched = decide(running(), ev.TranscriptDone(1, T1, 1), built_in()).state
    assert learnt(fetched, ev.TranscriptGone(1, T1, "x", failure)) == against


def test_a_deleted_transcript_is_nothing_against_its_provider_whatever_its_code_says() -> None:
    assert learnt(running(), listed(FailureCause.PROVIDER, TranscriptStatus.DELETED)) == []
    assert learnt(running(), ev.TranscriptGone(1, T1)) == []


@pytest.mark.parametrize("refusal", ev.Refusal)
def test_a_refused_create_counts_against_the_provider_only_where_it_is_about_the_provider(
    refusal: ev.Refusal,
) -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    against = [(FIRST, False)] if refusal is ev.Refusal.PROVIDER else []
    assert learnt(d.state, ev.CreateRefused(1, 1, refusal, "http_400")) == against


@pytest.mark.parametrize("is_empty", [False, True])
def test_a_finished_transcript_says_that_its_provider_works(is_empty: bool) -> None:
    done = ev.TranscriptDone(1, T1, 1)
    assert learnt(running(), done) == [(FIRST, True)]
    fetched = decide(running(), done, built_in()).state
    assert learnt(fetched, stored(2, T1, is_empty=is_empty)) == ([(FIRST, True)] if is_empty else [])


def test_an_attempt_of_an_unknown_provider_says_nothing_and_hides_none_after_it() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Created(1, 0, "t0", None))
    d.told(ev.Created(2, 1, T1, FIRST))
    both = ev.Listed(
        3,
        0,
        (
            Seen("t0", TranscriptStatus.FAILED, 0, None, "x", failure=FailureCause.PROVIDER),
            Seen(T1, TranscriptStatus.DONE, 1, FIRST),
        ),
    )
    assert learnt(d.state, both) == [(FIRST, True)]


def test_an_attempt_that_was_not_known_before_says_nothing_and_hides_none_after_it() -> None:
    both = ev.Listed(
        3,
        0,
        (Seen("t0", TranscriptStatus.DONE, 0, "other"), Seen(T1, TranscriptStatus.DONE, 1, FIRST)),
    )
    assert learnt(running(), both) == [(FIRST, True)]


def test_the_policy_of_now_ends_an_attempt_and_its_provider_is_not_to_blame() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    d.told(ev.CreateRefused(1, 1, ev.Refusal.BUSY, "http_429"))
    assert learnt(d.state, ev.NoLongerWanted(2, 1, "no_further_attempt", "attempts")) == []


# -- the breaker -----------------------------------------------------------------------------------


def after_failures(number: int, breaker: CircuitBreaker | None = None) -> CircuitBreaker:
    breaker = breaker or CircuitBreaker()
    for n in range(number):
        breaker = breaker.failed(now=100.0 + n, open_s=60.0)
    return breaker


def test_five_failures_in_a_row_shut_it_for_its_time() -> None:
    assert after_failures(4) == CircuitBreaker(failures=4)
    assert not after_failures(4).is_open(103.0)
    assert after_failures(5) == CircuitBreaker(5, open_until=164.0, open_for_s=60.0)
    assert after_failures(5).is_open(163.9)
    assert not after_failures(5).is_open(164.0)


def test_failures_of_attempts_that_were_under_way_are_only_counted() -> None:
    assert after_failures(7) == CircuitBreaker(7, open_until=164.0, open_for_s=60.0)


def test_while_a_probe_is_out_none_else_enters() -> None:
    probing = after_failures(5).probed(now=170.0, probe_s=30.0)
    assert probing.probing_until == 200.0
    assert probing.is_open(199.9)
    assert not probing.is_open(200.0)


def test_a_probe_that_fails_shuts_it_for_twice_as_long_up_to_eight_times_the_first() -> None:
    breaker, times = after_failures(5), []
    for n in range(5):
        breaker = breaker.probed(now=1_000.0 + n, probe_s=30.0).failed(now=1_001.0 + n, open_s=60.0)
        assert breaker.probing_until is None
        assert breaker.open_until == 1_001.0 + n + (breaker.open_for_s or 0.0)
        times.append(breaker.open_for_s)
    assert times == [120.0, 240.0, 480.0, 480.0, 480.0]
    assert breaker.failures == 10


def test_a_breaker_moves_with_the_clock() -> None:
    assert CircuitBreaker(3).moved(50.0) == CircuitBreaker(3)
    assert after_failures(5).moved(50.0) == CircuitBreaker(5, 214.0, 60.0)
    probing = after_failures(5).probed(now=170.0, probe_s=30.0).moved(-50.0)
    assert probing == CircuitBreaker(5, 114.0, 60.0, 150.0)
