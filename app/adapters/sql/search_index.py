"""
The search index on both databases: transcripts, their sentences, pages of what is found. How words are looked
up is the one thing that differs: `search_sqlite` and `search_postgresql`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql.search_tables import MOST_SENTENCES, SENTENCE_BITS, sentences, transcripts
from app.orchestrator.ports_search import Hit, IndexCounts, StoredResult
from app.transcripts.passages import Passage
from app.transcripts.search_words import FORMAT, Query

BATCH = 500
# So many, twenty hours', are put in the order of their ids: the other one takes 1.6 times the space and time.
_SORTED = 20_000
# Which file a person would open, the best first.
_READABLE = ("transcript.txt", "transcript.md", "transcript.vtt", "transcript.srt", "sentences.json")


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence as it is stored."""

    id: int
    passage: Passage


class SqlSearchIndex(ABC):
    """`app.orchestrator.ports_search.SearchIndex`, less what differs."""

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Connection | None]:
        """A transaction; None where there is no index yet."""

    @abstractmethod
    def _writing(self) -> AbstractContextManager[Connection]:
        """A transaction that may write; there is an index then."""

    @abstractmethod
    def _lock(self, connection: Connection, result: StoredResult) -> None:
        """Until the end of the transaction none other puts this recording's."""

    @abstractmethod
    def _add(self, connection: Connection, lines: Sequence[Line]) -> None:
        """Sentences with their words."""

    @abstractmethod
    def _remove(self, connection: Connection, ids: Sequence[int]) -> None:
        """The sentences of these transcripts with their words."""

    @abstractmethod
    def _found(self, query: Query) -> tuple[sa.FromClause, sa.ColumnElement[bool], sa.ColumnElement[int]]:
        """The sentences joined with what finds them, the condition, and the id to go through them by."""

    @abstractmethod
    def forget(self, workspace: str, *recording_ids: str) -> None:
        """See `app.orchestrator.ports_search.SearchIndex.forget`."""

    @abstractmethod
    def clear(self) -> None:
        """See `app.orchestrator.ports_search.SearchIndex.clear`."""

    def put(self, result: StoredResult, passages: Iterable[Passage], *, is_unreadable: bool = False) -> None:
        """See `app.orchestrator.ports_search.SearchIndex.put`."""
        with self._writing() as connection:
            self._lock(connection, result)
            self._drop(connection, result.workspace, [result.recording_id])
            new = transcripts.insert().values(
                workspace=result.workspace,
                recording_id=result.recording_id,
                transcript_id=result.transcript_id,
                file=next((name for name in _READABLE if name in result.files), "transcript.json"),
                format=FORMAT,
                is_unreadable=is_unreadable,
            )
            id_ = connection.execute(new.returning(transcripts.c.id)).scalar_one()
            last = ((id_ + 1) << SENTENCE_BITS) - 1
            lines = (Line(last - n, p) for n, p in enumerate(islice(passages, MOST_SENTENCES)))
            while batch := list(islice(lines, _SORTED)):
                batch.reverse()
                for at in range(0, len(batch), BATCH):
                    self._add(connection, batch[at : at + BATCH])

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
        joined, is_found, id_ = self._found(query)
        t, s = transcripts.c, sentences.c
        joined = joined.join(transcripts, t.id == s.id.op(">>")(sa.literal_column(str(SENTENCE_BITS))))
        columns = (
            t.workspace,
            t.recording_id,
            t.transcript_id,
            t.file,
            s.speaker,
            s.start_s,
            s.end_s,
            s.text,
        )
        wanted = sa.select(*columns, s.id).select_from(joined).where(is_found)
        if before is not None:
            wanted = wanted.where(id_ < before)
        if workspace is not None:
            wanted = wanted.where(t.workspace == workspace)
        wanted = wanted.order_by(id_.desc()).limit(limit)
        with self._reading() as connection:
            if connection is None:
                return []
            if recording_id is not None:
                ids = self._ids(connection, workspace, [recording_id])
                wanted = wanted.where(sa.or_(sa.false(), *(_is_of(of, id_) for of in ids)))
            return [Hit(*row) for row in connection.execute(wanted)]

    def missing(self, results: Sequence[StoredResult]) -> list[StoredResult]:
        """See `app.orchestrator.ports_search.SearchIndex.missing`."""
        row = transcripts.c
        wanted = sa.select(row.workspace, row.recording_id, row.transcript_id)
        of_these = row.recording_id.in_([result.recording_id for result in results])
        with self._reading() as connection:
            if connection is None:
                return list(results)
            found = connection.execute(wanted.where(of_these, row.format == FORMAT))
            known = {StoredResult(*values) for values in found}
        return [result for result in results if result not in known]

    def transcripts(self, *, after: int, limit: int) -> list[StoredResult]:
        """See `app.orchestrator.ports_search.SearchIndex.transcripts`."""
        row = transcripts.c
        wanted = sa.select(row.workspace, row.recording_id, row.transcript_id, row.id)
        with self._reading() as connection:
            if connection is None:
                return []
            page = connection.execute(wanted.where(row.id > after).order_by(row.id).limit(limit))
            return [StoredResult(w, r, tid, id=id_) for w, r, tid, id_ in page]

    def counts(self) -> IndexCounts:
        """See `app.orchestrator.ports_search.SearchIndex.counts`."""
        row = transcripts.c
        of_this_format = sa.select(sa.func.count(), sa.func.count(sa.case((row.is_unreadable, 1))))
        with self._reading() as connection:
            if connection is None:
                return IndexCounts()
            return IndexCounts(*connection.execute(of_this_format.where(row.format == FORMAT)).one())

    def _ids(self, connection: Connection, workspace: str | None, recording_ids: Sequence[str]) -> list[int]:
        row = transcripts.c
        wanted = sa.select(row.id).where(row.recording_id.in_(recording_ids))
        if workspace is not None:
            wanted = wanted.where(row.workspace == workspace)
        return list(connection.execute(wanted).scalars())

    def _drop(self, connection: Connection, workspace: str, recording_ids: Sequence[str]) -> None:
        for at in range(0, len(recording_ids), BATCH):
            ids = self._ids(connection, workspace, recording_ids[at : at + BATCH])
            if ids:
                self._remove(connection, ids)
                connection.execute(transcripts.delete().where(transcripts.c.id.in_(ids)))


def lines_of(connection: Connection, transcript_id: int) -> Iterator[list[Line]]:
    """The sentences of a transcript, by batches."""
    row = sentences.c
    wanted = sa.select(row.id, row.speaker, row.start_s, row.end_s, row.text).order_by(row.id).limit(BATCH)
    after = (transcript_id << SENTENCE_BITS) - 1
    while found := connection.execute(wanted.where(_is_of(transcript_id), row.id > after)).all():
        yield [Line(id_, Passage(*values)) for id_, *values in found]
        after = found[-1].id


def delete_sentences(connection: Connection, transcript_id: int) -> None:
    """All of one transcript."""
    connection.execute(sentences.delete().where(_is_of(transcript_id)))


def columns_of(line: Line) -> dict[str, Any]:
    """A sentence by the names of its columns."""
    p = line.passage
    return {"id": line.id, "speaker": p.speaker, "start_s": p.start_s, "end_s": p.end_s, "text": p.text}


def _is_of(transcript_id: int, id_: sa.ColumnElement[int] = sentences.c.id) -> sa.ColumnElement[bool]:
    first = transcript_id << SENTENCE_BITS
    return id_.between(first, first + MOST_SENTENCES - 1)
