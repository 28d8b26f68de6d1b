"""A create's way out of troubles that are not about its own answer: who waits, and what is given back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app.core.commands import CreateTranscript
from app.core.events import CreateRefused, RecordingDone, Refusal
from app.core.state import Attempt, AttemptStatus, Transcription
from app.errors import AccountRefused, RecallBusy
from app.orchestrator.effects import create_transcript
from app.orchestrator.outcome import Happened, Later, NotWanted, Outcome, Refused
from app.orchestrator.records import Committed, SendOutcome, Source
from app.recall.types import CreateAnswer
from tests.orchestrator.bare_context import NOW, context_of
from tests.orchestrator.list_stage import Stage


class Desk:
    """What a create uses: a claim that succeeds or not, one answer to its POST; its steps in their order."""

    fingerprint = "f1"

    def __init__(self, answer: CreateAnswer, *, is_accepted: bool | None = True, looks: int = 200) -> None:
        self.answer, self.is_accepted, self.looks = answer, is_accepted, looks
        self.steps: list[str] = []
        self.claims: Any = None
        self.others_refused = False
        self.is_tripped = True
        stage = Stage()
        done = RecordingDone(stage.at, "a bot", ())
        stage.service.advance("default", "r", done, Source(by="webhook"))
        self.state: Transcription = stage.store.load("default", "r").transcription
        (command,) = [row.command for row in stage.store.commands.values()]
        assert isinstance(command, CreateTranscript)
        self.command = command

    def does(self) -> Outcome:
        context = context_of(
            self.command,
            state=self.state,
            recall=self,
            store=self,
            transitions=self,
            probe=self._probe,
            renewer=SimpleNamespace(is_lost=False),
            tripped=[self.command.provider] * self.is_tripped,
        )
        return create_transcript.create(context)

    def _probe(self, _: Any) -> bool | None:
        self.steps.append("probe")
        return self.is_accepted

    # -- transitions ---------------------------------------------------------------------------------
    def advance(self, *_: Any, send: Any, **__: Any) -> Any:
        self.steps.append("claim")
        assert send.body == b"{}"
        if isinstance(self.claims, Exception):
            raise self.claims
        return self.claims or (SimpleNamespace(ignored=None, state=self.state), Committed(send_id=7))

    # -- Recall --------------------------------------------------------------------------------------
    def create_body(self, _: Any) -> bytes:
        return b"{}"

    def create(self, _: Any, body: bytes, *, is_still_fresh: Any) -> CreateAnswer:
        assert is_still_fresh()
        self.steps.append("POST")
        return self.answer

    def recording(self, _: str) -> Any:
        raise AccountRefused(self.looks) if self.looks >= 400 else RecallBusy("http_503", retry_after_s=1)

    # -- the store -----------------------------------------------------------------------------------
    def allow_request(self, *_: Any, **__: Any) -> bool:
        return True

    def release_probe(self, _: str, provider: str) -> None:
        self.steps.append(f"{provider} is left")

    def send_times(self, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(since_first_s=None)

    def send_body(self, *_: Any, **__: Any) -> None:
        return None

    def record_send_outcome(self, send_id: int, *, outcome: SendOutcome) -> None:
        assert send_id == 7
        self.steps.append(outcome.stored)

    def creates_refused_elsewhere(self, *_: Any, **__: Any) -> bool:
        self.steps.append("others?")
        return self.others_refused


def test_the_claim_is_committed_before_the_post_and_the_sends_outcome_before_its_event_is_decided() -> None:
    """So two recordings refused at one moment see each other: each is noted before either one asks."""
    desk = Desk(CreateAnswer("refused", status=403))
    desk.others_refused = True
    outcome = desk.does()
    assert desk.steps == ["claim", "POST", "refused 403", "probe", "others?"]
    assert isinstance(outcome, Refused)
    assert (outcome.status, outcome.creates_only) == (403, True)
    assert outcome.event is not None
    assert outcome.event.refusal is Refusal.ACCOUNT


def test_a_created_transcript_is_an_event_with_the_sends_outcome_before_it() -> None:
    desk = Desk(CreateAnswer("created", transcript_id="t", provider="p"))
    outcome = desk.does()
    assert desk.steps == ["claim", "POST", "created"]
    assert isinstance(outcome, Happened)


@pytest.mark.parametrize(
    ("status", "is_accepted", "refusal", "pauses"),
    [
        (403, True, Refusal.BUSY, None),
        (403, None, Refusal.BUSY, None),
        (403, False, Refusal.ACCOUNT, 403),
        (401, True, Refusal.ACCOUNT, 401),
        (402, True, Refusal.ACCOUNT, 402),
        (200, True, Refusal.BUSY, None),
    ],
)
def test_a_403_to_the_look_after_a_refusal_pauses_the_workspace_only_when_the_probe_is_refused(
    status: int, is_accepted: bool | None, refusal: Refusal, pauses: int | None
) -> None:
    desk = Desk(CreateAnswer("refused", status=400), is_accepted=is_accepted, looks=status)
    outcome = desk.does()
    assert isinstance(outcome, Happened | Refused)
    event = outcome.event
    assert isinstance(event, CreateRefused)
    assert event.refusal is refusal
    assert (outcome.status if isinstance(outcome, Refused) else None) == pauses


@pytest.mark.parametrize(
    ("status", "creates_only", "pauses"), [(401, False, True), (402, True, True), (429, False, False)]
)
def test_a_refused_create_tells_whether_the_account_is_meant(
    status: int, creates_only: bool, pauses: bool
) -> None:
    outcome = Desk(CreateAnswer("refused", status=status)).does()
    assert isinstance(outcome, Refused) is pauses
    if isinstance(outcome, Refused):
        assert (outcome.status, outcome.creates_only) == (status, creates_only)


def _claimed(desk: Desk, **facts: Any) -> Any:
    committed = Committed(wait_s=facts.get("wait_s"))
    return SimpleNamespace(ignored=facts.get("ignored"), state=facts.get("state", desk.state)), committed


@pytest.mark.parametrize("is_first", [True, False])
def test_a_claim_that_fails_gives_the_providers_probe_back(*, is_first: bool) -> None:
    """One that is claimed already took no probe: there is none to give back."""
    desk = Desk(CreateAnswer("created"))
    provider = desk.command.provider
    if not is_first:
        desk.state = desk.state.with_attempt(Attempt(1, provider, AttemptStatus.CLAIMED))
    desk.claims = RuntimeError("not this time")
    with pytest.raises(RuntimeError):
        desk.does()
    assert desk.steps == ["claim", *[f"{provider} is left"] * is_first]


@pytest.mark.parametrize("case", ["refused", "moved on", "the bot's rate"])
def test_a_claim_that_is_not_made_sends_nothing(case: str) -> None:
    desk = Desk(CreateAnswer("created", transcript_id="t"))
    gone = Transcription("default", "r")
    facts: dict[str, dict[str, Any]] = {
        "refused": {"ignored": "why"},
        "moved on": {"ignored": "why", "state": gone},
        "the bot's rate": {"wait_s": 31.0},
    }
    desk.claims = _claimed(desk, **facts[case])
    outcome = desk.does()
    assert desk.steps == ["claim", f"{desk.command.provider} is left"]
    expected: dict[str, Outcome] = {
        "refused": Later(2.0, "claim_refused"),
        "moved on": NotWanted(),
        "the bot's rate": Later(31.0, "rate_of_the_bot", ends_by_itself=True),
    }
    assert outcome == expected[case]


def test_a_line_that_says_sending_is_looked_up_and_not_sent() -> None:
    desk = Desk(CreateAnswer("created", transcript_id="t"))
    line = Attempt(1, desk.command.provider, AttemptStatus.SENDING)
    desk.state = desk.state.with_attempt(line)
    outcome = desk.does()
    assert desk.steps == []
    assert isinstance(outcome, Happened)
    assert type(outcome.event).__name__ == "CreateUnknown"
    assert outcome.event.at == NOW
