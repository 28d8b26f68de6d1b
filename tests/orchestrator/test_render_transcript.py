"""
The formats that a stored transcript lacks, made from what is stored. Real SQLite and a real folder, as in
`test_publish_transcript`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.core import events
from app.core.commands import FetchTranscript, RenderTranscript
from app.core.policy import FORMATS
from app.errors import BlobMissing, TranscriptUnreadable
from app.orchestrator.command_context import Workspace
from app.orchestrator.records import KEY_ACCEPTED, PauseSubject
from app.orchestrator.service import Service
from app.results.stored_files import open_result_file
from app.transcripts.formats import FORMATS as WRITERS
from tests import migrated
from tests.orchestrator.test_publish_transcript import (
    EMPTY,
    NO_TRANSCRIPT,
    POLICY,
    R1,
    T1,
    T2,
    T3,
    WORDS,
    Folder,
    Recall,
    World,
    die,
    ordered,
    unreadable,
    updated,
)

EARLIER = ("sentences.json", "transcript.txt")
FOLDER = f"default/{R1}/{T1}"


@dataclass
class Versions(World):
    formats: tuple[str, ...] = EARLIER

    def worker(self) -> tuple[Service, Folder]:
        service, blobs = super().worker()
        workspace = service.workspaces["default"]
        policy = replace(POLICY, formats=self.formats)
        service.workspaces["default"] = Workspace(  # type: ignore[index]
            "default", workspace.recall, policy
        )
        return service, blobs

    def renders(self, tid: str = T1, **at: Any) -> None:
        self.asks(tid)
        self.does(RenderTranscript(tid), **at)

    def asks(self, tid: str = T1) -> None:
        self.hears(events.RenderAsked(self.store().now(), tid))

    @property
    def results(self) -> Path:
        return self.folder / "results" / FOLDER

    @property
    def names(self) -> set[str]:
        return {path.name for path in self.results.iterdir()}

    def listed(self) -> set[str]:
        """By the database."""
        with self.store().reading() as connection:
            of_this = sa.select(t.artifacts.c.files).where(t.artifacts.c.transcript_id == T1)
            return set(json.loads(connection.execute(of_this).scalar_one()))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Versions]:
    """An earlier version, which knew two formats, has stored a transcript; this one knows all."""
    world = Versions(tmp_path, Recall({T1: WORDS, T2: WORDS, T3: EMPTY}))
    migrated.write(tmp_path / "afterword.db")
    world.store().first_start()
    world.store().set_key_status("default", world.recall.fingerprint, KEY_ACCEPTED)
    yield world
    for store in world.opened:
        store.close()


@pytest.fixture
def stored(world: Versions) -> Versions:
    ordered(world, T1)
    world.does(FetchTranscript(T1))
    world.formats = FORMATS
    return world


def test_core_names_every_format_there_is() -> None:
    assert set(FORMATS) == set(WRITERS)


def test_only_the_formats_of_the_policy_are_stored_by_a_fetch(world: Versions) -> None:
    world.formats = ("transcript.srt",)
    ordered(world, T1)
    world.does(FetchTranscript(T1))
    assert world.names == {"transcript.json", "transcript.srt", "manifest.json"}


def test_missing_formats_are_made_without_recall_and_the_manifest_names_them(stored: Versions) -> None:
    before = stored.manifest(T1)
    assert stored.names == {*EARLIER, "transcript.json", "manifest.json"}
    stored.recall.contents.clear()
    stored.renders()
    manifest = stored.manifest(T1)
    assert before is not None
    assert manifest is not None
    assert set(manifest["files"]) == {*FORMATS, "transcript.json"}
    assert stored.listed() == stored.names == {*manifest["files"], "manifest.json"}
    assert stored.says() == {T1: ("spoken", None)}
    assert {**manifest, "files": None} == {**before, "files": None}, "nothing else is said anew"
    assert stored.rows() == {T1: ("spoken", True, False)}
    assert len(stored.recall.downloads) == 1


def test_what_lacks_nothing_is_left_alone(stored: Versions) -> None:
    stored.renders()
    before = {path: path.stat().st_mtime_ns for path in stored.results.iterdir()}
    stored.renders()
    assert {path: path.stat().st_mtime_ns for path in stored.results.iterdir()} == before
    assert not stored.store().load("default", R1).pending


def test_a_file_that_was_taken_away_is_made_again(stored: Versions) -> None:
    stored.renders()
    content = (stored.results / "transcript.txt").read_bytes()
    (stored.results / "transcript.txt").unlink()
    stored.renders()
    assert (stored.results / "transcript.txt").read_bytes() == content
    assert stored.says() == {T1: ("spoken", None)}


@pytest.mark.parametrize("where", ["before_T1", "after_T1"])
def test_a_worker_killed_around_the_manifest_is_followed_by_another(stored: Versions, where: str) -> None:
    stored.asks()
    stored.is_killed_doing(RenderTranscript(T1), **{where: die})
    assert stored.says() == {T1: ("spoken", None)}, "whole at every moment"
    stored.does(RenderTranscript(T1))
    assert stored.names == {*FORMATS, "transcript.json", "manifest.json"}
    assert not stored.store().load("default", R1).pending


def test_two_are_never_at_it_at_once_and_the_second_writes_no_manifest(stored: Versions) -> None:
    stored.asks()

    def other_takes_it() -> None:
        stored.late_s += 20.0
        stored.does(RenderTranscript(T1))

    service, blobs = stored.worker()
    blobs.before[f"{FOLDER}/transcript.vtt"] = other_takes_it
    manifests: list[str] = []
    blobs.before[f"{FOLDER}/manifest.json"] = lambda: manifests.append("mine")
    with stored.store().reading() as connection:
        (command_id,) = connection.execute(sa.select(t.commands.c.id)).scalars()
    service.perform(command_id)
    assert manifests == [], "its lease was another's by then"
    assert stored.says() == {T1: ("spoken", None)}


def test_a_refused_account_does_not_matter(stored: Versions) -> None:
    stored.store().pause("default", PauseSubject.ACCOUNT, 402, probe_after_s=3600)
    stored.renders()
    assert "transcript.srt" in stored.names


@pytest.mark.parametrize("content", [b"[]", NO_TRANSCRIPT, None], ids=["other", "none", "gone"])
def test_bytes_that_are_not_those_of_the_manifest_make_no_files(
    stored: Versions, content: bytes | None
) -> None:
    raw = stored.results / "transcript.json"
    raw.unlink() if content is None else raw.write_bytes(content)
    manifest = stored.manifest(T1)
    stored.renders()
    assert stored.manifest(T1) == manifest
    assert "transcript.srt" not in stored.names


def test_a_storage_that_is_away_is_waited_for(stored: Versions) -> None:
    (stored.folder / "scratch").rmdir()
    (stored.folder / "scratch").write_text("a file where the folder was")
    stored.renders()
    assert stored.store().load("default", R1).pending == (RenderTranscript(T1),)
    assert "transcript.srt" not in stored.names


def test_without_a_manifest_nothing_is_made(stored: Versions) -> None:
    (stored.results / "manifest.json").unlink()
    stored.renders()
    assert "transcript.srt" not in stored.names


@pytest.mark.slow
def test_an_unreadable_one_is_read_again(world: Versions) -> None:
    unreadable(world)
    updated(world, WORDS)
    world.formats = FORMATS
    world.asks()
    world.does(FetchTranscript(T1))
    assert world.says() == {T1: ("spoken", None)}
    assert world.names == {*FORMATS, "transcript.json", "manifest.json"}


# -- read without rendering for good --------------------------------------------------------------------


def test_a_format_that_is_not_stored_is_made_on_the_spot_as_render_would_store_it(stored: Versions) -> None:
    _, blobs = stored.worker()
    made = {}
    for name in FORMATS:
        with open_result_file(blobs, FOLDER, name) as stream:
            made[name] = stream.read()
            assert stream.seek(0) == 0
    assert stored.names == {*EARLIER, "transcript.json", "manifest.json"}, "nothing is stored by it"
    stored.renders()
    assert made == {name: (stored.results / name).read_bytes() for name in FORMATS}
    with open_result_file(blobs, FOLDER, "manifest.json") as stream:
        assert json.load(stream) == stored.manifest(T1)


def test_what_cannot_be_made_is_missing(stored: Versions) -> None:
    _, blobs = stored.worker()
    for folder, name in ((FOLDER, "transcript.docx"), (FOLDER[:-1] + "9", "transcript.srt")):
        with pytest.raises(BlobMissing):
            open_result_file(blobs, folder, name)
    (stored.results / "transcript.json").write_bytes(NO_TRANSCRIPT)
    with pytest.raises(TranscriptUnreadable):
        open_result_file(blobs, FOLDER, "transcript.srt")
    (stored.results / "manifest.json").write_bytes(b"{}")
    with pytest.raises(BlobMissing):
        open_result_file(blobs, FOLDER, "transcript.srt")
