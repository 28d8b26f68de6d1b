"""
`bench latency`, part `steps`: what one happy recording costs, step by step: database transactions, and
processor time of the code between a delivery and its commit.

One process plays what the service's processes do for one recording: a delivery is stored, the inbox applied,
the create performed, the second delivery, the fetch; each job with a service of its own, as its horse opens
it. So forks, Redis, idle processes and everything else that happens by the clock are not in these numbers:
those are in `drain` (processor time) and in the paces (latency). Recall is the simulator, in threads that are
not counted.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, cast

import structlog
from sqlalchemy import event

from app import wiring
from app.adapters.sql.rehearsal import rehearse
from app.adapters.sql.store import SqlStore
from app.clock import SystemClock
from app.errors import Away
from app.orchestrator.records import AnnouncementOffer, NewDelivery, Offerable
from app.orchestrator.service import Service
from app.orchestrator.timing import Timing
from app.settings.program_name import ROOT
from app.settings.workspaces import DEFAULT_WORKSPACE, workspaces_of
from tests.bench.report import Options, Row, at_most, median
from tests.flow.stage import Installation, installation
from workers.jobs import work_off

_MOST_TRANSACTIONS = 29.0
_APP = str(ROOT / "app")
_SQL = str(ROOT / "app" / "adapters" / "sql")


@dataclass
class Counted:
    """
    Of all recordings.

    Attributes:
        begun: Transactions by job and by the method of the store that began them.
        cpu_ms: By job, one for each recording.
    """

    recordings: int
    begun: Counter[tuple[str, str]] = field(default_factory=Counter)
    cpu_ms: dict[str, list[float]] = field(default_factory=dict)

    @property
    def transactions(self) -> float:
        """Per recording, the storing of its two deliveries included."""
        return self.begun.total() / self.recordings

    @property
    def cpu_ms_each(self) -> float:
        """The sum of the jobs' medians."""
        return sum(median(values) for values in self.cpu_ms.values())


def rows_of(counted: Counted) -> list[Row]:
    """The sum beside its target, and what each job takes of it."""
    rows = [
        at_most("steps: transactions per recording", counted.transactions, "", limit=_MOST_TRANSACTIONS),
        Row("steps: processor time per recording, in the jobs", round(counted.cpu_ms_each, 1), "ms"),
    ]
    for job, values in counted.cpu_ms.items():
        number = sum(n for (of, _), n in counted.begun.items() if of == job) / counted.recordings
        rows.append(Row(f"steps: {job}, transactions", round(number, 1), ""))
        rows.append(Row(f"steps: {job}, processor time", round(median(values), 1), "ms"))
    return rows


def note_of(counted: Counted) -> str:
    """Which method begins how many."""
    jobs: dict[str, list[str]] = {}
    for (job, method), number in sorted(counted.begun.items()):
        jobs.setdefault(job, []).append(f"{method} {number / counted.recordings:g}")
    return "steps: transactions: " + "; ".join(f"{job}: {', '.join(each)}" for job, each in jobs.items())


def measure(options: Options) -> Counted:
    """Raises `Away` when a recording does not end as it should."""
    number = options.recordings or (3 if options.quick else 30)
    with ExitStack() as stack:
        tmp = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-steps-")))
        place = stack.enter_context(
            installation(tmp, database=options.database, seed=options.seed, time_scale=1.0)
        )
        place.recall.settings(limits="off", webhook_url=None)
        wiring.migrate(place.settings)
        stack.enter_context(_quiet())
        counted = Counted(number)
        stack.callback(place.store.close)
        place.store.now()  # as other processes have it open: the last to close it would tidy it up
        _play(place, Counted(1))  # what is done once is done: imports, the key, files
        gc.collect()
        gc.freeze()  # as a worker does before its horses
        stack.callback(gc.unfreeze)
        for _ in range(number):
            _play(place, counted)
        return counted


