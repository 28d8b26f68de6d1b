"""Words that were held while another provider was asked are paid for: they are the result in the end."""

from __future__ import annotations

import pytest

from app.core import events as ev
from app.core.commands import PublishTranscript
from app.core.machine import decide
from app.core.policy import Policy, ProviderChoice
from app.core.quality import EMPTY, Quality
from app.core.state import Attempt, AttemptStatus, PendingTranscript, Phase, Transcription

POLICY = Policy((ProviderChoice("a_async"), ProviderChoice("b_async")), 2, quality=Quality(thin="fall-back"))
FIRST = Attempt(1, "a_async", AttemptStatus.DONE, transcript_id="t1")
RUNNING = Attempt(2, "b_async", AttemptStatus.RUNNING, transcript_id="t2", since=10.0)
UNKNOWN = Attempt(2, "b_async", AttemptStatus.UNKNOWN, is_doubtful=True, since=10.0)
UNREAD = (PendingTranscript("t2", 20.0),)


def held(verdict: str, words: int, second: Attempt, unread: tuple[PendingTranscript, ...]) -> Transcription:
    return Transcription(
        "w",
        "r",
        Phase.FETCHING if unread else Phase.CREATING,
        is_recording_done=True,
        attempts=(FIRST, second),
        pending_transcripts=unread,
        processed_transcripts=("t1",),
        candidate="t1",
        candidate_verdict=verdict,
        candidate_words=words,
        attempts_at_candidate=1,
    )


CASES = [
    (RUNNING, UNREAD, ev.CommandFailed(30.0, "fetch_transcript", transcript_id="t2")),
    (UNKNOWN, (), ev.CommandFailed(30.0, "look_up_transcript", 2)),
    (UNKNOWN, (), ev.LookUpImpossible(30.0, 2)),
]


@pytest.mark.parametrize(("second", "unread", "event"), CASES)
def test_held_words_become_the_result_where_the_second_opinion_is_not_heard(
    second: Attempt, unread: tuple[PendingTranscript, ...], event: ev.Event
) -> None:
    told = decide(held("thin", 900, second, unread), event, POLICY)
    assert (told.state.phase, told.state.publishing) == (Phase.FETCHING, "t1")
    assert PublishTranscript("t1") in told.commands
    stored = decide(told.state, ev.Published(40.0, "t1", "a_async", "en"), POLICY)
    assert (stored.state.phase, stored.state.current, stored.state.verdict) == (Phase.STORED, "t1", "thin")
    assert stored.state.is_flagged


@pytest.mark.parametrize(("second", "unread", "event"), CASES)
def test_an_empty_one_that_was_held_does_not(
    second: Attempt, unread: tuple[PendingTranscript, ...], event: ev.Event
) -> None:
    told = decide(held(EMPTY, 0, second, unread), event, POLICY)
    assert (told.state.phase, told.state.publishing) == (Phase.FAILED, None)


def test_the_better_one_takes_its_place_when_it_comes_after_all() -> None:
    t = held("thin", 900, RUNNING, UNREAD)
    told = decide(t, ev.CommandFailed(30.0, "fetch_transcript", transcript_id="t2"), POLICY)
    stored = decide(told.state, ev.Published(40.0, "t1", "a_async", "en"), POLICY)
    late = ev.Stored(50.0, "t2", "b_async", "en", is_empty=False, words=1000)
    assert decide(stored.state, late, POLICY).state.current == "t2"
