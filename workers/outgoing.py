"""
The process `outgoing`: takes announcements from its queue and hands them to threads, two for each endpoint.

Its jobs are done in the process itself, without a horse: each only says which announcement is due. What is
under way is in the database, under a lease; when this process dies, the dispatcher offers it again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rq import Queue as RqJobs
from rq.job import Job
from rq.worker import WorkerStatus

from app import wiring
from app.adapters.redis.job_queue import OUTGOING, OUTGOING_JOBS, queue_name
from app.processes.heartbeats import Beater
from workers.rq_worker import AfterwordWorker, run_worker, wait_for_id

if TYPE_CHECKING:
    from app.adapters.sql.store import SqlStore
    from app.announce.lanes import Lanes
    from app.settings.environment import Settings

_DRAIN_S = 20.0  # longer than an answer may take

_lanes: Lanes | None = None


def announce(announcement_id: int, lane: int) -> None:
    """What RQ runs. Returns at once."""
    if _lanes is not None:
        _lanes.hand_over(announcement_id, lane)


class HandingWorker(AfterwordWorker):
    """Runs its jobs in its own process."""

    def execute_job(self, job: Job, queue: RqJobs) -> None:
        """As RQ's `SimpleWorker` does."""
        self.prepare_execution(job)
        self.perform_job(job, queue)
        self.set_state(WorkerStatus.IDLE)


def work(settings: Settings, store: SqlStore) -> None:
    """Until SIGTERM: then nothing more is taken up, and what is under way may end."""
    global _lanes  # noqa: PLW0603  # RQ calls `announce` by its name
    queue_id = wait_for_id(partial(wiring.ask_queue_id, store))
    _lanes = wiring.open_lanes(settings, store)
    try:
        run_worker(
            wiring.redis_url(settings),
            queue_name(OUTGOING, queue_id),
            name=OUTGOING,
            beat=Beater(store, OUTGOING).beat_if_due,
            jobs=OUTGOING_JOBS,
            worker_class=HandingWorker,
        )
    finally:
        _lanes.close(within_s=_DRAIN_S)
