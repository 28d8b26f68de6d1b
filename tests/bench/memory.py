"""
`bench memory`: what the whole service occupies, idle and at work, and what one huge transcript adds to the
worker that stores it. How fast it starts is in `tests.bench.startup`, shown in the same table.

Proportional set size (PSS): a page shared by n processes counts 1/n for each, so the sum over all processes
is what the machine gives. Read from `/proc/PID/smaps_rollup`, so Linux only. The worker's own part is
measured in pages nobody else has.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import requests

from app.errors import Away
from app.transcripts.formats import FORMATS
from app.transcripts.manifest import parse_manifest
from tests.bench import startup, ten_hours
from tests.bench.pipeline import Pipeline, pipeline
from tests.bench.report import Options, Result, Row, at_most, median
from tests.flow.stage import Installation

IDLE_MB = 200.0
EXTRA_MB = 100.0
_WORKERS = 4
_SETTLES_S = 8.0  # the dispatcher's first beats and the workers' first look are over
_SAMPLE_EVERY_S = 0.2
_SAMPLE_WORKER_EVERY_S = 0.05
_QUESTIONS = 40  # of readiness, so that both of gunicorn's processes have answered one


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process, in bytes. `own`: pages nobody else has."""

    pss: int
    own: int


@dataclass
class Sampled:
    """What a sampler saw, in bytes, oldest first."""

    values: list[int] = field(default_factory=list)

    @property
    def highest(self) -> int:
        return max(self.values, default=0)


def run(options: Options) -> Result:
    """Idle, at work, one huge transcript, one of ten hours; then the times of starting."""
    if not Path("/proc/self/smaps_rollup").exists():
        raise Away("memory is measured by /proc/PID/smaps_rollup, which this system does not have")
    rows: list[Row] = []
    raw: dict[str, object] = {}
    notes = [
        "MB are millions of bytes. The sum counts `up`, web, workers, dispatcher and the embedded Valkey;"
        " of the Python binary's own pages this benchmark's process takes a share."
    ]
    if any(map(options.wants, ("idle", "work", "transcript"))):
        rows += _of_a_service(options, raw, notes)
    if options.wants("ten-hours"):
        rows += ten_hours.rows(options, raw)
    if options.wants("start"):
        rows += startup.rows(options, raw)
    return Result("memory", "Memory and start", rows, notes, raw)


def _of_a_service(options: Options, raw: dict[str, object], notes: list[str]) -> list[Row]:
    rows: list[Row] = []
    with pipeline(options, workers=options.workers or _WORKERS, limits="off") as pipe:
        if options.wants("idle"):
            rows += _idle(pipe, options, raw)
        if options.wants("transcript"):
            rows += _huge(pipe, options, raw, notes)
        if options.wants("work"):
            rows += _at_work(pipe, options, raw)
    return rows


# -- the whole service -----------------------------------------------------------------------------------
def _idle(pipe: Pipeline, options: Options, raw: dict[str, object]) -> list[Row]:
    place = pipe.place
    _use_every_process(place)
    pipe.record(transcribe_s=0.1)
    pipe.wait(1, within_s=60.0)
    time.sleep(1.0 if options.quick else _SETTLES_S)
    rounds = options.rounds or (2 if options.quick else 5)
    sums, parts = [], {}
    for _ in range(rounds):
        parts = by_process(place)
        sums.append(sum(memory.pss for memory in parts.values()))
        time.sleep(0.5)
    raw["idle_pss_bytes"] = sums
    raw["idle_by_process"] = {name: {"pss": m.pss, "own": m.own} for name, m in parts.items()}
    one_worker = [m.own for name, m in parts.items() if name.startswith("worker-")]
    return [
        at_most("whole service idle, PSS", _mb(median(sums)), "MB", limit=IDLE_MB),
        Row("  of it each worker's own", _mb(median(one_worker)), "MB"),
        Row("  processes", len(parts), ""),
    ]


def _use_every_process(place: Installation) -> None:
    # Not a connection kept open: which of gunicorn's processes takes one is chance.
    for _ in range(_QUESTIONS):
        requests.get(f"{place.url}/healthz", timeout=5).raise_for_status()
        place.readyz()
    requests.get(f"{place.url}/metrics", auth=place.operator, timeout=5).raise_for_status()


