"""
The search index is kept up beside the recordings and never in their way. Real SQLite, a real folder, a real
index; the worker is the one that stores.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
import sqlalchemy as sa
import structlog

from app.adapters.sql import tables as t
from app.adapters.sql.search_results import StoredResults
from app.adapters.sql.search_sqlite import SqliteSearchIndex, search_file
from app.core.commands import FetchTranscript
from app.core.state import Phase
from app.errors import BlobsUnavailable, QueueUnavailable
from app.orchestrator.command_context import Workspace
from app.orchestrator.ports_search import IndexCounts, StoredResult
from app.orchestrator.search_upkeep import SearchUpkeep
from app.orchestrator.service import Service
from app.orchestrator.timing import Timing
from app.results.search import BadCursor, Page, not_indexed, search, search_object
from app.transcripts.passages import Passage
from app.transcripts.search_words import parse_query
from tests import migrated
from tests.doubles.full_queue import FullQueue
from tests.doubles.still_clock import StillClock
from tests.orchestrator.test_publish_transcript import (
    POLICY,
    R1,
    T1,
    T2,
    T3,
    WORDS,
    Folder,
    Recall,
    World,
    done,
    ordered,
)

FURTHER = json.dumps([{"participant": {"id": 1, "name": "Bo"}, "words": [{"text": "Tomorrow."}]}]).encode()


class Searched(World):
    """A world whose workers keep an index."""

    def __init__(self, folder: Path, recall: Recall) -> None:
        super().__init__(folder, recall)
        self.index = SqliteSearchIndex(self.url)
        self.unwanted: set[str] = set()
        self.lines: list[dict[str, Any]] = []
        self.asked: list[int] = []
        self.times = iter(range(1000))

    def upkeep(self, blobs: Folder | None = None, ask: Callable[[int], None] | None = None) -> SearchUpkeep:
        log = structlog.wrap_logger(None, processors=[self._note])
        return SearchUpkeep(
            self.index,
            StoredResults(self.store()),
            blobs or Folder(self.folder / "results"),
            log,
            unwanted=self.unwanted,
            ask=ask or self.asked.append,
            monotonic=lambda: float(next(self.times)),
        )

    def _note(self, _: Any, __: str, line: Any) -> str:
        self.lines.append(dict(line))
        raise structlog.DropEvent

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
            log=structlog.wrap_logger(None, processors=[self._note]),
            search=self.upkeep(),
        )
        return service, blobs

    def found(self, words: str) -> list[str]:
        return [hit.text for hit in search(self.index, words).hits]

    def not_indexed(self) -> int:
        return not_indexed(self.index, StoredResults(self.store()))

    def stored(self, number: int, *, text: str = "word") -> StoredResult:
        """A result with its row and its files, of a time before there was an index."""
        result = StoredResult("default", f"rec-{number}", f"tr-{number}", ("sentences.json",))
        of_it = {"workspace": result.workspace, "recording_id": result.recording_id}
        with self.store().writing() as connection:
            state = {"state": "{}", "version": 1, "first_heard_at": 1.0, "updated_at": 1.0}
            row = {**of_it, **state, "id": f"txn_{number}", "phase": Phase.STORED.value}
            connection.execute(t.transcriptions.insert().values(row))
            about = {
                "provider": "p",
                "verdict": "spoken",
                "folder": "f",
                "stored_at": 1.0,
                "is_current": True,
            }
            files = json.dumps(result.files)
            new = t.artifacts.insert().values(
                **of_it, **about, transcript_id=result.transcript_id, files=files
            )
            connection.execute(new)
        folder = self.folder / "results" / "default" / result.recording_id / result.transcript_id
        folder.mkdir(parents=True)
        line = {"speaker": "Ana", "start_s": 1.5, "end_s": 2, "text": f"{text} {number}"}
        (folder / "sentences.json").write_text(f"[\n{json.dumps(line)}\n]\n")
        return result

    def set_phase(self, number: int, phase: Phase) -> None:
        row = t.transcriptions
        changed = row.update().where(row.c.recording_id == f"rec-{number}").values(phase=phase.value)
        self.store().write(changed)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Searched]:
    world = Searched(tmp_path, Recall({T1: WORDS, T2: FURTHER, T3: b"[]"}))
    migrated.write(tmp_path / "afterword.db")
    world.store().first_start()
    world.store().set_key_status("default", world.recall.fingerprint, "accepted")
    yield world
    for store in world.opened:
        store.close()


# -- by the worker that stores ---------------------------------------------------------------------------
def test_what_was_said_is_found_once_it_is_stored(world: Searched) -> None:
    ordered(world, T1)
    assert world.not_indexed() == 0
    world.does(FetchTranscript(T1))
    assert world.state.phase is Phase.STORED
    assert world.found("morning") == ["Good morning."]
    assert world.not_indexed() == 0


@pytest.mark.slow
def test_words_that_come_after_an_empty_result_take_its_place(world: Searched) -> None:
    ordered(world, T3)
    world.does_all()
    assert world.index.missing([StoredResult("default", R1, T3)]) == []
    world.hears(done(T2))
    world.does_all()
    assert world.state.current == T2
    assert world.found("tomorrow") == ["Tomorrow."]
    assert world.index.transcripts(after=0, limit=9) == [StoredResult("default", R1, T2)]


def test_an_index_that_cannot_be_used_fails_no_recording_and_is_caught_up_with(world: Searched) -> None:
    search_file(world.url).write_bytes(b"no database" * 1000)
    ordered(world, T1)
    world.does(FetchTranscript(T1))
    assert world.state.phase is Phase.STORED
    (line,) = [line for line in world.lines if line["event"] == "not_indexed"]
    assert "damaged" in line["cause"]
    assert "morning" not in str(world.lines)
    upkeep = world.upkeep()
    upkeep.ask_if_behind()
    assert world.lines[-1]["event"] == "index_unusable"
    seen: list[tuple[int, int]] = []
    upkeep.rebuild(lambda done, of: seen.append((done, of)))
    assert seen[-1] == (1, 1)
    assert world.found("morning") == ["Good morning."]


def test_a_policy_without_search_writes_nothing(world: Searched) -> None:
    world.unwanted.add("default")
    ordered(world, T1)
    world.does(FetchTranscript(T1))
    assert world.state.phase is Phase.STORED
    assert world.upkeep().catch_up() is None
    assert not search_file(world.url).exists()


class Moving:
    """Results that change while one is being indexed: what is stored now, after each look."""

    def __init__(self, *results: Sequence[StoredResult]) -> None:
        self._results = iter(results)

    def results_of(self, workspace: str, recording_ids: Sequence[str]) -> Sequence[StoredResult]:
        return next(self._results)


def test_what_is_replaced_or_erased_while_it_is_indexed_is_not_left_in_the_index(world: Searched) -> None:
    first, second = world.stored(1), world.stored(2)
    newer = StoredResult("default", "rec-1", "tr-9", ("sentences.json",))
    folder = world.folder / "results" / "default" / "rec-1"
    (folder / "tr-1").rename(folder / "tr-9")
    upkeep = world.upkeep()
    for results in (Moving([newer], [newer]), Moving([])):
        upkeep._results = cast(Any, results)
        upkeep.add(first if world.found("word") == [] else second)
    assert world.found("word") == ["word 1"]
    assert world.index.missing([newer, second]) == [second]


# -- what is missing -------------------------------------------------------------------------------------
def test_what_was_stored_before_there_was_an_index_is_indexed_in_slices_oldest_first(world: Searched) -> None:
    for number in range(5):
        world.stored(number)
    assert world.not_indexed() == 5
    upkeep = world.upkeep()
    upkeep.ask_if_behind()
    assert world.asked == [0]
    after: int | None = 0
    slices = []
    while after is not None:
        after = upkeep.catch_up(after, seconds=2.0)  # each look at the clock is a second later
        slices.append(5 - world.not_indexed())
    assert slices == [2, 4, 5]
    assert world.found("word") == [f"word {number}" for number in range(4, -1, -1)]
    upkeep.ask_if_behind()
    assert world.asked == [0]


def test_a_worker_that_is_at_it_is_not_joined_by_others(world: Searched) -> None:
    results = [world.stored(number) for number in range(3)]
    upkeep = world.upkeep()
    upkeep.ask_if_behind()
    world.index.put(results[0], ())
    upkeep.ask_if_behind()
    assert world.asked == [0]
    upkeep.ask_if_behind()  # nothing was done meanwhile
    assert world.asked == [0, 0]
    upkeep.go_on(0)
    assert world.asked == [0, 0]
    assert world.not_indexed() == 0


def test_a_slice_asks_for_the_next(world: Searched) -> None:
    for number in range(2):
        world.stored(number)
    upkeep = world.upkeep()
    world.times = iter(range(0, 1000, 10))
    upkeep.go_on(0)
    assert len(world.asked) == 1
    upkeep.go_on(world.asked[0])
    assert world.not_indexed() == 0


class Broken(Folder):
    """Nothing can be read."""

    def __init__(self, root: Path, trouble: Exception) -> None:
        super().__init__(root)
        self._trouble = trouble

    def open(self, key: str) -> BinaryIO:
        raise self._trouble


@pytest.mark.parametrize("trouble", [BlobsUnavailable("the disk is away"), OSError(5, "I/O error")])
def test_a_disk_that_is_away_puts_it_off(world: Searched, trouble: Exception) -> None:
    world.stored(1)
    world.upkeep(Broken(world.folder / "results", trouble)).go_on(0)
    assert [line["event"] for line in world.lines] == ["indexing_put_off"]
    assert world.not_indexed() == 1
    world.upkeep().go_on(0)
    assert world.found("word") == ["word 1"]


def test_a_queue_that_is_away_ends_the_slices_until_the_next_look(world: Searched) -> None:
    for number in range(2):
        world.stored(number)
    upkeep = world.upkeep(ask=_is_away)
    world.times = iter(range(0, 1000, 10))
    upkeep.go_on(0)
    upkeep.ask_if_behind()
    assert [line["event"] for line in world.lines] == ["indexing_put_off", "index_unusable"]
    assert world.not_indexed() == 1


def _is_away(_: int) -> None:
    raise QueueUnavailable("no Redis")


@pytest.mark.parametrize("content", [None, b"[\nword\n]\n", b'[\n{"speaker": 1}\n]\n', b"\xff\xfe"])
def test_files_that_are_gone_or_no_transcript_are_counted_and_not_tried_each_time(
    world: Searched, content: bytes | None
) -> None:
    result = world.stored(1)
    path = world.folder / "results" / "default" / "rec-1" / "tr-1" / "sentences.json"
    good = path.read_bytes()
    path.unlink() if content is None else path.write_bytes(content)
    upkeep = world.upkeep()
    assert upkeep.catch_up() is None
    assert world.index.counts() == IndexCounts(1, 1)
    assert world.not_indexed() == 1
    assert world.index.missing([result]) == []
    assert world.lines[-1]["event"] == "not_indexed"
    path.write_bytes(good)
    upkeep.rebuild()
    assert (world.not_indexed(), world.found("word")) == (0, ["word 1"])


def test_sentences_that_the_policy_does_not_store_are_made_for_the_index(world: Searched) -> None:
    ordered(world, T1)
    world.does(FetchTranscript(T1))
    with world.store().writing() as connection:
        connection.execute(t.artifacts.update().values(files=json.dumps(["transcript.json"])))
    (world.folder / "results" / "default" / R1 / T1 / "sentences.json").unlink()
    world.upkeep().rebuild()
    assert world.found("morning") == ["Good morning."]


def test_what_is_stored_no_more_or_not_wanted_any_more_leaves_the_index(world: Searched) -> None:
    for number in range(3):
        world.stored(number, text="Geheimnis")
    upkeep = world.upkeep()
    upkeep.catch_up()
    world.set_phase(1, Phase.ERASED)
    upkeep.ask_if_behind()
    assert world.asked == [0]
    upkeep.catch_up()
    assert world.found("geheimnis") == ["Geheimnis 2", "Geheimnis 0"]
    upkeep.ask_if_behind()
    assert world.asked == [0]
    world.unwanted.add("default")
    upkeep.ask_if_behind()
    assert world.asked == [0, 0]
    upkeep.catch_up()
    assert world.index.counts() == IndexCounts()
    assert b"geheimnis" not in search_file(world.url).read_bytes().lower()


def test_the_sweep_asks_for_what_is_missing(world: Searched) -> None:
    world.stored(1)
    service, _ = world.worker()
    service.sweep()
    service.sweep()
    with world.store().reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(t.artifacts)).scalar_one() == 1
    assert world.asked == [0]


# -- what programs get -----------------------------------------------------------------------------------
def test_a_page_of_search_has_links_where_this_installation_has_an_address(world: Searched) -> None:
    passages = [Passage("Ana", 1.5 * n, None, f"number {n}") for n in range(3)]
    world.index.put(StoredResult("default", R1, T1), passages)
    page = search(world.index, "number", limit=2)
    told = search_object(page, "https://example.com/")
    assert [one["text"] for one in told["data"]] == ["number 0", "number 1"]
    id_ = told["data"][0]["transcription_id"]
    about = {"recording_id": R1, "speaker": "Ana", "start": 0.0, "end": None, "text": "number 0"}
    url = f"https://example.com/v1/transcriptions/{id_}"
    assert told["data"][0] == {**about, "transcription_id": id_, "url": url}
    assert search_object(page, None)["data"][0]["url"] is None
    rest = search(world.index, "number", limit=2, cursor=told["next_cursor"])
    assert ([hit.text for hit in rest.hits], rest.next_cursor) == (["number 2"], None)
    for nothing in ("", "🎉", "\0"):
        assert search(world.index, nothing) == search(world.index, "number", recording_id="\0") == Page([])
    for cursor in ("", "x", "-1", "1" * 20, "9" * 19, "\u0663"):
        with pytest.raises(BadCursor):
            search(world.index, "number", cursor=cursor)
    assert parse_query("") is None
