"""
Read this first: the machine as a dialogue. An event goes in, the commands come out.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.core import events as ev
from app.core import reasons
from app.core.commands import (
    AskRecording,
    AskTranscript,
    AwaitProvider,
    Command,
    CreateTranscript,
    FetchTranscript,
    LookUpTranscript,
    PublishTranscript,
    from_record,
    is_same_wish,
    sentence,
    to_record,
)
from app.core.durations import Durations
from app.core.policy import Policy, ProviderChoice, Selection, why_not_selected
from app.core.quality import Quality
from app.core.rules_create import why_not_send
from app.core.seen import FailureCause, Seen, TranscriptStatus
from app.core.state import Phase, Transcription
from app.core.state import from_record as state_from_record
from app.core.state import to_record as state_to_record
from app.orchestrator.next_steps import next_step
from app.orchestrator.timing import Timing
from app.recall.http_exchange import HttpTimeouts
from tests.core.playbook import (
    CAPTIONS,
    HOUR,
    RECORDING,
    T1,
    T2,
    T3,
    Dialogue,
    long_meeting,
    published,
    silent,
    silent_then_asked_again,
    stored,
)
from tests.policies import built_in

FIRST, SECOND, THIRD = (choice.key for choice in built_in().providers)


SEEN = ev.RecordingCondition.DONE


# -- the happy path --------------------------------------------------------


def test_a_finished_recording_becomes_a_stored_transcript() -> None:
    d = Dialogue()
    assert d.told(ev.RecordingDone(0, bot_id="b")) == (CreateTranscript(1, FIRST),)
    assert d.told(ev.Sending(1, 1, FIRST, 0)) == ()
    assert d.told(ev.Created(2, 1, T1, FIRST)) == (AskTranscript(T1, after_s=600),)
    assert d.phase is Phase.TRANSCRIBING
    assert d.told(ev.TranscriptDone(60, T1, 1)) == (FetchTranscript(T1),)
    assert "ask:" + T1 not in d.outbox, "the alarm is not wanted any more"
    assert d.told(stored(61, T1)) == ()
    assert (d.phase, d.state.current, d.state.verdict) == (Phase.STORED, T1, "spoken")
    assert d.statuses() == ["done"]


def test_the_same_news_twice_is_ignored_with_a_reason() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    assert d.told(ev.RecordingDone(0)) == ()
    assert d.ignored == "this recording is known to be done"


def test_a_claim_counts_once() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    assert d.ignored == "this attempt is not waiting to be sent"


# -- disorder --------------------------------------------------------------


def test_transcript_done_before_the_answer_to_its_own_create_is_the_answer() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    assert d.told(ev.TranscriptDone(1, T1, 1)) == (FetchTranscript(T1),)
    assert d.told(ev.Created(2, 1, T1, FIRST)) == ()
    d.told(stored(3, T1))
    assert d.phase is Phase.STORED
    assert len(d.state.attempts) == 1


def test_transcript_done_before_recording_done_is_stored_without_a_create() -> None:
    d = Dialogue()
    assert d.told(ev.TranscriptDone(0, T1, 1)) == (FetchTranscript(T1),)
    d.told(ev.RecordingDone(1))
    assert not any(isinstance(c, CreateTranscript) for c in d.outbox.values())
    d.told(stored(2, T1))
    assert d.phase is Phase.STORED


def test_captions_done_before_recording_done_still_leads_to_our_transcript() -> None:
    d = Dialogue()
    assert d.told(ev.TranscriptDone(0, CAPTIONS)) == (FetchTranscript(CAPTIONS),)
    assert d.told(ev.RecordingDone(1)) == (), "a finished transcript is unread: look at it first"
    assert d.told(ev.Unwanted(2, CAPTIONS, "meeting_captions")) == (CreateTranscript(1, FIRST),)


def test_captions_failure_during_our_attempt_changes_nothing() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    before = d.state
    assert (
        d.told(ev.TranscriptFailed(1, CAPTIONS, None, "zoom_captions_failure", FailureCause.PLATFORM)) == ()
    )
    assert (d.state, d.ignored) == (before, "not a transcript of ours")


def test_lost_news_of_the_recording_is_asked_for() -> None:
    d = Dialogue()
    d.told(ev.TranscriptDone(0, CAPTIONS))
    assert d.told(ev.Unwanted(1, CAPTIONS, "meeting_captions")) == (AskRecording(after_s=600),)
    done = ev.RecordingAsked(700, ev.RecordingCondition.DONE, bot_id="b")
    assert d.told(done) == (LookUpTranscript(0, after_s=60),), "old news: look before paying"
    assert d.told(ev.Listed(701, 0)) == (AskRecording(),), "an empty list alone says nothing"
    assert d.told(ev.RecordingAsked(702, SEEN)) == (CreateTranscript(1, FIRST),)


def test_when_the_recording_began_is_kept_from_the_answer_that_said_it() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0, started_at=5.0))
    assert d.state.started_at == 5.0
    d = Dialogue()
    d.told(ev.TranscriptionOrdered(0))
    d.told(ev.RecordingAsked(1, ev.RecordingCondition.NOT_DONE, started_at=5.0))
    assert d.state.started_at == 5.0
    d.told(ev.RecordingAsked(2, ev.RecordingCondition.NOT_DONE))
    d.told(ev.RecordingDone(3))
    assert d.state.started_at == 5.0


# -- fallback --------------------------------------------------------------


def test_a_failed_transcript_moves_on_to_the_next_provider_once() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    assert d.attempt_fails(1, T1) == (CreateTranscript(2, SECOND),)
    for _ in range(50):
        assert d.told(ev.TranscriptFailed(2, T1, 1, "provider_connection_failed")) == ()
        assert d.ignored == "the attempt is failed already"


def test_all_providers_used_up_fails_with_every_reason() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_fails(1, T1)
    d.attempt_fails(2, T2)
    assert d.attempt_fails(3, T3) == ()
    assert (d.phase, d.state.reason) == (Phase.FAILED, reasons.ALL_PROVIDERS_FAILED)
    assert d.state.detail is not None
    assert d.state.detail.count("provider_connection_failed") == 3


def test_a_refused_create_moves_on() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    refused = ev.CreateRefused(1, 1, ev.Refusal.PROVIDER, "http_400 credentials")
    assert d.told(refused) == (CreateTranscript(2, SECOND),)
    assert d.statuses() == ["refused"]


def test_an_empty_result_tries_one_further_provider_and_then_completes_as_empty() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T1, 1))
    assert d.told(stored(2, T1, is_empty=True)) == (AskRecording(),), "how long was the meeting?"
    assert d.phase is Phase.FETCHING
    assert d.told(long_meeting(3)) == (CreateTranscript(2, SECOND),)
    d.attempt_runs(2, T2)
    d.told(ev.TranscriptDone(3, T2, 2))
    assert d.told(stored(4, T2, is_empty=True)) == (PublishTranscript(T2),)
    assert d.phase is Phase.FETCHING, "no manifest yet"
    assert d.told(published(5, T2)) == (PublishTranscript(T1),)
    assert (d.phase, d.state.verdict, d.statuses()) == (Phase.STORED, "empty", ["empty", "empty"])
    assert (d.state.current, d.state.superseded) == (T2, (T1,))
    assert d.told(published(6, T1)) == ()
    assert (d.state.current, d.state.superseded) == (T2, ())


def test_words_of_the_second_provider_are_the_result_and_the_empty_one_is_published_after_it() -> None:
    d = silent_then_asked_again()
    d.told(ev.TranscriptDone(4, T2, 2))
    assert d.told(stored(5, T2)) == (PublishTranscript(T1),)
    assert (d.phase, d.state.current, d.state.superseded) == (Phase.STORED, T2, (T1,))
    d.told(published(6, T1))
    assert (d.phase, d.state.current, d.state.verdict) == (Phase.STORED, T2, "spoken")


@pytest.mark.parametrize(
    ("old", "new", "is_same"),
    [
        (CreateTranscript(1, FIRST), LookUpTranscript(1), True),
        (LookUpTranscript(1), CreateTranscript(1, FIRST, 1), True),
        (LookUpTranscript(0), CreateTranscript(1, FIRST), True),
        (LookUpTranscript(1), CreateTranscript(2, SECOND), False),
        (FetchTranscript(T1), FetchTranscript(T1), True),
        (FetchTranscript(T1), FetchTranscript(T2), False),
        (AskTranscript(T1), AskTranscript(T1), False),
    ],
)
def test_patience_for_an_attempt_is_its_own(old: Command, new: Command, is_same: bool) -> None:
    assert is_same_wish(old, new) is is_same


@pytest.mark.parametrize(("why", "phase"), [("deselected", Phase.SKIPPED), ("provider_left", Phase.FAILED)])
def test_an_attempt_that_the_policy_ended_unpaid_is_the_one_that_a_retry_sends(
    why: ev.WhyUnwanted, phase: Phase
) -> None:
    d = Dialogue(Policy((ProviderChoice(FIRST),), 1))
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(1, 1, FIRST, 0))
    d.told(ev.CreateRefused(2, 1, ev.Refusal.ACCOUNT, "http_402"))
    d.told(ev.NoLongerWanted(3, 1, why, FIRST))
    assert (d.phase, d.statuses(), d.state.completed_at) == (phase, ["refused"], 3)
    assert d.told(ev.RetryAsked(4, 0)) == (CreateTranscript(1, FIRST, 1),), "nothing was paid"
    assert d.state.attempts[0].error is None
    d.told(ev.Sending(5, 1, FIRST, 1))
    assert d.statuses() == ["sending"]


@pytest.mark.parametrize("second", ["set aside", "ended by the policy"])
def test_a_retry_takes_up_one_attempt_though_two_were_never_paid(second: str) -> None:
    """Two that wait to be sent would hold each other back for ever."""
    d = Dialogue(Policy((ProviderChoice(FIRST),), 1))
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(1, 1, FIRST, 0))
    d.told(ev.CreateRefused(2, 1, ev.Refusal.ACCOUNT, "http_402"))
    d.told(ev.NoLongerWanted(3, 1, "provider_left", FIRST))
    assert d.told(ev.RetryAsked(4, 2)) == (CreateTranscript(2, FIRST),)
    d.told(ev.Sending(5, 2, FIRST, 0))
    refusal = ev.Refusal.LIMIT if second == "set aside" else ev.Refusal.ACCOUNT
    d.told(ev.CreateRefused(6, 2, refusal, "http_4xx"))
    if second == "ended by the policy":
        d.told(ev.NoLongerWanted(7, 2, "provider_left", FIRST))
    assert d.phase is Phase.FAILED
    assert d.told(ev.RetryAsked(8, 0)) == (CreateTranscript(2, FIRST, 1),)
    assert d.statuses() == ["refused", "claimed"]
    d.told(ev.Sending(9, 2, FIRST, 1))
    assert d.statuses() == ["refused", "sending"]


def test_a_manifest_that_cannot_be_written_for_a_day_fails_by_name_and_retry_writes_it() -> None:
    d = Dialogue(replace(built_in(), quality=Quality(empty="accept")))
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T1, 1))
    assert d.told(stored(2, T1, is_empty=True)) == (PublishTranscript(T1),)
    d.told(ev.WaitEnded(25 * HOUR, "publish_transcript", "storage_unavailable", transcript_id=T1))
    assert (d.phase, d.state.reason) == (Phase.FAILED, reasons.STORAGE)
    assert d.told(ev.RetryAsked(26 * HOUR, 0)) == (PublishTranscript(T1),)
    d.told(published(26 * HOUR, T1))
    assert (d.phase, d.state.verdict) == (Phase.STORED, "empty")


def test_an_empty_result_whose_one_further_provider_fails_is_still_a_result() -> None:
    d = silent()
    assert d.attempt_fails(2, T2) == (PublishTranscript(T1),)
    d.told(published(4, T1))
    assert (d.phase, d.state.current, d.state.verdict) == (Phase.STORED, T1, "empty")


@pytest.mark.parametrize("policy", [built_in(), replace(built_in(), quality=Quality(empty="accept"))])
def test_a_short_silent_recording_or_a_thrifty_policy_pays_no_second_provider(policy: Policy) -> None:
    d = Dialogue(policy)
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T1, 1))
    d.told(stored(2, T1, is_empty=True))
    d.told(ev.RecordingAsked(3, SEEN, duration_s=59))
    assert "create:2" not in d.outbox
    d.told(published(4, T1))
    assert (d.phase, d.state.verdict) == (Phase.STORED, "empty")


def test_platform_trouble_is_final_since_no_provider_can_cure_it() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    assert d.told(ev.TranscriptFailed(1, T1, 1, "zoom_captions_failure", FailureCause.PLATFORM)) == ()
    assert d.state.reason == reasons.PROVIDERS_CANNOT_CURE


ZOOM = "zoom_host_disabled_meeting_captions"


@pytest.mark.parametrize("ordinal", [0, 1])
def test_platform_trouble_found_by_listing_is_as_final_as_when_it_is_announced(ordinal: int) -> None:
    d = lost_answer() if ordinal else Dialogue()
    if not ordinal:
        d.told(ev.RecordingDone(0, lookup_required=True))
    seen = Seen(T1, TranscriptStatus.FAILED, 1, FIRST, ZOOM, failure=FailureCause.PLATFORM)
    assert d.told(ev.Listed(5, ordinal, (seen,), 5, 5)) == ()
    assert (d.phase, d.state.reason, d.state.detail) == (Phase.FAILED, reasons.PROVIDERS_CANNOT_CURE, ZOOM)
    assert (d.statuses(), d.outbox) == (["failed"], {})


@pytest.mark.parametrize("is_failure_first", [True, False])
@pytest.mark.parametrize("status", [TranscriptStatus.DONE, TranscriptStatus.PROCESSING])
def test_platform_trouble_in_a_list_ends_nothing_while_another_attempt_of_the_list_may_still_bring_words(
    status: TranscriptStatus, is_failure_first: bool
) -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0, lookup_required=True))
    failed = Seen(T1, TranscriptStatus.FAILED, 1, FIRST, ZOOM, failure=FailureCause.PLATFORM)
    seen = [failed, Seen(T2, status, 2, SECOND)]
    d.told(ev.Listed(5, 0, tuple(seen if is_failure_first else seen[::-1]), 5, 5))
    assert d.phase is (Phase.FETCHING if status == "done" else Phase.TRANSCRIBING)
    assert set(d.outbox) == {f"fetch:{T2}" if status == "done" else f"ask:{T2}"}


def test_platform_trouble_of_an_earlier_attempt_does_not_end_the_one_that_runs() -> None:
    d = Dialogue(replace(built_in(), on_silence="next"))
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    for hour in (1, 2, 25):
        d.told(ev.StillProcessing(hour * HOUR, T1))
    d.told(ev.StillProcessing(26 * HOUR, T1))
    d.attempt_runs(2, T2, at=26 * HOUR)
    assert d.statuses() == ["silent", "running"]
    assert d.told(ev.TranscriptFailed(27 * HOUR, T1, 1, ZOOM, FailureCause.PLATFORM)) == ()
    assert (d.phase, d.statuses()) == (Phase.TRANSCRIBING, ["failed", "running"])


def test_platform_trouble_of_a_silent_attempt_stops_the_next_one_before_it_is_paid() -> None:
    d = Dialogue(replace(built_in(), on_silence="next"))
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    for hour in (1, 2, 25):
        d.told(ev.StillProcessing(hour * HOUR, T1))
    assert d.told(ev.StillProcessing(26 * HOUR, T1)) == (CreateTranscript(2, SECOND),)
    assert d.told(ev.TranscriptFailed(26 * HOUR, T1, 1, ZOOM, FailureCause.PLATFORM)) == ()
    assert (d.phase, d.state.reason, d.outbox) == (Phase.FAILED, reasons.PROVIDERS_CANNOT_CURE, {})


# -- money: lost answers ---------------------------------------------------


def lost_answer() -> Dialogue:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    assert d.told(ev.CreateUnknown(1, 1, "timeout")) == (LookUpTranscript(1, after_s=2),)
    return d


def test_a_lost_answer_is_looked_up_and_found() -> None:
    d = lost_answer()
    found = Seen(T1, TranscriptStatus.PROCESSING, 1, FIRST)
    assert d.told(ev.Listed(3, 1, (found,))) == (AskTranscript(T1, after_s=600),)
    assert d.statuses() == ["running"]


def test_a_lost_answer_not_in_the_list_repeats_the_same_key_with_growing_waits() -> None:
    d = lost_answer()
    assert d.told(ev.Listed(3, 1, (), 5, 5)) == (CreateTranscript(1, FIRST, 0, after_s=5),)
    d.told(ev.Sending(8, 1, FIRST, 0))
    d.told(ev.CreateUnknown(9, 1, "http_500"))
    assert d.told(ev.Listed(12, 1, (), 12, 3)) == (CreateTranscript(1, FIRST, 0, after_s=10),)


def test_a_lost_answer_that_is_found_late_has_the_whole_wait_of_a_transcript() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    for at in range(3):
        d.told(ev.Sending(at, 1, FIRST, 0))
        d.told(ev.CreateUnknown(at, 1, "timeout"))
        d.told(ev.Listed(at, 1, (), 60.0, 60.0, is_resendable=True))
    d.told(ev.Sending(4, 1, FIRST, 0))
    d.told(ev.Created(5, 1, T1, FIRST))
    assert d.told(ev.StillProcessing(605, T1)) == (AskTranscript(T1, after_s=600),)


@pytest.mark.parametrize("refusal", [ev.Refusal.BUSY, ev.Refusal.ACCOUNT, ev.Refusal.PAYLOAD])
def test_a_repeat_refused_before_its_key_is_looked_at_proves_nothing_about_the_first(
    refusal: ev.Refusal,
) -> None:
    d = lost_answer()
    d.told(ev.Listed(3, 1, (), 5, 5))
    d.told(ev.Sending(8, 1, FIRST, 0))
    assert d.told(ev.CreateRefused(9, 1, refusal, "http_429", wait_s=7)) == (LookUpTranscript(1, after_s=7),)
    assert d.state.attempts[0].key_serial == 0, "a new key now could pay twice"


def test_after_fifty_minutes_nothing_is_repeated_and_after_seventy_two_empty_lists_decide() -> None:
    d = lost_answer()
    (look,) = d.told(ev.Listed(0, 1, (), 3_100, 2_900))
    assert isinstance(look, LookUpTranscript)
    (look,) = d.told(ev.Listed(0, 1, (), 4_250, 4_190))
    assert look == LookUpTranscript(1, after_s=10), "not yet seventy minutes"
    assert d.state.attempts[0].absence is None
    again = (LookUpTranscript(1, after_s=600),)
    assert d.told(ev.Listed(0, 1, (), 4_300, 4_210)) == again
    assert d.told(ev.Listed(540, 1, (), 4_840, 4_750)) == again, "nine minutes may be a thing forgotten"
    assert d.told(ev.Listed(601, 1, (), 4_901, 4_811)) == (AskRecording(),), "may this key see it at all?"
    assert d.told(ev.RecordingAsked(602, SEEN)) == (LookUpTranscript(1),), "it may see it since the last list"
    assert d.told(ev.Listed(603, 1, (), 4_903, 4_813)) == (AskRecording(),), "and may have lost it again"
    assert d.told(ev.RecordingAsked(604, SEEN)) == (CreateTranscript(1, FIRST, 1),)
    assert len(d.state.attempts) == 1, "the same attempt on the same provider, with a new key"


def test_a_request_that_certainly_never_left_is_sent_as_a_fresh_one() -> None:
    d = lost_answer()
    assert d.told(ev.Listed(3, 1, (), is_resendable=False, is_unsent=True)) == (CreateTranscript(1, FIRST),)
    assert d.state.attempts[0].is_doubtful is False, "the policy of now is asked"


def test_another_api_key_is_never_used_to_repeat_a_request() -> None:
    d = lost_answer()
    (look,) = d.told(ev.Listed(3, 1, (), 5, 5, is_resendable=False))
    assert isinstance(look, LookUpTranscript)


def test_a_deleted_transcript_with_our_marker_proves_that_it_happened() -> None:
    d = lost_answer()
    assert d.told(ev.Listed(3, 1, (Seen(T1, TranscriptStatus.DELETED, 1, FIRST),))) == (
        CreateTranscript(2, SECOND),
    )


def test_a_foreign_finished_transcript_found_on_the_way_is_taken_in() -> None:
    d = lost_answer()
    commands = d.told(ev.Listed(3, 1, (Seen(T3, TranscriptStatus.DONE, None, "rev_async"),), 5, 5))
    assert FetchTranscript(T3) in commands
    assert not any(isinstance(c, CreateTranscript) for c in commands), "nothing is sent while it is unread"


def test_two_transcripts_with_one_marker_raise_an_alarm() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T2, 1))
    assert d.last is not None
    assert d.last.alarm == "two_transcripts_with_one_marker"
    assert d.state.pending_transcript(T2), "and the second one is paid for too: it is stored beside"


def test_a_definite_refusal_uses_its_key_up() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    busy = ev.CreateRefused(1, 1, ev.Refusal.BUSY, "http_429", wait_s=7)
    assert d.told(busy) == (CreateTranscript(1, FIRST, 1, after_s=7),)


def test_a_request_that_never_left_keeps_its_key() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    assert d.told(ev.CreateNotSent(1, 1, "refused")) == (CreateTranscript(1, FIRST, 0, after_s=2),)


def test_a_request_that_never_left_after_a_refusal_keeps_the_key_that_followed_the_refusal() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    d.told(ev.CreateRefused(1, 1, ev.Refusal.BUSY, "http_429"))
    d.told(ev.Sending(2, 1, FIRST, 1))
    assert d.told(ev.CreateNotSent(3, 1, "dns")) == (CreateTranscript(1, FIRST, 1, after_s=4),)


# -- whose fault -----------------------------------------------------------


def test_an_account_fault_burns_no_attempt_and_fails_nothing() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    for key_serial in range(5):
        d.told(ev.Sending(0, 1, FIRST, key_serial))
        refused = ev.CreateRefused(1, 1, ev.Refusal.ACCOUNT, "http_401", wait_s=15)
        assert d.told(refused) == (CreateTranscript(1, FIRST, key_serial + 1, after_s=15),)
    assert d.phase is Phase.CREATING


def test_a_blocked_payload_fails_its_own_recording_after_three_tries() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    for key_serial in range(3):
        d.told(ev.Sending(0, 1, FIRST, key_serial))
        d.told(ev.CreateRefused(1, 1, ev.Refusal.PAYLOAD, "http_403", wait_s=15))
    assert (d.phase, d.state.reason) == (Phase.FAILED, reasons.PAYLOAD_REFUSED)


def test_a_recording_recall_does_not_know_is_asked_about_for_a_day() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    (ask,) = d.told(ev.CreateRefused(1, 1, ev.Refusal.RECORDING_UNKNOWN, "http_404"))
    assert isinstance(ask, AskRecording)
    (later,) = d.told(ev.RecordingAsked(HOUR, ev.RecordingCondition.UNKNOWN))
    assert isinstance(later, AskRecording)
    d.told(ev.RecordingAsked(25 * HOUR, ev.RecordingCondition.UNKNOWN))
    assert (d.phase, d.state.reason) == (Phase.FAILED, reasons.RECORDING_UNKNOWN)


def test_a_recording_that_becomes_ready_goes_on_with_the_same_attempt() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    d.told(ev.CreateRefused(1, 1, ev.Refusal.RECORDING_NOT_DONE, "http_400"))
    asked = ev.RecordingAsked(HOUR, ev.RecordingCondition.DONE)
    assert d.told(asked) == (CreateTranscript(1, FIRST, 1),)


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (ev.Refusal.RECORDING_GONE, reasons.RECORDING_GONE),
        (ev.Refusal.NO_AUDIO, reasons.NO_AUDIO),
        (ev.Refusal.LIMIT, reasons.RECALL_LIMIT),
    ],
)
def test_what_no_provider_can_change_ends_with_its_name(refusal: ev.Refusal, reason: str) -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    assert d.told(ev.CreateRefused(1, 1, refusal, "http_400")) == ()
    assert (d.phase, d.state.reason) == (Phase.FAILED, reason)
    assert next_step(reason)


def test_recording_failed_ends_and_a_later_done_revives() -> None:
    d = Dialogue()
    d.told(ev.RecordingFailed(0, "internal_error"))
    assert d.state.reason == reasons.RECORDING_FAILED
    assert d.told(ev.RecordingDone(1)) == (CreateTranscript(1, FIRST),)


def test_recording_deleted_before_any_transcript_ends() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.RecordingDeleted(1))
    assert d.state.reason == reasons.RECORDING_GONE
    assert d.outbox == {}, "a create for media that is gone is not wanted"


# -- silence and time ------------------------------------------------------


def test_a_silent_attempt_is_asked_about_at_10_20_and_40_minutes_then_hourly() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    waits = []
    for minutes in (10, 20, 40, 100):
        (ask,) = d.told(ev.StillProcessing(minutes * 60, T1))
        waits.append(ask.after_s / 60)
    assert waits == [10, 20, 60, 60]


def asked_about(d: Dialogue) -> None:
    for minutes in (10, 20, 40):
        d.told(ev.StillProcessing(minutes * 60, T1))


def test_one_look_after_a_weekend_of_our_own_downtime_is_not_a_days_patience() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    (ask,) = d.told(ev.StillProcessing(60 * HOUR, T1))
    assert isinstance(ask, AskTranscript)
    d = fetching()
    (again,) = d.told(ev.FetchBlocked(60 * HOUR, T1, "refused"))
    assert isinstance(again, FetchTranscript)


def test_after_a_day_of_silence_it_fails_by_name_and_late_news_is_still_welcome() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    asked_about(d)
    assert d.told(ev.StillProcessing(24 * HOUR, T1)) == ()
    assert (d.phase, d.state.reason) == (Phase.FAILED, reasons.NO_ANSWER)
    assert d.told(ev.TranscriptDone(30 * HOUR, T1, 1)) == (FetchTranscript(T1),)
    d.told(stored(30 * HOUR, T1))
    assert d.phase is Phase.STORED


def test_on_silence_next_is_the_one_named_exception() -> None:
    d = Dialogue(replace(built_in(), on_silence="next"))
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    asked_about(d)
    assert d.told(ev.StillProcessing(24 * HOUR, T1)) == (CreateTranscript(2, SECOND),)


# -- fetching --------------------------------------------------------------


def fetching() -> Dialogue:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(0, T1, 1))
    return d


def test_a_blocked_download_waits_and_never_pays_again() -> None:
    d = fetching()
    for second in range(1, 12):
        (again,) = d.told(ev.FetchBlocked(second, T1, "refused"))
        assert again == FetchTranscript(T1, after_s=min(2.0 * 2 ** (second - 1), 30))
    assert d.told(ev.FetchBlocked(24 * HOUR, T1, "refused")) == ()
    assert (d.phase, d.state.reason) == (Phase.FAILED, reasons.DOWNLOAD_BLOCKED)
    assert d.told(ev.RetryAsked(25 * HOUR, 0)) == (FetchTranscript(T1),), "a retry fetches: it costs nothing"


def test_a_transcript_missing_for_ten_minutes_is_looked_for_in_the_list_before_it_is_believed_gone() -> None:
    d = fetching()
    look = LookUpTranscript(1, T1)
    assert d.told(missing(1)) == (FetchTranscript(T1, after_s=2),)
    assert d.told(missing(601)) == (look,)
    assert d.told(listed_without(602)) == (FetchTranscript(T1, after_s=60),)
    assert d.told(missing(662)) == (look,)
    assert d.told(listed_without(663)) == (AskRecording(),)
    assert d.told(ev.RecordingAsked(664, SEEN)) == (look,), "it may see it since the last list"
    assert d.told(listed_without(665)) == (AskRecording(),), "and may have lost it again"
    assert d.told(ev.RecordingAsked(666, SEEN)) == (CreateTranscript(2, SECOND),)


def test_a_create_that_no_list_showed_lends_its_absence_to_no_transcript() -> None:
    d = lost_answer()
    d.told(ev.Listed(4_300, 1, (), 4_300, 4_300))
    d.told(ev.Listed(4_900, 1, (Seen(T1, TranscriptStatus.PROCESSING, 1, FIRST),), 4_900, 4_900))
    assert d.state.attempts[0].absence is None
    (again,) = d.told(missing(5_500))
    assert isinstance(again, AskTranscript), "the row of absences has just begun"


def test_a_day_without_an_answer_about_the_recording_proves_nothing() -> None:
    d = lost_answer()
    d.told(ev.Listed(5_000, 1, (), 9_000, 9_000))
    d.told(ev.Listed(5_700, 1, (), 9_000, 9_000))
    d.told(ev.RecordingAsked(90_000, ev.RecordingCondition.NOT_DONE, is_answer=False))
    assert d.statuses() == ["unknown"]
    assert not any(isinstance(c, CreateTranscript) for c in d.outbox.values())


def test_a_download_that_is_another_page_each_time_ends_after_a_day() -> None:
    d = fetching()
    for minute in range(25 * 60):
        d.told(ev.DownloadUnreadable(60.0 * minute, T1, f"{minute:x}"))
    assert (d.phase, d.state.reason) == (Phase.FAILED, reasons.RESULT_UNREADABLE)


def test_a_manifest_whose_command_crashes_again_and_again_ends_by_a_name() -> None:
    d = Dialogue(replace(built_in(), quality=Quality(empty="accept")))
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T1, 1))
    d.told(stored(2, T1, is_empty=True))
    d.told(ev.CommandFailed(10, "publish_transcript", transcript_id=T1))
    assert (d.phase, d.state.reason) == (Phase.FAILED, reasons.OUR_FAULT)


def missing(at: float, transcript_id: str = T1) -> ev.TranscriptMissing:
    return ev.TranscriptMissing(at, transcript_id, at_excluding_pauses=at)


def listed_without(at: float, transcript_id: str = T1, *seen: Seen) -> ev.Listed:
    return ev.Listed(at, 1, seen, transcript_id=transcript_id)


def test_one_moment_of_absence_after_twenty_minutes_is_no_absence_of_twenty_minutes() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    (again,) = d.told(missing(1_200))
    assert isinstance(again, AskTranscript)
    (later,) = d.told(ev.StillProcessing(1_350, T1))
    assert isinstance(later, AskTranscript)
    assert d.state.attempts[0].absence is None
    assert isinstance(d.told(missing(1_900))[0], AskTranscript), "the row begins anew"
    assert d.statuses() == ["running"]


@pytest.mark.parametrize(
    "answer",
    [
        ev.StillProcessing(700, T1),
        listed_without(700, T1, Seen(T1, TranscriptStatus.PROCESSING, 1, FIRST)),
        ev.DowntimeDetected(700),
    ],
)
def test_any_other_answer_ends_the_row_of_absences(answer: ev.Event) -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(missing(0))
    d.told(missing(650))
    d.told(answer)
    assert d.state.attempts[0].absence is None
    d.told(ev.RecordingAsked(800, SEEN))
    assert d.statuses() == ["running"]


def test_absence_under_a_key_that_does_not_see_the_recording_decides_nothing() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    at = 0.0
    for _ in range(12):
        d.told(missing(at))
        d.told(missing(at + 600))
        d.told(listed_without(at + 600))
        d.told(missing(at + 660))
        assert d.told(listed_without(at + 661)) == (AskRecording(),)
        assert d.told(ev.RecordingAsked(at + 662, ev.RecordingCondition.UNKNOWN)) == (
            AskTranscript(T1, after_s=HOUR),
        )
        at += HOUR
    assert d.statuses() == ["running"]
    d.told(ev.TranscriptDone(at, T1, 1))
    d.told(stored(at, T1))
    assert d.phase is Phase.STORED


def test_a_lost_create_answer_is_not_called_unmade_under_a_key_that_does_not_see_the_recording() -> None:
    d = lost_answer()
    for hour in range(1, 20):
        d.told(ev.Listed(hour * HOUR, 1, (), 9_000, 9_000))
        assert d.told(ev.Listed(hour * HOUR + 700, 1, (), 9_000, 9_000)) == (AskRecording(),)
        unknown = ev.RecordingAsked(hour * HOUR + 701, ev.RecordingCondition.UNKNOWN)
        assert d.told(unknown) == (LookUpTranscript(1, after_s=HOUR),)
    assert d.statuses() == ["unknown"]


def test_a_look_before_a_create_is_clean_only_when_the_recording_is_seen() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0, lookup_required=True))
    assert d.told(ev.Listed(60, 0)) == (AskRecording(),)
    d.told(ev.RecordingAsked(61, ev.RecordingCondition.UNKNOWN))
    assert not any(isinstance(c, CreateTranscript) for c in d.outbox.values())
    assert d.told(ev.RecordingAsked(2_000, SEEN)) == (LookUpTranscript(0),), "that list is old by now"
    d.told(ev.Listed(2_001, 0))
    assert d.told(ev.RecordingAsked(2_002, SEEN)) == (CreateTranscript(1, FIRST),)


# -- the policy of now -----------------------------------------------------


def waiting_for_the_account(policy: Policy) -> Dialogue:
    d = Dialogue(policy)
    d.told(ev.RecordingDone(0, metadata=(("team", "sales"),)))
    d.told(ev.Sending(0, 1, policy.providers[0].key, 0))
    d.told(ev.CreateRefused(0, 1, ev.Refusal.ACCOUNT, "http_402", wait_s=15.0))
    return d


def test_a_provider_that_left_the_policy_is_not_sent_to_and_another_takes_its_attempt() -> None:
    d = waiting_for_the_account(built_in())
    d.policy = replace(built_in(), providers=(ProviderChoice("deepgram_async"),), attempts=1)
    unwanted = why_not_send(d.state, 1, FIRST, d.policy)
    assert unwanted is not None
    assert d.told(unwanted) == (CreateTranscript(1, "deepgram_async", 1),), (
        "the same ordinal: nothing was made"
    )
    assert d.told(ev.Sending(1, 1, FIRST, 1)) == ()
    assert d.statuses() == ["claimed"]


def test_a_planned_attempt_of_a_provider_that_left_the_policy_is_planned_anew() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.policy = replace(built_in(), providers=(ProviderChoice("deepgram_async"),), attempts=1)
    d.told(ev.Sending(1, 1, FIRST, 0))
    assert d.statuses() == []
    unwanted = why_not_send(d.state, 1, FIRST, d.policy)
    assert unwanted is not None
    assert d.told(unwanted) == (CreateTranscript(1, "deepgram_async"),)


def test_what_is_no_longer_selected_ends_unpaid_and_skipped_even_after_a_definite_refusal() -> None:
    d = waiting_for_the_account(built_in())
    d.policy = replace(built_in(), select=Selection(default="none", include=(("team", "support"),)))
    unwanted = why_not_send(d.state, 1, FIRST, d.policy)
    assert unwanted is not None
    assert d.told(unwanted) == ()
    assert (d.phase, d.state.reason, d.statuses()) == (Phase.SKIPPED, reasons.NOT_SELECTED, ["refused"])
    (again,) = d.told(ev.RetryAsked(2, budget=2))
    assert isinstance(again, CreateTranscript)
    assert why_not_send(d.state, 2, again.provider, d.policy) is None, "a person asked for it"


def test_a_request_on_the_wire_is_not_called_unpaid_by_a_policy_that_changes_meanwhile() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    d.told(ev.NoLongerWanted(1, 1, "deselected", "excluded"))
    assert (d.phase, d.statuses(), d.ignored is not None) == (Phase.CREATING, ["sending"], True)


def test_a_repetition_under_the_same_key_does_not_ask_the_policy() -> None:
    d = lost_answer()
    d.told(ev.Listed(3, 1, (), 5, 5))
    d.policy = replace(built_in(), providers=(ProviderChoice("deepgram_async"),), attempts=1)
    assert why_not_send(d.state, 1, FIRST, d.policy) is None
    d.told(ev.Sending(4, 1, FIRST, 0))
    assert d.statuses() == ["sending"]


# -- bytes that are no transcript ------------------------------------------


def test_three_equal_downloads_a_minute_apart_are_what_there_is_and_nothing_further_is_paid() -> None:
    d = fetching()
    again = (FetchTranscript(T1, after_s=60),)
    assert d.told(ev.DownloadUnreadable(0, T1, "aa")) == again
    assert d.told(ev.DownloadUnreadable(60, T1, "bb")) == again, "another page: begin anew"
    assert d.told(ev.DownloadUnreadable(120, T1, "bb")) == again
    assert d.told(ev.DownloadUnreadable(121, T1, "bb")) == again, "not a minute apart"
    d.told(ev.DownloadUnreadable(180, T1, "bb"))
    assert d.state.pending_transcripts[0].is_unreadable
    assert d.told(ev.DownloadUnreadable(240, T1, "bb", is_kept=True)) == ()
    assert (d.phase, d.state.reason) == (Phase.FAILED, reasons.RESULT_UNREADABLE)
    assert d.told(ev.RetryAsked(300, 0)) == (FetchTranscript(T1),), "read again for free"
    d.told(stored(301, T1))
    assert d.phase is Phase.STORED


# -- a fault of ours -------------------------------------------------------


@pytest.mark.parametrize("events", [
    (),
    (ev.Sending(0, 1, FIRST, 0),),
    (ev.Sending(0, 1, FIRST, 0), ev.CreateUnknown(1, 1)),
    (ev.Sending(0, 1, FIRST, 0), ev.CreateRefused(1, 1, ev.Refusal.BUSY)),
    (ev.Sending(0, 1, FIRST, 0), ev.Created(1, 1, T1)),
    (ev.TranscriptDone(1, T1, 1),),
    (ev.TranscriptDone(1, T1, 1), ev.Stored(2, T1, FIRST, None, is_empty=True)),
])  # fmt: skip
def test_a_transcription_without_a_command_is_given_a_look_and_never_a_create(
    events: tuple[ev.Event, ...],
) -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    for event in events:
        d.told(event)
    d.outbox.clear()
    commands = d.told(ev.CommandMissing(100))
    assert commands
    assert not any(isinstance(c, CreateTranscript | AwaitProvider) for c in commands)
    assert d.last is not None
    assert d.last.alarm == "stuck"


def test_a_webhook_about_deletion_is_asked_about_not_believed() -> None:
    d = fetching()
    assert d.told(ev.TranscriptDeleted(1, T1, 1)) == (FetchTranscript(T1),)
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    assert d.told(ev.TranscriptDeleted(1, T1, 1)) == (AskTranscript(T1),)


def test_a_second_finished_transcript_is_stored_beside_the_first() -> None:
    d = fetching()
    d.told(stored(1, T1))
    assert d.told(ev.TranscriptDone(2, T3)) == (FetchTranscript(T3),)
    d.told(stored(3, T3))
    assert (d.phase, d.state.current) == (Phase.STORED, T1)


def test_words_replace_an_empty_result() -> None:
    d = fetching()
    d.told(stored(1, T1, is_empty=True))
    d.told(ev.RecordingAsked(1, SEEN, duration_s=30))
    d.told(published(1, T1))
    d.told(ev.TranscriptDone(2, T3))
    d.told(stored(3, T3))
    assert (d.state.current, d.state.verdict) == (T3, "spoken")


# -- people ----------------------------------------------------------------


def test_retry_beyond_the_budget_says_so_and_with_budget_pays_one_more() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_fails(1, T1)
    d.attempt_fails(2, T2)
    d.told(ev.Sending(0, 3, d.policy.providers[2].key, 0))
    d.told(ev.CreateRefused(0, 3, ev.Refusal.PROVIDER, "http_400"))
    assert d.told(ev.RetryAsked(1, 0)) == ()
    assert d.ignored is not None
    assert "--budget" in d.ignored
    assert d.told(ev.RetryAsked(1, 4)) == (CreateTranscript(4, FIRST),)


def test_a_budget_for_more_gives_up_no_request_that_may_have_been_heard() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    d.told(ev.CreateUnknown(1, 1, "timeout"))
    d.told(ev.Listed(60, 1, (), 60.0, 60.0, is_resendable=True))
    d.told(ev.Sending(61, 1, FIRST, 0))
    d.told(ev.CreateNotSent(25 * HOUR, 1, "dns"))
    assert d.told(ev.RetryAsked(26 * HOUR, 2)) == (CreateTranscript(1, FIRST),)
    assert d.statuses() == ["claimed"]


def test_our_own_failure_keeps_the_attempt_open_and_a_retry_looks_before_it_pays() -> None:
    d = lost_answer()
    d.told(ev.CommandFailed(1, "look_up_transcript", ordinal=1))
    assert (d.phase, d.state.reason) == (Phase.FAILED, reasons.OUR_FAULT)
    assert d.told(ev.RetryAsked(2, 0)) == (LookUpTranscript(1),)


def test_erased_recordings_ignore_everything() -> None:
    d = Dialogue(state=Transcription("default", RECORDING, phase=Phase.ERASED))
    assert d.told(ev.RecordingDone(0)) == ()
    assert d.told(ev.TranscriptDone(0, T1, 1)) == ()
    assert d.phase is Phase.ERASED


# -- policy ----------------------------------------------------------------


def test_recordings_marked_skip_are_skipped_by_name() -> None:
    d = Dialogue()
    assert d.told(ev.RecordingDone(0, metadata=(("afterword", "skip"),))) == ()
    assert (d.phase, d.state.detail) == (Phase.SKIPPED, "excluded by metadata afterword")


def test_a_policy_of_none_takes_only_what_it_names() -> None:
    select = Selection(default="none", include=(("team", "sales"),))
    assert why_not_selected(select, {"team": "sales"}) is None
    assert why_not_selected(select, {"team": "legal"}) == "not selected by the policy"
    assert (
        why_not_selected(select, {"team": "sales", "afterword": "skip"}) == "excluded by metadata afterword"
    )


def test_the_budget_stops_before_the_providers_do() -> None:
    d = Dialogue(Policy(providers=(ProviderChoice("a_async"), ProviderChoice("b_async")), attempts=1))
    d.told(ev.RecordingDone(0))
    assert d.attempt_fails(1, T1) == ()
    assert d.phase is Phase.FAILED


# -- records ---------------------------------------------------------------


def test_state_and_commands_survive_the_database() -> None:
    d = fetching()
    assert state_from_record(state_to_record(d.state)) == d.state
    for command in (CreateTranscript(2, SECOND, 1), LookUpTranscript(1), AskTranscript(T1), AskRecording()):
        assert from_record(to_record(command)) == command
        assert command.NAME in to_record(command).values()


def test_commands_read_as_sentences() -> None:
    told = sentence(CreateTranscript(2, "deepgram_async"), RECORDING)
    assert told == f"create transcript, attempt 2 with deepgram_async, for recording {RECORDING}"


def test_a_time_scale_divides_waits_but_leaves_processes_their_floor() -> None:
    scaled = Durations().scaled(60)
    assert (scaled.first_ask_s, scaled.resend_until_s, scaled.give_up_s) == (10, 50, 1440)
    assert (Timing().scaled(60).lease_s, HttpTimeouts().scaled(60).read_timeout_s) == (4, 6)
    assert (
        scaled.never_happened_after_s
        > scaled.resend_until_s + scaled.stamp_max_age_s + HttpTimeouts().scaled(60).create_overall_s
    )
