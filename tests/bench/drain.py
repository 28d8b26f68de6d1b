"""
`bench drain`: recordings that end all at once, through everything, beside what Recall's limits allow.

Recall lets a workspace retrieve 300 transcripts a minute, and each recording needs one: that is the limit's
own rate. Creates are limited per bot, five a minute, and each recording has a bot of its own here, as it
mostly has at Recall. The judge of calls and refusals is the simulator's bill.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import psutil

from tests.bench.pipeline import Pipeline, own_cpu_s, pipeline
from tests.bench.report import Options, Result, Row, at_least, exactly, median

# https://docs.recall.ai/reference/transcript_retrieve
RETRIEVES_PER_MINUTE = 300
WINDOW_S = 60.0
_CLOSE = 0.97  # of the limit's own rate
EASY = "easy"
SCRIPTS: dict[str, dict[str, list[str]]] = {
    EASY: {},
    "provider failed": {"transcripts": ["failed", "done"]},
    "answer of the create lost": {"creates": ["cut_after"]},
    "request of the create lost": {"creates": ["cut_before"]},
}
_BILLED = {"provider failed": 2}  # else once
_TROUBLES = [kind for kind in SCRIPTS if kind != EASY]
_BUSY = 0.85  # of all cores: the machine is what there is too little of


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    One drain.

    Attributes:
        limits: Recall's published rates times this; 0 for none.
        delay_ms: Of each call to Recall.
        time_scale: Of both sides. 1: as it is.
        flush: Redis is emptied when half is done.
        worker_sets: 2: `python -m workers` beside the service's own workers.
        troubled: Every so-manieth recording needs a look-up or another provider, in turns; 0 for none.
    """

    name: str
    recordings: int
    limits: float = 1.0
    delay_ms: int = 0
    workers: int = 4
    time_scale: float = 1.0
    flush: bool = False
    worker_sets: int = 1
    troubled: int = 0

    def kind_of(self, number: int) -> str:
        """Of the recording with this number, one of `SCRIPTS`."""
        if not self.troubled or number % self.troubled:
            return EASY
        return _TROUBLES[number // self.troubled % len(_TROUBLES)]

    @property
    def limit_per_minute(self) -> float:
        """Recordings a minute that the limit allows, in Recall's minutes; 0 for no limit."""
        return RETRIEVES_PER_MINUTE * self.limits


@dataclass(frozen=True, slots=True)
class Drained:
    """What one drain showed. Rates are per minute of Recall's time, i.e. of scaled time."""

    scenario: Scenario
    took_s: float
    stored: int
    per_minute: float
    sustained_per_minute: float  # without the first full window
    calls: dict[str, int]
    refused: int
    paid_twice: int
    easy: int  # recordings without trouble
    with_two_calls: int  # of these, those that cost Recall one create and one retrieve and nothing else
    stored_after_s: dict[str, list[float]]  # by kind, of real time, from the moment in which all had ended
    emptied_at_left: int | None  # how many had not ended when Redis was emptied
    listed: int  # pages of recordings that reconcile asked for: of the installation, not of a recording
    busiest_minute: dict[str, int]
    service_cpu_ms: float  # per recording
    recall_cpu_ms: float
    cores_busy: float  # 0 to 1, of all cores, by the service and the simulated Recall
    machine_busy: float  # by everything that ran
    bottleneck: str

    @property
    def calls_per_recording(self) -> float:
        """Whatever was asked about one recording, or done to it; less the one look that a new key costs."""
        of_key = min(1, self.calls.get("recording", 0))
        return (sum(self.calls.values()) - self.listed - of_key) / max(1, self.stored)


def scenarios(options: Options) -> list[Scenario]:
    """Those that were asked for, in order."""
    if options.quick:
        number, workers = options.recordings or 6, options.workers or 2
        every = [
            Scenario("x1", number, workers=workers, time_scale=20.0),
            Scenario(
                "x1-flush-two-sets", number, workers=workers, time_scale=20.0, flush=True, worker_sets=2
            ),
            Scenario("x1-troubled", number, workers=workers, time_scale=20.0, troubled=2),
        ]
        return [s for s in every if options.wants(s.name)][: None if options.only else 1]
    number, workers = options.recordings, options.workers
    every = [
        Scenario("x1", number or 600),
        Scenario("x1-300ms", number or 600, delay_ms=300, workers=8),
        Scenario("x10", number or 400, time_scale=10.0),
        Scenario("x10-300ms", number or 400, delay_ms=300, workers=16, time_scale=10.0),
        Scenario("off", number or 400, limits=0.0, time_scale=60.0),
        Scenario("off-300ms", number or 400, limits=0.0, delay_ms=300, workers=16, time_scale=60.0),
    ]
    # Only when asked for: three and a half minutes each with a thousand recordings.
    asked = [
        Scenario("x1-flush", number or 1000, flush=True),
        Scenario("x1-two-sets", number or 1000, worker_sets=2),
        Scenario("x1-flush-two-sets", number or 1000, flush=True, worker_sets=2),
        Scenario("x1-troubled", number or 1000, troubled=5),
    ]
    found = [s for s in every if options.wants(s.name)] + [s for s in asked if s.name in options.only]
    return [replace(s, workers=workers or s.workers) for s in found]


def run(options: Options) -> Result:
    """Each scenario once; a drain is its own average."""
    found = [drain(scenario, options) for scenario in scenarios(options)]
    rows = [row for one in found for row in rows_of(one)]
    notes = [note_of(one) for one in found]
    title = "Drain: recordings that end all at once, through everything"
    return Result("drain", title, rows, notes, raw={"drains": [asdict(one) for one in found]})


def rows_of(one: Drained) -> list[Row]:
    """A drain as lines of the table."""
    name, allowed = one.scenario.name, one.scenario.limit_per_minute
    judged = one.scenario.limits == 1.0 and not _is_small(one.scenario)
    rate = f"{name}: recordings a minute after the first"
    return [
        at_least(rate, one.sustained_per_minute, "/min", limit=_CLOSE * allowed)
        if judged
        else Row(
            f"{name}: recordings a minute of real time", one.per_minute * one.scenario.time_scale, "/min"
        ),
        exactly(f"{name}: stored", one.stored, "", wanted=one.scenario.recordings),
        Row(f"{name}: API calls per recording", one.calls_per_recording, "")
        if one.scenario.troubled
        else exactly(f"{name}: API calls per recording", one.calls_per_recording, "", wanted=2.0),
        exactly(f"{name}: without trouble, two calls each", one.with_two_calls, "", wanted=one.easy),
        *_waits(one),
        exactly(f"{name}: answered 429", one.refused, "", wanted=0),
        exactly(f"{name}: paid once too often", one.paid_twice, "", wanted=0),
        Row(f"{name}: processor time per recording", one.service_cpu_ms, "ms"),
    ]


def _waits(one: Drained) -> Iterator[Row]:
    """Whether those that need more than two calls come to them while everybody else wants the same slots."""
    if not one.scenario.troubled:
        return
    for kind, seconds in one.stored_after_s.items():
        for what, value in (("median", median(seconds)), ("last", max(seconds))):
            yield Row(f"{one.scenario.name}: {kind} ({len(seconds)}), {what} stored after", value, "s")


def note_of(one: Drained) -> str:
    """What stood in the way."""
    s = one.scenario
    scale = f", all durations divided by {s.time_scale:g} on both sides" if s.time_scale != 1 else ""
    sets = f" in {s.worker_sets} sets" if s.worker_sets > 1 else ""
    limits = f"limits x{s.limits:g}" if s.limits else "no limits"
    flushed = "" if one.emptied_at_left is None else f", Redis emptied with {one.emptied_at_left} to go"
    busiest = ", ".join(f"{kind} {number}" for kind, number in sorted(one.busiest_minute.items()))
    return (
        f"{s.name}: {s.recordings} recordings, {limits}, {s.delay_ms} ms per call, "
        f"{s.workers * s.worker_sets} workers{sets}{flushed}{scale}; "
        f"{one.took_s:.1f} s, {one.per_minute:.0f}/min in all; busiest minute: {busiest}; "
        f"beside these calls reconcile asked for {one.listed} pages of recordings; "
        f"cores busy {one.cores_busy:.0%}, by everything that ran {one.machine_busy:.0%} "
        f"(Recall's share: {one.recall_cpu_ms:.0f} ms per recording); "
        f"bottleneck: {one.bottleneck}."
    )


# -- one drain -------------------------------------------------------------------------------------------
def drain(scenario: Scenario, options: Options, *, database_url: str | None = None) -> Drained:
    """Of a new database unless one is given. Raises `Away` when the recordings do not end."""
    with pipeline(
        options,
        workers=scenario.workers,
        limits=scenario.limits or "off",
        delay_ms=scenario.delay_ms,
        time_scale=scenario.time_scale,
        database_url=database_url,
    ) as running:
        for _ in range(scenario.worker_sets - 1):
            running.start_workers()
        running.hold()
        kinds = {}
        for number in range(scenario.recordings):
            kind = scenario.kind_of(number)
            kinds[running.record(**SCRIPTS[kind])] = kind
        return _drained(scenario, running, kinds)


def _drained(scenario: Scenario, running: Pipeline, kinds: Mapping[str, str]) -> Drained:
    cpu_s, recall_cpu_s = running.cpu_s(), own_cpu_s()
    began_at, began = time.time(), time.monotonic()
    psutil.cpu_percent()  # the next answer is about the time since this one
    running.release()
    storm = _Storm(scenario, running)
    running.wait(scenario.recordings, within_s=_patience_s(scenario), meanwhile=storm.look)
    took_s = time.monotonic() - began
    machine_busy = psutil.cpu_percent() / 100
    cpu_s, recall_cpu_s = running.cpu_s() - cpu_s, own_cpu_s() - recall_cpu_s
    stored_at_by_id = running.stored_at()
    stored_at = sorted(stored_at_by_id.values())
    bill = running.place.recall.whole_bill()
    each = bill["per_recording"]
    easy = [one for recording, one in each.items() if kinds[recording] == EASY]
    number = scenario.recordings
    cores_busy = (cpu_s + recall_cpu_s) / took_s / (os.cpu_count() or 1)
    per_minute = len(stored_at) / (stored_at[-1] - began_at) * WINDOW_S / scenario.time_scale
    sustained = sustained_per_minute(stored_at, time_scale=scenario.time_scale)
    return Drained(
        scenario=scenario,
        took_s=round(took_s, 2),
        stored=len(stored_at),
        per_minute=round(per_minute, 1),
        sustained_per_minute=round(sustained, 1),
        calls=dict(bill["calls"]),
        refused=bill["responses"].get("429", 0),
        paid_twice=sum(1 for id_, one in each.items() if one["billed"] > _BILLED.get(kinds[id_], 1)),
        easy=len(easy),
        with_two_calls=sum(
            1 for one in easy if (one["create_posts"], one["retrieves"], one["lists"]) == (1, 1, 0)
        ),
        stored_after_s={
            kind: [round(at - began_at, 2) for id_, at in stored_at_by_id.items() if kinds[id_] == kind]
            for kind in SCRIPTS
            if kind in kinds.values()
        },
        emptied_at_left=storm.emptied_at_left,
        listed=bill["calls"].get("recording_list", 0),
        busiest_minute=bill["busiest_minute"],
        service_cpu_ms=round(1000 * cpu_s / number, 1),
        recall_cpu_ms=round(1000 * recall_cpu_s / number, 1),
        cores_busy=round(cores_busy, 3),
        machine_busy=round(machine_busy, 3),
        bottleneck=bottleneck(scenario, max(per_minute, sustained), machine_busy),
    )


def sustained_per_minute(stored_at: Sequence[float], *, time_scale: float) -> float:
    """Stored a minute of Recall's time, the first full window aside; of all where it did not last longer."""
    window_s = WINDOW_S / time_scale
    later = [at for at in stored_at if at > stored_at[0] + window_s]
    counted = later if len(later) > 20 else list(stored_at)
    took_s = counted[-1] - counted[0] if len(counted) > 1 else 0.0
    return (len(counted) - 1) / took_s * window_s if took_s > 0 else 0.0


def bottleneck(scenario: Scenario, per_minute: float, machine_busy: float) -> str:
    """What there was too little of."""
    if scenario.limits and per_minute >= 0.95 * scenario.limit_per_minute:
        return "Recall's limit"
    if machine_busy >= _BUSY:
        return "the processor"
    return "workers: each waits for Recall's answers" if scenario.delay_ms else "neither limit nor processor"


@dataclass(slots=True)
class _Storm:
    """Empties Redis once, when half is done, where the scenario says so."""

    scenario: Scenario
    running: Pipeline
    emptied_at_left: int | None = None

    def look(self, left: int) -> None:
        if self.scenario.flush and self.emptied_at_left is None and left <= self.scenario.recordings // 2:
            self.running.empty_redis()
            self.emptied_at_left = left


def _patience_s(scenario: Scenario) -> float:
    allowed = scenario.limit_per_minute or RETRIEVES_PER_MINUTE
    return (
        60.0 + 3 * scenario.recordings / min(allowed, RETRIEVES_PER_MINUTE) * WINDOW_S / scenario.time_scale
    )


def _is_small(scenario: Scenario) -> bool:
    """Too few to speak of a rate: the first window is all there is."""
    return scenario.recordings < 1.5 * RETRIEVES_PER_MINUTE
