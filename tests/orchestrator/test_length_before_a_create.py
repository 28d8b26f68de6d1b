"""The recording's length is read before a create where it changes what is sent, and nowhere else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app.core import events
from app.core.commands import CreateTranscript
from app.core.events import RecordingCondition
from app.core.policy import Policy, ProviderChoice, Rule
from app.core.state import Attempt, AttemptStatus, Phase, Transcription
from app.orchestrator.effects.create_transcript import _Plan, _planned
from app.orchestrator.outcome import Happened
from app.recall.types import RecordingFacts
from tests.orchestrator.bare_context import NOW, context_of

GLADIA, RECALLAI = "gladia_v2_async", "recallai_async"
SHORT = Rule(max_duration_s=600.0, intent={"languages": ("de",)})


class Asked:
    """Recall, asked about the recording."""

    fingerprint = "f1"

    def __init__(self, duration_s: float | None) -> None:
        self.duration_s, self.times = duration_s, 0

    def recording(self, _recording_id: str) -> RecordingFacts:
        self.times += 1
        return RecordingFacts(RecordingCondition.DONE, duration_s=self.duration_s)


def plan(recall: Asked, provider: str, *rules: Rule, line: Attempt | None = None, **state: Any) -> Any:
    policy = Policy((ProviderChoice(GLADIA), ProviderChoice(RECALLAI)), 2, rules=rules)
    attempts = () if line is None else (line,)
    known = Transcription("default", "r", Phase.CREATING, planned=1, attempts=attempts, **state)
    command = CreateTranscript(1, provider)
    store = SimpleNamespace(update_form=None)
    return _planned(
        context_of(command, state=known, policy=policy, recall=recall, store=store), command, line
    )


def test_a_recording_that_is_too_long_is_not_sent_and_its_length_is_kept() -> None:
    recall = Asked(9000.0)
    left = events.NoLongerWanted(NOW, 1, "provider_left", GLADIA, 9000.0)
    assert plan(recall, GLADIA) == Happened(left)
    assert recall.times == 1


@pytest.mark.parametrize(
    ("provider", "rules", "duration_s", "times"),
    [
        (RECALLAI, (), 9000.0, 0),  # two calls stay two
        (GLADIA, (), 60.0, 1),
        (GLADIA, (), None, 1),
        (RECALLAI, (SHORT,), 60.0, 1),
        (RECALLAI, (SHORT,), 9000.0, 1),
    ],
)
def test_it_is_read_once_where_a_limit_or_a_rule_asks_for_it(
    provider: str, rules: tuple[Rule, ...], duration_s: float | None, times: int
) -> None:
    recall = Asked(duration_s)
    found = plan(recall, provider, *rules)
    assert isinstance(found, _Plan)
    assert recall.times == times
    assert found.duration_s == (duration_s if times else None)
    if rules:
        assert found.choice.options["language_code"] == ("de" if duration_s == 60.0 else "auto")


def test_a_length_that_is_known_is_not_asked_for_again_and_a_repetition_asks_nothing() -> None:
    recall = Asked(60.0)
    assert isinstance(plan(recall, GLADIA, duration_s=60.0), _Plan)
    doubtful = Attempt(1, GLADIA, AttemptStatus.CLAIMED, is_doubtful=True)
    assert isinstance(plan(recall, GLADIA, line=doubtful), _Plan)
    assert recall.times == 0
