"""
Labels in the place of names (`200-0`) cost one read and one download more, and only they; whatever becomes of
that, no file shows one, and what is stored is rendered alike later.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from app.core import events
from app.core.commands import FetchTranscript, RenderTranscript
from app.core.policy import FORMATS
from app.errors import RecallBusy
from app.orchestrator.command_context import Workspace
from app.orchestrator.records import KEY_ACCEPTED
from app.orchestrator.search_upkeep import SearchUpkeep
from app.orchestrator.service import Service
from app.results.stored_files import open_result_file
from tests import migrated
from tests.orchestrator.test_participants import FILES, Asking, WithParticipants
from tests.orchestrator.test_publish_transcript import POLICY, R1, T1, Folder, ordered
from tests.transcripts.recall_json import spoke

HYBRID = json.dumps(
    [spoke("Good morning.", who="200-0", id=None), spoke("Hello.", who="300-0", id=None)]
    + [spoke("And good morning.", who="300-1", id=None)]
).encode()
MACHINE = json.dumps([spoke("Good morning.", who="0", id=None)]).encode()
PEOPLE = json.dumps([{"id": 200, "name": "Ana"}, {"id": 300, "name": "Bo's office"}]).encode()
NAMED = ["Ana", "Bo's office, voice 1", "Bo's office, voice 2"]
NUMBERED = ["Participant 200", "Participant 300, voice 1", "Participant 300, voice 2"]
FOLDER = f"default/{R1}/{T1}"


class Labelled(Asking):
    """A world of labels, whose policy does not want the list of participants."""

    formats: tuple[str, ...] = FORMATS

    def worker(self) -> tuple[Service, Folder]:
        service, blobs = super().worker()
        policy = replace(POLICY, participants=self.is_wanted, formats=self.formats)
        cast(Any, service.workspaces)["default"] = Workspace("default", cast(Any, self.recall), policy)
        return service, blobs

    def speakers(self, sentences: bytes | None = None) -> list[str]:
        content = self.files["sentences.json"] if sentences is None else sentences
        return [line["speaker"] for line in json.loads(content)]


@pytest.fixture
def recall() -> WithParticipants:
    return WithParticipants({T1: HYBRID, "people": PEOPLE})


@pytest.fixture
def world(tmp_path: Path, recall: WithParticipants) -> Iterator[Labelled]:
    world = Labelled(tmp_path, recall, is_wanted=False)
    migrated.write(tmp_path / "afterword.db")
    world.store().first_start()
    world.store().set_key_status("default", recall.fingerprint, KEY_ACCEPTED)
    ordered(world, T1)
    yield world
    for store in world.opened:
        store.close()


@pytest.mark.parametrize("is_wanted", [False, True])
def test_hybrid_labels_become_names_by_one_read_and_one_download_more(
    world: Labelled, recall: WithParticipants, is_wanted: bool
) -> None:
    world.is_wanted = is_wanted
    world.does(FetchTranscript(T1))
    assert world.speakers() == NAMED
    assert (recall.asked, recall.downloads) == (1, [T1, "people"])
    assert (world.files["transcript.json"], world.files["participants.json"]) == (HYBRID, PEOPLE)
    assert "participants.json" in (world.manifest(T1) or {})["files"]


def test_a_machines_labels_cost_nothing(world: Labelled, recall: WithParticipants) -> None:
    recall.contents[T1] = MACHINE
    world.does(FetchTranscript(T1))
    assert world.speakers() == ["Speaker A"]
    assert (recall.asked, recall.downloads, set(world.files)) == (0, [T1], FILES)


@pytest.mark.parametrize("facts", [{}, {"participants_url": None}])
def test_without_a_list_the_speakers_are_numbered(
    world: Labelled, recall: WithParticipants, facts: dict[str, Any]
) -> None:
    del recall.contents["people"]
    recall.facts = replace(recall.facts, **facts)
    world.does(FetchTranscript(T1))
    assert world.speakers() == NUMBERED
    assert not any(b"200-0" in content for name, content in world.files.items() if name != "transcript.json")


@pytest.mark.slow
def test_a_recording_that_cannot_be_read_is_waited_for_ten_minutes(
    world: Labelled, recall: WithParticipants
) -> None:
    recall.trouble = RecallBusy("http_503", retry_after_s=1.0)
    world.does(FetchTranscript(T1))
    assert not world.files
    world.late_s = 700.0
    world.does(FetchTranscript(T1))
    assert world.speakers() == NUMBERED
    assert world.left_out == ["recording_not_read"]


@pytest.mark.slow
def test_what_is_stored_is_rendered_alike_without_recall(world: Labelled, recall: WithParticipants) -> None:
    world.formats = ("transcript.txt",)
    world.does(FetchTranscript(T1))
    asked = recall.asked, list(recall.downloads)
    _, blobs = world.worker()
    with open_result_file(blobs, FOLDER, "sentences.json") as made:
        on_the_spot = made.read()
    upkeep = SearchUpkeep(cast(Any, None), cast(Any, None), blobs, cast(Any, None), unwanted=frozenset())
    with upkeep._sentences(FOLDER, ("transcript.txt",)) as lines:
        assert lines.read() == on_the_spot
    world.formats = FORMATS
    world.hears(events.RenderAsked(world.store().now(), T1))
    world.does(RenderTranscript(T1))
    assert world.files["sentences.json"] == on_the_spot
    assert world.speakers() == NAMED
    assert (recall.asked, recall.downloads) == asked


def test_a_result_of_before_without_a_list_is_readable(world: Labelled, recall: WithParticipants) -> None:
    world.does(FetchTranscript(T1))
    results = world.folder / "results" / FOLDER
    for name in ("participants.json", "sentences.json"):
        (results / name).unlink()
    _, blobs = world.worker()
    with open_result_file(blobs, FOLDER, "sentences.json") as made:
        assert world.speakers(made.read()) == NUMBERED
