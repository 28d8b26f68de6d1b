"""What a question that was not answered for a day comes to."""

from __future__ import annotations

import pytest

from app.core import events
from app.core.commands import AskRecording
from app.core.events import RecordingCondition, Refusal
from app.core.state import from_record, to_record
from app.orchestrator.giving_up import giving_up
from tests.core.playbook import Dialogue
from tests.orchestrator.bare_context import NOW, context_of
from tests.policies import built_in

FIRST = built_in().providers[0].key


@pytest.mark.parametrize(
    ("refusal", "condition"),
    [
        (Refusal.RECORDING_UNKNOWN, RecordingCondition.UNKNOWN),
        (Refusal.RECORDING_NOT_DONE, RecordingCondition.NOT_DONE),
    ],
)
def test_a_recording_that_is_never_answered_for_ends_with_what_was_heard_of_it_last(
    refusal: Refusal, condition: RecordingCondition
) -> None:
    d = Dialogue()
    d.told(events.RecordingDone(NOW - 90_000))
    d.told(events.Sending(NOW - 90_000, 1, FIRST, 0))
    d.told(events.CreateRefused(NOW - 90_000, 1, refusal, "whatever its status"))
    kept = from_record(to_record(d.state))
    event = giving_up(context_of(AskRecording(), state=kept), "http_503")
    assert event == events.RecordingAsked(NOW, condition, is_answer=False)


def test_a_refusal_of_before_says_nothing_about_the_request_that_followed_it() -> None:
    d = Dialogue()
    d.told(events.RecordingDone(0))
    d.told(events.Sending(0, 1, FIRST, 0))
    d.told(events.CreateRefused(0, 1, Refusal.RECORDING_UNKNOWN))
    d.told(events.RecordingAsked(1, RecordingCondition.DONE))
    assert d.state.attempts[0].is_recording_unknown
    d.told(events.Sending(2, 1, FIRST, 1))
    assert not d.state.attempts[0].is_recording_unknown
