"""
`bench latency`: from Recall's word to what follows from it, idle and at half of the load the limits allow.

Three stretches, each by clocks of this one machine: a delivery's arrival at our web process until Recall has
the create, and until the manifest of the finished transcript is on the disk; from the manifest's rename until
an endpoint of outgoing webhooks has the first bytes of its request. The simulator answers at once.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from tests.announce.receiver import Receiver, receiving
from tests.bench import steps
from tests.bench.pipeline import Pipeline, pipeline
from tests.bench.report import Options, Result, Row, at_most, percentile

# Half of the 300 retrieves a minute: https://docs.recall.ai/reference/transcript_retrieve
_HALF_LOAD_PER_S = 2.5
TRANSCRIBE_S = 2.0  # longer than everything of ours takes: the two stretches do not meet
_P50_MS, _P95_MS = 150.0, 500.0
_TOLD_P50_MS = 100.0


@dataclass(frozen=True, slots=True)
class Pace:
    """
    How recordings come.

    Attributes:
        per_s: On average.
        is_random: As independent meetings end; else evenly, so that nothing else is going on.
    """

    name: str
    recordings: int
    per_s: float
    is_random: bool = False
    workers: int = 4


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds, one for each recording, in the order in which they came."""

    pace: Pace
    create_ms: list[float]
    stored_ms: list[float]
    told_ms: list[float]
    refused: int
    cores_of_service: float  # 1: one core busy all the time


def paces(options: Options) -> list[Pace]:
    """Those that were asked for."""
    seconds = options.seconds or (2.0 if options.quick else 60.0)
    half = max(4, round(seconds * _HALF_LOAD_PER_S))
    every = [
        # One every two and a half seconds, and what follows two seconds after it.
        Pace("idle", options.recordings or (3 if options.quick else 30), 0.4),
        Pace("half-load", options.recordings or half, _HALF_LOAD_PER_S, is_random=True),
    ]
    if options.quick:
        every = [replace(every[0], per_s=2.0), *(every[1:] if options.only else [])]
    return [replace(p, workers=options.workers or p.workers) for p in every if options.wants(p.name)]


def run(options: Options) -> Result:
    """Each pace once, in an installation of its own."""
    counted = steps.measure(options) if options.wants("steps") else None
    found = [measure(pace, options) for pace in paces(options)]
    rows = steps.rows_of(counted) if counted is not None else []
    rows += [row for one in found for row in rows_of(one, is_judged=not options.quick)]
    notes = [
        f"{one.pace.name}: {one.pace.recordings} recordings, {one.pace.per_s:g}/s "
        f"({'at random' if one.pace.is_random else 'evenly'}), {one.pace.workers} workers, simulator without "
        f"delay; the service kept {one.cores_of_service:.0%} of one core busy; {one.refused} answered 429."
        for one in found
    ]
    notes += [steps.note_of(counted)] if counted is not None else []
    title = "Latency: from a delivery's arrival to what follows from it"
    return Result("latency", title, rows, notes, raw={"paces": [asdict(one) for one in found]})


def rows_of(one: Measured, *, is_judged: bool) -> list[Row]:
    """Percentiles, the idle ones beside their targets."""
    name, rows = one.pace.name, list[Row]()
    for what, values in (
        ("recording.done → create at Recall", one.create_ms),
        ("transcript.done → manifest stored", one.stored_ms),
        ("manifest's rename → outgoing webhook", one.told_ms),
    ):
        is_told = values is one.told_ms
        for percent, limit in ((50, _TOLD_P50_MS if is_told else _P50_MS), (95, _P95_MS)):
            has_target = values is one.stored_ms or (is_told and percent == 50)
            has_target &= is_judged and name == "idle"
            label, value = f"{name}: {what}, p{percent}", round(percentile(values, percent), 1)
            rows.append(at_most(label, value, "ms", limit=limit) if has_target else Row(label, value, "ms"))
    return rows


def measure(pace: Pace, options: Options) -> Measured:
    """Raises `Away` when the recordings do not end."""
    with receiving() as receiver, pipeline(options, workers=pace.workers, endpoint=receiver) as running:
        cpu_s, began = running.cpu_s(), time.monotonic()
        _record(pace, running, random.Random(options.seed))
        running.wait(pace.recordings, within_s=60.0)
        cpu_s, took_s = running.cpu_s() - cpu_s, time.monotonic() - began
        receiver.wait_for(pace.recordings)
        create_ms, stored_ms = stretches_ms(running)
        return Measured(
            pace=pace,
            create_ms=create_ms,
            stored_ms=stored_ms,
            told_ms=told_ms(running, receiver),
            refused=running.place.recall.whole_bill()["responses"].get("429", 0),
            cores_of_service=round(cpu_s / took_s, 3),
        )


def stretches_ms(running: Pipeline) -> tuple[list[float], list[float]]:
    """
    Of each recording that has ended.

    Returns:
        Arrival of `recording.done` → create at Recall; arrival of `transcript.done` → manifest on the disk.
    """
    created = {
        recording: datetime.fromisoformat(one["transcripts"][0]["state_history"][0]["at"]).timestamp()
        for recording, one in running.place.recall.whole_bill()["per_recording"].items()
    }
    stored = _manifests(running, created)
    return (
        _between_ms(running.received_at("recording_done"), created),
        _between_ms(running.received_at("transcript_done"), stored),
    )


def told_ms(running: Pipeline, receiver: Receiver) -> list[float]:
    """Of each recording: the manifest's rename → the first bytes of the outgoing request."""
    told = {json.loads(one.body)["data"]["recording_id"]: one.at for one in reversed(receiver.received)}
    return _between_ms(_manifests(running, told, is_renamed=True), told)


def _record(pace: Pace, running: Pipeline, dice: random.Random) -> None:
    next_at = time.monotonic()
    for _ in range(pace.recordings):
        time.sleep(max(0.0, next_at - time.monotonic()))
        running.record(transcribe_s=TRANSCRIBE_S)
        next_at += dice.expovariate(pace.per_s) if pace.is_random else 1.0 / pace.per_s


def _manifests(
    running: Pipeline, recordings: Mapping[str, float], *, is_renamed: bool = False
) -> dict[str, float]:
    """When it was written; a rename, a little later, changes the other of the two times."""
    found = {}
    for recording in recordings:
        for folder in running.place.stored(recording).values():
            times = (folder / "manifest.json").stat()
            found[recording] = times.st_ctime if is_renamed else times.st_mtime
    return found


def _between_ms(begins: Mapping[str, float], ends: Mapping[str, float]) -> list[float]:
    return [round(1000 * (ends[key] - at), 2) for key, at in begins.items() if key in ends]
