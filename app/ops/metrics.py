"""
The text of `/metrics`: counts of the database and of Redis, taken now, in Prometheus' words.

No counters of this process's memory (RQ forks a process per job, and theirs would vanish with it), so none
of prometheus_client's default collectors either. A part that is away is said to be away, and its numbers are
absent; the page answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from app.adapters.redis.job_queue import QueueCounts
from app.adapters.sql.health import Facts
from app.adapters.sql.inbox import ACCEPTED
from app.adapters.sql.queries import Counts
from app.core.state import Goal
from app.recall.signatures import RejectionKind
from app.web import near_misses
from app.web.health import DOWN, OK, PARTS, PAUSED, UNKNOWN

# Parts that are written to; of the others readiness knows by these.
_WRITTEN = ("database", "queue", "storage")
# Seconds from the first news of a recording to its stored transcript: each result is counted in one of the
# tallies `stored_seconds:le:N`, the smallest that holds it, and added to `stored_seconds:sum_ms`.
_BUCKETS = ("1", "5", "15", "60", "300", "900", "3600", "86400", "inf")
_STORED = "stored_seconds:"
_REJECTIONS = (*(kind.value for kind in RejectionKind), *near_misses.REMEDIES)

# `tallies` and `counters`, see `Health.measures`.
Measured = tuple[Mapping[str, int], Mapping[str, int]]

_NOT_KNOWN: Mapping[str, str] = {}


def render(
    store: Counts | None,
    queues: tuple[QueueCounts, ...] | None,
    *,
    parts: Mapping[str, str] = _NOT_KNOWN,
    facts: Facts | None = None,
    measured: Measured | None = None,
    providers: Sequence[str] = (),
    lines_dropped: int = 0,
) -> bytes:
    """
    Everything in Prometheus' text format 0.0.4.

    Args:
        store: None when the database did not answer in time; likewise the following three.
        queues: None when Redis did not answer in time.
        parts: As in `/readyz`; what is missing is unknown.
        facts: The details of heartbeats are not shown.
        measured: See `Measured`.
        providers: Those of the policy.
        lines_dropped: Log lines lost by the processes of this start.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(
        _Snapshot(
            [
                *_of_parts(parts),
                CounterMetricFamily(
                    "afterword_log_lines_dropped",
                    "Log lines dropped since the start because their reader stood still.",
                    value=lines_dropped,
                ),
                *_of_store(store),
                *_of_facts(facts, providers),
                *_of_measures(measured),
                *_of_queues(queues),
            ]
        )
    )
    return generate_latest(registry)


