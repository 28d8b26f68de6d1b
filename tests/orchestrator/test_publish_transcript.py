"""
What a reader of the folders finds, whatever stops a worker between a manifest and its commit, and whichever
of two workers is first. Real SQLite and a real folder; a worker is another handle on both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
import structlog

from app.adapters.local_files import LocalBlobs
from app.adapters.sql import tables as t
from app.adapters.sql.store import SqlStore, open_store
from app.core import events
from app.core.commands import Command, FetchTranscript, PublishTranscript
from app.core.quality import Quality
from app.core.seen import TranscriptStatus
from app.core.state import Phase, Transcription
from app.orchestrator.command_context import Workspace
from app.orchestrator.records import KEY_ACCEPTED, Source
from app.orchestrator.service import Service
from app.orchestrator.timing import Timing
from app.recall.types import Answer, Artifact
from tests import migrated
from tests.doubles.full_queue import FullQueue
from tests.doubles.still_clock import StillClock
from tests.policies import built_in
from tests.transcripts.recall_json import spoke

R1 = "aaaaaaaa-0000-4000-8000-000000000001"
T1, T2, T3 = (f"bbbbbbbb-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
EMPTY, WORDS, NO_TRANSCRIPT = b"[]", json.dumps([spoke("Good morning.")]).encode(), b"<html>"
# Nothing is waited for, and no other provider is asked: an empty transcript is published at once.
_DURATIONS = replace(built_in().durations, unreadable_again_s=0.0)
POLICY = replace(built_in(), durations=_DURATIONS, quality=Quality(empty="accept"))
A_LEASE_S = 20.0


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Recall:
    """Transcripts by id, each with its bytes."""

    contents: dict[str, bytes]
    downloads: list[str] = field(default_factory=list)
    fingerprint: str = "f1"

    def answers(self) -> list[Answer]:
        return []

    def retrieve(self, transcript_id: str, *, recording_id: str) -> Artifact | None:
        return Artifact(
            transcript_id,
            TranscriptStatus.DONE,
            None,
            "deepgram_async",
            None,
            False,
            download_url=transcript_id,
        )

    def download(self, url: str, target: Path, *, keep_going: Any) -> None:
        self.downloads.append(url)
        target.write_bytes(self.contents[url])


class Folder(LocalBlobs):
    """Does something right before, or right after, one file is in its place."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.before: dict[str, Callable[[], None]] = {}
        self.after: dict[str, Callable[[], None]] = {}

    def put(self, key: str, source: Path, *, media_type: str = "") -> None:
        self.before.pop(key, lambda: None)()
        super().put(key, source)
        self.after.pop(key, lambda: None)()


def die() -> None:
    raise Killed


@dataclass
class World:
    folder: Path
    recall: Recall
    opened: list[SqlStore] = field(default_factory=list)
    late_s: float = 0.0

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder}/afterword.db"

    def store(self) -> SqlStore:
        self.opened.append(open_store(self.url, clock_offset_s=self.late_s))
        return self.opened[-1]

    def worker(self) -> tuple[Service, Folder]:
        blobs = Folder(self.folder / "results")
        service = Service(
            store=self.store(),
            queue=FullQueue(),
            blobs=blobs,
            clock=StillClock(at=0.0),
            workspaces={"default": Workspace("default", cast(Any, self.recall), POLICY)},
            timing=Timing(),
            scratch=self.folder / "scratch",
            log=structlog.wrap_logger(None, processors=[_drop]),
        )
        return service, blobs

    def hears(self, *happened: events.Event) -> None:
        service, _ = self.worker()
        for event in happened:
            service.advance("default", R1, event, Source(by="webhook"))

    def does(self, command: Command, **at: Callable[[], None]) -> None:
        """A worker of its own; `before_T1`, `after_T1`: what happens around that transcript's manifest."""
        service, blobs = self.worker()
        for name, act in at.items():
            when, _, tid = name.partition("_")
            manifest = f"default/{R1}/{globals()[tid]}/manifest.json"
            (blobs.before if when == "before" else blobs.after)[manifest] = act
        with self.store().reading() as connection:
            of_key = sa.select(t.commands.c.id).where(t.commands.c.key == command.key)
            command_id = connection.execute(of_key).scalar_one()
        service.perform(command_id)

    def is_killed_doing(self, command: Command, **at: Callable[[], None]) -> None:
        """Its lease runs out afterwards."""
        with pytest.raises(Killed):
            self.does(command, **at)
        self.late_s += A_LEASE_S

    def does_all(self) -> None:
        """Until nothing is to be done."""
        for _ in range(20):
            pending = self.store().load("default", R1).pending
            if not pending:
                return
            self.does(pending[0])
        raise AssertionError(pending)

    @property
    def state(self) -> Transcription:
        return self.store().load("default", R1).transcription

    def rows(self) -> dict[str, tuple[str, bool, bool]]:
        """Verdict, whether it is current, whether a draft is left."""
        with self.store().reading() as connection:
            rows = connection.execute(sa.select(t.artifacts)).all()
        return {row.transcript_id: (row.verdict, row.is_current, row.draft is not None) for row in rows}

    def manifest(self, tid: str) -> dict[str, Any] | None:
        path = self.folder / "results" / "default" / R1 / tid / "manifest.json"
        return cast("dict[str, Any]", json.loads(path.read_bytes())) if path.exists() else None

    def says(self) -> dict[str, tuple[str, str | None]]:
        """Of each manifest the verdict and what became the result instead, and all that it names is there."""
        said = {tid: self.manifest(tid) for tid in (T1, T2, T3)}
        for tid, manifest in said.items():
            folder = self.folder / "results" / "default" / R1 / tid
            for name, facts in (manifest or {}).get("files", {}).items():
                assert (folder / name).stat().st_size == facts["size_bytes"]
        return {tid: (m["verdict"], m.get("superseded_by")) for tid, m in said.items() if m is not None}


