"""
`python -m workers.dispatcher`: about each second, hands what is due in the database to RQ, and again
what was handed over and not started. So Redis may lose everything at any time.

Read, then write; offer, then mark (a death in between offers twice, which is harmless). Many may run at
once. When the database or Redis is away it waits at most 5 s between looks, and says so once at the start and
once at the end.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from app import log as logs
from app import wiring
from app.core.durations import growing, seconds
from app.errors import AfterwordError, QueueUnavailable, StoreUnavailable
from app.orchestrator.ports import DeliveryInbox, Liveness, Outbox, Queue
from app.orchestrator.timing import Timing
from app.processes.child import tell_ready
from app.processes.early_signals import mind_signals
from app.processes.heartbeats import Beater

if TYPE_CHECKING:
    from app.adapters.sql.store import SqlStore
    from app.settings.environment import Settings

_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace(Timing):
    """How often, in seconds of this machine; `offer_again_s` is the installation's."""

    look_every_s: float = seconds(1, floor=0.2)
    beat_every_s: float = seconds(5, floor=1)
    sweep_every_s: float = seconds(30, floor=1)


class Outage:
    """One part that may be away: one line when it goes, one when it is back."""

    def __init__(self, part: str, log: Any) -> None:
        self._part = part
        self._log = log
        self.since: float | None = None

    def began(self, now: float, cause: Exception) -> None:
        if self.since is None:
            self.since = now
            self._log.error("part_away", part=self._part, cause=str(cause))

    def ended(self, now: float) -> None:
        if self.since is not None:
            self._log.warning("part_back", part=self._part, away_s=round(now - self.since, 1))
            self.since = None


class ProgramReport(Beater):
    """Heartbeats named `up@HOST`, or `dispatcher@HOST` where it was started by itself."""

    def __init__(
        self,
        store: SqlStore,
        *,
        told: Mapping[str, Any],  # of the settings it runs with, as `app.settings.changes` makes it
        up: int | None,  # the process id of `up`; None for a dispatcher by itself
        workers: int | None = None,  # for Recall's work, of `up`: they should give heartbeats as well
    ) -> None:
        more = {"settings": dict(told)} | ({} if up is None else {"pid": up, "workers": workers})
        super().__init__(store, "dispatcher" if up is None else "up", more=more)
        self._count = store.count

    def give(self) -> None:
        """One heartbeat, and what was dropped from the log since the last. Raises `StoreUnavailable`."""
        self.beat()
        dropped = logs.dropped()
        if lines := dropped.unkept:
            self._count("log_lines_dropped", lines)
            dropped.kept(lines)


class DispatcherStore(DeliveryInbox, Outbox, Liveness, Protocol):
    """What is due, and its own heartbeat."""


class Dispatcher:
    """One loop's worth at a time; see `tick`."""

    def __init__(
        self,
        store: DispatcherStore,
        queue: Queue,
        *,
        sweep: Callable[[], object],
        hand_over_announcements: Callable[[], object] = lambda: None,
        send_report: Callable[[], object] = lambda: None,
        pace: Pace = Pace(),  # frozen
        clock: Callable[[], float] = time.monotonic,
        log: Any = None,
    ) -> None:
        """
        Args:
            sweep: The service's housekeeping; may take a while, may raise ours.
            hand_over_announcements: Those that are due again; raises when the database or Redis is away.
            send_report: Called with each heartbeat of the dispatcher's own.
        """
        self._store = store
        self._queue = queue
        self._sweep = sweep
        self._hand_over_announcements = hand_over_announcements
        self._send_report = send_report
        self._pace = pace
        self._clock = clock
        self._log = log if log is not None else _log
        self._database = Outage("database", self._log)
        self._redis = Outage("redis", self._log)
        self._troubles = 0
        self._beat_at = clock()
        self._sweep_at = clock() + pace.sweep_every_s

    def tick(self) -> float:
        """
        Looks once and hands over what is due. Never raises for an absent database or Redis. Returns the
        seconds until the next look.
        """
        try:
            is_redis_well = self._hand_over()
            self._beat()
            self._database.ended(self._clock())
            self._housekeeping()
        except StoreUnavailable as error:
            self._database.began(self._clock(), error)
        else:
            if is_redis_well:
                self._troubles = 0
                return self._pace.look_every_s
        self._troubles += 1
        return growing(_FIRST_WAIT_S, self._troubles - 1, _LONGEST_WAIT_S)

    def _hand_over(self) -> bool:
        """False when Redis is away; that is told, and no reason to leave the rest undone."""
        has_unapplied = self._store.has_unapplied()
        try:
            if has_unapplied:
                self._queue.wake_inbox()
            self._offer(self._queue.room())
            self._hand_over_announcements()
        except QueueUnavailable as error:
            self._redis.began(self._clock(), error)
            return False
        self._redis.ended(self._clock())
        return True

    def _offer(self, room: int) -> None:
        if room <= 0:
            return
        due = self._store.due(room, offer_again_s=self._pace.offer_again_s)
        if due:
            self._queue.offer(due)
            self._store.mark_offered([item.id for item in due])
            self._log.debug("offered", commands=[item.id for item in due])

    def _beat(self) -> None:
        now = self._clock()
        # While the database counts as away each look writes: reading alone proves nothing on a full disk.
        if now < self._beat_at and self._database.since is None:
            return
        self._store.beat("dispatcher")
        self._send_report()
        self._beat_at = now + self._pace.beat_every_s

    def _housekeeping(self) -> None:
        now = self._clock()
        if now < self._sweep_at:
            return
        self._sweep_at = now + self._pace.sweep_every_s
        try:
            self._sweep()
        except StoreUnavailable:
            raise
        except AfterwordError as error:
            # Handing over must not stop because something else could not be tidied.
            self._log.warning("sweep_failed", cause=str(error))


def run_dispatcher(settings: Settings, *, told: Mapping[str, Any], up: int | None = None) -> None:
    """
    Until SIGTERM, which ends it at once: there is nothing to finish. Main thread only. `told` and `up` are as
    of `ProgramReport`.
    """
    from workers.readiness_log import Watch

    mind_signals()
    dispatcher = _opened(settings, told, up)
    every_s = Pace().scaled(settings.time_scale).sweep_every_s
    Watch(wiring.open_readiness(settings)).run_in_thread(every_s=every_s)
    tell_ready()
    while True:
        time.sleep(dispatcher.tick())


def _opened(settings: Settings, told: Mapping[str, Any], up: int | None) -> Dispatcher:
    service = wiring.open_service(settings)  # connects when first used
    report = ProgramReport(
        wiring.open_store(settings), told={**told, "port": settings.port}, up=up, workers=settings.workers
    )
    return Dispatcher(
        service.store,
        service.queue,
        sweep=service.sweep,
        hand_over_announcements=wiring.open_offers(settings).hand_over,
        send_report=report.give,
        pace=Pace().scaled(settings.time_scale),
    )


def main() -> int:
    """Returns the exit code: 130 for Ctrl-C; SIGTERM exits 0 by itself."""
    from app.settings.changes import settings_fingerprint
    from workers.entry import run

    if os.getpid() == 1:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # it gets orphans, and the kernel may bury them
    return run("dispatcher", lambda settings: run_dispatcher(settings, told=settings_fingerprint()))


if __name__ == "__main__":
    sys.exit(main())
