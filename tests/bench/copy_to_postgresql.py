"""
A PostgreSQL database with the rows of a SQLite file: the same ids, times and bytes, in the same order.

Indexes and keys are made anew once the rows are in, as `many_recordings` does it, so both
kinds begin with trees as dense as trees can be; and the server has nothing to tidy up during a measurement.
What the rows mean is not known here, but for one thing: PostgreSQL keeps a tally in 64 rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects import postgresql

from app.adapters.sql import tables as t
from app.adapters.sql.migrations import migrate

_SHARDS = 64  # as in the migration 0002
_AT_ONCE = 10_000  # rows held in memory
_SETTINGS: tuple[LiteralString, ...] = (
    "SET session_replication_role = replica",  # no triggers: the tallies are poured like everything else
    "SET synchronous_commit = off",
    "SET maintenance_work_mem = '256MB'",
)
# Foreign keys hang on unique keys: they go first and come last.
_KEYS = """
    SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'u', 'f') ORDER BY contype = 'f', conname
"""
_INDEXES = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relnamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype <> 'f')
"""


def copy_to_postgresql(path: Path, server: str, *, name: str) -> str:
    """
    Makes a database and fills it.

    Args:
        path: The SQLite file, migrated, and used by nobody meanwhile.
        server: The address of any database of the server, as somebody who may do everything there.
        name: Of the new database.

    Returns:
        Its address.
    """
    url = sa.make_url(server).set(drivername="postgresql", database=name)
    address = url.render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    migrate(address)
    with closing(sqlite3.connect(path)) as file, psycopg.connect(address) as connection:
        for setting in _SETTINGS:
            connection.execute(setting)
        _pour_all(file, connection)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")
    return address


def bytes_by_relation(connection: sa.Connection) -> dict[str, int]:
    """Tables (each with its large values) and indexes, with their sizes."""
    rows = connection.exec_driver_sql(
        "SELECT relname, CASE relkind WHEN 'r' THEN pg_table_size(oid) ELSE pg_relation_size(oid) END"
        " FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')"
    )
    return {name: size for name, size in rows}  # noqa: C416 - a result has keys()


def _pour_all(file: sqlite3.Connection, connection: psycopg.Connection[Any]) -> None:
    """One transaction: rows of a table emptied in it are written as if they had always been there."""
    tables = t.metadata.sorted_tables
    names = sql.SQL(", ").join(sql.Identifier(table.name) for table in tables)
    connection.execute(sql.SQL("TRUNCATE {}").format(names))  # a migration leaves rows too
    made_again = take_away_indexes(connection)
    for table in tables:
        _pour_table(file, connection, table)
        if table.autoincrement_column is not None:
            _count_on(connection, table)
    for statement in made_again:
        connection.execute(statement)


def take_away_indexes(connection: psycopg.Connection[Any]) -> list[bytes]:
    """Returns the statements that make them again. What was taken from the catalogue is already quoted."""
    keys = connection.execute(_KEYS).fetchall()
    indexes = connection.execute(_INDEXES).fetchall()
    for table, key, _ in reversed(keys):
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {key}".encode())
    for index, _ in indexes:
        connection.execute(f"DROP INDEX {index}".encode())
    added = [f"ALTER TABLE {table} ADD CONSTRAINT {key} {text}".encode() for table, key, text in keys]
    return added + [text.encode() for _, text in indexes]


def _pour_table(file: sqlite3.Connection, connection: psycopg.Connection[Any], table: sa.Table) -> None:
    columns = [column.name for column in table.c]
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    types = [column.type.compile(dialect=dialect).lower() for column in table.c]
    copy_in = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY, FREEZE)").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(copy_in) as copy:
        copy.set_types(types)
        for row in _rows(file, table):
            copy.write_row(row)


def _rows(file: sqlite3.Connection, table: sa.Table) -> Iterator[tuple[Any, ...]]:
    """In the order in which they came; a truth is 0 or 1 in SQLite, and PostgreSQL takes only its own."""
    columns = ", ".join(f'"{column.name}"' for column in table.c)
    truths = [n for n, column in enumerate(table.c) if isinstance(column.type, sa.Boolean)]
    found = file.execute(f"SELECT {columns} FROM {table.name} ORDER BY rowid")
    found.arraysize = _AT_ONCE
    while many := found.fetchmany():
        for row in many:
            if table is t.tallies:
                yield from _sharded(*row)
            elif truths:
                yield tuple(bool(value) if n in truths else value for n, value in enumerate(row))
            else:
                yield row


def _sharded(name: str, _shard: int, value: int) -> Iterator[tuple[str, int, int]]:
    """As it is after a long life: every connection has counted in a row of its own."""
    for shard in range(_SHARDS):
        yield name, shard, value // _SHARDS + (shard < value % _SHARDS)


def _count_on(connection: psycopg.Connection[Any], table: sa.Table) -> None:
    """The next id follows the last one."""
    last = sql.SQL("SELECT setval(pg_get_serial_sequence({}, 'id'), coalesce(max(id), 0) + 1, false) FROM {}")
    connection.execute(last.format(sql.Literal(table.name), sql.Identifier(table.name)))
