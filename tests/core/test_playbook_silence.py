"""After a long stop, or with a backup put back: what was known before is looked up before it is paid for."""

from __future__ import annotations

from app.core import events as ev
from app.core.commands import AskRecording, CreateTranscript, FetchTranscript, LookUpTranscript
from app.core.seen import Seen, TranscriptStatus
from app.core.state import AttemptStatus, Phase
from tests.core.playbook import T1, T2, Dialogue

LOOK = LookUpTranscript(0, after_s=60.0)  # what is too young for Recall's list is in it by then
FIRST, SECOND = (choice.key for choice in Dialogue().policy.providers[:2])


def test_a_create_that_waits_for_its_claim_is_put_behind_a_look() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    assert d.told(ev.DowntimeDetected(1)) == (LOOK,)
    assert set(d.outbox) == {"look_up:0"}, "the create is gone until then"
    d.told(ev.Sending(2, 1, FIRST, 0))
    assert d.ignored is not None
    d.told(ev.Listed(3, 0))
    assert d.told(ev.RecordingAsked(4, ev.RecordingCondition.DONE)) == (CreateTranscript(1, FIRST),)


def test_what_the_look_finds_is_taken_and_not_paid_again() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.DowntimeDetected(1))
    found = (Seen(T1, TranscriptStatus.FAILED, 1, FIRST, "x"), Seen(T2, TranscriptStatus.DONE, 2, SECOND))
    assert FetchTranscript(T2) in d.told(ev.Listed(2, 0, found))
    assert d.statuses() == ["failed", "done"]
    assert not any(isinstance(c, CreateTranscript) for c in d.outbox.values())


def test_a_refused_attempt_that_waits_to_ask_again_looks_before_it_does() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    d.told(ev.CreateRefused(0, 1, ev.Refusal.ACCOUNT, "http_402", wait_s=15.0))
    assert d.told(ev.DowntimeDetected(1)) == (LOOK,)
    d.told(ev.Listed(2, 0))
    assert d.told(ev.RecordingAsked(3, ev.RecordingCondition.DONE)) == (CreateTranscript(1, FIRST, 1),)
    assert d.statuses() == ["claimed"]


def test_a_recording_that_is_waited_for_goes_on_being_waited_for_and_is_looked_up_when_it_is_ready() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    d.told(ev.CreateRefused(0, 1, ev.Refusal.RECORDING_UNKNOWN))
    assert d.told(ev.DowntimeDetected(1)) == ()
    assert [type(c) for c in d.outbox.values()] == [AskRecording]
    d.told(ev.RecordingAsked(2, ev.RecordingCondition.UNKNOWN))
    assert d.told(ev.RecordingAsked(3, ev.RecordingCondition.DONE)) == (LOOK,)


def test_a_running_attempt_that_failed_meanwhile_is_followed_by_a_look_not_by_a_create() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.DowntimeDetected(1))
    assert d.told(ev.TranscriptFailed(2, T1, 1, "provider_connection_failed")) == (LOOK,)
    assert d.phase is Phase.CREATING


def test_a_retry_of_what_had_failed_before_looks_first() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    for ordinal in range(1, len(d.policy.providers) + 1):
        d.attempt_fails(ordinal, f"{ordinal}{T1[1:]}")
    assert d.phase is Phase.FAILED
    d.told(ev.DowntimeDetected(1))
    assert d.phase is Phase.FAILED
    assert d.told(ev.RetryAsked(2, budget=9)) == (LOOK,)


def test_a_request_on_the_wire_is_looked_up_by_its_own_ordinal_as_ever() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    d.told(ev.DowntimeDetected(1))
    d.told(ev.CreateUnknown(2, 1, "no_word_after_the_stamp"))
    assert "look_up:1" in d.outbox
    assert d.state.attempts[0].status is AttemptStatus.UNKNOWN
