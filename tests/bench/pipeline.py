"""
A whole installation under work: `up`, a simulated Recall, and what both say about it afterwards.

Knows how recordings end all at once, when each was stored (the service's database: a time, not a verdict),
what Recall was asked (the simulator's bill) and what processor time everything took. Refuses to judge.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from app import wiring
from app.adapters.sql import tables
from app.adapters.sql.store import open_store
from app.core.state import ENDS
from app.errors import Away
from app.settings.program_name import ROOT
from app.transcripts.result_folder import MANIFEST
from tests.announce.receiver import SECRET, Receiver, policy_of
from tests.bench.report import Options
from tests.chaos.database import open_database
from tests.flow.stage import Installation, installation

# As `_TIED` in tests.flow.stage, for the workers alone.
_WORKERS_TIED = (
    "import os, sys; from app.processes.parent_death import kernel_ties_to_parent; kernel_ties_to_parent(); "
    "os.execv(sys.executable, [sys.executable, '-P', '-m', 'workers'])"
)


@dataclass
class Pipeline:
    """What runs, and who asks it. Tells about its own recordings, whatever else the database holds."""

    place: Installation
    recorded: list[str] = field(default_factory=list)
    more_workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    # -- recordings ----------------------------------------------------------------------------------
    def hold(self) -> None:
        """Webhooks wait at Recall from now on."""
        self.place.recall.settings(webhooks_paused=True)

    def release(self) -> None:
        """All that waited are sent, and what comes after them."""
        self.place.recall.settings(webhooks_paused=False)

    def record(self, **script: Any) -> str:
        """A meeting that has ended; its id."""
        self.recorded.append(self.place.recall.record(**script))
        return self.recorded[-1]

    # -- what the service says -----------------------------------------------------------------------
    def stored_at(self) -> dict[str, float]:
        """When each recording's transcript was stored, by the database's clock, which is this machine's."""
        return self._times(tables.artifacts, tables.artifacts.c.stored_at)

    def sent_at(self) -> dict[str, float]:
        """When each recording's create was stamped: the last commit before its POST."""
        return self._times(tables.sends, tables.sends.c.stamped_at)

    def received_at(self, kind: str) -> dict[str, float]:
        """When the first delivery of a kind, e.g. "TranscriptDone", was written down, by recording."""
        row = tables.deliveries
        return self._times(row, row.c.received_at, row.c.kind == kind)

    def _times(
        self, table: sa.Table, column: sa.Column[float], *only: sa.ColumnElement[bool]
    ) -> dict[str, float]:
        own = table.c.recording_id.in_(self.recorded)
        asked = sa.select(table.c.recording_id, sa.func.min(column)).where(own, *only)
        with self.place.store.reading() as connection:
            rows = connection.execute(asked.group_by(table.c.recording_id)).all()
        return {str(recording): float(at) for recording, at in rows if recording is not None}

    def unfinished(self, number: int) -> int:
        """How many of `number` recordings have not come to an end."""
        row = tables.transcriptions
        is_over = row.c.phase.in_([phase.value for phase in ENDS])
        ended = sa.select(sa.func.count()).where(row.c.recording_id.in_(self.recorded), is_over)
        with self.place.store.reading() as connection:
            return number - int(connection.execute(ended).scalar_one())

    def wait(self, number: int, *, within_s: float, meanwhile: Callable[[int], None] | None = None) -> None:
        """Until `number` recordings have ended; `meanwhile` is told how many are left. Raises `Away`."""
        give_up_at = time.monotonic() + within_s
        while left := self.unfinished(number):
            if time.monotonic() > give_up_at:
                raise Away(f"{left} of {number} recordings had not ended after {within_s:.0f} s")
            if meanwhile is not None:
                meanwhile(left)
            time.sleep(0.25)

    # -- faults and company ----------------------------------------------------------------------------
    def empty_redis(self) -> None:
        """FLUSHALL."""
        with self.place.redis as redis:
            redis.flushall()

    def start_workers(self) -> None:
        """A further set of workers beside the service's own: `python -m workers`, same database and Redis."""
        with self.place.log_path.open("ab") as log:
            self.more_workers.append(
                subprocess.Popen(
                    [sys.executable, "-P", "-c", _WORKERS_TIED],
                    cwd=ROOT,
                    env=self.place.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        wanted = (1 + len(self.more_workers)) * self.place.settings.workers
        queue, give_up_at = wiring.open_queue(self.place.settings), time.monotonic() + 20
        while queue.counts()[0].workers < wanted:
            if time.monotonic() > give_up_at:
                raise Away("the second set of workers did not come up")
            time.sleep(0.1)

    def stop_workers(self) -> None:
        """What `start_workers` started, in peace if it can be."""
        for process in self.more_workers:
            process.send_signal(signal.SIGTERM)
        for process in self.more_workers:
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    # -- processor time --------------------------------------------------------------------------------
    def cpu_s(self) -> float:
        """Of all processes of the service, and of those that have ended under them."""
        assert self.place.service is not None
        roots = [self.place.service.pid, *(process.pid for process in self.more_workers)]
        total = 0.0
        for root in roots:
            with suppress(psutil.NoSuchProcess):
                family = [psutil.Process(root), *psutil.Process(root).children(recursive=True)]
                total += sum(_cpu_of(process) for process in family)
        return total


def own_cpu_s() -> float:
    """Of this process: the simulated Recall, mostly."""
    times = os.times()
    return times.user + times.system


def _cpu_of(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


@contextmanager
def pipeline(
    options: Options,
    *,
    workers: int,
    limits: float | str = "on",
    delay_ms: int = 0,
    time_scale: float = 1.0,
    database_url: str | None = None,
    endpoint: Receiver | None = None,
) -> Iterator[Pipeline]:
    """
    Everything running and ready, in a home of its own; stopped at the end.

    Args:
        limits: What Recall's published rates are multiplied by, or "on" or "off".
        delay_ms: How long the way to Recall's API takes, in real time.
        endpoint: Of outgoing webhooks.
        database_url: One that is there; None for a new one of `options.database`.

    Raises:
        Away: The service did not become ready.
    """
    with ExitStack() as stack:
        tmp = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        if database_url is None:
            database_url = stack.enter_context(open_database(options.database, home=tmp / "home")).url
        else:
            _store_latest_results(database_url, tmp / "home/transcripts")
        more = {"DATABASE_URL": database_url} if database_url is not None else {}
        if endpoint is not None:
            (policy := tmp / "policy.toml").write_text(policy_of({"bench": endpoint.url}), "utf-8")
            more |= {"AFTERWORD_POLICY": str(policy), "HOOK_SECRET": SECRET}
        place = stack.enter_context(
            installation(tmp, seed=options.seed, time_scale=time_scale, workers=workers, **more)
        )
        # Pages as large as Recall's own may be: a reconcile of a thousand recordings is no thousand lists.
        place.recall.settings(limits=limits, call_delay_ms=delay_ms, page_size=100)
        try:
            place.start()
        except AssertionError as error:
            raise Away(str(error)) from error
        running = Pipeline(place)
        stack.callback(running.stop_workers)
        yield running


def _store_latest_results(database_url: str, folder: Path) -> None:
    """Manifests of a database from elsewhere: `up` refuses a store that lacks the latest results."""
    with closing(open_store(database_url)) as store:
        for result in store.latest_results(10):
            (folder / result).mkdir(parents=True)
            (folder / result / MANIFEST).write_text("{}", "utf-8")
