"""
The machine as a dialogue, where nothing was said: an empty transcript is provisional while anything that is
open or unread may still bring words.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.core import events as ev
from app.core import reasons
from app.core.commands import (
    AskRecording,
    AskTranscript,
    CreateTranscript,
    FetchTranscript,
    PublishTranscript,
)
from app.core.quality import Action, Quality
from app.core.state import Phase
from app.core.wanted import is_wanted
from tests.core.playbook import (
    HOUR,
    T1,
    T2,
    T3,
    Dialogue,
    long_meeting,
    published,
    silent_then_asked_again,
    stored,
)
from tests.policies import built_in

FIRST, SECOND = (choice.key for choice in built_in().providers[:2])


def test_a_second_empty_transcript_is_no_result_while_an_attempt_runs() -> None:
    d = silent_then_asked_again()
    d.told(ev.TranscriptDone(4, T3))  # another party's
    assert d.told(stored(5, T3, is_empty=True)) == ()
    assert d.phase is Phase.TRANSCRIBING, "the attempt that is paid for may bring words"
    d.told(ev.TranscriptDone(6, T2, 2))
    assert d.told(stored(7, T2)) == (PublishTranscript(T1), PublishTranscript(T3))
    assert (d.phase, d.state.current, d.state.verdict) == (Phase.STORED, T2, "spoken")


def test_two_empty_transcripts_are_a_result_when_the_attempt_fails() -> None:
    d = silent_then_asked_again()
    d.told(ev.TranscriptDone(4, T3))
    d.told(stored(5, T3, is_empty=True))
    assert d.told(ev.TranscriptFailed(6, T2, 2, "x")) == (PublishTranscript(T3),)
    assert d.told(published(7, T3)) == (PublishTranscript(T1),)
    assert (d.phase, d.state.current, d.state.verdict) == (Phase.STORED, T3, "empty")


@pytest.mark.parametrize(
    ("cause", "reason"),
    [("storage_unavailable", reasons.STORAGE), ("http_403", reasons.DOWNLOAD_BLOCKED)],
)
def test_words_that_are_paid_for_and_cannot_be_stored_are_not_passed_off_as_silence(
    cause: str, reason: str
) -> None:
    d = silent_then_asked_again()
    d.told(ev.TranscriptDone(4, T2, 2))
    for hour in (5, 15, 25, 29):
        d.told(ev.FetchBlocked(hour * HOUR, T2, cause))
    assert (d.phase, d.state.reason) == (Phase.FAILED, reason)
    assert d.told(ev.RetryAsked(30 * HOUR, 0)) == (FetchTranscript(T2),)
    d.told(stored(30 * HOUR, T2))
    assert (d.phase, d.state.current, d.state.verdict) == (Phase.STORED, T2, "spoken")


def test_an_empty_transcript_does_not_hurry_the_fetch_that_waits_beside_it() -> None:
    d = silent_then_asked_again()
    d.told(ev.TranscriptDone(4, T2, 2))
    d.told(ev.FetchBlocked(5, T2, "http_403"))
    d.told(ev.TranscriptDone(6, T3))
    assert d.told(stored(7, T3, is_empty=True)) == ()


def test_what_could_not_be_stored_is_fetched_again_when_storing_an_empty_transcript_works() -> None:
    d = silent_then_asked_again()
    d.told(ev.TranscriptDone(4, T2, 2))
    for hour in (5, 15, 25, 29):
        d.told(ev.FetchBlocked(hour * HOUR, T2, "storage_unavailable"))
    d.told(ev.TranscriptDone(30 * HOUR, T3))
    assert d.told(stored(30 * HOUR, T3, is_empty=True)) == (FetchTranscript(T2),)


def test_an_empty_transcript_is_the_result_after_all_when_the_one_that_could_not_be_stored_is_gone() -> None:
    d = silent_then_asked_again()
    d.told(ev.TranscriptDone(4, T2, 2))
    for hour in (5, 15, 25, 29):
        d.told(ev.FetchBlocked(hour * HOUR, T2, "http_403"))
    assert d.phase is Phase.FAILED
    d.told(ev.TranscriptDeleted(30 * HOUR, T2, 2))
    assert d.told(ev.TranscriptGone(30 * HOUR, T2)) == (PublishTranscript(T1),)
    d.told(published(30 * HOUR, T1))
    assert (d.phase, d.state.current, d.state.verdict) == (Phase.STORED, T1, "empty")


def test_an_empty_transcript_beside_a_create_without_an_answer_is_no_result() -> None:
    d = silent_then_asked_again()
    d.told(ev.WaitEnded(30 * HOUR, "ask_transcript", "http_418", transcript_id=T2))
    assert (d.phase, d.state.candidate, d.statuses()) == (Phase.FAILED, T1, ["empty", "running"])
    assert d.told(ev.RetryAsked(31 * HOUR, 0)) == (AskTranscript(T2),)


@pytest.mark.parametrize("action", ["fall-back", "flag"])
def test_the_length_is_asked_for_when_the_attempt_beside_an_empty_transcript_fails(action: Action) -> None:
    d = Dialogue(replace(built_in(), quality=Quality(empty=action)))
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T3))
    assert d.told(stored(2, T3, is_empty=True)) == ()
    assert d.told(ev.TranscriptFailed(3, T1, 1, "x")) == (AskRecording(),)
    assert d.phase is Phase.FETCHING, "nothing runs any more"
    follows = CreateTranscript(2, SECOND) if action == "fall-back" else PublishTranscript(T3)
    assert d.told(long_meeting(4)) == (follows,)


def test_an_empty_transcript_that_comes_while_another_is_published_waits_for_it() -> None:
    d = Dialogue(replace(built_in(), quality=Quality(empty="accept")))
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T1, 1))
    assert d.told(stored(2, T1, is_empty=True)) == (PublishTranscript(T1),)
    d.told(ev.TranscriptDone(3, T3))
    assert d.told(stored(4, T3, is_empty=True)) == (PublishTranscript(T1),)
    assert not is_wanted(d.state, PublishTranscript(T3)), "its manifest is to name the result"
    assert d.told(published(5, T1)) == (PublishTranscript(T3),)
    assert (d.phase, d.state.current) == (Phase.STORED, T1)


def test_an_attempt_that_waits_to_be_sent_goes_on_after_an_empty_transcript_of_another_party() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    d.told(ev.CreateRefused(1, 1, ev.Refusal.ACCOUNT, "http_402", 15))
    d.told(ev.TranscriptDone(2, T3))
    assert d.told(stored(3, T3, is_empty=True)) == (CreateTranscript(1, FIRST, 1),)


def test_nothing_is_asked_about_a_silent_meeting_once_it_is_stored() -> None:
    d = Dialogue(replace(built_in(), quality=Quality(empty="accept")))
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T1, 1))
    d.told(stored(2, T1, is_empty=True))
    assert d.told(published(3, T1)) == ()


def test_another_partys_transcript_that_cannot_be_stored_does_not_end_what_is_being_published() -> None:
    d = Dialogue(replace(built_in(), quality=Quality(empty="accept")))
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T1, 1))
    d.told(stored(2, T1, is_empty=True))
    d.told(ev.TranscriptDone(3, T3))
    for hour in (5, 15, 25, 29):
        d.told(ev.FetchBlocked(hour * HOUR, T3, "http_403"))
    assert (d.phase, d.state.reason) == (Phase.FETCHING, None)
    assert d.told(published(30 * HOUR, T1)) == (FetchTranscript(T3),)


def test_what_could_not_be_stored_beside_a_result_is_fetched_again_when_storing_works() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T1, 1))
    d.told(stored(2, T1))
    d.told(ev.TranscriptDone(3, T2))
    for hour in (5, 15, 25, 29):
        d.told(ev.FetchBlocked(hour * HOUR, T2, "storage_unavailable"))
    d.told(ev.TranscriptDone(30 * HOUR, T3))
    assert d.told(stored(30 * HOUR, T3, is_empty=True)) == (PublishTranscript(T3), FetchTranscript(T2))


def test_an_empty_transcript_is_the_result_when_no_second_opinion_is_wanted_any_more() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T1, 1))
    d.told(stored(2, T1, is_empty=True))
    assert d.told(long_meeting(3)) == (CreateTranscript(2, SECOND),)
    assert d.told(ev.NoLongerWanted(4, 2, "deselected", "excluded")) == (PublishTranscript(T1),)


@pytest.mark.parametrize("is_empty_first", [True, False])
def test_a_silent_meeting_is_completed_though_an_attempt_was_set_aside(*, is_empty_first: bool) -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    told: list[ev.Event] = [
        ev.TranscriptDone(1, T3),
        stored(2, T3, is_empty=True),
        ev.CreateRefused(3, 1, ev.Refusal.LIMIT, "http_400", 0),
    ]
    for event in told if is_empty_first else (told[2], *told[:2]):
        d.told(event)
    assert (d.statuses(), set(d.outbox)) == (["refused"], {PublishTranscript(T3).key})
    d.told(published(4, T3))
    assert (d.phase, d.state.verdict) == (Phase.STORED, "empty")


def test_an_empty_transcript_is_no_result_while_a_request_without_an_answer_may_have_been_heard() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    d.told(ev.CreateUnknown(1, 1, "timeout"))
    d.told(ev.TranscriptDone(2, T3))
    d.told(stored(3, T3, is_empty=True))
    d.told(ev.Listed(60, 1, (), 60.0, 60.0, is_resendable=True))  # the same key goes out again
    d.told(ev.Sending(61, 1, FIRST, 0))
    d.told(ev.CreateNotSent(25 * HOUR, 1, "dns"))
    assert (d.phase, d.state.reason, d.statuses()) == (Phase.FAILED, reasons.CREATE_UNSETTLED, ["claimed"])
    assert d.told(ev.RetryAsked(26 * HOUR, 0)) == (CreateTranscript(1, FIRST),)


def test_the_length_is_asked_for_again_with_growing_waits() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T1, 1))
    assert d.told(stored(2, T1, is_empty=True)) == (AskRecording(),)
    (first,) = d.told(ev.RecordingAsked(3, ev.RecordingCondition.UNKNOWN))
    assert first.after_s > 0
    assert d.told(ev.ClockStepped(4)) == (), "it is being asked for"
    (second,) = d.told(ev.RecordingAsked(70, ev.RecordingCondition.UNKNOWN))
    assert second.after_s > first.after_s


def test_what_is_stored_is_not_skipped_by_a_policy_that_changes_later() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    d.told(ev.CreateRefused(1, 1, ev.Refusal.ACCOUNT, "http_402", 15))
    d.told(ev.TranscriptDone(2, T3))
    d.told(stored(3, T3))
    d.told(ev.NoLongerWanted(4, 1, "deselected", "excluded"))  # of the moment before
    assert (d.phase, d.ignored is not None) == (Phase.STORED, True)
