"""What a question to Recall comes to: the outcome that an effect returns, without a store or a worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from app.core import events
from app.core.commands import AskRecording, AskTranscript, AwaitProvider, Command, PruneTranscript
from app.core.events import RecordingCondition
from app.core.seen import TranscriptStatus
from app.errors import AccountRefused, RecallBusy
from app.orchestrator.command_context import CommandContext
from app.orchestrator.effects import prune_transcript, queries
from app.orchestrator.outcome import Happened, Later, Outcome, Refused
from app.recall.types import Artifact, RecordingFacts
from tests.orchestrator.bare_context import NOW, context_of
from tests.policies import built_in

Effect = Callable[[CommandContext], Outcome]
QUESTIONS: list[tuple[Effect, Command]] = [
    (queries.ask_transcript, AskTranscript("t")),
    (queries.ask_recording, AskRecording()),
    (prune_transcript.prune, PruneTranscript(1)),
]


class Recall(SimpleNamespace):
    """One transcript, in one status."""

    fingerprint = "f1"

    def retrieve(self, transcript_id: str, *, recording_id: str) -> Artifact | None:
        self._perhaps_raise()
        return artifact(transcript_id, self.status) if self.status else None

    def recording(self, recording_id: str) -> RecordingFacts:
        self._perhaps_raise()
        return RecordingFacts(self.condition)

    def list_page(self, recording_id: str, cursor: str | None) -> tuple[list[Artifact], str | None]:
        self._perhaps_raise()
        return self.pages[int(cursor or 0)], (str(int(cursor or 0) + 1) if self.is_endless else None)

    def delete(self, transcript_id: str) -> None:
        self.deleted.append(transcript_id)

    def _perhaps_raise(self) -> None:
        if (trouble := getattr(self, "trouble", None)) is not None:
            raise trouble


def artifact(transcript_id: str, status: str, ordinal: int | None = 1) -> Artifact:
    return Artifact(transcript_id, TranscriptStatus(status), None, "p", ordinal, False)


@pytest.mark.parametrize(
    ("status", "event"),
    [
        ("done", events.TranscriptDone(NOW, "t")),
        ("failed", events.TranscriptFailed(NOW, "t")),
        ("deleted", events.TranscriptGone(NOW, "t")),
        ("processing", events.StillProcessing(NOW, "t")),
        ("", events.TranscriptMissing(NOW, "t", NOW, "f1")),
    ],
)
def test_a_transcripts_status_is_an_event(status: str, event: events.Event) -> None:
    assert queries.ask_transcript(context_of(AskTranscript("t"), recall=Recall(status=status))) == Happened(
        event
    )


def test_a_recording_that_was_asked_for_is_an_event() -> None:
    recall = Recall(condition=RecordingCondition.NOT_DONE)
    outcome = queries.ask_recording(context_of(AskRecording(), recall=recall))
    assert isinstance(outcome, Happened)
    assert isinstance(outcome.event, events.RecordingAsked)
    assert outcome.event.condition is RecordingCondition.NOT_DONE


def test_a_wait_for_a_provider_ends_by_an_event() -> None:
    assert queries.await_provider(context_of(AwaitProvider())) == Happened(events.ProviderAwaited(NOW))


@pytest.mark.parametrize(("effect", "command"), QUESTIONS)
def test_a_busy_recall_is_later_and_a_refused_account_is_refused(effect: Effect, command: Command) -> None:
    busy = Recall(trouble=RecallBusy("http_503", retry_after_s=7.0))
    assert effect(context_of(command, recall=busy)) == Later(7.0, "http_503")
    refused = Recall(trouble=AccountRefused(402))
    assert effect(context_of(command, recall=refused)) == Refused(402)


def test_a_list_without_an_end_proves_nothing() -> None:
    recall = Recall(pages=[[artifact("t", "done")]] * 99, is_endless=True)
    context = context_of(
        PruneTranscript(1), recall=recall, renewer=SimpleNamespace(raise_if_lost=lambda: None)
    )
    assert queries.list_all(context) == Later(600.0, "list_too_long")


@pytest.mark.parametrize(
    ("ours", "others", "has_room", "deleted"),
    [
        (["failed"], 9, True, ["t0"]),
        (["done"], 9, False, []),
        (["failed"], 2, True, []),
        ([], 0, None, []),
    ],
)
def test_room_is_made_by_deleting_a_failed_one_of_ours(
    ours: list[str], others: int, has_room: bool | None, deleted: list[str]
) -> None:
    """An empty list at Recall's limit is of a key that does not see the recording."""
    page = [artifact(f"t{n}", status) for n, status in enumerate(ours)]
    page += [artifact(f"o{n}", "done", None) for n in range(others)]
    recall = Recall(pages=[page], is_endless=False, deleted=[], condition=RecordingCondition.UNKNOWN)
    renewer = SimpleNamespace(raise_if_lost=lambda: None, check=lambda: None)
    policy = replace(built_in(), prune_stored=False)
    context = context_of(PruneTranscript(1), recall=recall, renewer=renewer, policy=policy)
    outcome: Any = prune_transcript.prune(context)
    assert recall.deleted == deleted
    if has_room is None:
        assert outcome == Later(30.0, "recording_not_seen")
    else:
        assert outcome.event.has_room is has_room
