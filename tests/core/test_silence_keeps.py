"""After a long silence nothing is sent unlooked, and nothing is given up for the silence itself."""

from __future__ import annotations

from dataclasses import replace

from app.core import events as ev
from app.core.commands import LookUpTranscript
from app.core.state import Phase
from tests.core.playbook import HOUR, T1, T2, Dialogue
from tests.policies import built_in

FIRST, SECOND = "recallai_async", "deepgram_async"
DAY = 86_400.0


def test_claimed_attempt_beside_a_running_one_is_looked_up_after_a_silence_before_it_is_sent() -> None:
    d = Dialogue(replace(built_in(), on_silence="next"))
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    for hour in (1, 2, 3, 25):
        d.told(ev.StillProcessing(hour * HOUR, T1))
    d.told(ev.Sending(25 * HOUR, 2, SECOND, 0))
    d.told(ev.CreateNotSent(50 * HOUR, 2, "dns"))
    d.told(ev.RetryAsked(51 * HOUR, 0))
    assert d.statuses() == ["running", "claimed"]
    # Here a backup is made; attempt 1 fails, attempt 2 is sent and paid; the backup is put back.
    d.told(ev.DowntimeDetected(60 * HOUR))
    d.told(ev.TranscriptFailed(60 * HOUR + 1, T1, 1, "provider_connection_failed"))
    assert set(d.outbox) == {LookUpTranscript(0).key}


def test_news_that_seem_fresh_do_not_take_back_that_a_silence_is_to_be_looked_up() -> None:
    d = Dialogue()
    d.told(ev.TranscriptDone(0, T2))  # captions overtook the news
    d.told(ev.Unwanted(1, T2, "meeting_captions"))
    d.told(ev.DowntimeDetected(10))
    d.told(ev.RecordingDone(11))
    assert set(d.outbox) == {LookUpTranscript(0).key}


def test_weekend_of_downtime_does_not_end_a_claimed_attempt_after_one_look() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    d.told(ev.CreateRefused(1, 1, ev.Refusal.ACCOUNT, "http_402", 15))
    d.told(ev.DowntimeDetected(3 * DAY))
    d.told(ev.Listed(3 * DAY + 5, 1, (), 0.0, 0.0))
    assert d.phase is Phase.CREATING, (d.phase, d.state.reason)


def test_weekend_of_downtime_does_not_end_an_unknown_attempt_after_one_look() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    d.told(ev.CreateUnknown(1, 1, "timeout"))
    d.told(ev.DowntimeDetected(3 * DAY))
    d.told(ev.Listed(3 * DAY + 5, 1, (), 3 * DAY, 3 * DAY))
    assert d.phase is Phase.CREATING, (d.phase, d.state.reason)


def test_weekend_of_downtime_does_not_give_up_a_finished_transcript_after_one_look() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T1, 1))
    for at in (2, 3, 4):
        d.told(ev.FetchBlocked(at, T1, "http_403"))
    d.told(ev.DowntimeDetected(3 * DAY))
    d.told(ev.FetchBlocked(3 * DAY + 5, T1, "http_403"))
    assert d.phase is Phase.FETCHING, (d.phase, d.state.reason)


def test_weekend_of_downtime_does_not_end_the_wait_for_a_recording_after_one_look() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    d.told(ev.CreateRefused(1, 1, ev.Refusal.RECORDING_UNKNOWN, "http_404"))
    d.told(ev.DowntimeDetected(3 * DAY))
    d.told(ev.RecordingAsked(3 * DAY + 5, ev.RecordingCondition.UNKNOWN))
    assert d.phase is Phase.CREATING, (d.phase, d.state.reason)


def test_weekend_of_downtime_does_not_end_the_wait_for_a_provider_after_one_look() -> None:
    d = Dialogue(replace(built_in(), tripped_providers=frozenset(c.key for c in built_in().providers)))
    d.told(ev.RecordingDone(0))
    d.told(ev.ProviderAwaited(120))
    d.told(ev.DowntimeDetected(3 * DAY))
    d.told(ev.ProviderAwaited(3 * DAY + 5))
    assert d.phase is Phase.CREATING, (d.phase, d.state.reason)


def test_attempt_that_was_given_up_before_a_silence_is_looked_up_by_a_retry_before_it_is_sent() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    d.told(ev.CreateNotSent(25 * HOUR, 1, "dns"))
    assert (d.phase, d.statuses()) == (Phase.FAILED, ["claimed"])
    d.told(ev.DowntimeDetected(26 * HOUR))
    d.told(ev.RetryAsked(27 * HOUR, 0))
    assert set(d.outbox) == {LookUpTranscript(0).key}


def test_claimed_attempt_is_looked_up_after_a_silence_before_it_is_sent() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    d.told(ev.CreateRefused(1, 1, ev.Refusal.BUSY, "http_429", 5))
    d.told(ev.DowntimeDetected(HOUR))
    assert set(d.outbox) == {LookUpTranscript(0).key}


def test_answer_to_the_attempt_before_does_not_take_back_that_the_next_one_is_looked_up_first() -> None:
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.told(ev.Sending(0, 1, FIRST, 0))
    d.told(ev.DowntimeDetected(HOUR))
    d.told(ev.Created(HOUR + 1, 1, T1, FIRST))
    d.told(ev.TranscriptFailed(HOUR + 2, T1, 1, "provider_connection_failed"))
    assert set(d.outbox) == {LookUpTranscript(0).key}
