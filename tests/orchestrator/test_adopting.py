"""A transcript that another system had made: fetched and stored as ours would be, and marked as adopted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.adapters.local_files import LocalBlobs
from app.core import events
from app.core.commands import BeginExtra, FetchTranscript, LookUpTranscript
from app.core.seen import TranscriptStatus
from app.core.state import Attempt, AttemptStatus, Extra, PendingTranscript, Phase, Transcription
from app.orchestrator.effects.fetch_transcript import fetch
from app.orchestrator.effects.queries import begin_extra
from app.orchestrator.giving_up import giving_up
from app.orchestrator.history import summary
from app.orchestrator.outcome import Happened
from app.recall.types import Artifact
from app.transcripts.manifest import parse_manifest
from tests.orchestrator.bare_context import NOW, context_of
from tests.policies import built_in
from tests.transcripts.recall_json import spoke

TID = "7d7387b1-874f-4950-a5b9-1ba6660e2f95"
FINISHED = Transcription(
    *("default", "r"), phase=Phase.FETCHING, pending_transcripts=(PendingTranscript(TID, since=NOW),)
)


class Recall:
    fingerprint = "f1"

    def __init__(self, provider: str, *, is_realtime: bool = False, words: object = None) -> None:
        self.words = words or [spoke("Good morning.")]
        self.artifact = Artifact(TID, TranscriptStatus.DONE, None, provider, None, is_realtime, "url")

    def retrieve(self, transcript_id: str, *, recording_id: str) -> Artifact:
        assert (transcript_id, recording_id) == (TID, "r")
        return self.artifact

    def download(self, url: str, target: Path, *, keep_going: Any) -> None:
        target.write_text(json.dumps(self.words), "utf-8")


def fetched(
    tmp_path: Path, recall: Recall, *, state: Transcription = FINISHED, want_realtime: bool = False
) -> Happened:
    context = context_of(
        FetchTranscript(TID),
        state=state,
        policy=replace(built_in(), want_realtime=want_realtime),
        recall=recall,
        blobs=LocalBlobs(tmp_path / "results"),
        scratch=tmp_path / "scratch",
        renewer=SimpleNamespace(check=lambda: None, raise_if_lost=lambda: None),
    )
    happened = fetch(context)
    assert isinstance(happened, Happened)
    return happened


def test_what_was_made_elsewhere_is_stored_as_adopted_with_the_provider_that_recall_reports(
    tmp_path: Path,
) -> None:
    happened = fetched(tmp_path, Recall("rev_async"))
    stored = happened.event
    assert isinstance(stored, events.Stored)
    assert (stored.provider, stored.is_adopted, stored.is_empty) == ("rev_async", True, False)
    assert summary(stored)["is_adopted"] is True
    assert happened.artifact is not None
    assert (happened.artifact.ordinal, happened.artifact.provider) == (None, "rev_async")
    told = (tmp_path / "results/default/r" / TID / "manifest.json").read_bytes()
    manifest = parse_manifest(told)
    assert (manifest.provider, manifest.is_adopted, manifest.attempts) == ("rev_async", True, ())
    assert json.loads(told)["adopted"] is True


def test_what_was_ordered_here_is_not_adopted(tmp_path: Path) -> None:
    ours = replace(FINISHED, attempts=(Attempt(1, "rev_async", AttemptStatus.DONE, transcript_id=TID),))
    stored = fetched(tmp_path, Recall("rev_async"), state=ours).event
    assert isinstance(stored, events.Stored)
    assert not stored.is_adopted
    assert "adopted" not in json.loads((tmp_path / "results/default/r" / TID / "manifest.json").read_text())


@pytest.mark.parametrize("is_wanted", [False, True])
def test_a_real_time_one_is_adopted_where_the_policy_wants_them(tmp_path: Path, is_wanted: bool) -> None:
    recall = Recall("meeting_captions", is_realtime=True)
    event = fetched(tmp_path, recall, want_realtime=is_wanted).event
    if is_wanted:
        assert isinstance(event, events.Stored)
        assert event.is_adopted
    else:
        assert event == events.Unwanted(NOW, TID, "meeting_captions")


def test_an_empty_one_is_a_candidate_as_ours_would_be(tmp_path: Path) -> None:
    happened = fetched(tmp_path, Recall("rev_async", words=[spoke("")]))
    assert isinstance(happened.event, events.Stored)
    assert (happened.event.is_empty, happened.event.is_adopted) == (True, True)
    assert happened.artifact is not None
    assert happened.artifact.draft is not None
    assert parse_manifest(happened.artifact.draft.encode()).is_adopted


def test_the_turn_of_an_extra_asks_nothing() -> None:
    assert begin_extra(context_of(BeginExtra())) == Happened(events.ExtraDue(NOW))


def test_one_unread_list_does_not_end_an_extra_of_a_recording_of_last_month() -> None:
    """Its patience begins with the order, not with the recording."""
    state = Transcription("default", "r", extra=Extra(2, NOW), first_heard_at=NOW - 30 * 86_400)
    context = context_of(LookUpTranscript(0), state=state)
    context = replace(context, leased=replace(context.leased, wanted_since=NOW - 60))
    context = replace(context, store=SimpleNamespace(paused_since=lambda *_, **__: 0.0))
    assert giving_up(context, "http_503") is None
