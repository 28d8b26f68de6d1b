"""
`bench upgrade`: a database of revision 0003 with a million stored recordings, and `up` of this version
started beside it while a program of the version before still acknowledges. How long is nothing acknowledged?

The rows are copies of one recording that the code of 0003 stored (tests/upgrade/v0003.sql), with ids and
times of their own. That what was under way goes on and is not paid again is tests/upgrade; here the bill of
the whole crowd has to stay empty.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import requests
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.local_files import LocalBlobs
from app.adapters.sql.engine import Database
from app.adapters.sql.migrations import current_revision, newest_revision
from app.adapters.sql.store import open_store
from app.errors import Away, StoreUnavailable
from app.orchestrator.records import NewDelivery
from tests.bench.copy_to_postgresql import take_away_indexes
from tests.bench.receivers import postgresql
from tests.bench.report import Options, Result, Row, at_most
from tests.doubles.manifests import put_result
from tests.flow.stage import Installation, installation
from tests.upgrade.before import data_of, with_rows
from tests.upgrade.make import STOPPED, recording, transcript

FROM = "0003"
LONGEST_S = 30.0
_NUMBER = 1_000_000
_QUICK_NUMBER = 200
_STORED = 17  # what `make` tells of it: created, done, stored
_APART_S = 30.0
_READY_WITHIN_S = 300.0
_AFTERWARDS_S = 10.0  # workers go on with what they believe is left
_LOOKED_AT = 10
_TABLES = ("transcriptions", "attempts", "sends", "artifacts", "history", "deliveries")


def run(options: Options) -> Result:
    """Makes the database, starts `up`, and tells how long nothing was acknowledged."""
    number = options.recordings or (_QUICK_NUMBER if options.quick else _NUMBER)
    with ExitStack() as stack:
        tmp = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-upgrade-")))
        is_sqlite = options.database == "sqlite"
        url = f"sqlite:///{tmp / 'before.db'}" if is_sqlite else stack.enter_context(postgresql(tmp))
        made_in_s = _make(url, number)
        (tmp / "up").mkdir()
        place = stack.enter_context(installation(tmp / "up", workers=2, DATABASE_URL=url))
        blobs = LocalBlobs(place.home / "transcripts")
        for n in range(max(1, number - _LOOKED_AT + 1), number + 1):  # `up` asks for the latest results
            put_result(
                blobs, _of(n, recording(_STORED)), _of(n, transcript(_STORED)), {"transcript.json": b"[]"}
            )
        old = stack.enter_context(_acknowledging(url))
        web_s, ready_s = _start(place)
        time.sleep(1.0 if options.quick else _AFTERWARDS_S)
        silence_s = old.longest_s
        paid = len(place.recall.simulator.world.recordings)
        sends = _count(url, "sends")
        if (current_revision(url), sends, paid) != (newest_revision(), number, 0):
            raise Away(f"at {current_revision(url)}, {sends} sends of {number}, {paid} known at Recall")
    kind = "SQLite" if is_sqlite else "PostgreSQL"
    rows = [
        at_most("an old receiver could not store a delivery for", silence_s, "s", limit=LONGEST_S),
        at_most("`up` started until web answers", web_s, "s", limit=LONGEST_S),
        Row("  until everything is ready", ready_s, "s"),
        Row("  deliveries of the old receiver meanwhile", float(old.number), ""),
        Row("creates sent for the crowd", float(sends - number), ""),
    ]
    title = f"Upgrade from {FROM} to {newest_revision()} on {kind} beside {number:,} recordings"
    raw: dict[str, object] = {
        "made_in_s": made_in_s,
        "silence_s": silence_s,
        "web_s": web_s,
        "ready_s": ready_s,
    }
    return Result("upgrade", title, rows, [f"made in {made_in_s:.0f} s."], raw)


# -- the database of before --------------------------------------------------------------------------------
def _make(url: str, number: int) -> float:
    began_at = time.monotonic()
    lines = [
        line for line in data_of(FROM).splitlines() if recording(_STORED) in line or "first_start" in line
    ]
    with_rows(url, FROM, lines)
    is_sqlite = url.startswith("sqlite")
    engine = sa.create_engine(
        url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        for statement in _UNSAFE if is_sqlite else ():
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("UPDATE installation SET at = at - 400 * 86400.0")
        for event in ("recording.done", "transcript.done"):
            connection.exec_driver_sql(_APPLIED.format(event=event, at=STOPPED))
        with _bare(connection, is_sqlite=is_sqlite):
            connection.exec_driver_sql("BEGIN")
            for table in _TABLES:
                _copy(connection, table, number, is_sqlite=is_sqlite)
            for table in reversed(_TABLES):
                _remove_the_first(connection, table)
            connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql(f"UPDATE tallies SET value = value * {number}")
        connection.exec_driver_sql("PRAGMA journal_mode=WAL" if is_sqlite else "VACUUM (ANALYZE)")
    engine.dispose()
    return time.monotonic() - began_at


# Nothing here has to survive anything: it is made anew when it is lost.
_UNSAFE = (
    "PRAGMA journal_mode=OFF",
    "PRAGMA synchronous=OFF",
    "PRAGMA cache_size=-500000",
    "PRAGMA temp_store=MEMORY",
)

_APPLIED = """
    INSERT INTO deliveries
    (workspace, webhook_id, received_at, sent_at, secret_label, tries, applied_at, kind)
    VALUES ('default', 'msg_0_{event}', {at}, {at}, 'default', 1, {at}, '{event}')"""


@contextmanager
def _bare(connection: Connection, *, is_sqlite: bool) -> Iterator[None]:
    """Indexes are quicker made than kept, and triggers would count every row."""
    if not is_sqlite:
        connection.exec_driver_sql("SET session_replication_role = replica")
        for setting in ("synchronous_commit = off", "maintenance_work_mem = '256MB'"):
            connection.exec_driver_sql(f"SET {setting}")
        made_again = take_away_indexes(cast(Any, connection.connection.driver_connection))
        yield
        for statement in made_again:
            connection.exec_driver_sql(statement.decode())
        connection.exec_driver_sql("SET session_replication_role = origin")
        return
    found = connection.exec_driver_sql(
        "SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"
    ).all()
    for kind, name, _ in found:
        connection.exec_driver_sql(f"DROP {kind} {name}")
    yield
    for _, _, sql in found:
        connection.exec_driver_sql(sql)


def _copy(connection: Connection, table: str, number: int, *, is_sqlite: bool) -> None:
    """`number` copies of the one recording's rows, the oldest first."""
    columns = [
        column for column in sa.inspect(connection).get_columns(table) if not _is_counter(table, column)
    ]
    values = ", ".join(_value(column["name"], column["type"], is_sqlite=is_sqlite) for column in columns)
    names = ", ".join(column["name"] for column in columns)
    numbers = f"SELECT n FROM generate_series(1, {number}) AS numbers (n)"
    if is_sqlite:
        numbers = (
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers"
            f" WHERE n < {number}) SELECT n FROM numbers"
        )
    connection.exec_driver_sql(
        f"INSERT INTO {table} ({names}) SELECT {values} FROM ({numbers}) AS c, {table} AS one ORDER BY c.n"
    )