def _drop(*_: Any) -> str:
    raise structlog.DropEvent


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, Recall({T1: EMPTY, T2: WORDS, T3: EMPTY}))
    migrated.write(tmp_path / "afterword.db")
    world.store().first_start()
    world.store().set_key_status("default", world.recall.fingerprint, KEY_ACCEPTED)
    yield world
    for store in world.opened:
        store.close()


def done(tid: str, ordinal: int | None = None) -> events.TranscriptDone:
    return events.TranscriptDone(1.0, tid, ordinal)


def ordered(world: World, tid: str) -> None:
    """Our first attempt's transcript is done."""
    now = world.store().now()
    world.hears(
        events.RecordingDone(now, "a bot", (("customer", "c-17"),)),
        events.Sending(now, 1, "deepgram_async", 0),
        events.Created(now, 1, tid, "deepgram_async"),
        done(tid, 1),
    )


def unreadable(world: World) -> None:
    """T1 is stored as it is: no transcript, as far as this version knows."""
    world.recall.contents[T1] = NO_TRANSCRIPT
    ordered(world, T1)
    for _ in range(3):
        world.does(FetchTranscript(T1))
    assert world.says() == {T1: ("unreadable", None)}
    assert world.rows() == {T1: ("unreadable", False, False)}


def updated(world: World, content: bytes) -> None:
    """
    What was no transcript is one for the next version: here the stored bytes are others, and its manifest
    says so.
    """
    world.recall.contents[T1] = content
    folder = world.folder / "results" / "default" / R1 / T1
    (folder / "transcript.json").write_bytes(content)
    manifest = world.manifest(T1)
    assert manifest is not None
    facts = _described(content)
    manifest["files"]["transcript.json"] |= facts
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _described(content: bytes) -> dict[str, Any]:
    return {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


# -- read again -----------------------------------------------------------------------------------------


def retried(world: World) -> None:
    world.hears(events.RetryAsked(world.store().now(), 0))


@pytest.mark.slow
def test_what_could_not_be_read_and_is_empty_now_says_so(world: World) -> None:
    unreadable(world)
    updated(world, EMPTY)
    retried(world)
    world.does_all()
    assert world.state.phase is Phase.STORED
    assert world.says() == {T1: ("empty", None)}
    assert world.rows() == {T1: ("empty", True, False)}
    assert world.recall.downloads == [T1] * 3, "read again from what is stored"


@pytest.mark.slow
@pytest.mark.parametrize("where", ["before_T1", "after_T1"])
@pytest.mark.parametrize(("content", "verdict"), [(EMPTY, "empty"), (WORDS, "spoken")])
def test_a_worker_killed_around_the_new_manifest_leaves_a_whole_one_and_another_ends_it(
    world: World, where: str, content: bytes, verdict: str
) -> None:
    unreadable(world)
    updated(world, content)
    retried(world)
    if content is EMPTY:
        world.does(FetchTranscript(T1))
        assert world.rows() == {T1: ("empty", False, True)}
    world.is_killed_doing(PublishTranscript(T1) if content is EMPTY else FetchTranscript(T1), **{where: die})
    assert world.says() == {T1: (verdict if where == "after_T1" else "unreadable", None)}
    world.does_all()
    assert world.says() == {T1: (verdict, None)}
    assert world.rows() == {T1: (verdict, True, False)}
    assert world.recall.downloads == [T1] * 3


def test_a_worker_killed_after_an_unreadable_manifest_leaves_a_row_to_the_next(world: World) -> None:
    world.recall.contents[T1] = NO_TRANSCRIPT
    ordered(world, T1)
    world.does(FetchTranscript(T1))
    world.does(FetchTranscript(T1))
    world.is_killed_doing(FetchTranscript(T1), after_T1=die)
    assert (world.rows(), world.says()) == ({}, {T1: ("unreadable", None)})
    world.does(FetchTranscript(T1))
    assert world.rows() == {T1: ("unreadable", False, False)}
    assert (world.state.phase, world.state.reason) == (Phase.FAILED, "transcript_unreadable")
    assert len(world.recall.downloads) == 3


def test_unreadable_bytes_that_are_stored_are_not_read_again_and_again(world: World) -> None:
    unreadable(world)
    first = world.manifest(T1)
    retried(world)
    world.does_all()
    assert (world.state.phase, world.manifest(T1)) == (Phase.FAILED, first)
    assert len(world.recall.downloads) == 3


@pytest.mark.slow
@pytest.mark.parametrize("is_gone", [True, False])
def test_bytes_that_are_not_those_of_their_manifest_are_fetched_anew(world: World, is_gone: bool) -> None:
    unreadable(world)
    raw = world.folder / "results" / "default" / R1 / T1 / "transcript.json"
    raw.unlink() if is_gone else raw.write_bytes(b"[")
    world.recall.contents[T1] = WORDS
    retried(world)
    world.does_all()
    assert world.says() == {T1: ("spoken", None)}
    assert raw.read_bytes() == WORDS


def test_an_empty_one_is_downloaded_again_only_where_nothing_says_that_it_is_whole(world: World) -> None:
    ordered(world, T1)
    service, blobs = world.worker()
    blobs.after[f"default/{R1}/{T1}/transcript.txt"] = die
    with world.store().reading() as connection:
        command_id = connection.execute(sa.select(t.commands.c.id)).scalar_one()
    with pytest.raises(Killed):
        service.perform(command_id)
    world.late_s += A_LEASE_S
    assert (world.says(), world.rows()) == ({}, {})
    world.does(FetchTranscript(T1))
    assert (world.says(), world.rows()) == ({}, {T1: ("empty", False, True)})
    world.is_killed_doing(PublishTranscript(T1), before_T1=die)
    assert world.says() == {}
    world.is_killed_doing(PublishTranscript(T1), after_T1=die)
    first = world.manifest(T1)
    world.does_all()
    assert world.manifest(T1) == first, "what is true is left as it is"
    assert world.rows() == {T1: ("empty", True, False)}
    assert world.recall.downloads == [T1, T1]


# -- words while an empty one is published --------------------------------------------------------------


def becoming_the_result(world: World) -> None:
    """T1 is empty and about to be published; T2 is known to be finished, with words."""
    ordered(world, T1)
    world.does(FetchTranscript(T1))
    assert world.state.publishing == T1
    world.hears(done(T2))


def with_words(world: World) -> None:
    assert world.state.phase is Phase.STORED
    assert world.state.current == T2
    assert world.says() == {T1: ("empty", T2), T2: ("spoken", None)}
    assert world.rows() == {T1: ("empty", False, False), T2: ("spoken", True, False)}


@pytest.mark.slow
def test_words_that_come_before_the_manifest_of_an_empty_one(world: World) -> None:
    becoming_the_result(world)
    world.does(FetchTranscript(T2))
    assert world.says() == {T2: ("spoken", None)}
    world.does_all()
    with_words(world)


@pytest.mark.slow
@pytest.mark.parametrize("is_killed", [False, True])
def test_words_that_come_between_the_manifest_of_an_empty_one_and_its_commit(
    world: World, is_killed: bool
) -> None:
    becoming_the_result(world)

    def words() -> None:
        world.does(FetchTranscript(T2))
        if is_killed:
            die()

    if is_killed:
        world.is_killed_doing(PublishTranscript(T1), after_T1=words)
    else:
        world.does(PublishTranscript(T1), after_T1=words)
    assert world.says() == {T1: ("empty", None), T2: ("spoken", None)}, "until its command is done anew"
    assert world.store().load("default", R1).pending == (PublishTranscript(T1),)
    world.does_all()
    with_words(world)


@pytest.mark.slow
def test_an_empty_one_committed_between_the_manifest_of_words_and_their_commit(world: World) -> None:
    becoming_the_result(world)
    world.does(FetchTranscript(T2), after_T2=lambda: world.does(PublishTranscript(T1)))
    world.does_all()
    assert world.state.current == T2
    assert world.rows() == {T1: ("empty", False, False), T2: ("spoken", True, False)}
    assert world.says()[T2] == ("spoken", None)


@pytest.mark.slow
def test_a_second_empty_one_between_the_manifest_of_the_first_and_its_commit(world: World) -> None:
    becoming_the_result(world)
    world.recall.contents[T2] = EMPTY
    world.does(PublishTranscript(T1), after_T1=lambda: world.does(FetchTranscript(T2)))
    world.does_all()
    said = world.says()
    assert world.state.current is not None
    assert [tid for tid, (_, instead) in said.items() if instead is None] == [world.state.current]
    assert {tid for tid, (_, is_current, _) in world.rows().items() if is_current} == {world.state.current}
