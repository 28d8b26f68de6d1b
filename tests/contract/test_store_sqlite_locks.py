"""
SQLite's own locks are the process's, and closing any descriptor of the file drops them all: then whoever
closes last elsewhere deletes the log of changes, and what is committed here afterwards is in no file.
https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from app.adapters.sql.migrations import migrate
from app.adapters.sql.store import SqlStore, open_store
from app.orchestrator.records import NewDelivery
from tests import migrated

_LOOK = (
    "import sys; from app.adapters.sql.store import open_store;"
    "s = open_store(sys.argv[1]); s.counts(); s.close()"
)
_COUNT = (
    "import sqlite3, sys;"
    "print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM deliveries').fetchone()[0])"
)

_TAKE = (
    "import sys; from pathlib import Path; from app.adapters.sql.write_lock import WriteLock\n"
    "try:\n"
    "    with WriteLock(Path(sys.argv[1])).taken(wait_s=0.2): print('taken')\n"
    "except Exception as error: print(str(error).partition(':')[0])"
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


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_closed_store_has_no_file_open_and_goes_on_when_it_is_used_again(tmp_path: Path) -> None:
    path, store = opened_store(tmp_path)
    for webhook_id in ("a", "b"):
        store.add_deliveries([row(webhook_id)])
        assert opened(path) == {"a.db", "a.db-wal", "a.db-shm", "a.db-next", "a.db-turn"}
        store.close()
        assert opened(path) == set()
    assert store.counts().deliveries_unapplied == 2
    store.close()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_store_that_is_closed_while_it_writes_keeps_its_turn(tmp_path: Path) -> None:
    path, store = opened_store(tmp_path)
    with store.writing():
        store.close()
        assert {"a.db-next", "a.db-turn"} <= opened(path)
        other = subprocess.run(
            [sys.executable, "-c", _TAKE, str(path)], capture_output=True, text=True, check=False
        )
        assert other.stdout.strip() == "the database is busy", other
    store.close()


def opened_store(folder: Path) -> tuple[Path, SqlStore]:
    path = folder / "a.db"
    migrated.write(path)
    return path, open_store(f"sqlite:///{path}")


def opened(path: Path) -> set[str]:
    """The files beside the database that this process has open."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            target = descriptor.readlink()
            if target.parent == path.parent:
                found.add(target.name)
    return found