def _of(n: int, old: str) -> str:
    """The id of a copy, as `_value` makes it."""
    return f"{old[:23].replace('-0000-', '-0003-')}-{n:012d}"


def _is_counter(table: str, column: sa.engine.interfaces.ReflectedColumn) -> bool:
    return column["name"] == "id" and table != "transcriptions"


def _value(name: str, kind: object, *, is_sqlite: bool) -> str:
    own = f"one.{name}"
    if isinstance(kind, sa.Float):
        return f"{own} - {STOPPED - time.time():.0f} - {_APART_S} * ({_NUMBER} - c.n)"
    if not isinstance(kind, sa.Text | sa.String):
        return own
    digits = "substr('000000000000' || c.n, -12)" if is_sqlite else "lpad(c.n::text, 12, '0')"
    for old in (recording(_STORED), transcript(_STORED), recording(_STORED).replace("aaaaaaaa", "cccccccc")):
        own = f"replace({own}, '{old}', '{_of(0, old)[:24]}' || {digits})"
    if name in ("id", "key", "webhook_id"):  # unique
        own = f"{own} || '-' || {digits}"
    return own


def _remove_the_first(connection: Connection, table: str) -> None:
    column = "webhook_id" if table == "deliveries" else "recording_id"
    of_it = "IN ('msg_0_recording.done', 'msg_0_transcript.done')" if table == "deliveries" else "= '{}'"
    connection.exec_driver_sql(f"DELETE FROM {table} WHERE {column} {of_it.format(recording(_STORED))}")


def _count(url: str, table: str) -> int:
    database = Database(url, pool_size=1)
    with database.reading() as connection:
        number = connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
    database.close()
    return int(number)


# -- the version before, and this one -----------------------------------------------------------------------
class OldReceiver:
    """
    Stores a delivery ten times a second, as the receiver of 0003 did: the statement is the same today.

    Attributes:
        longest_s: The longest time between two deliveries that were stored.
    """

    def __init__(self, url: str) -> None:
        self.longest_s, self.number = 0.0, 0
        self._url, self._is_over = url, threading.Event()

    def run(self) -> None:
        store = open_store(self._url)
        stored_at = time.monotonic()
        while not self._is_over.wait(0.1):
            row = NewDelivery("default", f"msg_old_{self.number}", time.time(), 0, "default", b"{}")
            try:
                store.add_deliveries([row])
                self.number += 1
            except StoreUnavailable:  # it would have answered 503
                continue
            now = time.monotonic()
            self.longest_s, stored_at = max(self.longest_s, now - stored_at), now
        store.close()

    def end(self) -> None:
        self._is_over.set()


@contextmanager
def _acknowledging(url: str) -> Iterator[OldReceiver]:
    old = OldReceiver(url)
    thread = threading.Thread(target=old.run)
    thread.start()
    try:
        yield old
    finally:
        old.end()
        thread.join()


def _start(place: Installation) -> tuple[float, float]:
    """Seconds until web answers, and until everything is ready."""
    began_at = time.monotonic()
    place.service = place.spawn("up")
    return _wait(place, "/healthz", began_at), _wait(place, "/readyz", began_at)


def _wait(place: Installation, path: str, began_at: float) -> float:
    assert place.service is not None
    with requests.Session() as session:
        session.trust_env = False
        while True:
            try:
                if session.get(f"{place.url}{path}", timeout=5).ok:
                    return time.monotonic() - began_at
            except requests.RequestException:
                pass
            if place.service.poll() is not None or time.monotonic() - began_at > _READY_WITHIN_S:
                raise Away(f"up did not become ready; its log: {place.log()[-500:]}")
            time.sleep(0.05)
