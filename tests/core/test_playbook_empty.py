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
from app.core.policy import built_in
from app.core.state import Goal
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

SECOND = built_in().providers[1].key


def test_a_second_empty_transcript_is_no_result_while_an_attempt_runs() -> None:
    d = silent_then_asked_again()
    d.told(ev.TranscriptDone(4, T3))  # another party's
    assert d.told(stored(5, T3, is_empty=True)) == ()
    assert d.goal is Goal.TRANSCRIBING, "the attempt that is paid for may bring words"
    d.told(ev.TranscriptDone(6, T2, 2))
    assert d.told(stored(7, T2)) == (PublishTranscript(T1), PublishTranscript(T3))
    assert (d.goal, d.state.current, d.state.verdict) == (Goal.STORED, T2, "spoken")


def test_two_empty_transcripts_are_a_result_when_the_attempt_fails() -> None:
    d = silent_then_asked_again()
    d.told(ev.TranscriptDone(4, T3))
    d.told(stored(5, T3, is_empty=True))
    assert d.told(ev.TranscriptFailed(6, T2, 2, "x")) == (PublishTranscript(T3),)
    assert d.told(published(7, T3)) == (PublishTranscript(T1),)
    assert (d.goal, d.state.current, d.state.verdict) == (Goal.STORED, T3, "empty")


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
    assert (d.goal, d.state.reason) == (Goal.FAILED, reason)
    assert d.told(ev.RetryAsked(30 * HOUR, 0)) == (FetchTranscript(T2),)
    d.told(stored(30 * HOUR, T2))
    assert (d.goal, d.state.current, d.state.verdict) == (Goal.STORED, T2, "spoken")


def test_an_empty_transcript_is_the_result_after_all_when_the_one_that_could_not_be_stored_is_gone() -> None:
    d = silent_then_asked_again()
    d.told(ev.TranscriptDone(4, T2, 2))
    for hour in (5, 15, 25, 29):
        d.told(ev.FetchBlocked(hour * HOUR, T2, "http_403"))
    assert d.goal is Goal.FAILED
    d.told(ev.TranscriptDeleted(30 * HOUR, T2, 2))
    assert d.told(ev.TranscriptGone(30 * HOUR, T2)) == (PublishTranscript(T1),)
    d.told(published(30 * HOUR, T1))
    assert (d.goal, d.state.current, d.state.verdict) == (Goal.STORED, T1, "empty")


def test_an_empty_transcript_beside_a_create_without_an_answer_is_no_result() -> None:
    d = silent_then_asked_again()
    d.told(ev.WaitEnded(30 * HOUR, "ask_transcript", "http_418", transcript_id=T2))
    assert (d.goal, d.state.candidate, d.fates()) == (Goal.FAILED, T1, ["empty", "running"])
    assert d.told(ev.RetryAsked(31 * HOUR, 0)) == (AskTranscript(T2),)


def test_the_length_is_asked_for_when_the_attempt_beside_an_empty_transcript_fails() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T3))
    assert d.told(stored(2, T3, is_empty=True)) == ()
    assert d.told(ev.TranscriptFailed(3, T1, 1, "x")) == (AskRecording(),)
    assert d.told(long_meeting(4)) == (CreateTranscript(2, SECOND),)


def test_an_empty_transcript_that_comes_while_another_is_published_waits_for_it() -> None:
    d = Dialogue(replace(built_in(), fallback_on_empty=False))
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T1, 1))
    assert d.told(stored(2, T1, is_empty=True)) == (PublishTranscript(T1),)
    d.told(ev.TranscriptDone(3, T3))
    assert d.told(stored(4, T3, is_empty=True)) == (PublishTranscript(T1),)
    assert d.told(published(5, T1)) == (PublishTranscript(T3),)
    assert (d.goal, d.state.current) == (Goal.STORED, T1)