def _at_work(pipe: Pipeline, options: Options, raw: dict[str, object]) -> list[Row]:
    number = options.recordings or (8 if options.quick else 200)
    before = len(pipe.stored_at())
    with _sampling(lambda: sum(m.pss for m in by_process(pipe.place).values()), _SAMPLE_EVERY_S) as seen:
        for _ in range(number):
            pipe.record(transcribe_s=1.0)
        pipe.wait(before + number, within_s=300.0)
    raw["at_work_pss_bytes"] = seen.values
    return [
        Row(f"whole service at work, PSS ({number} recordings at once)", _mb(median(seen.values)), "MB"),
        Row("  at most", _mb(seen.highest), "MB"),
    ]


# -- one huge transcript ---------------------------------------------------------------------------------
def _huge(pipe: Pipeline, options: Options, raw: dict[str, object], notes: list[str]) -> list[Row]:
    megabytes = 3 if options.quick else 100
    place = pipe.place
    before = {name: own_of(place, name) for name in worker_names(place)}
    known = len(pipe.stored_at())
    with _sampling(lambda: _most_added(place, before), _SAMPLE_WORKER_EVERY_S) as seen:
        began_at = time.monotonic()
        recording_id = pipe.record(transcripts=[f"huge:{megabytes}"], transcribe_s=0.1)
        pipe.wait(known + 1, within_s=600.0)
        took_s = time.monotonic() - began_at
    sizes = _stored_sizes(place, recording_id)
    raw["huge"] = {"added_bytes": seen.values, "sizes": sizes, "took_s": took_s}
    missing = {*FORMATS, "transcript.json"} - sizes.keys()
    if missing:
        raise Away(f"the huge transcript was stored without {', '.join(sorted(missing))}")
    written = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in sorted(sizes.items()))
    notes.append(f"the huge transcript's files: {written}; {len(seen.values)} samples of its worker.")
    raw_mb = _mb(sizes["transcript.json"])
    return [
        at_most(f"storing {raw_mb:.0f} MB adds to one worker", _mb(seen.highest), "MB", limit=EXTRA_MB),
        Row("  seconds from recording.done to stored", took_s, "s"),
    ]


def _most_added(place: Installation, before: dict[str, int]) -> int:
    """What the worker that has grown most has now more than before, its horse counted in."""
    return max(own_of(place, name) - own for name, own in before.items())


def _stored_sizes(place: Installation, recording_id: str) -> dict[str, int]:
    """By the manifest, and checked against the disk."""
    (folder,) = place.stored(recording_id).values()
    manifest = parse_manifest((folder / "manifest.json").read_bytes())
    sizes = {file.name: file.size_bytes for file in manifest.files}
    if any((folder / name).stat().st_size != size for name, size in sizes.items()):
        raise Away("a stored file is not as large as its manifest says")
    return sizes


# -- reading /proc ---------------------------------------------------------------------------------------
def memory_of(pid: int) -> Memory:
    """
    Of a process now.

    Raises:
        ProcessLookupError, FileNotFoundError: It has ended.
    """
    found = {"Pss": 0, "Private_Clean": 0, "Private_Dirty": 0}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
        name, _, value = line.partition(":")
        if name in found:
            found[name] = int(value.split()[0]) * 1024
    return Memory(found["Pss"], found["Private_Clean"] + found["Private_Dirty"])


def by_process(place: Installation) -> dict[str, Memory]:
    """
    Every process of the service, by its name in the log, or its own, and number; those that end meanwhile
    are left out. Its own alone would not do: RQ and gunicorn set one where `setproctitle` is installed.
    """
    assert place.service is not None
    found: dict[str, Memory] = {}
    lines = place.log_lines()
    started = {line["pid"]: line["child"] for line in lines if line.get("event") == "child_started"}
    with suppress(psutil.NoSuchProcess):
        for process in [psutil.Process(place.service.pid), *place.family()]:
            with suppress(psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
                found[f"{started.get(process.pid, process.name())} {process.pid}"] = memory_of(process.pid)
    return found


def worker_names(place: Installation) -> Sequence[str]:
    """The supervised workers that do Recall's work."""
    return [f"worker-{n + 1}" for n in range(place.settings.workers)]


def own_of(place: Installation, name: str) -> int:
    """Bytes that only this worker and its horse have."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        worker = place.child(name)
        for process in [worker, *worker.children(recursive=True)]:
            with suppress(ProcessLookupError, FileNotFoundError):
                total += memory_of(process.pid).own
    return total


@contextmanager
def _sampling(look: Callable[[], int], every_s: float) -> Iterator[Sampled]:
    seen, is_over = Sampled(), threading.Event()

    def sample() -> None:
        while not is_over.wait(every_s):
            seen.values.append(look())

    thread = threading.Thread(target=sample, name="memory-sampler", daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        is_over.set()
        thread.join()


def _mb(size_bytes: float) -> float:
    return size_bytes / 1e6
