"""
Answers that are true of something, but not of what they seem to be about; decisions under a policy of before:
dialogues with the machine.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.core import events as ev
from app.core.commands import CreateTranscript, FetchTranscript, LookUpTranscript, PruneTranscript
from app.core.rules_create import why_not_send
from app.core.seen import FailureCause, Seen, TranscriptStatus
from app.core.state import Phase
from tests.core.playbook import HOUR, T1, T2, Dialogue
from tests.policies import built_in

FIRST, SECOND = (choice.key for choice in built_in().providers[:2])


def second_is_sent() -> Dialogue:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_fails(1, T1)
    d.told(ev.Sending(1, 2, SECOND, 0))
    return d


def test_create_answered_with_the_transcript_of_an_earlier_attempt_is_looked_up() -> None:
    d = second_is_sent()
    assert d.told(ev.Created(2, 2, T1, SECOND)) == (LookUpTranscript(2, after_s=2),)
    assert d.statuses() == ["failed", "unknown"]
    seen = (Seen(T1, TranscriptStatus.FAILED, 1, FIRST), Seen(T2, TranscriptStatus.PROCESSING, 2, SECOND))
    d.told(ev.Listed(5, 2, seen, 4, 4))
    assert d.state.attempts[1].transcript_id == T2
    assert d.statuses() == ["failed", "running"]


def test_a_list_that_gives_an_earlier_attempts_transcript_another_marker_moves_nothing() -> None:
    d = second_is_sent()
    d.told(ev.CreateUnknown(2, 2))
    d.told(ev.Listed(5, 2, (Seen(T1, TranscriptStatus.FAILED, 2, FIRST),), 4, 4))
    assert d.statuses() == ["failed", "claimed"]
    assert d.state.attempts[1].transcript_id is None


@pytest.mark.parametrize(
    ("sub_code", "error"), [("provider_connection_failed",) * 2, (None, "deleted_at_recall")]
)
def test_transcript_that_failed_after_all_keeps_the_name_of_its_failure(
    sub_code: str | None, error: str
) -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    assert d.told(ev.TranscriptDone(1, T1, 1)) == (FetchTranscript(T1),)
    assert d.told(ev.TranscriptGone(2, T1, sub_code)) == (CreateTranscript(2, SECOND),)
    assert d.state.attempts[0].error == error


def test_transcript_that_failed_after_all_for_its_platform_is_cured_by_no_other_provider() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T1, 1))
    assert d.told(ev.TranscriptGone(2, T1, "zoom_captions_failure", FailureCause.PLATFORM)) == ()
    assert (d.phase, d.state.reason) == (Phase.FAILED, "no_provider_can_cure")


def ended_by_a_lower_budget() -> Dialogue:
    """The second attempt waited for money while `attempts` was set to 1."""
    d = second_is_sent()
    d.told(ev.CreateRefused(2, 2, ev.Refusal.ACCOUNT, "http_402"))
    d.policy = replace(d.policy, attempts=1)
    unwanted = why_not_send(d.state, 2, SECOND, d.policy)
    assert unwanted is not None
    assert d.told(unwanted) == ()
    assert (d.phase, d.statuses()) == (Phase.FAILED, ["failed", "refused"])
    return d


def test_retry_of_an_attempt_above_the_budget_of_now_says_so_and_the_number_orders_it() -> None:
    d = ended_by_a_lower_budget()
    d.told(ev.RetryAsked(3, 0))
    assert d.ignored is not None
    assert "--budget" in d.ignored
    assert d.told(ev.RetryAsked(4, 2)) == (CreateTranscript(2, SECOND, 1),)
    assert why_not_send(d.state, 2, SECOND, d.policy) is None


def test_room_that_is_made_again_and_again_in_vain_is_waited_for_no_longer_than_a_day() -> None:
    d = Dialogue(replace(built_in(), at_limit="prune"))
    d.told(ev.RecordingDone(0))
    at, deletions = 0.0, 0
    while d.phase is Phase.CREATING:
        key_serial = d.state.attempts[0].key_serial if d.state.attempts else 0
        d.told(ev.Sending(at, 1, FIRST, key_serial))
        for command in d.told(ev.CreateRefused(at, 1, ev.Refusal.LIMIT, "http_400")):
            assert isinstance(command, PruneTranscript)
            assert d.told(ev.Pruned(at, 1, has_room=True)), "there seems to be room"
            at, deletions = at + command.after_s + 1.0, deletions + 1
        assert deletions < 2_000, "once a minute at most"
    assert (d.phase, d.state.reason) == (Phase.FAILED, "recall_limit_of_transcripts_reached")
    assert 24 * HOUR <= at < 25 * HOUR


def test_what_one_key_began_to_miss_and_another_went_on_missing_is_missed_by_neither() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptMissing(10, T1, 10, key="a"))
    for at in (700, 800, 900):
        d.told(ev.TranscriptMissing(at - 1, T1, at - 1, key="b"))
        d.told(ev.Listed(at, 0, transcript_id=T1, key="b"))
    d.told(ev.RecordingAsked(901, ev.RecordingCondition.DONE, key="a"))
    assert d.statuses() == ["running"], "key b may be another workspace's, and key a saw one 404"


@pytest.mark.parametrize(
    ("is_unexpected", "reason"), [(True, "recall_answers_unexpectedly"), (False, "left_without_an_event")]
)
def test_a_wait_that_ends_on_an_answer_without_a_meaning_says_so(is_unexpected: bool, reason: str) -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.WaitEnded(1, "ask_transcript", "http_418", transcript_id=T1, is_unexpected=is_unexpected))
    assert (d.phase, d.state.reason, d.state.detail) == (Phase.FAILED, reason, "ask_transcript: http_418")


@pytest.mark.parametrize(
    ("is_unexpected", "reason"), [(True, "recall_answers_unexpectedly"), (False, "download_blocked")]
)
def test_a_download_that_its_question_never_led_to_has_the_reason_of_the_question(
    is_unexpected: bool, reason: str
) -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(0, T1, 1))
    for hour in (0, 8, 16, 24):
        d.told(ev.FetchBlocked(3_600 * hour, T1, "recall_http_418", is_unexpected))
    assert (d.phase, d.state.reason) == (Phase.FAILED, reason)
