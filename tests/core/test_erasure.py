"""Erased: looked for here until the last write is over, and at Recall until nothing more can appear."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.core import events as ev
from app.core.commands import DeleteAtRecall, EraseResults
from app.core.durations import Durations
from app.core.machine import decide
from app.core.policy import Policy, ProviderChoice
from app.core.state import AtRecall, Attempt, AttemptStatus, Phase, Transcription

POLICY = Policy((ProviderChoice("a_async"),), 1)
DELETING = replace(POLICY, delete_at_recall="recording")
LAST_WRITE_S, LAST_APPEARS_S = Durations().last_write_after_s, Durations().never_happened_after_s
AT = 1_000.0
STORED = Transcription(
    "w",
    "r",
    Phase.STORED,
    is_recording_done=True,
    bot_id="b",
    metadata=(("team", "sales"),),
    attempts=(Attempt(1, "a_async", AttemptStatus.DONE, transcript_id="t1"),),
    processed_transcripts=("t1",),
    current="t1",
    verdict="spoken",
    detail="a word of the past",
    completed_at=9.0,
)
ERASED = decide(STORED, ev.EraseAsked(AT), POLICY).state


@pytest.mark.parametrize(("left_s", "again"), [(0.5, (EraseResults(after_s=0.5),)), (0.0, ())])
def test_files_are_deleted_once_more_when_the_last_write_is_over(
    left_s: float, again: tuple[EraseResults, ...]
) -> None:
    told = decide(ERASED, ev.ResultsErased(AT + LAST_WRITE_S - left_s), POLICY)
    assert (told.commands, told.state.is_kept_here) == (again, bool(again))


@pytest.mark.parametrize(("left_s", "again"), [(0.5, (DeleteAtRecall(after_s=0.5),)), (0.0, ())])
def test_recalls_list_is_read_once_more_when_nothing_more_can_appear_in_it(
    left_s: float, again: tuple[DeleteAtRecall, ...]
) -> None:
    told = decide(ERASED, ev.DeletedAtRecall(AT + LAST_APPEARS_S - left_s), POLICY)
    assert (told.commands, told.state.to_delete is not None) == (again, bool(again))


def test_recalls_list_that_shows_something_at_the_last_look_is_read_again_and_not_at_once() -> None:
    told = decide(ERASED, ev.DeletedAtRecall(AT + LAST_APPEARS_S, ("t1",), (1,)), POLICY)
    assert told.commands == (DeleteAtRecall(after_s=Durations().resend_at_most_every_s),)


def test_media_that_was_not_deleted_with_the_transcripts_is_still_to_be_deleted() -> None:
    erased = decide(STORED, ev.EraseAsked(AT, AtRecall.RECORDING), POLICY).state
    listed = decide(erased, ev.DeletedAtRecall(AT + 1.0, ("t1",), (1,)), POLICY).state
    assert listed.to_delete is AtRecall.RECORDING
    whole = decide(listed, ev.DeletedAtRecall(AT + 90.0, is_whole=True), POLICY).state
    assert whole.to_delete is AtRecall.TRANSCRIPT


@pytest.mark.parametrize("at_recall", [AtRecall.TRANSCRIPT, None])
def test_erasing_takes_nothing_back_that_was_to_be_deleted_at_recall(at_recall: AtRecall | None) -> None:
    """By policy, and it had not come to it yet."""
    told = decide(replace(STORED, to_delete=AtRecall.RECORDING), ev.EraseAsked(AT, at_recall), POLICY)
    assert told.state.to_delete is AtRecall.RECORDING
    assert DeleteAtRecall() in told.commands


def test_a_deletion_by_policy_that_was_put_off_is_not_hurried_by_other_news() -> None:
    t = replace(STORED, to_delete=AtRecall.RECORDING)
    news = ev.Rendered(AT, "t1")
    assert decide(t, news, DELETING, pending=(DeleteAtRecall(after_s=30.0),)).commands == ()
    assert decide(t, news, DELETING).commands == (DeleteAtRecall(),)


def test_the_details_of_what_has_ended_go_and_its_result_stays() -> None:
    told = decide(STORED, ev.DetailsExpired(AT), POLICY).state
    assert told == replace(STORED, bot_id=None, metadata=(), detail=None)
