"""
A SQLite database with as many finished recordings as wanted, in seconds: one goes through the store as it
does in life, the others are its copies under ids and times of their own, made by SQL.

What a copy holds is what the store wrote, so that sizes are true. Times go back by half a minute per
recording; ids of recordings and transcripts are random (they are at Recall), those of deliveries rise.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.adapters.sql.migrations import migrate
from app.adapters.sql.store import SqlStore, open_store
from app.core import events
from app.core.machine import decide
from app.orchestrator.records import ArtifactRow, Leased, NewDelivery, Send, Source
from tests.policies import built_in
from tests.taking import take, take_deliveries

WORKSPACE = "default"
RECORDING = "5eed0000-0000-4000-8000-000000000001"
TRANSCRIPT = "5eed0000-0000-4000-8000-000000000002"
BOT = "5eed0000-0000-4000-8000-000000000003"
APART_S = 30.0
_TABLES = (t.transcriptions, t.attempts, t.sends, t.artifacts, t.history, t.deliveries)
_FILES = ("provider.json", "sentences.json", "transcript.json", "transcript.txt", "manifest.json")


def many_recordings(path: Path, number: int, *, seed: int, keeps_bodies: bool = False) -> list[str]:
    """
    Makes the database at `path` with `number` stored recordings.

    Args:
        keeps_bodies: Of the deliveries; else they are as after `forget_bodies`.

    Returns:
        Some of the recordings' ids, at random.
    """
    url = f"sqlite:///{path}"
    migrate(url)
    store = open_store(url)
    live_once(store)
    store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # Nothing here has to survive anything: it is made anew when it is lost.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1000000", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        some = _copy(connection, number - 1, seed=seed, keeps_bodies=keeps_bodies)
        connection.execute("PRAGMA journal_mode=WAL")
    return some


# -- one recording, as in life ---------------------------------------------------------------------------
def live_once(store: SqlStore) -> None:
    """`recording.done`, one paid attempt, `transcript.done`, stored; and `recording.done` once more."""
    store.add_deliveries([_delivery("recording.done", "1")])
    _apply(store, events.RecordingDone(store.now(), BOT, (("customer", "42"), ("team", "sales"))))
    _create(store)
    store.add_deliveries([_delivery("transcript.done", "2"), _delivery("recording.done", "3")])
    ids = [delivery.id for delivery in take_deliveries(store, 2)]
    _advance(
        store, events.TranscriptDone(store.now(), TRANSCRIPT, 1), Source(delivery_id=ids[0], by="webhook")
    )
    _advance(store, events.RecordingDone(store.now(), BOT), Source(delivery_id=ids[1], by="webhook"))
    folder = f"{WORKSPACE}/{RECORDING}/{TRANSCRIPT}"
    row = ArtifactRow(WORKSPACE, RECORDING, TRANSCRIPT, 1, "recallai_async", "spoken", "en", folder, _FILES)
    stored = events.Stored(store.now(), TRANSCRIPT, "recallai_async", "en", is_empty=False)
    _advance(store, stored, Source(command=_take(store), by="worker"), artifact=row)


def _create(store: SqlStore) -> None:
    leased = _take(store)
    send = Send(1, 0, str(UUID(int=7)), "0a1b2c3d", BOT)
    claim = Source(command=leased, is_finished=False, by="worker")
    _advance(store, events.Sending(store.now(), 1, "recallai_async", 0), claim, send=send)
    with store.writing() as connection:
        connection.execute(t.sends.update().values(outcome="created 201", settled_at=store.db_now))
    created = events.Created(store.now(), 1, TRANSCRIPT, "recallai_async")
    _advance(store, created, Source(command=leased, by="worker"))


def _apply(store: SqlStore, event: events.Event) -> None:
    (delivery,) = take_deliveries(store, 1)
    _advance(store, event, Source(delivery_id=delivery.id, by="webhook"))


def _advance(
    store: SqlStore,
    event: events.Event,
    source: Source,
    *,
    send: Send | None = None,
    artifact: ArtifactRow | None = None,
) -> None:
    policy = built_in()
    before = store.load(WORKSPACE, RECORDING)
    decision = decide(before.transcription, event, policy, pending=before.pending)
    store.commit(
        before, decision, event=event, source=source, send=send, artifact=artifact, budget=policy.attempts
    )


def _take(store: SqlStore) -> Leased:
    with store.reading() as connection:
        found = connection.execute(sa.select(t.commands.c.id).order_by(t.commands.c.due_at)).scalars().first()
    leased = take(store, found, lease_s=60) if found is not None else None
    assert leased is not None, "the recording waits for something that is not due"
    return leased


def _delivery(event: str, number: str) -> NewDelivery:
    # https://docs.recall.ai/docs/recording-webhooks
    about = {"id": RECORDING, "metadata": {"customer": "42", "team": "sales"}}
    body = {
        "event": event,
        "data": {
            "data": {"code": "done", "sub_code": None, "updated_at": "2026-11-20T10:00:00.123456+00:00"},
            "recording": about,
            "bot": {"id": BOT, "metadata": {"customer": "42"}},
            "transcript": {"id": TRANSCRIPT, "metadata": {"afterword": f"{RECORDING}/1"}},
        },
    }
    return NewDelivery(WORKSPACE, f"msg_{number}", 0.0, 0, "default", json.dumps(body).encode())


# -- its copies ------------------------------------------------------------------------------------------
def _copy(connection: sqlite3.Connection, number: int, *, seed: int, keeps_bodies: bool) -> list[str]:
    dice = random.Random(seed)
    connection.execute("BEGIN")
    if not keeps_bodies:
        connection.execute("UPDATE deliveries SET body = NULL")
    # Indexes are quicker made than kept, and triggers would count every row.
    made_again = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"
    ).fetchall()
    for kind, name, _ in made_again:
        connection.execute(f"DROP {kind} {name}")
    connection.execute("CREATE TEMP TABLE crowd (n INTEGER PRIMARY KEY, recording, transcript, bot, dice)")
    some: list[str] = []
    connection.executemany("INSERT INTO crowd VALUES (?, ?, ?, ?, ?)", _ids(number, dice, some))
    for table in _TABLES:
        _copy_table(connection, table)
    connection.execute("UPDATE tallies SET value = value * ?", (number + 1,))
    for _, _, sql in made_again:
        connection.execute(sql)
    connection.execute("DROP TABLE crowd")
    connection.execute("COMMIT")
    return some


def _ids(number: int, dice: random.Random, some: list[str]) -> Iterator[tuple[int, str, str, str, str]]:
    every = max(1, number // 1000)
    for n in range(1, number + 1):
        recording, transcript, bot = (str(UUID(int=dice.getrandbits(128), version=4)) for _ in range(3))
        if n % every == 0:
            some.append(recording)
        yield n, recording, transcript, bot, f"{dice.getrandbits(64):016x}"


def _copy_table(connection: sqlite3.Connection, table: sa.Table) -> None:
    connection.execute(f"CREATE TEMP TABLE one AS SELECT * FROM {table.name}")
    columns = [column for column in table.c if not (column.primary_key and table is not t.transcriptions)]
    values = ", ".join(_value(table, column) for column in columns)
    names = ", ".join(f'"{column.name}"' for column in columns)
    connection.execute(
        # The oldest first, as it would have been.
        f"INSERT INTO {table.name} ({names}) SELECT {values} FROM crowd JOIN one"
        " ORDER BY crowd.n DESC, one.rowid"
    )
    connection.execute("DROP TABLE one")


def _value(table: sa.Table, column: sa.Column[object]) -> str:
    own = f'one."{column.name}"'
    if column is t.transcriptions.c.id:
        return "'txn_' || replace(crowd.transcript, '-', '')"
    if column is t.deliveries.c.webhook_id:
        return f"printf('msg_%010d', 1000000000 - crowd.n) || crowd.dice || {own}"
    if isinstance(column.type, sa.Double):
        return f"{own} - crowd.n * {APART_S}"
    if isinstance(column.type, sa.Text):
        for id_, name in ((RECORDING, "recording"), (TRANSCRIPT, "transcript"), (BOT, "bot")):
            own = f"replace({own}, '{id_}', crowd.{name})"
    return own
