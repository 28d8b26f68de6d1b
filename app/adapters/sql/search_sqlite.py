"""
The search index on SQLite: FTS5 in a file of its own beside the database, so that its writers never hold the
lock that acknowledgements wait for, and a damaged or missing file is made again.

The words are kept without their text (a "contentless" table) beside ours. FTS5's option `secure-delete` needs
SQLite 3.42, its deletion from contentless tables 3.43; Debian 12 has 3.40: so the words are taken out by
saying them again, and `forget` writes the file anew. https://sqlite.org/fts5.html#contentless_tables

A connection is opened for each use: nothing is open across a fork, and the last to close it tidies the file.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from app.adapters.sql.engine import BUSY_S, make_private_file, parse_url, sqlite_path
from app.adapters.sql.search_index import TABLES, Line, Lookup, SqlSearchIndex, row_of
from app.errors import StoreUnavailable
from app.orchestrator.ports_search import StoredResult
from app.transcripts.search_words import FORMAT, Phrase, Query, words_of

_LAYOUT = 1  # raised when the tables change
# A file of another layout, or whose words were made in another way, is made anew.
_VERSION = zlib.crc32(f"{_LAYOUT} {FORMAT}".encode()) & 0x7FFFFFFF
_MADE = (
    """CREATE TABLE search_transcripts (
        id INTEGER PRIMARY KEY,
        workspace TEXT NOT NULL,
        recording_id TEXT NOT NULL,
        transcript_id TEXT NOT NULL,
        file TEXT NOT NULL,
        format TEXT NOT NULL,
        is_unreadable INTEGER NOT NULL,
        UNIQUE (recording_id, workspace))""",
    """CREATE TABLE search_sentences (
        id INTEGER PRIMARY KEY,
        speaker TEXT NOT NULL,
        start_s REAL,
        end_s REAL,
        text TEXT NOT NULL)""",
    # The words come as they are: letters and digits between blanks, small already.
    """CREATE VIRTUAL TABLE search_words
        USING fts5(terms, speaker, content='', columnsize=0, tokenize='ascii')""",
    # A row for each time that something was taken out, while the file may hold remains of it.
    "CREATE TABLE search_remains (id INTEGER PRIMARY KEY)",
    "INSERT INTO search_remains DEFAULT VALUES",
    f"PRAGMA user_version = {_VERSION}",
)
_ADD = """
    INSERT INTO search_sentences (id, speaker, start_s, end_s, text)
    VALUES (:id, :speaker, :start_s, :end_s, :text)"""
_ADD_WORDS = "INSERT INTO search_words (rowid, terms, speaker) VALUES (:id, :terms, :speaker)"
_TAKE_WORDS = """
    INSERT INTO search_words (search_words, rowid, terms, speaker) VALUES ('delete', :id, :terms, :speaker)"""
_SCRUB_WAIT_S = 60.0
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def search_file(database_url: str) -> Path:
    """Where the index of a SQLite database is kept."""
    path = sqlite_path(parse_url(database_url))
    return path.with_name(f"{path.stem}.search{path.suffix or '.db'}")


class SqliteSearchIndex(SqlSearchIndex):
    """Opens nothing until first used."""

    lookup = Lookup(
        "search_words JOIN search_sentences s ON s.id = search_words.rowid",
        "search_words MATCH :words",
        "search_words.rowid",
    )
    among = "recording_id IN (SELECT value FROM json_each(:ids))"

    def __init__(self, database_url: str) -> None:
        self._path = search_file(database_url)

    def forget(self, workspace: str, *recording_ids: str) -> None:
        """See `app.orchestrator.ports_search.SearchIndex.forget`."""
        if not self._path.exists():
            return
        with self._writing() as session:
            self._drop(session, workspace, recording_ids)
        self._scrub()

    def clear(self) -> None:
        """See `app.orchestrator.ports_search.SearchIndex.clear`."""
        if not self._path.exists():
            return
        try:
            with self._writing() as session:
                _make_tables(session)
            self._scrub()
        except StoreUnavailable as error:
            if getattr(error.__cause__, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
                raise
            for end in ("", "-wal", "-shm"):
                self._path.with_name(f"{self._path.name}{end}").unlink(missing_ok=True)

    @contextmanager
    def _open(self, *, wait_s: float = BUSY_S) -> Iterator[_Session]:
        address = f"file:{quote(str(self._path))}?mode=rw"  # https://sqlite.org/uri.html
        try:
            with closing(sqlite3.connect(address, timeout=wait_s, isolation_level=None, uri=True)) as opened:
                with suppress(sqlite3.OperationalError):  # another process is making it so just now
                    opened.execute("PRAGMA journal_mode=WAL")
                opened.execute("PRAGMA synchronous=NORMAL")  # what a power cut takes is indexed again
                opened.execute("PRAGMA secure_delete=ON")
                yield _Session(opened)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the search index {self._path} cannot be used: {_why(error)}") from error

    @contextmanager
    def _reading(self) -> Iterator[_Session | None]:
        if not self._path.exists():
            yield None
            return
        with self._open() as session, session.transaction("BEGIN"):
            yield session if _version(session) == _VERSION else None

    @contextmanager
    def _writing(self) -> Iterator[_Session]:
        make_private_file(self._path)
        with self._open() as session, session.transaction("BEGIN IMMEDIATE"):
            if _version(session) != _VERSION:
                _make_tables(session)
            yield session

    def _lock(self, session: Any, result: StoredResult) -> None:
        """There is one writer."""

    def _add(self, session: Any, lines: Sequence[Line]) -> None:
        session.run_each(_ADD, [row_of(line) for line in lines])
        session.run_each(_ADD_WORDS, _terms(lines))

    def _remove_words(self, session: Any, lines: Iterable[list[Line]]) -> None:
        for batch in lines:
            session.run_each(_TAKE_WORDS, _terms(batch))
        session.run("INSERT INTO search_remains DEFAULT VALUES")

    def _expression(self, query: Query) -> str:
        """Words have no quotation mark in them: nothing of a question is read as FTS5's syntax."""
        columns = (("terms", query.phrases), ("speaker", query.speaker))
        return " AND ".join(f"{column} : {_quoted(p)}" for column, phrases in columns for p in phrases)

    def _scrub(self) -> None:
        """
        Writes the words into one piece and the file anew, so that no byte of what was taken out is left in
        it, in its log of changes or in pages it does not use.
        """
        with self._open(wait_s=_SCRUB_WAIT_S) as session:
            ((taken,),) = session.run("SELECT max(id) FROM search_remains")
            if taken is None:
                return
            session.run("INSERT INTO search_words (search_words) VALUES ('optimize')")
            session.run("VACUUM")
            session.run(f"PRAGMA busy_timeout = {int(BUSY_S * 1000)}")
            ((is_read, *_),) = session.run("PRAGMA wal_checkpoint(TRUNCATE)")
            if is_read:
                raise StoreUnavailable(
                    "the search index is being read: its old text leaves it at the next try"
                )
            session.run("DELETE FROM search_remains WHERE id <= :taken", {"taken": taken})


