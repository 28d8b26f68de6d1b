"""
Whole services beside databases of different sizes: acknowledgement, latency and drain of `bench growth`.

Each measures as its own benchmark does; here the same is asked of each database in turns. The databases
come finished, by size. Acknowledgement is last: what it leaves in the inbox would be work for the others.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.ack import Measured, measure, missing_row, turned
from tests.bench.drain import Scenario, drain
from tests.bench.latency import TRANSCRIBE_S, stretches_ms
from tests.bench.pipeline import pipeline
from tests.bench.receivers import receiver, valkey
from tests.bench.report import Options, Row, at_most, median, percentile

MOST_GROWTH = 1.2
_CONNECTIONS = 16
_APART_S = 0.8  # two and a half seconds for each of three services: idle


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything."""

    ack_rounds: int = 5
    ack_s: float = 3.0
    latencies: int = 30
    drain_rounds: int = 3
    drained: int = 200

    @classmethod
    def of(cls, options: Options) -> Scale:
        return cls(1, 0.4, 1, 1, 2) if options.quick else cls()


def rows_of_services(
    urls: Mapping[int, str], options: Options, tmp: Path
) -> tuple[list[Row], dict[str, object]]:
    """
    Args:
        urls: A database by the number of its recordings, the smallest first.
        tmp: An empty folder.

    Returns:
        Rows, each the ratio of the worst size to the smallest; and every single measurement.
    """
    scale = Scale.of(options)
    raw: dict[str, object] = {}
    rows = [
        *_latency(urls, options, scale, raw),
        *_drain(urls, options, scale, raw),
        *_ack(urls, options, scale, tmp, raw),
    ]
    return rows, raw


def _latency(
    urls: Mapping[int, str], options: Options, scale: Scale, raw: dict[str, object]
) -> Sequence[Row]:
    with ExitStack() as stack:
        running = [
            stack.enter_context(pipeline(options, workers=options.workers or 4, database_url=url))
            for url in urls.values()
        ]
        for number in range(scale.latencies * len(running)):
            running[number % len(running)].record(transcribe_s=TRANSCRIBE_S)
            time.sleep(_APART_S)
        for one in running:
            one.wait(scale.latencies, within_s=60.0)
        found = [stretches_ms(one) for one in running]
    raw["latency_ms"] = dict(zip(urls, found, strict=True))
    return [
        _ratio(f"{what}, idle, p{percent}", [percentile(one[which], percent) for one in found], "ms")
        for which, what in enumerate(("recording.done → create", "transcript.done → stored"))
        for percent in (50, 95)
    ]


def _drain(urls: Mapping[int, str], options: Options, scale: Scale, raw: dict[str, object]) -> Sequence[Row]:
    scenario = Scenario("off", scale.drained, limits=0.0, time_scale=60.0, workers=options.workers or 4)
    took_ms: dict[int, list[float]] = {number: [] for number in urls}
    cpu_ms: dict[int, list[float]] = {number: [] for number in urls}
    for turn in range(scale.drain_rounds):
        # Another seed: these meetings are not those that this database knows from the last turn.
        anew = replace(options, seed=options.seed + 1 + turn)
        for number, url in urls.items():
            found = drain(scenario, anew, database_url=url)
            took_ms[number].append(60_000 / found.per_minute / scenario.time_scale)
            cpu_ms[number].append(found.service_cpu_ms)
    raw["drain_ms_per_recording"], raw["drain_cpu_ms_per_recording"] = took_ms, cpu_ms
    return [
        _ratio("drain without limits, per recording", [median(took) for took in took_ms.values()], "ms"),
        _ratio("its processor time, per recording", [median(cpu) for cpu in cpu_ms.values()], "ms"),
    ]


def _ack(
    urls: Mapping[int, str], options: Options, scale: Scale, tmp: Path, raw: dict[str, object]
) -> Sequence[Row]:
    measured = Measured()
    with ExitStack() as stack:
        redis = stack.enter_context(valkey(tmp / "valkey"))
        opened = [
            stack.enter_context(receiver(str(n), tmp / f"home-{n}", REDIS_URL=redis, DATABASE_URL=url))
            for n, url in urls.items()
        ]
        for number in range(scale.ack_rounds):
            for one in turned(opened, number):
                measure(one, measured, tmp, scale.ack_s, options, connections=_CONNECTIONS, name=one.name)
        missing = missing_row(measured, opened, "beside each size")
    rates = {number: [report.per_second for report in measured.reports[str(number)]] for number in urls}
    raw["ack_per_s"] = rates
    each_ms = [1000 / median(found) for found in rates.values()]
    return [_ratio(f"acknowledgement, {_CONNECTIONS} connections, time of each", each_ms, "ms"), missing]


def _ratio(what: str, values: Sequence[float], unit: str) -> Row:
    told = " → ".join(f"{value:.3g}" for value in values)
    return at_most(f"{what} ({told} {unit})", max(values) / values[0], "x", limit=MOST_GROWTH)
