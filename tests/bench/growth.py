"""
`bench growth`: the same work beside a thousand, a hundred thousand and a million finished recordings;
parts: `questions` to the database, and whole `services` (tests.bench.growth_services).

The databases are open at once and take turns, so that a busy machine slows all of them. What counts is the
ratio of the largest to the smallest; times are of the store's methods, with their commit where they have
one. On SQLite, or on databases of one PostgreSQL server that brings every commit to the disk.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from uuid import UUID

from sqlalchemy.exc import OperationalError

from app.adapters.sql.finding import Filters
from app.adapters.sql.store import SqlStore, open_store
from app.core import events
from app.core.commands import AskTranscript
from app.core.machine import Decision, decide
from app.core.state import Phase
from app.ops import metrics
from app.orchestrator.records import NewDelivery, Source
from tests.bench.copy_to_postgresql import bytes_by_relation, copy_to_postgresql
from tests.bench.growth_services import MOST_GROWTH, rows_of_services
from tests.bench.many_recordings import WORKSPACE, many_recordings
from tests.bench.receivers import postgresql
from tests.bench.report import Options, Result, Row, at_most, median
from tests.policies import built_in
from tests.taking import take, take_deliveries

SIZES = (1_000, 100_000, 1_000_000)
_QUICK_SIZES = (50, 500)
_ROUNDS = 20
_TIMES_A_ROUND, _QUICK_TIMES = 15, 3
_LONG_AGO_S = 14 * 86_400.0


@dataclass
class Stand:
    """One database, and what its questions need."""

    number: int
    url: str
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
    sizes = _sizes(options)
    with ExitStack() as stack:
        tmp = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-growth-")))
        is_sqlite = options.database == "sqlite"
        server = None if is_sqlite else stack.enter_context(postgresql(tmp))
        stands = []
        for size in sizes:
            stands.append(_stand(tmp / f"{size}.db", size, seed=options.seed, server=server))
            stack.callback(stands[-1].store.close)
        by_table = _bytes_by_table(stands[-1])
        notes = _notes(stands, by_table)
        rows, services = list[Row](), dict[str, object]()
        if options.wants("questions"):
            times = _QUICK_TIMES if options.quick else _TIMES_A_ROUND
            _ask_in_turns(stands, options.rounds or (2 if options.quick else _ROUNDS), times)
            rows += _ratios(stands)
        if options.wants("services") and (options.only or not options.quick):
            more, services = rows_of_services({stand.number: stand.url for stand in stands}, options, tmp)
            rows += more
        rows += [Row(f"bytes per recording, {s.number:,}", s.size_bytes / s.number, "B") for s in stands]
        rows += _bodies(tmp / "bodies.db", sizes[0], seed=options.seed) if is_sqlite else []
    raw = {
        "services": services,
        "milliseconds": {
            s.number: {what: [x * 1e3 for x in took] for what, took in s.took_s.items()} for s in stands
        },
        "file_bytes": {s.number: s.size_bytes for s in stands},
        "made_in_s": {s.number: s.made_in_s for s in stands},
        "bytes_per_recording_by_table": by_table,
    }
    kind = "SQLite" if is_sqlite else "PostgreSQL"
    title = f"Growth on {kind}: {' → '.join(f'{size:,}' for size in sizes)} recordings in the database"
    return Result("growth", title, rows, notes, raw)


def _sizes(options: Options) -> tuple[int, ...]:
    sizes: tuple[int, ...] = _QUICK_SIZES if options.quick else SIZES
    if options.recordings:
        sizes = (*[size for size in sizes if size < options.recordings], options.recordings)
    return sizes


def _stand(path: Path, number: int, *, seed: int, server: str | None) -> Stand:
    began_at = time.monotonic()
    known = many_recordings(path, number, seed=seed)
    size_bytes, url = path.stat().st_size, f"sqlite:///{path}"
    if server is not None:
        url = copy_to_postgresql(path, server, name=f"growth_{number}")
        path.unlink()
    took_s = time.monotonic() - began_at
    store = open_store(url)
    if server is not None:
        with store.reading() as connection:
            size_bytes = sum(bytes_by_relation(connection).values())
    # Not the crowd's own dice once more: they would throw the ids of recordings that are there already.
    return Stand(number, url, store, known, Random(f"questions {seed}"), size_bytes, took_s)


# -- asking ----------------------------------------------------------------------------------------------
def _ask_in_turns(stands: Sequence[Stand], rounds: int, times: int) -> None:
    for number in range(rounds + 1):
        for what, ask in QUESTIONS.items():
            for stand in stands:
                took = [_timed(ask, stand) for _ in range(times)]
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
    return lambda: take_deliveries(stand.store, 100)


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
        leased = take(stand.store, made.offerable[0].id, lease_s=15)
        assert leased is not None
        stand.store.drop(leased)

    return take_and_drop


def _look(stand: Stand) -> Callable[[], object]:
    return lambda: (stand.store.has_unapplied(), stand.store.due(16, offer_again_s=15))


def _readyz(stand: Stand) -> Callable[[], object]:
    store = stand.store

    def ask() -> None:
        store.check_write()
        store.health(WORKSPACE, fingerprint="bench")

    return ask


def _look_for_bodies(stand: Stand) -> Callable[[], object]:
    forget = partial(stand.store.forget_bodies, older_than_s=_LONG_AGO_S, limit=100)
    while forget():  # what the other questions left
        pass
    return forget


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
    "list, 50 stored": lambda s: partial(s.store.list_transcriptions, Filters(phase=Phase.STORED), limit=50),
    "show one": lambda s: partial(s.store.show, WORKSPACE, s.any_recording()),
    "find one by the beginning of its id": lambda s: partial(s.store.find_recording, s.any_recording()[:13]),
    "counts, rendered for /metrics": lambda s: lambda: metrics.render(s.store.counts(), None),
    "/readyz, the database's part": _readyz,
    "look for bodies to forget": _look_for_bodies,
}


# -- telling ---------------------------------------------------------------------------------------------
def _ratios(stands: Sequence[Stand]) -> list[Row]:
    rows = []
    for what in QUESTIONS:
        times = [median(stand.took_s[what]) * 1e3 for stand in stands]
        told = " → ".join(f"{ms:.2f}" for ms in times)
        rows.append(at_most(f"{what} ({told} ms)", max(times) / times[0], "x", limit=MOST_GROWTH))
    return rows


def _notes(stands: Sequence[Stand], by_table: dict[str, float]) -> list[str]:
    largest = stands[-1]
    notes = [
        f"{_database(largest.store)}.",
        f"made in {', '.join(f'{stand.made_in_s:.0f}' for stand in stands)} s;"
        f" the largest database has {largest.size_bytes / 1e9:.2f} GB.",
        "small because bodies of applied deliveries go (their ids stay), the state is one JSON without"
        " white space, and the history keeps ids and codes only.",
    ]
    told = ", ".join(f"{name} {size:.0f}" for name, size in sorted(by_table.items(), key=lambda x: -x[1])[:8])
    return [*notes, f"bytes per recording by table and index: {told}."] if told else notes


def _database(store: SqlStore) -> str:
    """Which it is, and what it does at a commit."""
    with store.reading() as connection:
        if store.is_sqlite:
            version = connection.exec_driver_sql("SELECT sqlite_version()").scalar_one()
            return f"SQLite {version}, synchronous=FULL"
        names = ("server_version", "fsync", "synchronous_commit", "shared_buffers")
        version, *told = [connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in names]
        whole = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
    settings = ", ".join(f"{name}={value}" for name, value in zip(names[1:], told, strict=True))
    return (
        f"PostgreSQL {version} on this machine, through its Unix socket, {settings}; bytes are those of our"
        f" tables and indexes when they were made (afterwards {whole / 1e9:.2f} GB with the server's own"
        " tables); each tally in 64 rows"
    )


def _bodies(path: Path, number: int, *, seed: int) -> list[Row]:
    with_bodies, free_again = _with_bodies(path, number, seed=seed)
    return [
        Row("  with the bodies of its three deliveries", with_bodies, "B"),
        Row("  of these free for new rows once the bodies are forgotten", free_again, "B"),
    ]


def _with_bodies(path: Path, number: int, *, seed: int) -> tuple[float, float]:
    """Bytes per recording with bodies, and how many of them become free."""
    many_recordings(path, number, seed=seed, keeps_bodies=True)
    store = open_store(f"sqlite:///{path}", clock_offset_s=2 * _LONG_AGO_S)
    size = path.stat().st_size
    while store.forget_bodies(older_than_s=_LONG_AGO_S, limit=500):
        pass
    with store.reading() as connection:
        free_pages = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
        page_bytes = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    store.close()
    return size / number, free_pages * page_bytes / number


def _bytes_by_table(stand: Stand) -> dict[str, float]:
    """Bytes per recording; empty where this SQLite has no `dbstat`."""
    with suppress(OperationalError), stand.store.engine.connect() as connection:
        if stand.store.is_sqlite:
            found = connection.exec_driver_sql("SELECT name, sum(pgsize) FROM dbstat GROUP BY name")
            sizes = {name: size for name, size in found}  # noqa: C416 - a result has keys()
        else:
            sizes = bytes_by_relation(connection)
        return {name: size / stand.number for name, size in sizes.items()}
    return {}
