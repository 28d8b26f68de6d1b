"""
The text of `/metrics`: counts of the database and of Redis, taken now, in Prometheus' words.

No counters of this process's memory (RQ forks a process per job, and theirs would vanish with it), so none
of prometheus_client's default collectors either. A part that is away is said to be away, and its numbers are
absent; the page answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from app import log
from app.adapters.redis.job_queue import QueueCounts
from app.adapters.sql.announcements import DISABLED, FAILING, WELL
from app.adapters.sql.health import Facts
from app.adapters.sql.inbox import ACCEPTED
from app.adapters.sql.queries import Counts
from app.adapters.sql.store import SqlStore
from app.core.cost import amount_of
from app.core.state import Phase
from app.recall.signatures import RejectionKind
from app.web import near_misses
from app.web.health import DOWN, OK, PARTS, PAUSED, UNKNOWN, Probe, Readiness

_PATIENCE_S = 2.0  # with each count; a scraper waits ten seconds
# Parts that are written to; the others are counted by these.
_WRITTEN = ("database", "queue", "storage")
# Seconds from the first news of a recording to its stored transcript: each result is counted in one of the
# tallies `stored_seconds:le:N`, the smallest that holds it, and added to `stored_seconds:sum_ms`.
_BUCKETS = ("1", "5", "15", "60", "300", "900", "3600", "86400", "inf")
_STORED = "stored_seconds:"
_REJECTIONS = (*(kind.value for kind in RejectionKind), *near_misses.REMEDIES)

# `tallies` and `counters`, see `Health.measures`.
Measured = tuple[Mapping[str, int], Mapping[str, int]]

_NOT_KNOWN: Mapping[str, str] = {}


def page(readiness: Readiness, store: SqlStore, *, providers: Sequence[str]) -> Callable[[], bytes]:
    """
    What answers `/metrics`: every part is asked anew, at once, and none is waited for longer than 2 s.
    `store` has a pool of its own: a count that hangs takes no connection from what is acknowledged.
    """
    counts, measures = Probe(store.counts), Probe(store.measures)

    def show() -> bytes:
        counts.begin()
        measures.begin()
        report = readiness.ask()
        return render(
            counts.result(_PATIENCE_S)[1],
            report.queues,
            parts=report.parts,
            facts=report.facts,
            measured=measures.result(_PATIENCE_S)[1],
            providers=providers,
            endpoints=report.endpoints,
            lines_dropped=log.dropped().total,
        )

    return show


def render(
    store: Counts | None,
    queues: tuple[QueueCounts, ...] | None,
    *,
    parts: Mapping[str, str] = _NOT_KNOWN,
    facts: Facts | None = None,
    measured: Measured | None = None,
    providers: Sequence[str] = (),
    endpoints: Mapping[str, str] = _NOT_KNOWN,
    lines_dropped: int = 0,
) -> bytes:
    """
    Everything in Prometheus' text format 0.0.4; None is what did not answer in time.

    Args:
        parts: As in `/readyz`; what is missing is unknown.
        facts: The details of heartbeats are not shown.
        endpoints: Of outgoing webhooks, see `Report.endpoints`.
        lines_dropped: Log lines lost by the processes of this start.
    """
    families = (
        *_of_parts(parts),
        CounterMetricFamily(
            "afterword_log_lines_dropped",
            "Log lines dropped since the start because their reader stood still.",
            value=lines_dropped,
        ),
        *(_of_store(store) if store is not None else ()),
        *(_of_facts(facts, providers) if facts is not None else ()),
        *(_of_measures(*measured) if measured is not None else ()),
        *(_of_queues(queues) if queues is not None else ()),
        *_of_endpoints(endpoints, store.announcements_waiting if store is not None else {}),
    )
    return generate_latest(_Snapshot(families))


class _Snapshot(list[Metric], Collector):
    def collect(self) -> Iterable[Metric]:
        return self


# Of the database, one number each: by the name of the field in `Counts`.
_NUMBERS = {
    "afterword_deliveries_unapplied": "Webhooks stored and acknowledged, not yet acted upon.",
    "afterword_deliveries_unreadable": "Webhooks rightly signed that could not be understood; kept.",
    "afterword_commands_pending": "Commands not yet done, due or not.",
    "afterword_commands_due": "Commands whose time has come.",
}
# Times, absent while it never was: by the field in `Facts`.
_MOMENTS = {
    "afterword_delivery_last_timestamp_seconds": ("last_webhook_at", "the last new webhook was stored"),
    "afterword_stored_last_timestamp_seconds": ("last_stored_at", "the last transcript was stored"),
    "afterword_list_read_last_timestamp_seconds": (
        "list_read_at",
        "a page of Recall's list of recordings was last read for lost webhooks",
    ),
}
# Label values, and the number.
_Samples = Iterable[tuple[Sequence[str], float]]


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)


def _gauges(name: str, meaning: str, labels: Sequence[str], samples: _Samples) -> Metric:
    return _filled(GaugeMetricFamily(name, meaning, labels=labels), samples)


def _counters(name: str, meaning: str, labels: Sequence[str], samples: _Samples) -> Metric:
    return _filled(CounterMetricFamily(name, meaning, labels=labels), samples)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, samples: _Samples) -> Metric:
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def _of_parts(parts: Mapping[str, str]) -> Iterator[Metric]:
    yield _gauges(
        "afterword_up",
        "1 while the part answers and takes writes; 0 also when it does not answer in time.",
        ["part"],
        (([part], float(parts.get(part) == OK)) for part in _WRITTEN),
    )
    yield _gauges(
        "afterword_part_state",
        "1 for the state of the part in /readyz, 0 for the others; unknown: no answer in time.",
        ["part", "state"],
        (
            ([part, state], float(parts.get(part, UNKNOWN) == state))
            for part in PARTS
            for state in (OK, DOWN, PAUSED, UNKNOWN)
        ),
    )


def _of_store(store: Counts) -> Iterator[Metric]:
    phases = {**dict.fromkeys((phase.value for phase in Phase), 0), **store.transcriptions}
    yield _gauges(
        "afterword_transcriptions",
        "Recordings by where their transcription stands.",
        ["phase"],
        _by_name(phases),
    )
    yield _gauges(
        "afterword_attempts",
        "Paid attempts by provider and by what became of them.",
        ["provider", "status"],
        sorted(store.attempts.items()),
    )
    for name, meaning in _NUMBERS.items():
        yield _gauge(name, meaning, getattr(store, name.removeprefix("afterword_")))
    yield _counters(
        "afterword_deliveries_rejected",
        "Requests refused and not kept that were, or may have been, meant as webhooks, by kind.",
        ["kind"],
        _by_name({**dict.fromkeys(_REJECTIONS, 0), **store.rejected}),
    )
    yield _counters(
        "afterword_alarms",
        "Decisions of the history that a person should look at, by name.",
        ["name"],
        _by_name(store.alarms),
    )
    yield _gauges(
        "afterword_workspace_paused",
        "1 for a workspace whose account Recall refuses (key, payment); absent while it works.",
        ["workspace"],
        (([workspace], 1.0) for workspace in sorted(store.paused)),
    )
    yield _gauges(
        "afterword_cost_today",
        "Estimated cost of this UTC day's attempts; it falls where one is corrected, or nothing was made.",
        ["workspace", "provider", "currency"],
        (([s.workspace, s.provider, s.currency], amount_of(s.micros)) for s in store.spent_today),
    )
    yield _gauge("afterword_workspaces_paused", "Workspaces whose account Recall refuses.", len(store.paused))


def _by_name(numbers: Mapping[str, int]) -> _Samples:
    return (([name], number) for name, number in sorted(numbers.items()))


def _of_facts(facts: Facts, providers: Sequence[str]) -> Iterator[Metric]:
    yield _gauge(
        "afterword_oldest_undone_seconds",
        "Age of the oldest unapplied webhook or wanted command, counted from the first wish; 0 without any.",
        facts.oldest_undone_s or 0.0,
    )
    yield _gauge(
        "afterword_daily_budget_waiting",
        "Recordings whose next attempt waits for a day's budget.",
        facts.over_budget,
    )
    for name, (field, meaning) in _MOMENTS.items():
        if (at := getattr(facts, field)) is not None:
            yield _gauge(name, f"When {meaning}.", at)
    yield _gauges(
        "afterword_provider_breaker",
        "1 for the state of a provider's circuit breaker: closed (it is used), open (it is passed over after "
        "failing again and again), half_open (one attempt tries it); 0 for the others.",
        ["provider", "state"],
        (
            ([provider, state], float(facts.breakers.get(provider, "closed") == state))
            for provider in sorted({*providers, *facts.breakers})
            for state in ("closed", "open", "half_open")
        ),
    )
    yield _gauges(
        "afterword_heartbeat_age_seconds",
        "Seconds since a process's last heartbeat.",
        ["process"],
        (([name], max(0.0, age_s)) for name, (age_s, _) in sorted(facts.heartbeats.items())),
    )


def _of_endpoints(endpoints: Mapping[str, str], waiting: Mapping[str, int]) -> Iterator[Metric]:
    yield _gauges(
        "afterword_outgoing_endpoint",
        "1 for the state of an endpoint of outgoing webhooks: ok, failing (left alone after failing again "
        "and again), disabled (it answered 410); 0 for the others.",
        ["endpoint", "state"],
        (
            ([name, state], float(state == now))
            for name, now in sorted(endpoints.items())
            for state in (WELL, FAILING, DISABLED)
        ),
    )
    yield _gauges(
        "afterword_outgoing_waiting",
        "Outgoing webhooks that are to be sent, now or later.",
        ["endpoint"],
        (([name], waiting.get(name, 0)) for name in sorted({*endpoints, *waiting})),
    )


def _of_measures(tallies: Mapping[str, int], counters: Mapping[str, int]) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "afterword_deliveries_accepted",
        "Webhooks stored and acknowledged, repetitions included; written every five seconds.",
        value=counters.get(ACCEPTED, 0),
    )
    kinds = [(*name.partition(":")[::2], number) for name, number in sorted(tallies.items())]
    yield _counters(
        "afterword_recall_answers",
        "Answers of Recall by what was asked and by their class; silence: none came.",
        ["endpoint", "class"],
        ((rest.split(":", 1), number) for kind, rest, number in kinds if kind == "recall"),
    )
    yield _gauges(
        "afterword_recordings_failed",
        "Recordings that stand failed, by reason.",
        ["reason"],
        (([rest], number) for kind, rest, number in kinds if kind == "failed"),
    )
    yield _counters(
        "afterword_outgoing_tries",
        "Tries of outgoing webhooks by endpoint and result: delivered, failed (it is sent again), given_up.",
        ["endpoint", "result"],
        ((rest.split(":", 1), number) for kind, rest, number in kinds if kind == "outgoing"),
    )
    yield _time_to_stored(tallies)


def _time_to_stored(tallies: Mapping[str, int]) -> Metric:
    buckets, total = [], 0
    for bucket in _BUCKETS:
        total += tallies.get(f"{_STORED}le:{bucket}", 0)
        buckets.append((bucket.replace("inf", "+Inf"), float(total)))
    return HistogramMetricFamily(
        "afterword_time_to_stored_seconds",
        "From the first news of a recording to its stored transcript.",
        buckets=buckets,
        sum_value=tallies.get(f"{_STORED}sum_ms", 0) / 1000.0,
    )


def _of_queues(queues: tuple[QueueCounts, ...]) -> Iterator[Metric]:
    yield _gauges(
        "afterword_queue_jobs",
        "RQ jobs by queue and state; stuck: taken by a worker and never begun.",
        ["queue", "state"],
        (
            ([queue.name, state], getattr(queue, state))
            for queue in queues
            for state in ("waiting", "started", "failed", "stuck")
        ),
    )
    yield _gauges(
        "afterword_workers",
        "Live RQ workers by the queue they serve.",
        ["queue"],
        (([queue.name], queue.workers) for queue in queues),
    )
