"""A SQLite file that is moved, removed or put back under a service: the one that left is not written to."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.adapters.sql.migrations import migrate
from app.adapters.sql.store import SqlStore, open_store
from app.errors import StoreUnavailable
from tests.contract.store_builders import delivery

NAMES = ("afterword.db", "afterword.db-wal", "afterword.db-shm")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    url = f"sqlite:///{tmp_path / 'home' / 'afterword.db'}"
    migrate(url)
    return tmp_path / "home"


@pytest.fixture
def store(place: Path) -> Iterator[SqlStore]:
    found = open_store(f"sqlite:///{place / 'afterword.db'}")
    found.add_deliveries([delivery("before")])
    found.check_write()
    yield found
    found.close()


def kept(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "afterword.db")) as connection:
        return [id_ for (id_,) in connection.execute("SELECT webhook_id FROM deliveries ORDER BY id")]


def take_away(place: Path, aside: Path) -> None:
    aside.mkdir()
    for path in [place / name for name in NAMES if (place / name).exists()]:
        path.rename(aside / path.name)


def test_what_comes_while_the_file_is_gone_is_refused_and_no_empty_one_is_made(
    store: SqlStore, place: Path, tmp_path: Path
) -> None:
    take_away(place, tmp_path / "aside")
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="is not there: put it back"):
            store.add_deliveries([delivery("meanwhile")])
        with pytest.raises(StoreUnavailable, match="is not there"):
            store.check_write()
        with pytest.raises(StoreUnavailable, match="is not there"):
            store.now()
    assert not (place / "afterword.db").exists()
    for path in (tmp_path / "aside").iterdir():
        path.rename(place / path.name)
    store.add_deliveries([delivery("after")])
    store.check_write()
    assert kept(place) == ["before", "after"]


def test_what_comes_after_a_backup_was_put_in_its_place_is_in_that_one(
    store: SqlStore, place: Path, tmp_path: Path
) -> None:
    (tmp_path / "backup").mkdir()
    with (
        closing(sqlite3.connect(place / "afterword.db")) as from_,
        closing(sqlite3.connect(tmp_path / "backup" / "afterword.db")) as to,
    ):
        from_.backup(to)
    store.add_deliveries([delivery("lost with the file")])
    take_away(place, tmp_path / "aside")
    shutil.copy(tmp_path / "backup" / "afterword.db", place / "afterword.db")
    store.add_deliveries([delivery("after")])
    store.check_write()
    store.close()
    assert kept(place) == ["before", "after"]
