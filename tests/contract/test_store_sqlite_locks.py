"""
SQLite's own locks are the process's, and closing any descriptor of the file drops them all: then whoever
closes last elsewhere deletes the log of changes, and what is committed here afterwards is in no file.
https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.adapters.sql.migrations import migrate
from app.adapters.sql.store import open_store
from app.orchestrator.records import NewDelivery

_LOOK = (
    "import sys; from app.adapters.sql.store import open_store;"
    "s = open_store(sys.argv[1]); s.counts(); s.close()"
)
_COUNT = (
    "import sqlite3, sys;"
    "print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM deliveries').fetchone()[0])"
)


def row(webhook_id: str) -> NewDelivery:
    return NewDelivery("default", webhook_id, 1.0, 1, "blue", b"{}")


@pytest.mark.slow
def test_what_is_acknowledged_after_another_program_has_looked_and_closed_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    url = f"sqlite:///{path}"
    migrate(url)
    store = open_store(url)
    store.add_deliveries([row("a")])
    store.count_deliveries({"stale": 1}, accepted=0, is_refused=False)  # a second connection of this process
    subprocess.run([sys.executable, "-c", _LOOK, url], check=True)
    store.add_deliveries([row("b")])
    told = subprocess.run(
        [sys.executable, "-c", _COUNT, str(path)], check=True, capture_output=True, text=True
    )
    assert told.stdout.strip() == "2", "acknowledged, and in no file"
    store.close()
