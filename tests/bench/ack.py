"""
`bench ack`: how fast a delivery is verified, durably stored and answered, beside the fastest answer there is.

Three parts. `limits`: the receiver against a bare 202 and a mere verification, same gunicorn, no workers.
`variants`: the receiver against itself with another database, a Redis that is away, a full database.
`steady`: two hundred deliveries a second at the whole service at work. Every acknowledged one is then looked
for in the database, by its id.
"""

from __future__ import annotations

import sqlite3
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from app.simulator.server import default_secret
from tests.bench import load
from tests.bench.backlog import backlog
from tests.bench.many_recordings import many_recordings
from tests.bench.pipeline import Pipeline, pipeline
from tests.bench.receivers import SECRET, Receiver, hung_valkey, postgresql, receiver, stored_ids, valkey
from tests.bench.report import Options, Result, Row, at_least, at_most, exactly, median

PERCENTS = ("p50", "p95", "p99", "p99.9")
_RATIOS = {16: 0.4, 64: 0.5}  # of the bare 202's requests per second, by connections
_VARIANTS_AT = 16
_LEAST = 0.9  # of the plain receiver: a change of no more than 10 %
_STEADY_PER_S = 200.0
_STEADY_P99_MS = 10.0
# Beside the deliveries, meetings go their whole way to stored transcripts: 0.2 of what Recall's limits admit.
_MEETINGS_PER_S = 1.0
# Recall sends dozens of these for each recording; the service keeps them and does nothing about them.
_COMPANY = "bot.in_call_recording"


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything."""

    rounds: int
    seconds: float
    connections: tuple[int, ...]
    backlog: int
    history: int  # recordings; each has six lines or more
    steady_s: float

    @classmethod
    def of(cls, options: Options) -> Scale:
        if options.quick:
            return cls(options.rounds or 1, options.seconds or 0.4, (4,), 1000, 100, options.seconds or 2.0)
        return cls(
            options.rounds or 5,
            options.seconds or 3.0,
            (1, 16, 64),
            100_000,
            200_000,
            options.seconds or 15.0,
        )


@dataclass(slots=True)
class Measured:
    """Reports by what was measured, in the order of the rounds, and the acknowledged ids by database."""

    reports: dict[str, list[load.Report]] = field(default_factory=dict)
    acked: dict[str, set[str]] = field(default_factory=dict)

    def rate(self, name: str) -> float:
        return median(report.per_second for report in self.reports[name])

    def ms(self, name: str, percent: str) -> float:
        return median(report.ms[percent] for report in self.reports[name])

    def ratio(self, name: str, base: str) -> float:
        """The median of the rounds' ratios: what disturbed a round disturbed both."""
        pairs = zip(self.reports[name], self.reports[base], strict=True)
        return median(one.per_second / other.per_second for one, other in pairs)

    def refused(self) -> dict[str, int]:
        """Answers other than 202, of all measurements."""
        found: dict[str, int] = {}
        for report in (report for reports in self.reports.values() for report in reports):
            for status, number in report.statuses.items():
                if status != "202":
                    found[status] = found.get(status, 0) + number
        return found


def run(options: Options) -> Result:
    """All parts, or those named by `--only`."""
    scale, rows, raw = Scale.of(options), list[Row](), dict[str, object]()
    notes = [f"Load generator: {load.NAME}. Kept-alive connections; every request distinct and signed."]
    parts: Mapping[str, Callable[[Path, Scale, Options], tuple[list[Row], list[str], Measured]]] = {
        "limits": _limits,
        "variants": _variants,
        "steady": _steady,
    }
    for name, part in parts.items():
        if not options.wants(name) or (options.quick and name == "steady" and not options.only):
            continue
        with tempfile.TemporaryDirectory(prefix="bench-ack-", ignore_cleanup_errors=True) as folder:
            found, said, measured = part(Path(folder), scale, options)
        rows += found
        notes += said
        raw[name] = {
            what: [asdict(report) for report in reports] for what, reports in measured.reports.items()
        }
    if options.quick:
        rows = [Row(row.what, row.value, row.unit) if row.unit != "missing" else row for row in rows]
    return Result("ack", "Acknowledgement: verified, durable, answered", rows, notes, raw)


