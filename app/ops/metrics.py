"""
The text of `/metrics`: counts of the database and of Redis, taken now, in Prometheus' words.

No counters of this process's memory (RQ forks a process per job, and theirs would vanish with it), so none
of prometheus_client's default collectors either. A part that is away is said to be away; the page answers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.adapters.rq_queue import QueueCounts
from app.adapters.sql_people import Counts
from app.core.state import Goal
from app.recall.webhook import RejectionKind

PARTS = ("database", "queue")

_NOTHING: Mapping[str, tuple[float, str]] = {}


def render(
    store: Counts | None,
    queues: tuple[QueueCounts, ...] | None,
    *,
    heartbeats: Mapping[str, tuple[float, str]] = _NOTHING,
    takes_writes: Collection[str] = PARTS,
) -> bytes:
    """
    Everything in Prometheus' text format 0.0.4.

    Args:
        store: None when the database is away.
        queues: None when Redis is away.
        heartbeats: Process name to (seconds since its last sign of life, detail); the detail is not shown.
        takes_writes: Those of `PARTS` that can be written now: on a full disk counting works, and no more.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(
        _Snapshot(
            [
                *_up(store, queues, takes_writes),
                *_of_store(store),
                *_of_queues(queues),
                *_of_beats(heartbeats),
            ]
        )
    )
    return generate_latest(registry)


class _Snapshot(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _up(
    store: Counts | None, queues: tuple[QueueCounts, ...] | None, takes_writes: Collection[str]
) -> Iterator[Metric]:
    up = GaugeMetricFamily(
        "afterword_up",
        "1 while the part answers and takes writes; its numbers are absent when it does not answer.",
        labels=["part"],
    )
    for part, is_there in zip(PARTS, (store is not None, queues is not None), strict=True):
        up.add_metric([part], float(is_there and part in takes_writes))
    yield up


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
        "POSTs to the webhook refused and not kept, by kind.",
        labels=["kind"],
    )
    for kind, number in sorted(
        {**dict.fromkeys((k.value for k in RejectionKind), 0), **store.rejected}.items()
    ):
        rejected.add_metric([kind], number)
    yield rejected


def _of_commands(store: Counts) -> Iterator[Metric]:
    yield _gauge("afterword_commands_pending", "Commands not yet done, due or not.", store.commands_pending)
    yield _gauge("afterword_commands_due", "Commands whose time has come.", store.commands_due)
    yield _gauge(
        "afterword_oldest_undone_seconds",
        "Age of the oldest due command or unapplied webhook; 0 when there is none.",
        store.oldest_undone_s or 0.0,
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
