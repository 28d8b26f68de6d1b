"""
The machine as a dialogue, where a transcript falls short: it is held while another provider is asked, and the
better one is the result; a silent room is paid for once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from app.core import events as ev
from app.core.commands import AskRecording, Command, CreateTranscript, FetchTranscript, PublishTranscript
from app.core.quality import RANKED, Action, Quality, is_better
from app.core.rules_create import why_no_further
from app.core.state import Phase
from tests.core.playbook import T1, T2, T3, Dialogue, long_meeting, published
from tests.policies import built_in

FIRST, SECOND, THIRD = (choice.key for choice in built_in().providers)
THIN_FALLS_BACK = Quality(thin="fall-back", wrong_language="fall-back")


def poor(
    at: float, transcript_id: str, finding: str = "thin", *, words: int = 9, is_provisional: bool = True
) -> ev.Stored:
    return ev.Stored(
        at,
        transcript_id,
        FIRST,
        "en",
        is_empty=False,
        finding=finding,
        is_provisional=is_provisional,
        words=words,
    )


def good(at: float, transcript_id: str) -> ev.Stored:
    return ev.Stored(at, transcript_id, SECOND, "en", is_empty=False, words=99)


def empty(at: float, transcript_id: str) -> ev.Stored:
    return ev.Stored(at, transcript_id, FIRST, None, is_empty=True)


def silent_room(at: float) -> ev.RecordingAsked:
    return ev.RecordingAsked(at, ev.RecordingCondition.DONE, duration_s=3600, is_silent=True)


def first_is(event: ev.Event, *, quality: Quality = THIN_FALLS_BACK) -> tuple[Dialogue, tuple[Command, ...]]:
    d = Dialogue(replace(built_in(), quality=quality))
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T1, 1))
    return d, d.told(event)


def second_is(event: ev.Event) -> tuple[Dialogue, tuple[Command, ...]]:
    d, asked = first_is(poor(2, T1))
    assert asked == (CreateTranscript(2, SECOND),)
    assert (d.phase, d.state.current, d.state.candidate) == (Phase.CREATING, None, T1)
    d.attempt_runs(2, T2)
    d.told(ev.TranscriptDone(3, T2, 2))
    return d, d.told(event)


# -- a silent room ---------------------------------------------------------------------------------


def test_a_silent_room_is_paid_for_once_and_completed() -> None:
    d, asked = first_is(empty(2, T1), quality=Quality())
    assert asked == (AskRecording(),), "before it is paid for again"
    assert d.told(silent_room(3)) == (PublishTranscript(T1),)
    d.told(published(4, T1))
    assert (d.phase, d.state.verdict, len(d.state.attempts)) == (Phase.STORED, "silent", 1)
    assert not d.state.is_flagged


def test_an_empty_transcript_although_people_spoke_falls_back() -> None:
    d, _ = first_is(empty(2, T1), quality=Quality())
    assert d.told(long_meeting(3)) == (CreateTranscript(2, SECOND),)


def test_a_silent_room_is_asked_again_where_the_policy_says_so_and_stays_silent() -> None:
    d, _ = first_is(empty(2, T1), quality=Quality(silent="fall-back"))
    assert d.told(silent_room(3)) == (CreateTranscript(2, SECOND),)
    d.attempt_runs(2, T2)
    d.told(ev.TranscriptDone(4, T2, 2))
    assert d.told(empty(5, T2)) == (PublishTranscript(T2),)
    d.told(published(6, T2))
    assert (d.state.verdict, d.state.current, d.state.is_flagged) == ("silent", T2, False)


def test_silence_that_the_timeline_told_with_the_transcript_is_not_asked_about() -> None:
    d, asked = first_is(replace(empty(2, T1), finding="silent"), quality=Quality(evidence="timeline"))
    assert asked == (PublishTranscript(T1),)
    d.told(published(3, T1))
    assert d.state.verdict == "silent"


@pytest.mark.parametrize("is_silent", [True, False])
def test_an_empty_transcript_is_flagged_once_it_is_known_not_to_be_silence(*, is_silent: bool) -> None:
    d, asked = first_is(empty(2, T1), quality=Quality(empty="flag"))
    assert asked == (AskRecording(),)
    assert d.told(silent_room(3) if is_silent else long_meeting(3)) == (PublishTranscript(T1),)
    d.told(published(4, T1))
    assert d.state.is_flagged is not is_silent
    assert len(d.state.attempts) == 1


@pytest.mark.parametrize("quality", [Quality(empty="accept"), Quality(empty="flag", silent="flag")])
def test_nothing_is_asked_where_silence_makes_no_difference(quality: Quality) -> None:
    _, asked = first_is(empty(2, T1), quality=quality)
    assert asked == (PublishTranscript(T1),)


# -- words that fall short ---------------------------------------------------------------------------


def test_a_transcript_that_falls_back_is_held_until_the_better_one_is_there() -> None:
    d, asked = second_is(good(4, T2))
    assert asked == (PublishTranscript(T1),), "its manifest names the result"
    assert (d.phase, d.state.current, d.state.verdict, d.state.is_flagged) == (
        Phase.STORED,
        T2,
        "spoken",
        False,
    )
    d.told(published(5, T1))
    assert (d.state.current, d.state.superseded) == (T2, ())


@pytest.mark.parametrize(
    ("second", "result"),
    [
        (poor(4, T2, words=10), T2),
        (poor(4, T2, words=9), T2),  # the later
        (poor(4, T2, words=8), T1),
        (poor(4, T2, "wrong_language", words=1_000), T1),
        (poor(4, T2, "disordered", words=1), T2),
        (empty(4, T2), T1),
    ],
)
def test_the_better_of_two_that_fall_short_is_the_result_and_nothing_further_is_paid(
    second: ev.Stored, result: str
) -> None:
    d, asked = second_is(second)
    assert asked == (PublishTranscript(result),)
    other = T1 if result == T2 else T2
    assert d.told(published(5, result)) == (PublishTranscript(other),)
    assert (d.phase, d.state.current, d.state.is_flagged) == (Phase.STORED, result, True)
    assert len(d.state.attempts) == 2


def test_what_is_flagged_is_no_result_where_the_candidate_is_better() -> None:
    quality = Quality(thin="fall-back", wrong_language="flag")
    d, _ = first_is(poor(2, T1), quality=quality)
    d.attempt_runs(2, T2)
    d.told(ev.TranscriptDone(3, T2, 2))
    assert d.told(poor(4, T2, "wrong_language", is_provisional=False)) == (PublishTranscript(T1),)
    assert d.told(published(5, T1)) == (PublishTranscript(T2),)
    assert (d.state.current, d.state.verdict) == (T1, "thin")


def test_a_flagged_transcript_is_the_result_at_once() -> None:
    d, asked = first_is(poor(2, T1, is_provisional=False), quality=Quality())
    assert asked == ()
    assert (d.phase, d.state.verdict, d.state.is_flagged) == (Phase.STORED, "thin", True)


def test_a_candidate_with_words_is_the_result_when_the_second_fails() -> None:
    d, _ = first_is(poor(2, T1))
    d.attempt_runs(2, T2)
    assert d.told(ev.TranscriptFailed(3, T2, 2, "x")) == (PublishTranscript(T1),)
    d.told(published(4, T1))
    assert (d.phase, d.state.verdict, d.state.is_flagged) == (Phase.STORED, "thin", True)


def test_a_candidate_is_the_result_where_the_budget_is_used_up() -> None:
    d = Dialogue(replace(built_in(), quality=THIN_FALLS_BACK, attempts=1))
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T1, 1))
    assert d.told(poor(2, T1)) == (PublishTranscript(T1),)


def test_an_attempt_that_was_planned_for_a_verdict_is_not_sent_when_the_policy_accepts_it_now() -> None:
    d, _ = first_is(poor(2, T1))
    assert why_no_further(d.state, 2, d.policy) is None
    d.policy = replace(d.policy, quality=Quality())
    assert why_no_further(d.state, 2, d.policy) == "quality.thin"
    assert d.told(ev.NoLongerWanted(3, 2, "no_further_attempt", "quality.thin")) == (PublishTranscript(T1),)


def test_a_candidate_waits_for_what_is_under_way_and_is_no_end_to_it() -> None:
    d = Dialogue(replace(built_in(), quality=THIN_FALLS_BACK))
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T3))  # another party's
    assert d.told(poor(2, T3)) == ()
    assert d.phase is Phase.TRANSCRIBING
    d.told(ev.TranscriptDone(3, T1, 1))
    assert d.told(empty(4, T1)) == (PublishTranscript(T3),), "a second opinion was heard"


def test_a_better_transcript_that_comes_late_becomes_the_result_and_a_worse_one_does_not() -> None:
    d, _ = first_is(poor(2, T1, is_provisional=False), quality=Quality())
    d.told(ev.TranscriptDone(3, T2))
    d.told(poor(4, T2, "cut_off", is_provisional=False))
    assert (d.state.current, d.state.verdict) == (T1, "thin")
    d.told(ev.TranscriptDone(5, T3))
    d.told(good(6, T3))
    assert (d.state.current, d.state.verdict, d.state.is_flagged) == (T3, "spoken", False)


def test_a_candidate_that_comes_beside_a_result_gets_its_manifest_after_it() -> None:
    d, _ = first_is(good(2, T1))
    d.told(ev.TranscriptDone(3, T2))
    assert d.told(poor(4, T2)) == (PublishTranscript(T2),)
    assert d.state.current == T1


def test_a_candidate_beside_a_failure_is_the_result() -> None:
    d = Dialogue(replace(built_in(), quality=THIN_FALLS_BACK, attempts=1))
    d.told(ev.RecordingDone(0))
    d.attempt_fails(1, T1)
    assert d.phase is Phase.FAILED
    assert d.told(ev.TranscriptDone(1, T3)) == (FetchTranscript(T3),)
    assert d.told(poor(2, T3)) == (PublishTranscript(T3),)


# -- the policy's table ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quality", "found", "named"),
    [
        (Quality(), ("disordered", "thin"), "thin"),
        (Quality(thin="accept"), ("disordered", "thin"), "disordered"),
        (Quality(thin="fall-back"), ("thin", "cut_off"), "thin"),
        (Quality(), ("cut_off", "thin", "one_speaker_of_many"), "cut_off"),
        (Quality(), (), None),
    ],
)
def test_of_several_verdicts_the_weightiest_is_reported(
    quality: Quality, found: tuple[str, ...], named: str | None
) -> None:
    assert quality.weightiest(found) == named


@pytest.mark.parametrize("action", ["accept", "flag", "fall-back"])
@pytest.mark.parametrize("verdict", RANKED[1:])
def test_each_verdict_has_an_action_and_only_words_are_flagged_for_a_second_try(
    verdict: str, action: Action
) -> None:
    quality = Quality(**cast(Any, {verdict: action}))
    assert quality.action(verdict) == action
    assert quality.calls_for_another(verdict) is (action == "fall-back")
    is_told = action == "flag" or (action == "fall-back" and verdict not in ("empty", "silent"))
    assert quality.is_flagged(verdict) is is_told


@pytest.mark.parametrize("verdict", ["spoken", "unreadable", "evidence", None])
def test_what_is_not_in_the_table_is_accepted(verdict: str | None) -> None:
    assert Quality().action(verdict) == "accept"


def test_any_verdict_is_better_than_none() -> None:
    assert is_better("empty", 0, verdict_before=None, words_before=0)
