"""
The search index on SQLite: FTS5 in a file of its own beside the database, so that its writers never hold the
lock that acknowledgements wait for, and a damaged or missing file is made again.

The words are kept without their text (a "contentless" table) beside ours. FTS5's option `secure-delete` needs
SQLite 3.42, its deletion from contentless tables 3.43; Debian 12 has 3.40: so the words are taken out by
saying them again, and `forget` writes the file anew. https://sqlite.org/fts5.html#contentless_tables
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import OperationalError

from app.adapters.sql.engine import Database, sqlite_path
from app.adapters.sql.errors import is_wrong_server, translated
from app.adapters.sql.search_index import Line, SqlSearchIndex, columns_of, delete_sentences, lines_of
from app.adapters.sql.search_tables import metadata, sentences
from app.errors import StoreUnavailable
from app.orchestrator.ports_search import StoredResult
from app.transcripts.search_words import FORMAT, Phrase, Query, words_of

LAYOUT = 1  # of the tables
# A file of another layout, or whose words were made in another way, is made anew.
_VERSION = zlib.crc32(f"{LAYOUT} {FORMAT}".encode()) & 0x7FFFFFFF
# The words come as they are: letters and digits between blanks, small already.
_WORDS = (
    "CREATE VIRTUAL TABLE search_words USING fts5(terms, speaker, content='', columnsize=0, tokenize='ascii')"
)
# One row while the file may hold remains of what was taken out.
_REMAINS = "CREATE TABLE search_remains (id INTEGER PRIMARY KEY)"
_TABLES = ("search_words", "search_remains", *(table.name for table in metadata.sorted_tables))
_SCRUB_WAIT_S = 60.0
_words = sa.table("search_words", sa.column("rowid", sa.Integer))


def search_file(database_url: str) -> Path:
    """Where the index of a SQLite database is kept."""
    path = sqlite_path(sa.make_url(database_url))
    return path.with_name(f"{path.stem}.search{path.suffix or '.db'}")


class SqliteSearchIndex(SqlSearchIndex):
    """Opens nothing until first used; survives `os.fork`."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url

    @cached_property
    def _path(self) -> Path:
        return search_file(self._url)

    @cached_property
    def _database(self) -> Database:
        """Made when it is used: most of what a worker does stores nothing, and an engine takes 3 ms."""
        database = Database(URL.create("sqlite", database=str(self._path)).render_as_string(), pool_size=2)
        event.listen(database.engine, "connect", _settle_in)
        return database

    def close(self) -> None:
        """Closes every idle connection; the next use opens new ones."""
        self._database.close()

    def forget(self, workspace: str, *recording_ids: str) -> None:
        """See `app.orchestrator.ports_search.SearchIndex.forget`."""
        if not self._path.exists():
            return
        with self._writing() as connection:
            self._drop(connection, workspace, recording_ids)
        self._scrub()

    def clear(self) -> None:
        """See `app.orchestrator.ports_search.SearchIndex.clear`."""
        if not self._path.exists():
            return
        try:
            with self._writing() as connection:
                _make_tables(connection)
            self._scrub()
        except StoreUnavailable as error:
            if not is_wrong_server(getattr(error.__cause__, "orig", None)):
                raise
            self.close()
            for end in ("", "-wal", "-shm"):
                self._path.with_name(f"{self._path.name}{end}").unlink(missing_ok=True)

    @contextmanager
    def _reading(self) -> Iterator[Connection | None]:
        if not self._path.exists():
            yield None
            return
        with self._database.reading() as connection:
            yield connection if _version(connection) == _VERSION else None

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        self._database.makes_file = True  # also where it was taken away
        with self._database.writing() as connection:
            if _version(connection) != _VERSION:
                _make_tables(connection)
            yield connection

    def _lock(self, connection: Connection, result: StoredResult) -> None:
        """There is one writer."""

    def _add(self, connection: Connection, lines: Sequence[Line]) -> None:
        connection.execute(sentences.insert(), [columns_of(line) for line in lines])
        add = "INSERT INTO search_words (rowid, terms, speaker) VALUES (?, ?, ?)"
        connection.exec_driver_sql(add, _terms(lines))

    def _remove(self, connection: Connection, ids: Sequence[int]) -> None:
        take = "INSERT INTO search_words (search_words, rowid, terms, speaker) VALUES ('delete', ?, ?, ?)"
        for id_ in ids:
            for lines in lines_of(connection, id_):
                connection.exec_driver_sql(take, _terms(lines))
            delete_sentences(connection, id_)
        connection.exec_driver_sql("INSERT OR IGNORE INTO search_remains VALUES (1)")

    def _found(self, query: Query) -> tuple[sa.FromClause, sa.ColumnElement[bool], sa.ColumnElement[int]]:
        joined = _words.join(sentences, _words.c.rowid == sentences.c.id)
        return joined, sa.literal_column("search_words").bool_op("MATCH")(_match(query)), _words.c.rowid

    def _scrub(self) -> None:
        """
        Writes the words into one piece and the file anew, so that no byte of what was taken out is left in
        it, in its log of changes or in pages it does not use.
        """
        lock = self._database.write_lock
        assert lock is not None
        alone = self._database.engine.execution_options(begins="SELECT 1")  # VACUUM runs in no transaction
        with translated(), alone.connect() as connection, lock.taken(wait_s=_SCRUB_WAIT_S):
            if connection.exec_driver_sql("SELECT 1 FROM search_remains").first() is None:
                return
            connection.exec_driver_sql("INSERT INTO search_words (search_words) VALUES ('optimize')")
            connection.exec_driver_sql("VACUUM")
            is_read, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
            if is_read:
                raise StoreUnavailable(
                    "the search index is being read: its old text leaves it at the next try"
                )
            connection.exec_driver_sql("DELETE FROM search_remains")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _settle_in(connection: Any, _record: Any) -> None:
    # What a power cut takes is indexed again.
    for pragma in ("secure_delete=ON", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _version(connection: Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())


def _make_tables(connection: Connection) -> None:
    """Empty ones."""
    for name in _TABLES:
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")
    metadata.create_all(connection)
    connection.exec_driver_sql(_REMAINS)
    connection.exec_driver_sql("INSERT INTO search_remains VALUES (1)")
    try:
        connection.exec_driver_sql(_WORDS)
    except OperationalError as error:
        raise StoreUnavailable("search needs FTS5, which the SQLite of this Python does not have") from error
    connection.exec_driver_sql(f"PRAGMA user_version = {_VERSION}")


def _terms(lines: Sequence[Line]) -> list[tuple[int, str, str]]:
    names = {line.passage.speaker: "" for line in lines}
    names = {name: " ".join(words_of(name)) for name in names}
    return [(line.id, " ".join(words_of(line.passage.text)), names[line.passage.speaker]) for line in lines]


def _match(query: Query) -> str:
    """FTS5's expression. Words have no quotation mark in them: nothing of a question is read as syntax."""
    columns = (("terms", query.phrases), ("speaker", query.speaker))
    return " AND ".join(f"{column} : {_quoted(p)}" for column, phrases in columns for p in phrases)


def _quoted(phrase: Phrase) -> str:
    return f'"{" ".join(phrase.words)}"' + (" *" if phrase.is_open else "")
