"""A create's way out of troubles that are not about its own answer: who waits, and what is given back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.core.commands import CreateTranscript
from app.core.events import CreateRefused, RecordingDone, Refusal
from app.core.policy import built_in
from app.core.state import Attempt, Fate
from app.errors import AccountRefused, RecallBusy
from app.orchestrator.effects import create_transcript
from app.orchestrator.records import Source
from app.recall.types import CreateAnswer
from tests.orchestrator.list_stage import Stage

COMMAND = CreateTranscript(1, "p", 1)


class Desk(SimpleNamespace):
    """What a create uses of its task."""

    def __init__(self, *, status: int = 403, is_accepted: bool | None = True) -> None:
        state = SimpleNamespace(attempt_of=lambda **_: None, bot_id=None, waiting_since=None)
        super().__init__(policy=built_in(), state=state, recording_id="r", paused=[], status=status)
        self.workspace = SimpleNamespace(name="default")
        self.is_accepted = is_accepted

    def now(self) -> float:
        return 1.0

    def patient_now(self, since: float, **_: Any) -> float:
        return since

    def read(self, *_: Any, **__: Any) -> None:
        raise AccountRefused(self.status)

    def probe(self, _: Any) -> bool | None:
        return self.is_accepted

    def pause(self, _: Any, status: int, **__: Any) -> None:
        self.paused.append(status)


@pytest.mark.parametrize(
    ("status", "is_accepted", "refusal", "paused"),
    [
        (403, True, Refusal.BUSY, []),
        (403, None, Refusal.BUSY, []),
        (403, False, Refusal.ACCOUNT, [403]),
        (401, True, Refusal.ACCOUNT, [401]),
        (402, True, Refusal.ACCOUNT, [402]),
    ],
)
def test_a_403_to_the_look_after_a_refusal_pauses_the_workspace_only_when_the_probe_is_refused(
    status: int, is_accepted: bool | None, refusal: Refusal, paused: list[int]
) -> None:
    desk = Desk(status=status, is_accepted=is_accepted)
    event = create_transcript._outcome(cast(Any, desk), COMMAND, CreateAnswer("refused", status=400))
    assert isinstance(event, CreateRefused)
    assert (event.refusal, desk.paused) == (refusal, paused)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_claim_that_fails_gives_the_providers_probe_back(*, is_first: bool) -> None:
    """One that is claimed already took no probe: there is none to give back."""
    desk = Desk()
    left: list[str] = []

    def advance(*_: Any, **__: Any) -> None:
        raise RecallBusy("claim_refused", retry_after_s=1)

    stage = Stage()
    stage.service.advance("default", "r", RecordingDone(stage.at, "a bot", ()), Source(by="webhook"))
    desk.state = stage.store.load("default", "r").transcription
    (command,) = [row.command for row in stage.store.commands.values()]
    assert isinstance(command, CreateTranscript)
    if not is_first:
        desk.state = desk.state.with_attempt(Attempt(1, command.provider, Fate.CLAIMED))
    desk.leased = SimpleNamespace(command=command)
    desk.clock = SimpleNamespace(boottime=lambda: 1.0)
    desk.recall = SimpleNamespace(fingerprint="f")
    desk.advance = advance
    desk.store = SimpleNamespace(
        enter_provider=lambda *_, **__: True,
        leave_provider=lambda _, provider: left.append(provider),
        send_times=lambda *_, **__: SimpleNamespace(since_first_s=None),
        send_body=lambda *_, **__: b"{}",
    )
    with pytest.raises(RecallBusy):
        create_transcript.create(cast(Any, desk))
    assert left == [command.provider] * is_first