# -- limits ----------------------------------------------------------------------------------------------
def _limits(tmp: Path, scale: Scale, options: Options) -> tuple[list[Row], list[str], Measured]:
    names = ("bare 202", "verify only", "durable")
    measured = Measured()
    with ExitStack() as stack:
        redis = stack.enter_context(valkey(tmp / "valkey"))
        opened = [
            stack.enter_context(receiver(names[0], tmp / "bare", loads="tests.bench.bare:bare()")),
            stack.enter_context(receiver(names[1], tmp / "verify", loads="tests.bench.bare:verify_only()")),
            stack.enter_context(receiver(names[2], tmp / "durable", REDIS_URL=redis)),
        ]
        for number in range(scale.rounds):
            for connections in scale.connections:
                for one in turned(opened, number):
                    measure(one, measured, tmp, scale.seconds, options, connections=connections)
        rows = [row for c in scale.connections for row in _limit_rows(measured, c, names)]
        rows.append(missing_row(measured, opened, "limits"))
    return rows, _said(measured), measured


def _limit_rows(measured: Measured, connections: int, names: tuple[str, ...]) -> Iterator[Row]:
    keys = [f"{connections} {name}" for name in names]
    for key, name in zip(keys, names, strict=True):
        yield Row(f"{connections} connections: {name}", measured.rate(key), "/s")
    for percent in PERCENTS:
        yield Row(f"{connections} connections: durable, {percent}", measured.ms(keys[2], percent), "ms")
    yield Row(f"{connections} connections: verify only / bare 202", measured.ratio(keys[1], keys[0]), "x")
    what, ratio = f"{connections} connections: durable / bare 202", measured.ratio(keys[2], keys[0])
    limit = _RATIOS.get(connections)
    yield Row(what, ratio, "x") if limit is None else at_least(what, ratio, "x", limit=limit)


# -- variants --------------------------------------------------------------------------------------------
def _variants(tmp: Path, scale: Scale, options: Options) -> tuple[list[Row], list[str], Measured]:
    plain, measured = "SQLite, Redis up", Measured()
    with ExitStack() as stack:
        enter = stack.enter_context
        redis = enter(valkey(tmp / "valkey"))
        opened = [enter(receiver(plain, tmp / "plain", REDIS_URL=redis))]
        for name, home, more in _others(tmp, scale, options, redis, stack):
            opened.append(enter(receiver(name, home, **more)))
        connections = min(_VARIANTS_AT, scale.connections[-1])
        for number in range(scale.rounds):
            for one in turned(opened, number):
                measure(one, measured, tmp, scale.seconds, options, connections=connections, name=one.name)
        rows = [Row(f"variants, {connections} connections: {plain}", measured.rate(plain), "/s")]
        for one in opened[1:]:
            what, ratio = f"{one.name} / {plain}", measured.ratio(one.name, plain)
            has_limit = one.name != "PostgreSQL"
            rows.append(at_least(what, ratio, "x", limit=_LEAST) if has_limit else Row(what, ratio, "x"))
        rows.append(missing_row(measured, opened, "variants"))
    return rows, _said(measured), measured


def _others(
    tmp: Path, scale: Scale, options: Options, redis: str, stack: ExitStack
) -> Iterator[tuple[str, Path, dict[str, str]]]:
    nobody = f"unix://{tmp / 'nobody.sock'}"
    yield "Redis down", tmp / "down", {"REDIS_URL": nobody}
    if not options.quick:
        yield "Redis hung", tmp / "hung", {"REDIS_URL": stack.enter_context(hung_valkey(tmp / "stopped"))}
        url = stack.enter_context(postgresql(tmp / "pg"))
        yield "PostgreSQL", tmp / "postgresql", {"REDIS_URL": redis, "DATABASE_URL": url}
    home = _home(tmp / "backlog")
    backlog(home / "afterword.db", scale.backlog)
    yield f"backlog of {scale.backlog:,} commands", home, {"REDIS_URL": redis}
    home = _home(tmp / "history")
    many_recordings(home / "afterword.db", scale.history, seed=options.seed)
    lines = _history_lines(home / "afterword.db")
    yield f"{lines:,} lines of history", home, {"REDIS_URL": redis}