def _play(place: Installation, counted: Counted) -> None:
    recording = place.recall.record(transcribe_s=0.0)
    _deliver(place, counted, "recording.done", recording)
    (create,) = _job(place, counted, "inbox", lambda service: service.receive())
    _job(place, counted, "create", lambda service: work_off(service, create))
    transcript = _transcript_of(place, recording)
    _deliver(place, counted, "transcript.done", recording, transcript=transcript)
    (fetch,) = _job(place, counted, "inbox again", lambda service: service.receive())
    _job(place, counted, "fetch", lambda service: work_off(service, fetch))
    if len(place.stored(recording)) != 1:
        raise Away(f"{recording} was not stored")


class _Queue:
    """Has room; Redis is not measured here."""

    def __init__(self) -> None:
        self.offered: list[int] = []

    def room(self) -> int:
        return 8

    def offer_announcements(self, items: Sequence[AnnouncementOffer]) -> None:
        assert not items

    def offer(self, items: Sequence[Offerable]) -> None:
        self.offered += [item.id for item in items]


def _job(place: Installation, counted: Counted, name: str, work: Callable[[Service], object]) -> list[int]:
    """The ids of the commands that it handed to the queue."""
    queue, settings = _Queue(), place.settings
    (described,) = workspaces_of(settings).values()
    workspace, store = (
        wiring.open_workspace(described, time_scale=settings.time_scale),
        wiring.open_store(settings),
    )
    service = Service(
        store=store,
        queue=cast(Any, queue),
        blobs=wiring.open_blobs(settings),
        clock=SystemClock(),
        workspaces={workspace.name: workspace},
        timing=Timing().scaled(settings.time_scale),
        scratch=settings.home / "scratch",
        log=structlog.get_logger(),
        search=wiring.open_search_upkeep(settings, store, workspaces=workspaces_of(settings)),
    )
    rehearse(store)  # as its worker did, before the fork
    store.close()
    with _counting(store, counted, name):
        work(service)
    store.close()
    return queue.offered


def _deliver(
    place: Installation, counted: Counted, what: str, recording: str, *, transcript: str | None = None
) -> None:
    now = time.time()
    updated_at = datetime.fromtimestamp(now, UTC).isoformat()
    data: dict[str, Any] = {
        "data": {"code": "done", "sub_code": None, "updated_at": updated_at},
        "recording": {"id": recording, "metadata": {}},
        "bot": {"id": recording, "metadata": {}},
    }
    if transcript is not None:
        data["transcript"] = {"id": transcript, "metadata": {"afterword": f"{recording}/1"}}
    body = json.dumps({"event": what, "data": data}).encode()
    row = NewDelivery(DEFAULT_WORKSPACE, f"{what} {recording}", now, int(now), "label", body)
    store = wiring.open_store(place.settings)
    store.add_deliveries([row])
    counted.begun["web", "add_deliveries"] += 1
    store.close()


def _transcript_of(place: Installation, recording: str) -> str:
    give_up_at = time.monotonic() + 20.0
    while time.monotonic() < give_up_at:
        for made in place.recall.paid(recording):
            if made["state_history"][-1]["code"] == "done":
                return str(made["id"])
        time.sleep(0.02)
    raise Away(f"Recall made no transcript of {recording}")


@contextmanager
def _quiet() -> Iterator[None]:
    """The service's lines are made, and written nowhere."""
    before = structlog.get_config()
    with open(os.devnull, "w") as nowhere:
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=nowhere))
        try:
            yield
        finally:
            structlog.configure(**before)


@contextmanager
def _counting(store: SqlStore, counted: Counted, job: str) -> Iterator[None]:
    def begun(_: Any) -> None:
        counted.begun[job, _method()] += 1

    event.listen(store.engine, "begin", begun)
    began_s = time.thread_time()
    try:
        yield
    finally:
        counted.cpu_ms.setdefault(job, []).append(1000 * (time.thread_time() - began_s))


def _method() -> str:
    """The method of the store that was called from outside it."""
    frame: FrameType | None = sys._getframe(1)
    name = ""
    while frame is not None:
        file = frame.f_code.co_filename
        if _SQL in file:
            name = frame.f_code.co_name
        elif name and _APP in file:
            break
        frame = frame.f_back
    return name
