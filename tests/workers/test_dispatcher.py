"""The dispatcher with a stand-in for the database; time is moved. At the end, once, with a real Redis."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from redis import Redis
from rq import Queue as RqJobs
from rq.serializers import JSONSerializer

from app.adapters.redis.job_queue import RECALL, RqQueue
from app.errors import AfterwordError, QueueUnavailable, StoreUnavailable
from app.orchestrator.records import AnnouncementOffer, Offerable
from app.orchestrator.timing import Timing
from tests.workers.programs import Program, eventually
from workers.dispatcher import Dispatcher, DispatcherStore, Pace


@dataclass
class Time:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class DueStore:
    """What the dispatcher needs of its store: commands that are due, and when each was offered."""

    clock: Callable[[], float]
    commands: list[int] = field(default_factory=list)
    unapplied: bool = False
    away: bool = False
    full_disk: bool = False
    offered_at: dict[int, float] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def _call(self, name: str, *, writes: bool = False) -> None:
        self.calls.append(name)
        if self.away or (writes and self.full_disk):
            raise StoreUnavailable("the database cannot be used")

    def has_unapplied(self) -> bool:
        self._call("has_unapplied")
        return self.unapplied

    def due(self, limit: int, *, offer_again_s: float) -> list[Offerable]:
        self._call("due")
        now = self.clock()
        waiting = [n for n in self.commands if now - self.offered_at.get(n, -1e9) >= offer_again_s]
        return [Offerable(n, f"command {n}") for n in waiting[:limit]]

    def mark_offered(self, command_ids: Iterable[int]) -> None:
        self._call("mark_offered", writes=True)
        self.offered_at |= dict.fromkeys(command_ids, self.clock())

    def beat(self, name: str, *, detail: str = "") -> None:
        self._call(f"beat {name}", writes=True)


@dataclass
class ListQueue:
    """A Queue in a list."""

    capacity: int = 8
    away: bool = False
    waiting: list[int] = field(default_factory=list)
    wake_ups: int = 0

    def _check(self) -> None:
        if self.away:
            raise QueueUnavailable("Redis cannot be used: ConnectionError")

    def offer_announcements(self, items: Sequence[AnnouncementOffer]) -> None:
        assert not items

    def offer(self, items: Sequence[Offerable]) -> None:
        self._check()
        self.waiting += [item.id for item in items]

    def wake_inbox(self) -> None:
        self._check()
        self.wake_ups += 1

    def ask_reconcile(self) -> None:
        raise AssertionError("the dispatcher leaves that to the sweep")

    def room(self) -> int:
        self._check()
        return self.capacity - len(self.waiting)


class KeptLog:
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def _keep(self, event: str, **values: Any) -> None:
        self.events.append((event, values))

    info = warning = error = _keep

    def debug(self, event: str, **values: Any) -> None:
        pass


@dataclass
class Scene:
    """A dispatcher and everything around it."""

    time: Time = field(default_factory=Time)
    queue: ListQueue = field(default_factory=ListQueue)
    log: KeptLog = field(default_factory=KeptLog)
    sweeps: int = 0
    sweep_error: AfterwordError | None = None

    def __post_init__(self) -> None:
        self.store = DueStore(self.time)
        self.dispatcher = Dispatcher(
            cast(DispatcherStore, self.store),
            self.queue,
            sweep=self._sweep,
            clock=self.time,
            log=self.log,
        )

    def _sweep(self) -> None:
        self.sweeps += 1
        if self.sweep_error:
            raise self.sweep_error

    def run(self, seconds: float) -> list[float]:
        """Ticks until `seconds` have passed; the waits in between."""
        waits: list[float] = []
        ends_at = self.time.now + seconds
        while self.time.now < ends_at:
            waits.append(self.dispatcher.tick())
            self.time.now += waits[-1]
        return waits


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_due_commands_are_offered_once_while_they_wait(scene: Scene) -> None:
    scene.store.commands = [1, 2]
    scene.run(10)
    assert scene.queue.waiting == [1, 2]


def test_no_more_is_offered_than_the_queue_has_room_for(scene: Scene) -> None:
    scene.store.commands = list(range(20))
    scene.run(5)
    assert scene.queue.waiting == list(range(8))
    del scene.queue.waiting[:3]
    scene.run(2)
    assert scene.queue.waiting[-3:] == [8, 9, 10]


def test_full_queue_spares_the_database_the_question(scene: Scene) -> None:
    scene.queue.capacity = 0
    scene.run(3)
    assert "due" not in scene.store.calls


def test_what_redis_forgot_is_offered_again(scene: Scene) -> None:
    scene.store.commands = [1, 2]
    scene.run(2)
    scene.queue.waiting.clear()  # FLUSHALL
    scene.run(12)
    assert scene.queue.waiting == []
    scene.run(5)
    assert scene.queue.waiting == [1, 2]


def test_it_reads_before_it_writes_and_marks_only_what_was_taken(scene: Scene) -> None:
    scene.store.commands = [1]
    scene.store.calls.clear()
    scene.dispatcher.tick()
    assert scene.store.calls[:3] == ["has_unapplied", "due", "mark_offered"]
    scene.store.commands = [1, 2]
    scene.queue.away = True
    scene.dispatcher.tick()
    assert set(scene.store.offered_at) == {1}


def test_unapplied_deliveries_wake_the_inbox_each_second(scene: Scene) -> None:
    scene.store.unapplied = True
    scene.run(3)
    assert scene.queue.wake_ups == 3


def test_full_queue_of_commands_does_not_keep_the_inbox_asleep(scene: Scene) -> None:
    scene.queue.capacity = 0
    scene.store.unapplied = True
    scene.run(1)
    assert scene.queue.wake_ups == 1


def test_outage_is_logged_once_when_it_begins_and_once_when_it_ends(scene: Scene) -> None:
    scene.store.away = True
    waits = scene.run(60)
    scene.store.away = False
    scene.run(10)
    assert max(waits) == 5.0
    assert [(event, values["part"]) for event, values in scene.log.events] == [
        ("part_away", "database"),
        ("part_back", "database"),
    ]
    assert 60 <= scene.log.events[1][1]["away_s"] <= 66


def test_redis_away_is_told_apart_and_keeps_neither_heartbeat_nor_sweep_from_happening(scene: Scene) -> None:
    scene.queue.away = True
    scene.run(40)
    assert [values["part"] for _, values in scene.log.events] == ["redis"]
    assert scene.store.calls.count("beat dispatcher") >= 7
    assert scene.sweeps == 1


def test_disk_that_takes_no_writes_is_one_outage_although_reading_works(scene: Scene) -> None:
    scene.store.full_disk = True
    scene.run(60)
    scene.store.full_disk = False
    scene.run(10)
    assert [event for event, _ in scene.log.events] == ["part_away", "part_back"]


def test_work_is_offered_within_five_seconds_of_the_end_of_an_outage(scene: Scene) -> None:
    scene.store.commands = [1]
    scene.store.away = scene.queue.away = True
    scene.run(300)
    scene.store.away = scene.queue.away = False
    scene.run(5.1)
    assert scene.queue.waiting == [1]


def test_sweep_comes_every_half_minute_not_at_start_and_its_failure_stops_nothing(scene: Scene) -> None:
    scene.sweep_error = AfterwordError("Recall says no")
    scene.run(29)
    assert scene.sweeps == 0
    scene.store.commands = [1]
    scene.run(62)
    assert scene.sweeps == 3
    assert scene.queue.waiting
    assert ("sweep_failed", {"cause": "Recall says no"}) in scene.log.events


def test_quiet_second_writes_nothing(scene: Scene) -> None:
    scene.run(1)
    scene.store.calls.clear()
    scene.dispatcher.tick()
    assert scene.store.calls == ["has_unapplied", "due"]


@pytest.mark.parametrize(("scale", "look_every_s"), [(1, 1.0), (2, 0.5), (60, 0.2), (1000, 0.2)])
def test_scaled_time_is_looked_at_more_often_but_never_without_pause(
    scale: float, look_every_s: float
) -> None:
    pace = Pace().scaled(scale)
    assert pace.look_every_s == look_every_s
    assert pace.offer_again_s == Timing().scaled(scale).offer_again_s
    assert pace.sweep_every_s >= 1


@pytest.mark.slow
def test_flushed_redis_is_filled_again_from_the_database(redis_url: str) -> None:
    store = DueStore(time.monotonic, commands=[1, 2])
    queue = RqQueue(redis_url, 1, Timing(), "0a1b")
    dispatcher = Dispatcher(
        cast(DispatcherStore, store),
        queue,
        sweep=lambda: None,
        pace=Pace(offer_again_s=0.3),
        log=KeptLog(),
    )
    jobs = RqJobs(queue.names[RECALL], connection=Redis.from_url(redis_url), serializer=JSONSerializer)
    dispatcher.tick()
    assert len(jobs) == 2
    Redis.from_url(redis_url).flushall()
    time.sleep(0.31)
    dispatcher.tick()
    assert [job.args for job in jobs.get_jobs()] == [[1], [2]]


def test_sigterm_ends_it_at_once_with_exit_0(program: Callable[[str], Program]) -> None:
    running = program(
        """
        from app.processes.early_signals import mind_signals
        mind_signals()
        PrintedLog().info("ready")
        time.sleep(5)
        """
    )
    eventually(lambda: running.events("ready"))
    running.send(signal.SIGTERM)
    assert running.wait(1) == 0
