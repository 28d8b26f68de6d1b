"""
The search index on PostgreSQL: tables of the database, words as a `tsvector` under a GIN index.

The vectors are made here and not by a text search configuration: no dictionary, no stemming, the words of
`app.transcripts.search_words` and nothing else. Weight A marks words of a speaker's name, D what was said.
https://www.postgresql.org/docs/current/datatype-textsearch.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql.engine import Database
from app.adapters.sql.search_index import Line, SqlSearchIndex, columns_of, delete_sentences
from app.adapters.sql.search_tables import metadata, sentences
from app.orchestrator.ports_search import StoredResult
from app.transcripts.search_words import Phrase, Query, words_of

_NAME, _SAID = "A", "D"
_ADD = (
    "INSERT INTO search_sentences (id, speaker, start_s, end_s, text, terms)"
    " VALUES (:id, :speaker, :start_s, :end_s, :text, CAST(:terms AS tsvector))"
)
_TABLES = ", ".join(table.name for table in metadata.sorted_tables)


class _TsQuery(sa.types.UserDefinedType[str]):
    """The dialect has one: with it come 8 MB that workers on SQLite have no use for."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """SQLAlchemy's: the type's name."""
        return "tsquery"


class PostgresqlSearchIndex(SqlSearchIndex):
    """Uses the connections of the record."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def forget(self, workspace: str, *recording_ids: str) -> None:
        """See `app.orchestrator.ports_search.SearchIndex.forget`; what is deleted stays until VACUUM."""
        with self._writing() as connection:
            self._drop(connection, workspace, recording_ids)

    def clear(self) -> None:
        """See `app.orchestrator.ports_search.SearchIndex.clear`."""
        with self._writing() as connection:
            connection.exec_driver_sql(f"TRUNCATE {_TABLES}")

    @contextmanager
    def _reading(self) -> Iterator[Connection | None]:
        with self._database.reading() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._database.writing() as connection:
            yield connection

    def _lock(self, connection: Connection, result: StoredResult) -> None:
        name = f"afterword search {result.workspace} {result.recording_id}"
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(name, 0))))

    def _add(self, connection: Connection, lines: Sequence[Line]) -> None:
        connection.execute(sa.text(_ADD), [{**columns_of(line), "terms": _vector(line)} for line in lines])

    def _remove(self, connection: Connection, ids: Sequence[int]) -> None:
        for id_ in ids:
            delete_sentences(connection, id_)

    def _found(self, query: Query) -> tuple[sa.FromClause, sa.ColumnElement[bool], sa.ColumnElement[int]]:
        is_found = sa.literal_column("search_sentences.terms").bool_op("@@")(sa.cast(_match(query), _TsQuery))
        return sentences, is_found, sentences.c.id


def _vector(line: Line) -> str:
    """Words have no quotation mark and no backslash in them."""
    names, said = words_of(line.passage.speaker), words_of(line.passage.text)
    words = [(word, _NAME) for word in names] + [(word, _SAID) for word in said]
    return " ".join(f"'{word}':{place}{weight}" for place, (word, weight) in enumerate(words, start=1))


def _match(query: Query) -> str:
    kinds = ((_SAID, query.phrases), (_NAME, query.speaker))
    return " & ".join(_quoted(phrase, weight) for weight, phrases in kinds for phrase in phrases)


def _quoted(phrase: Phrase, weight: str) -> str:
    *before, last = phrase.words
    words = [f"'{word}':{weight}" for word in before]
    words.append(f"'{last}':{'*' if phrase.is_open else ''}{weight}")
    return f"({' <-> '.join(words)})"
