"""
`bench growth`: the same work beside a thousand, a hundred thousand and a million finished recordings.

The databases are open at once and take turns, so that a busy machine slows all of them. What counts is the
ratio of the largest to the smallest; times are of the store's methods, with their commit where they have
one. SQLite, whose statements and indexes are those of PostgreSQL.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from uuid import UUID

from app.adapters.sql_store import SqlStore, open_store
from app.core import events
from app.core.commands import AskTranscript
from app.core.machine import Decision, decide
from app.core.policy import built_in
from app.core.state import Goal
from app.ops import metrics
from app.records import NewDelivery, Source
from tests.bench.crowd import WORKSPACE, crowd
from tests.bench.report import Options, Result, Row, at_most, median

MOST_GROWTH = 1.2
SIZES = (1_000, 100_000, 1_000_000)
_QUICK_SIZES = (50, 500)
_ROUNDS = 20
_TIMES_A_ROUND = 15
_LONG_AGO_S = 14 * 86_400.0


@dataclass
class Stand:
    """One database, and what its questions need."""

    number: int
    path: Path
    store: SqlStore
    known: list[str]
    dice: Random
    size_bytes: int
    made_in_s: float
    took_s: dict[str, list[float]] = field(default_factory=dict)
    counter: int = 0

    def any_recording(self) -> str:
        return self.dice.choice(self.known)

    def deliveries(self, number: int) -> list[NewDelivery]:
        """As they come: with ids that rise."""
        self.counter += number
        rows = range(self.counter - number, self.counter)
        body = b"x" * 700
        return [NewDelivery(WORKSPACE, f"msg_2{n:09d}{n:017x}", 0.0, 0, "default", body) for n in rows]


def run(options: Options) -> Result:
    """Makes the databases, asks them in turns, and tells the ratios."""
    sizes: tuple[int, ...] = _QUICK_SIZES if options.quick else SIZES
    if options.recordings:
        sizes = (*[size for size in sizes if size < options.recordings], options.recordings)
    with tempfile.TemporaryDirectory(prefix="bench-growth-") as tmp:
        stands = [_stand(Path(tmp) / f"{size}.db", size, seed=options.seed) for size in sizes]
        try:
            _ask_in_turns(stands, options.rounds or (2 if options.quick else _ROUNDS))
            sizes_rows, notes, by_table = _sizes(Path(tmp), stands, options)
        finally:
            for stand in stands:
                stand.store.close()
    raw = {
        "milliseconds": {
            s.number: {what: [x * 1e3 for x in took] for what, took in s.took_s.items()} for s in stands
        },
        "file_bytes": {s.number: s.size_bytes for s in stands},
        "made_in_s": {s.number: s.made_in_s for s in stands},
        "bytes_per_recording_by_table": by_table,
    }
    title = f"Growth: {' → '.join(f'{size:,}' for size in sizes)} recordings in the database"
    return Result("growth", title, [*_ratios(stands), *sizes_rows], notes, raw)


def _stand(path: Path, number: int, *, seed: int) -> Stand:
    began_at = time.monotonic()
    known = crowd(path, number, seed=seed)
    took_s = time.monotonic() - began_at
    store = open_store(f"sqlite:///{path}")
    return Stand(number, path, store, known, Random(seed), path.stat().st_size, took_s)


# -- asking ----------------------------------------------------------------------------------------------
def _ask_in_turns(stands: Sequence[Stand], rounds: int) -> None:
    for number in range(rounds + 1):
        for what, ask in QUESTIONS.items():
            for stand in stands:
                took = [_timed(ask, stand) for _ in range(_TIMES_A_ROUND)]
                if number:  # the first round warms up
                    stand.took_s.setdefault(what, []).extend(took)


def _timed(ask: Callable[[Stand], Callable[[], object]], stand: Stand) -> float:
    work = ask(stand)
    began_at = time.perf_counter()
    work()
    return time.perf_counter() - began_at


def _ack(stand: Stand) -> Callable[[], object]:
    rows = stand.deliveries(1)
    return lambda: stand.store.add_deliveries(rows)


def _ack_many(stand: Stand) -> Callable[[], object]:
    rows = stand.deliveries(32)
    return lambda: stand.store.add_deliveries(rows)


def _take_deliveries(stand: Stand) -> Callable[[], object]:
    # Whatever waited is done with, so that one delivery waits.
    with stand.store.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE deliveries SET applied_at = 1, kind = 'x' WHERE applied_at IS NULL"
        )
    stand.store.add_deliveries(stand.deliveries(1))
    return lambda: stand.store.take_deliveries(100)


def _apply_news(stand: Stand) -> Callable[[], object]:
    """`recording.done` of a recording nobody heard of: load, decide, commit with its command."""
    recording_id = str(UUID(int=stand.dice.getrandbits(128), version=4))
    return lambda: _advance(stand.store, recording_id, bot_id=recording_id)


def _apply_again(stand: Stand) -> Callable[[], object]:
    """`recording.done` of one that is stored: load, decide, a line in its history."""
    recording_id = stand.any_recording()
    return lambda: _advance(stand.store, recording_id, bot_id=None)


def _advance(store: SqlStore, recording_id: str, *, bot_id: str | None) -> None:
    before = store.load(WORKSPACE, recording_id)
    event = events.RecordingDone(store.now(), bot_id)
    decision = decide(before.transcription, event, built_in(), pending=before.pending)
    # Not due before long: what waits is the same in all databases.
    later = tuple(replace(command, after_s=9e6) for command in decision.commands)
    store.commit(before, replace(decision, commands=later), event=event, source=Source(by="bench"))


def _take_command(stand: Stand) -> Callable[[], object]:
    before = stand.store.load(WORKSPACE, stand.any_recording())
    command = AskTranscript(f"t{stand.dice.getrandbits(32)}")
    decision = Decision(before.transcription, (command,))
    event = events.RecordingDone(stand.store.now())
    made = stand.store.commit(before, decision, event=event, source=Source(by="bench"))

    def take_and_drop() -> None:
        leased = stand.store.take(made.offerable[0].id, lease_s=15)
        assert leased is not None
        stand.store.drop(leased)

    return take_and_drop


def _look(stand: Stand) -> Callable[[], object]:
    return lambda: (stand.store.has_unapplied(), stand.store.due(16, offer_again_s=15))


def _readyz(stand: Stand) -> Callable[[], object]:
    store = stand.store

    def ask() -> None:
        store.check_write()
        store.oldest_undone_s()
        store.heartbeats()
        store.paused(WORKSPACE)

    return ask


QUESTIONS: dict[str, Callable[[Stand], Callable[[], object]]] = {
    "acknowledge one delivery": _ack,
    "acknowledge 32 in one batch": _ack_many,
    "take what waits in the inbox": _take_deliveries,
    "recording.done of a new one: load, decide, commit": _apply_news,
    "recording.done of a stored one: the same": _apply_again,
    "take a command and drop it": _take_command,
    "dispatcher's look": _look,
    "reconcile's look at one": lambda s: partial(s.store.load, WORKSPACE, s.any_recording()),
    "list, the latest 50": lambda s: partial(s.store.list_transcriptions, limit=50),
    "list, 50 stored": lambda s: partial(s.store.list_transcriptions, goal=Goal.STORED, limit=50),
    "show one": lambda s: partial(s.store.show, WORKSPACE, s.any_recording()),
    "find one by the beginning of its id": lambda s: partial(s.store.find_recording, s.any_recording()[:13]),
    "counts, rendered for /metrics": lambda s: lambda: metrics.render(s.store.counts(), None),
    "/readyz, the database's part": _readyz,
    "look for bodies to forget": lambda s: partial(
        s.store.forget_bodies, older_than_s=_LONG_AGO_S, limit=100
    ),
}


# -- telling ---------------------------------------------------------------------------------------------
def _ratios(stands: Sequence[Stand]) -> list[Row]:
    rows = []
    for what in QUESTIONS:
        times = [median(stand.took_s[what]) * 1e3 for stand in stands]
        told = " → ".join(f"{ms:.2f}" for ms in times)
        rows.append(at_most(f"{what} ({told} ms)", max(times) / times[0], "x", limit=MOST_GROWTH))
    return rows


def _sizes(
    tmp: Path, stands: Sequence[Stand], options: Options
) -> tuple[list[Row], list[str], dict[str, float]]:
    largest = stands[-1]
    per_recording = [stand.size_bytes / stand.number for stand in stands]
    rows = [
        Row(f"bytes per recording, {s.number:,}", b, "B") for s, b in zip(stands, per_recording, strict=True)
    ]
    with_bodies, free_again = _with_bodies(tmp / "bodies.db", stands[0].number, seed=options.seed)
    rows += [
        Row("  with the bodies of its three deliveries", with_bodies, "B"),
        Row("  of these free for new rows once the bodies are forgotten", free_again, "B"),
    ]
    by_table = _bytes_by_table(largest.path, largest.number)
    told = ", ".join(f"{name} {size:.0f}" for name, size in sorted(by_table.items(), key=lambda x: -x[1])[:8])
    notes = [
        f"made in {', '.join(f'{stand.made_in_s:.0f}' for stand in stands)} s;"
        f" the largest file has {largest.size_bytes / 1e9:.2f} GB.",
        "small because bodies of applied deliveries go (their ids stay), the state is one JSON without"
        " white space, and the history keeps ids and codes only.",
    ]
    return rows, [*notes, f"bytes per recording by table and index: {told}."] if told else notes, by_table


def _with_bodies(path: Path, number: int, *, seed: int) -> tuple[float, float]:
    """Bytes per recording with bodies, and how many of them become free."""
    crowd(path, number, seed=seed, keeps_bodies=True)
    store = open_store(f"sqlite:///{path}", clock_offset_s=2 * _LONG_AGO_S)
    size = path.stat().st_size
    while store.forget_bodies(older_than_s=_LONG_AGO_S, limit=500):
        pass
    with store.reading() as connection:
        free_pages = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
        page_bytes = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    store.close()
    return size / number, free_pages * page_bytes / number


def _bytes_by_table(path: Path, number: int) -> dict[str, float]:
    """Empty where this SQLite has no `dbstat`."""
    with closing(sqlite3.connect(path)) as connection, suppress(sqlite3.OperationalError):
        rows = connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name").fetchall()
        return {name: size / number for name, size in rows}
    return {}
