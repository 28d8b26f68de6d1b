"""
`bench search`: what the search index costs per stored hour of speech, and how fast it finds.

Speech: 150 words a minute, sentences of 12 words on average, words by Zipf's law out of 20,000: an index
grows with the words that there are. It is kept up as a worker does it, from `sentences.json` in a folder.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from pathlib import Path
from random import Random

import psutil
import sqlalchemy as sa
import structlog

from app.adapters.local_files import LocalBlobs
from app.adapters.sql.engine import Database
from app.adapters.sql.migrations import migrate
from app.adapters.sql.search_index import SqlSearchIndex
from app.adapters.sql.search_postgresql import PostgresqlSearchIndex
from app.adapters.sql.search_sqlite import SqliteSearchIndex, search_file
from app.orchestrator.ports_search import StoredResult
from app.orchestrator.search_upkeep import SearchUpkeep
from app.results.search import search
from tests.bench.receivers import postgresql
from tests.bench.report import Options, Result, Row, at_most, median

KB_PER_HOUR, MS_PER_HOUR, TEN_HOURS_S, FOUND_MS = 350.0, 200.0, 5.0, 100.0
_WORDS_AN_HOUR, _WORDS_A_SENTENCE, _VOCABULARY = 9000, 12, 20_000
_SPEAKERS = ("Ana Souza", "Max Mustermann", "Chidi Okafor", "Yuki Tanaka")


class Speech:
    """Sentences from a seed."""

    def __init__(self, seed: int) -> None:
        self._dice = Random(seed)
        letters = "abcdefghijklmnoprstuvw"
        lengths = (self._dice.choice((2, 3, 4, 5, 6, 7, 8, 9)) for _ in range(_VOCABULARY))
        self.words = ["".join(self._dice.choices(letters, k=length)) for length in lengths]
        self._weights = list(accumulate(1 / rank for rank in range(1, _VOCABULARY + 1)))

    def lines(self, hours: float) -> list[str]:
        """Of a `sentences.json`."""
        lines, said, at_s = [], 0, 0.0
        while said < hours * _WORDS_AN_HOUR:
            number = self._dice.randint(2, 2 * _WORDS_A_SENTENCE - 2)
            words = self._dice.choices(self.words, cum_weights=self._weights, k=number)
            entry = {
                "speaker": self._dice.choice(_SPEAKERS),
                "start_s": round(at_s, 3),
                "end_s": round(at_s + number * 0.4, 3),
                "text": f"{' '.join(words).capitalize()}.",
            }
            lines.append(json.dumps(entry))
            said, at_s = said + number, at_s + number * 0.4
        return lines


class Stored:
    """The record's answer: it is still the result."""

    def results_of(self, workspace: str, recording_ids: Sequence[str]) -> list[StoredResult]:
        return [_result(recording_ids[0])]


def run(options: Options) -> Result:
    """On SQLite or PostgreSQL."""
    number = options.recordings or (3 if options.quick else 200)
    rounds = options.rounds or (2 if options.quick else 20)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-search-")))
        index, size = stack.enter_context(_index(options, folder))
        speech, blobs = Speech(options.seed), LocalBlobs(folder / "results")
        log = structlog.wrap_logger(None, processors=[_drop])
        upkeep = SearchUpkeep(index, Stored(), blobs, log)  # type: ignore[arg-type]

        def add(name: str, hours: float) -> tuple[float, float]:
            _store(folder, name, speech.lines(hours))
            return _timed(lambda: upkeep.add(_result(name)))

        add("first", 1)
        before = size()
        took = [add(f"rec-{n}", 1) for n in range(number)]
        kb_per_hour = (size() - before) / number / 1000
        held = psutil.Process().memory_info().rss
        long_s, _ = add("long", 1 if options.quick else 10)
        grown_mb = max(0, psutil.Process().memory_info().rss - held) / 1e6
        rows = [
            at_most("index per hour of speech", kb_per_hour, "kB", limit=KB_PER_HOUR),
            at_most(
                "stored hour, until it is found", median(1000 * s for s, _ in took), "ms", limit=MS_PER_HOUR
            ),
            Row("  processor time of it", median(1000 * cpu_s for _, cpu_s in took), "ms"),
            at_most("stored ten hours", long_s, "s", limit=TEN_HOURS_S),
            Row("  memory it leaves", grown_mb, "MB"),
        ]
        for what, words, speaker in _questions(speech):
            each = [_timed(lambda w=words, s=speaker: search(index, w, speaker=s))[0] for _ in range(rounds)]  # type: ignore[misc]
            rows.append(at_most(f"search: {what}", median(1000 * s for s in each), "ms", limit=FOUND_MS))
        forgotten_s, _ = _timed(lambda: index.forget("default", "rec-0"))
        rows.append(Row("forget one, the file written anew", forgotten_s, "s"))
    notes = [f"{number} hours and one of ten, {options.database}; a page of 20 is asked for."]
    return Result("search", "Search index", rows, notes, {"took_s": took})


def _questions(speech: Speech) -> Iterator[tuple[str, str, str]]:
    often, seldom = speech.words[0], speech.words[-1]
    yield "a word in every third sentence", often, ""
    yield "a word said seldom", seldom, ""
    yield "two frequent words side by side", f'"{often} {speech.words[1]}"', ""
    yield "a word by one speaker", speech.words[30], "souza"
    yield "a word that is nowhere", "xyzzyxyzzy", ""


@contextmanager
def _index(options: Options, folder: Path) -> Iterator[tuple[SqlSearchIndex, Callable[[], int]]]:
    if options.database == "sqlite":
        url = f"sqlite:///{folder / 'afterword.db'}"
        index, path = SqliteSearchIndex(url), search_file(url)
        yield (
            index,
            lambda: path.stat().st_size,
        )
        return
    with postgresql(folder / "home") as url:
        migrate(url)
        database = Database(url)
        sizes = [f"pg_total_relation_size('search_{name}')" for name in ("transcripts", "sentences")]
        yield (
            PostgresqlSearchIndex(database),
            lambda: _bytes(database, " + ".join(sizes)),
        )
        database.close()


def _bytes(database: Database, sizes: str) -> int:
    with database.reading() as connection:
        return int(connection.execute(sa.text(f"SELECT {sizes}")).scalar_one())


def _store(folder: Path, name: str, lines: list[str]) -> None:
    place = folder / "results" / "default" / name / f"tr-{name}"
    place.mkdir(parents=True)
    (place / "sentences.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


def _result(name: str) -> StoredResult:
    return StoredResult("default", name, f"tr-{name}", ("sentences.json",))


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and seconds of processor."""
    began_s, cpu_s = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began_s, time.process_time() - cpu_s


def _drop(_: object, __: str, line: object) -> str:
    raise structlog.DropEvent
