"""Databases of versions before: the tables of a revision, and what `make` told of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from alembic import command

from app.adapters.sql import migrations
from app.adapters.sql.engine import Database


def data_of(revision: str) -> str:
    return (Path(__file__).parent / f"v{revision}.sql").read_text()


def of_the_version_before(url: str, revision: str) -> None:
    """The tables as they were, and the rows."""
    with_rows(url, revision, data_of(revision).splitlines())


def with_rows(url: str, revision: str, lines: Iterable[str]) -> None:
    """The tables as they were, and those of the rows that are INSERTs."""
    database = Database(url, pool_size=1)
    with database.writing() as connection:
        config = migrations.alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for line in lines:
            if line.startswith("INSERT"):
                connection.exec_driver_sql(_in_the_words_of(line, is_sqlite=database.is_sqlite))
        if not database.is_sqlite:
            for name in ("commands", "deliveries", "history", "attempts", "sends", "artifacts", "pause_log"):
                last = f"(SELECT coalesce(max(id), 1) FROM {name})"
                connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), {last})")
    database.close()


def _in_the_words_of(line: str, *, is_sqlite: bool) -> str:
    line = line.replace("%", "%%") if not is_sqlite else line
    return line if is_sqlite else re.sub(r"\bX'([0-9a-f]*)'", r"'\\x\1'::bytea", line)
