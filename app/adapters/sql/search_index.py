"""
The search index on both databases: transcripts, their sentences, pages of what is found. How a transaction is
had and how words are looked up differs: `search_sqlite` and `search_postgresql`.

The statements are plain SQL, which both read. Through SQLAlchemy each process that stores a transcript took
8 ms of processor more, in SQLite's case twice as much as for all else here.

A sentence's id is its transcript's and its place counted from the end, so that the highest ids are the first
sentences of the transcript that was indexed last: pages go downwards through one index.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from app.orchestrator.ports_search import Hit, IndexCounts, StoredResult
from app.transcripts.passages import Passage
from app.transcripts.search_words import FORMAT, Query

SENTENCE_BITS = 24
MOST_SENTENCES = 1 << SENTENCE_BITS
TABLES = ("search_transcripts", "search_sentences")
_BATCH = 500
# So many, twenty hours', are put in the order of their ids: the other one takes 1.6 times the space and time.
_SORTED = 20_000
# Which file a person would open, the best first.
_READABLE = ("transcript.txt", "transcript.md", "transcript.vtt", "transcript.srt", "sentences.json")

_PUT = """
    INSERT INTO search_transcripts (workspace, recording_id, transcript_id, file, format, is_unreadable)
    VALUES (:workspace, :recording_id, :transcript_id, :file, :format, :is_unreadable) RETURNING id"""
_LINES = """
    SELECT id, speaker, start_s, end_s, text FROM search_sentences
    WHERE id BETWEEN :first AND :last ORDER BY id LIMIT :most"""
_KNOWN = "SELECT workspace, recording_id, transcript_id FROM search_transcripts WHERE format = :format AND "
_IDS = "SELECT id FROM search_transcripts WHERE "
_PAGE = """
    SELECT workspace, recording_id, transcript_id, id FROM search_transcripts
    WHERE id > :after ORDER BY id LIMIT :most"""
_COUNTS = """
    SELECT count(*), count(CASE WHEN is_unreadable THEN 1 END) FROM search_transcripts
    WHERE format = :format"""
_FOUND = """
    SELECT t.workspace, t.recording_id, t.transcript_id, t.file, s.speaker, s.start_s, s.end_s, s.text, s.id
    FROM {source} JOIN search_transcripts t ON t.id = s.id >> {bits} WHERE {conditions}
    ORDER BY {id} DESC LIMIT :most"""


class Session(Protocol):
    """A transaction; parameters are named `:name`."""

    def run(self, sql: str, values: Mapping[str, Any]) -> list[Any]:
        """The rows."""

    def run_each(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Once for each of `rows`, of which there is one at least."""


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence as it is stored."""

    id: int
    passage: Passage


@dataclass(frozen=True, slots=True)
class Lookup:
    """How sentences are found: what stands for `s` and what finds it, the condition, the id to go by."""

    source: str
    condition: str
    id: str


class SqlSearchIndex(ABC):
    """`app.orchestrator.ports_search.SearchIndex`, less what differs."""

    lookup: Lookup
    among: str  # a recording's id is in the JSON list `:ids`

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Session | None]:
        """A transaction; None where there is no index yet."""

    @abstractmethod
    def _writing(self) -> AbstractContextManager[Session]:
        """A transaction that may write; there is an index then."""

    @abstractmethod
    def _lock(self, session: Session, result: StoredResult) -> None:
        """Until the end of the transaction none other puts this recording's."""

    @abstractmethod
    def _add(self, session: Session, lines: Sequence[Line]) -> None:
        """Sentences with their words."""

    @abstractmethod
    def _remove_words(self, session: Session, lines: Iterable[list[Line]]) -> None:
        """Of these sentences, by batches."""

    @abstractmethod
    def _expression(self, query: Query) -> str:
        """`:words` of the condition."""

    @abstractmethod
    def forget(self, workspace: str, *recording_ids: str) -> None:
        """See `app.orchestrator.ports_search.SearchIndex.forget`."""

    @abstractmethod
    def clear(self) -> None:
        """See `app.orchestrator.ports_search.SearchIndex.clear`."""

    def put(self, result: StoredResult, passages: Iterable[Passage], *, is_unreadable: bool = False) -> None:
        """See `app.orchestrator.ports_search.SearchIndex.put`."""
        row = {
            "workspace": result.workspace,
            "recording_id": result.recording_id,
            "transcript_id": result.transcript_id,
            "file": next((name for name in _READABLE if name in result.files), "transcript.json"),
            "format": FORMAT,
            "is_unreadable": is_unreadable,
        }
        with self._writing() as session:
            self._lock(session, result)
            self._drop(session, result.workspace, [result.recording_id])
            ((id_,),) = session.run(_PUT, row)
            _, last = _ids_of(id_)
            lines = (Line(last - n, p) for n, p in enumerate(islice(passages, MOST_SENTENCES)))
            while batch := list(islice(lines, _SORTED)):
                batch.reverse()
                for at in range(0, len(batch), _BATCH):
                    self._add(session, batch[at : at + _BATCH])

    def search(
        self,
        query: Query,
        *,
        workspace: str | None = None,
        recording_id: str | None = None,
        limit: int = 20,
        before: int | None = None,
    ) -> list[Hit]:
        """See `app.orchestrator.ports_search.SearchIndex.search`."""
        look, id_ = self.lookup, self.lookup.id
        conditions, values = [look.condition], {"words": self._expression(query), "most": limit}
        if before is not None:
            conditions.append(f"{id_} < :before")
            values["before"] = before
        if workspace is not None:
            conditions.append("t.workspace = :workspace")
            values["workspace"] = workspace
        with self._reading() as session:
            if session is None:
                return []
            if recording_id is not None:
                of_it = self._transcripts_of(session, [recording_id], workspace)
                ranges = [f"{id_} BETWEEN {first} AND {last}" for first, last in map(_ids_of, of_it)]
                conditions.append(f"({' OR '.join(ranges) or '1 = 0'})")
            sql = _FOUND.format(
                source=look.source, bits=SENTENCE_BITS, conditions=" AND ".join(conditions), id=id_
            )
            return [Hit(*row) for row in session.run(sql, values)]

    def missing(self, results: Sequence[StoredResult]) -> list[StoredResult]:
        """See `app.orchestrator.ports_search.SearchIndex.missing`."""
        ids = json.dumps([result.recording_id for result in results])
        with self._reading() as session:
            if session is None:
                return list(results)
            found = session.run(_KNOWN + self.among, {"format": FORMAT, "ids": ids})
            known = {StoredResult(*row) for row in found}
        return [result for result in results if result not in known]

    def transcripts(self, *, after: int, limit: int) -> list[StoredResult]:
        """See `app.orchestrator.ports_search.SearchIndex.transcripts`."""
        with self._reading() as session:
            page = [] if session is None else session.run(_PAGE, {"after": after, "most": limit})
            return [StoredResult(w, r, tid, id=id_) for w, r, tid, id_ in page]

    def counts(self) -> IndexCounts:
        """See `app.orchestrator.ports_search.SearchIndex.counts`."""
        with self._reading() as session:
            return (
                IndexCounts()
                if session is None
                else IndexCounts(*session.run(_COUNTS, {"format": FORMAT})[0])
            )

    def _transcripts_of(
        self, session: Session, recording_ids: Sequence[str], workspace: str | None = None
    ) -> list[int]:
        sql, values = _IDS + self.among, {"ids": json.dumps(recording_ids)}
        if workspace is not None:
            sql, values = f"{sql} AND workspace = :workspace", {**values, "workspace": workspace}
        return [id_ for (id_,) in session.run(sql, values)]

    def _drop(self, session: Session, workspace: str, recording_ids: Sequence[str]) -> None:
        for id_ in self._transcripts_of(session, recording_ids, workspace):
            first, last = _ids_of(id_)
            self._remove_words(session, _batches(session, first, last))
            session.run(
                "DELETE FROM search_sentences WHERE id BETWEEN :first AND :last",
                {"first": first, "last": last},
            )
            session.run("DELETE FROM search_transcripts WHERE id = :id", {"id": id_})


def row_of(line: Line) -> dict[str, Any]:
    """A sentence by the names of its columns."""
    p = line.passage
    return {"id": line.id, "speaker": p.speaker, "start_s": p.start_s, "end_s": p.end_s, "text": p.text}


def _ids_of(transcript_id: int) -> tuple[int, int]:
    """The first and the last id that a transcript's sentences may have."""
    first = transcript_id << SENTENCE_BITS
    return first, first + MOST_SENTENCES - 1


def _batches(session: Session, first: int, last: int) -> Iterator[list[Line]]:
    while found := session.run(_LINES, {"first": first, "last": last, "most": _BATCH}):
        yield [Line(id_, Passage(*values)) for id_, *values in found]
        first = found[-1][0] + 1
