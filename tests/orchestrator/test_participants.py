"""`participants.json` by the policy: one read and one download more, and never a result lost for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from app.core import events
from app.core.commands import FetchTranscript
from app.core.events import RecordingCondition
from app.core.policy import FORMATS
from app.errors import AccountRefused, DownloadBlocked, RecallBusy
from app.orchestrator.command_context import Workspace
from app.orchestrator.records import KEY_ACCEPTED
from app.orchestrator.service import Service
from app.recall.types import RecordingFacts
from tests import migrated
from tests.orchestrator.test_publish_transcript import (
    POLICY,
    R1,
    T1,
    WORDS,
    Folder,
    Recall,
    World,
    ordered,
)

PEOPLE = json.dumps([{"id": 1, "name": "Ana Lopez", "email": "ana@example.org"}], indent=1).encode()
BEGAN = 1_795_874_403.0
FILES = {*FORMATS, "transcript.json", "manifest.json"}


@dataclass
class WithParticipants(Recall):
    facts: RecordingFacts = RecordingFacts(
        RecordingCondition.DONE, started_at=BEGAN, participants_url="people"
    )
    trouble: Exception | None = None
    asked: int = 0

    def recording(self, recording_id: str) -> RecordingFacts:
        assert recording_id == R1
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble
        return self.facts

    def download(self, url: str, target: Path, *, keep_going: Any) -> None:
        if url not in self.contents:
            raise DownloadBlocked("http_404")
        super().download(url, target, keep_going=keep_going)


@dataclass
class Asking(World):
    is_wanted: bool = True
    logged: list[dict[str, Any]] = field(default_factory=list)

    def worker(self) -> tuple[Service, Folder]:
        service, blobs = super().worker()
        policy = replace(POLICY, participants=self.is_wanted)
        workspace = Workspace("default", cast(Any, self.recall), policy)
        service = Service(
            store=service.store,
            queue=service.queue,
            blobs=blobs,
            clock=service.clock,
            workspaces={"default": workspace},
            timing=service.timing,
            scratch=self.folder / "scratch",
            log=structlog.wrap_logger(None, processors=[self._log]),
        )
        return service, blobs

    def _log(self, _: Any, __: str, line: Any) -> str:
        self.logged.append(dict(line))
        raise structlog.DropEvent

    @property
    def files(self) -> dict[str, bytes]:
        folder = self.folder / "results" / "default" / R1 / T1
        return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}

    @property
    def left_out(self) -> list[str]:
        told = ("participants_left_out", "evidence_left_out")
        return [line["cause"] for line in self.logged if line["event"] in told]


@pytest.fixture
def recall() -> WithParticipants:
    return WithParticipants({T1: WORDS, "people": PEOPLE})


@pytest.fixture
def world(tmp_path: Path, recall: WithParticipants) -> Iterator[Asking]:
    world = Asking(tmp_path, recall)
    migrated.write(tmp_path / "afterword.db")
    world.store().first_start()
    world.store().set_key_status("default", recall.fingerprint, KEY_ACCEPTED)
    ordered(world, T1)
    yield world
    for store in world.opened:
        store.close()


def test_recalls_list_is_stored_as_it_came_by_one_read_and_one_download_more(
    world: Asking, recall: WithParticipants
) -> None:
    world.does(FetchTranscript(T1))
    assert world.files["participants.json"] == PEOPLE
    assert (recall.asked, recall.downloads) == (1, [T1, "people"])
    manifest = world.manifest(T1)
    assert manifest is not None
    assert manifest["files"]["participants.json"]["media_type"] == "application/json"
    assert manifest["started_at"] == "2026-11-28T14:00:03Z"
    assert b"Recording started at 2026-11-28 14:00:03 UTC." in world.files["transcript.md"]
    told = str(world.logged)
    assert "Ana" not in told
    assert "example.org" not in told


def test_without_the_policy_nothing_more_is_asked(world: Asking, recall: WithParticipants) -> None:
    world.is_wanted = False
    world.does(FetchTranscript(T1))
    assert set(world.files) == FILES
    assert (recall.asked, recall.downloads) == (0, [T1])


@pytest.mark.parametrize("content", [None, b"{}", b"[", b"[" * 100_000, b" " * 20_000_001])
def test_a_list_that_cannot_be_had_is_left_out_aloud(
    world: Asking, recall: WithParticipants, content: bytes | None
) -> None:
    del recall.contents["people"]
    if content is not None:
        recall.contents["people"] = content
    world.does(FetchTranscript(T1))
    assert set(world.files) == FILES
    assert world.left_out == ["unreadable" if content is not None else "http_404"]


def test_a_recording_that_has_none_has_its_result(world: Asking, recall: WithParticipants) -> None:
    recall.facts = RecordingFacts(RecordingCondition.GONE)
    world.does(FetchTranscript(T1))
    assert set(world.files) == FILES
    assert world.left_out == ["none_at_recall"]
    assert "started_at" not in (world.manifest(T1) or {"started_at": "no manifest"})


@pytest.mark.parametrize("trouble", [RecallBusy("http_503", retry_after_s=1.0), AccountRefused(402)])
def test_a_question_in_vain_is_asked_again_for_ten_minutes_and_then_left(
    world: Asking, recall: WithParticipants, trouble: Exception
) -> None:
    recall.trouble = trouble
    world.does(FetchTranscript(T1))
    assert not world.files, "put off"
    world.store().unpause("default")
    world.late_s = 700.0
    world.does(FetchTranscript(T1))
    assert set(world.files) == FILES
    assert world.left_out == ["recording_not_read"]


def test_when_the_recording_began_is_known_where_recall_was_asked_before(world: Asking) -> None:
    world.is_wanted = False
    world.hears(events.RecordingAsked(2.0, RecordingCondition.DONE, started_at=BEGAN))
    world.does(FetchTranscript(T1))
    assert (world.manifest(T1) or {})["started_at"] == "2026-11-28T14:00:03Z"