def _home(path: Path) -> Path:
    path.mkdir(mode=0o700)
    return path


def _history_lines(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM history").fetchone()[0])


# -- steady ----------------------------------------------------------------------------------------------
def _steady(tmp: Path, scale: Scale, options: Options) -> tuple[list[Row], list[str], Measured]:
    measured, rows, usual, recall_down = Measured(), list[Row](), "steady", "steady, Recall down"
    with pipeline(options, workers=options.workers or 4) as running, _meetings(running):
        one = Receiver(usual, int(running.place.environment["PORT"]), None, running.place.settings)
        for _ in range(scale.rounds):
            for name, is_down in ((usual, False), (recall_down, True)):
                running.place.recall.settings(down=is_down)
                task = _task(one, tmp, scale.steady_s, options, connections=16)
                _note(one, measured, name, task)
        rows += [
            Row(f"200/s, whole service: {p}", measured.ms(usual, p), "ms") for p in PERCENTS if p != "p99"
        ]
        p99 = measured.ms(usual, "p99")
        rows.append(at_most("200/s, whole service: p99", p99, "ms", limit=_STEADY_P99_MS))
        change = measured.ms(recall_down, "p50") / measured.ms(usual, "p50")
        rows.append(at_most("200/s: p50 while Recall is down / p50", change, "x", limit=1.1))
        rows.append(missing_row(measured, [one], "steady"))
    said = (
        f"Steady: open loop at {_STEADY_PER_S:g}/s on 16 connections (times from when each was due), while "
    )
    said += f"{_MEETINGS_PER_S:g} meeting a second goes from recording.done to a stored transcript."
    return rows, [said, *_said(measured)], measured


@contextmanager
def _meetings(running: Pipeline) -> Iterator[None]:
    """Meetings end all the while, in a thread of ours."""
    is_over = threading.Event()

    def hold_meetings() -> None:
        while not is_over.wait(1 / _MEETINGS_PER_S):
            running.record()

    thread = threading.Thread(target=hold_meetings)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


# -- measuring -------------------------------------------------------------------------------------------
def turned(opened: Sequence[Receiver], number: int) -> list[Receiver]:
    """Each round begins with another one."""
    at = number % len(opened)
    return [*opened[at:], *opened[:at]]


def measure(
    one: Receiver,
    measured: Measured,
    tmp: Path,
    seconds: float,
    options: Options,
    *,
    connections: int,
    name: str = "",
) -> None:
    """As fast as it answers. Without a name: under the connections' number and the receiver's."""
    task = _task(one, tmp, seconds, options, connections=connections, per_second=0.0)
    _note(one, measured, name or f"{connections} {one.name}", task)


def _task(
    one: Receiver,
    tmp: Path,
    seconds: float,
    options: Options,
    *,
    connections: int,
    per_second: float = _STEADY_PER_S,
) -> load.Task:
    run_id = uuid.uuid4().hex[:8]
    return load.Task(
        port=one.port,
        connections=connections,
        seconds=seconds,
        run=run_id,
        secret=default_secret(options.seed) if one.process is None else SECRET,
        per_second=per_second,
        warm_up_s=min(0.5, seconds / 2),
        seed=options.seed,
        event=_COMPANY if per_second else "recording.done",
        acked_path=str(tmp / f"acked-{run_id}"),
    )


def _note(one: Receiver, measured: Measured, name: str, task: load.Task) -> None:
    measured.reports.setdefault(name, []).append(load.measure(task))
    acked = Path(task.acked_path).read_text("ascii").splitlines()
    measured.acked.setdefault(one.name, set()).update(acked)


def missing_row(measured: Measured, opened: Sequence[Receiver], part: str) -> Row:
    """How many of the acknowledged deliveries their database does not have."""
    looked_for = [(measured.acked[one.name], one.settings) for one in opened if one.settings is not None]
    missing = sum(len(acked - stored_ids(settings)) for acked, settings in looked_for)
    number = sum(len(acked) for acked, _ in looked_for)
    return exactly(
        f"{part}: of {number:,} acknowledged deliveries, in no database", missing, "missing", wanted=0
    )


def _said(measured: Measured) -> list[str]:
    refused = measured.refused()
    return [f"Answers other than 202: {refused}."] if refused else []