class _Snapshot(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _of_parts(parts: Mapping[str, str]) -> Iterator[Metric]:
    up = GaugeMetricFamily(
        "afterword_up",
        "1 while the part answers and takes writes; 0 also when it does not answer in time.",
        labels=["part"],
    )
    for part in _WRITTEN:
        up.add_metric([part], float(parts.get(part) == OK))
    yield up
    states = GaugeMetricFamily(
        "afterword_part_state",
        "1 for the state that /readyz tells of the part, 0 for the others; unknown: no answer in time.",
        labels=["part", "state"],
    )
    for part in PARTS:
        for state in (OK, DOWN, PAUSED, UNKNOWN):
            states.add_metric([part, state], float(parts.get(part, UNKNOWN) == state))
    yield states


def _of_store(store: Counts | None) -> Iterator[Metric]:
    if store is None:
        return
    yield from _of_transcriptions(store)
    yield from _of_deliveries(store)
    yield from _of_commands(store)
    alarms = CounterMetricFamily(
        "afterword_alarms", "Decisions of the history that a person should look at, by name.", labels=["name"]
    )
    for name, number in sorted(store.alarms.items()):
        alarms.add_metric([name], number)
    yield alarms
    paused = GaugeMetricFamily(
        "afterword_workspace_paused",
        "1 for a workspace whose account Recall refuses (key, payment); absent while it works.",
        labels=["workspace"],
    )
    for workspace in sorted(store.paused):
        paused.add_metric([workspace], 1)
    yield paused
    yield _gauge("afterword_workspaces_paused", "Workspaces whose account Recall refuses.", len(store.paused))


def _of_transcriptions(store: Counts) -> Iterator[Metric]:
    by_goal = GaugeMetricFamily(
        "afterword_transcriptions", "Recordings by where their transcription stands.", labels=["goal"]
    )
    for goal, number in sorted({**dict.fromkeys((g.value for g in Goal), 0), **store.transcriptions}.items()):
        by_goal.add_metric([goal], number)
    yield by_goal
    attempts = GaugeMetricFamily(
        "afterword_attempts",
        "Paid attempts by provider and by what became of them.",
        labels=["provider", "fate"],
    )
    for (provider, fate), number in sorted(store.attempts.items()):
        attempts.add_metric([provider, fate], number)
    yield attempts


def _of_deliveries(store: Counts) -> Iterator[Metric]:
    yield _gauge(
        "afterword_deliveries_unapplied",
        "Webhooks stored and acknowledged, not yet acted upon.",
        store.deliveries_unapplied,
    )
    yield _gauge(
        "afterword_deliveries_unreadable",
        "Webhooks rightly signed that could not be understood; kept.",
        store.deliveries_unreadable,
    )
    rejected = CounterMetricFamily(
        "afterword_deliveries_rejected",
        "Requests refused and not kept that were, or may have been, meant as webhooks, by kind.",
        labels=["kind"],
    )
    for kind, number in sorted({**dict.fromkeys(_REJECTIONS, 0), **store.rejected}.items()):
        rejected.add_metric([kind], number)
    yield rejected


def _of_commands(store: Counts) -> Iterator[Metric]:
    yield _gauge("afterword_commands_pending", "Commands not yet done, due or not.", store.commands_pending)
    yield _gauge("afterword_commands_due", "Commands whose time has come.", store.commands_due)


def _of_facts(facts: Facts | None, providers: Sequence[str]) -> Iterator[Metric]:
    if facts is None:
        return
    yield _gauge(
        "afterword_oldest_undone_seconds",
        "Age of the oldest unapplied webhook or wanted command, counted from the first wish; 0 without any.",
        facts.oldest_undone_s or 0.0,
    )
    for name, meaning, at in (
        (
            "afterword_delivery_last_timestamp_seconds",
            "When the last new webhook was stored.",
            facts.last_webhook_at,
        ),
        (
            "afterword_stored_last_timestamp_seconds",
            "When the last transcript was stored.",
            facts.last_stored_at,
        ),
        (
            "afterword_list_read_last_timestamp_seconds",
            "When a page of Recall's list of recordings was last read for lost webhooks.",
            facts.list_read_at,
        ),
    ):
        if at is not None:
            yield _gauge(name, meaning, at)
    breakers = GaugeMetricFamily(
        "afterword_provider_breaker",
        "1 for the state of a provider's circuit breaker: closed (it is used), open (it is passed over after "
        "failing again and again), half_open (one attempt tries it); 0 for the others.",
        labels=["provider", "state"],
    )
    for provider in sorted({*providers, *facts.breakers}):
        for state in ("closed", "open", "half_open"):
            breakers.add_metric([provider, state], float(facts.breakers.get(provider, "closed") == state))
    yield breakers
    yield from _of_beats(facts.heartbeats)


def _of_measures(measured: Measured | None) -> Iterator[Metric]:
    if measured is None:
        return
    tallies, counters = measured
    yield CounterMetricFamily(
        "afterword_deliveries_accepted",
        "Webhooks stored and acknowledged, repetitions included; written every five seconds.",
        value=counters.get(ACCEPTED, 0),
    )
    answers = CounterMetricFamily(
        "afterword_recall_answers",
        "Answers of Recall by what was asked and by their class; silence: none came.",
        labels=["endpoint", "class"],
    )
    failed = GaugeMetricFamily(
        "afterword_recordings_failed", "Recordings that stand failed, by reason.", labels=["reason"]
    )
    for name, number in sorted(tallies.items()):
        kind, _, rest = name.partition(":")
        if kind == "recall":
            answers.add_metric(rest.split(":", 1), number)
        elif kind == "failed":
            failed.add_metric([rest], number)
    yield answers
    yield failed
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


def _of_queues(queues: tuple[QueueCounts, ...] | None) -> Iterator[Metric]:
    if queues is None:
        return
    jobs = GaugeMetricFamily(
        "afterword_queue_jobs",
        "RQ jobs by queue and state; stuck: taken by a worker and never begun.",
        labels=["queue", "state"],
    )
    workers = GaugeMetricFamily(
        "afterword_workers", "Live RQ workers by the queue they serve.", labels=["queue"]
    )
    for queue in queues:
        for state in ("waiting", "started", "failed", "stuck"):
            jobs.add_metric([queue.name, state], getattr(queue, state))
        workers.add_metric([queue.name], queue.workers)
    yield jobs
    yield workers


def _of_beats(heartbeats: Mapping[str, tuple[float, str]]) -> Iterator[Metric]:
    beats = GaugeMetricFamily(
        "afterword_heartbeat_age_seconds",
        "Seconds since a process last gave a sign of life.",
        labels=["process"],
    )
    for name, (age_s, _) in sorted(heartbeats.items()):
        beats.add_metric([name], max(0.0, age_s))
    yield beats


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)
