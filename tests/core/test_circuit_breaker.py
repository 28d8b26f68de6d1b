"""What the end of an attempt says about its provider; its breaker is in `contract/test_store_faults`."""

from __future__ import annotations

import pytest

from app.core import events as ev
from app.core.circuit_breaker import verdicts
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
