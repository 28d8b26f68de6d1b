"""
The search index on PostgreSQL: tables of the database, words as a `tsvector` under a GIN index.

The vectors are made here and not by a text search configuration: no dictionary, no stemming, the words of
`app.transcripts.search_words` and nothing else. Weight A marks words of a speaker's name, D what was said.
https://www.postgresql.org/docs/current/datatype-textsearch.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql.engine import Database
from app.adapters.sql.search_index import TABLES, Line, Lookup, Session, SqlSearchIndex, row_of
from app.orchestrator.ports_search import StoredResult
from app.transcripts.search_words import Phrase, Query, words_of

_NAME, _SAID = "A", "D"
_ADD = """
    INSERT INTO search_sentences (id, speaker, start_s, end_s, text, terms)
    VALUES (:id, :speaker, :start_s, :end_s, :text, CAST(:terms AS tsvector))"""
_LOCK = "SELECT 1 FROM (SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))) AS locked"


class PostgresqlSearchIndex(SqlSearchIndex):
    """Uses the connections of the record."""

    lookup = Lookup("search_sentences s", "s.terms @@ CAST(:words AS tsquery)", "s.id")
    among = "recording_id IN (SELECT jsonb_array_elements_text(CAST(:ids AS jsonb)))"

    def __init__(self, database: Database) -> None:
        self._database = database

    def forget(self, workspace: str, *recording_ids: str) -> None:
        """See `app.orchestrator.ports_search.SearchIndex.forget`; what is deleted stays until VACUUM."""
        with self._writing() as session:
            self._drop(session, workspace, recording_ids)

    def clear(self) -> None:
        """See `app.orchestrator.ports_search.SearchIndex.clear`."""
        with self._writing() as session:
            session.run(f"TRUNCATE {', '.join(TABLES)}", {})

    @contextmanager
    def _reading(self) -> Iterator[Session | None]:
        with self._database.reading() as connection:
            yield _Session(connection)

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        with self._database.writing() as connection:
            yield _Session(connection)

    def _lock(self, session: Session, result: StoredResult) -> None:
        session.run(_LOCK, {"name": f"afterword search {result.workspace} {result.recording_id}"})

    def _add(self, session: Session, lines: Sequence[Line]) -> None:
        session.run_each(_ADD, [{**row_of(line), "terms": _vector(line)} for line in lines])

    def _remove_words(self, session: Session, lines: Iterable[list[Line]]) -> None:
        """They are in the sentences' rows."""

    def _expression(self, query: Query) -> str:
        kinds = ((_SAID, query.phrases), (_NAME, query.speaker))
        return " & ".join(_quoted(phrase, weight) for weight, phrases in kinds for phrase in phrases)


class _Session:
    """A transaction of the record."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, sql: str, values: Mapping[str, Any]) -> list[Any]:
        result = self._connection.execute(sa.text(sql), values)
        return list(result.all()) if result.returns_rows else []

    def run_each(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._connection.execute(sa.text(sql), rows)


def _vector(line: Line) -> str:
    """Words have no quotation mark and no backslash in them."""
    names, said = words_of(line.passage.speaker), words_of(line.passage.text)
    words = [(word, _NAME) for word in names] + [(word, _SAID) for word in said]
    return " ".join(f"'{word}':{place}{weight}" for place, (word, weight) in enumerate(words, start=1))


def _quoted(phrase: Phrase, weight: str) -> str:
    *before, last = phrase.words
    words = [f"'{word}':{weight}" for word in before]
    words.append(f"'{last}':{'*' if phrase.is_open else ''}{weight}")
    return f"({' <-> '.join(words)})"