class _Session:
    """A connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @contextmanager
    def transaction(self, begin: str) -> Iterator[None]:
        self._connection.execute(begin)
        with self._connection:
            yield

    def run(self, sql: str, values: Mapping[str, Any] | None = None) -> list[Any]:
        return self._connection.execute(sql, values or {}).fetchall()

    def run_each(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._connection.executemany(sql, rows)


def _version(session: _Session) -> int:
    return int(session.run("PRAGMA user_version")[0][0])


def _make_tables(session: _Session) -> None:
    """Empty ones."""
    for name in ("search_words", "search_remains", *TABLES):
        session.run(f"DROP TABLE IF EXISTS {name}")
    for statement in _MADE:
        session.run(statement)


def _terms(lines: Sequence[Line]) -> list[dict[str, Any]]:
    names = {name: " ".join(words_of(name)) for name in {line.passage.speaker for line in lines}}
    return [
        {
            "id": line.id,
            "terms": " ".join(words_of(line.passage.text)),
            "speaker": names[line.passage.speaker],
        }
        for line in lines
    ]


def _quoted(phrase: Phrase) -> str:
    return f'"{" ".join(phrase.words)}"' + (" *" if phrase.is_open else "")


def _why(error: sqlite3.Error) -> str:
    """In our words: SQLite's may hold a part of what was asked."""
    if "no such module" in str(error):
        return "the SQLite of this Python has no FTS5"
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
        return "it is damaged; `./afterword render --index` makes it anew"
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return f"{name}; is the disk full, or the folder read-only?"
