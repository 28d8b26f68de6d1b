"""
A command or a delivery on which the program itself breaks: eight tries, then a named end. Its neighbours are
never held up by it, and what was paid for stays within reach of a free retry.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.core import reasons
from app.core.policy import Policy
from app.core.state import Phase
from app.orchestrator.command_runner import DEAD_LETTER_AFTER
from app.orchestrator.records import Loaded
from app.recall.providers import BUILT_IN_PROVIDERS
from tests.property import promises
from tests.property.bill import Message, Recording
from tests.property.surroundings import DURATIONS, TIMING
from tests.property.world import World

MINUTE_S, HOUR_S = 60.0, 3_600.0


class Bug(Exception):
    """An error of ours that nobody expected."""


class Tolerant(World):
    """A job that meets a `Bug` has failed, as RQ has it, and the next one is begun."""

    failed = 0

    def run(self, job: Callable[[], object]) -> None:
        try:
            super().run(job)
        except Bug:
            self.failed += 1


# -- commands ----------------------------------------------------------------------------------------


def test_command_that_always_raises_ends_by_name_after_eight_tries_and_its_neighbour_does_not_wait(
    tmp_path: Path,
) -> None:
    world, bad, good = two_announced(tmp_path)
    put = world.blobs.put

    def breaks(key: str, source: Path, *, media_type: str = "") -> None:
        if bad.id in key:
            raise Bug
        put(key, source)

    world.blobs.put = breaks  # type: ignore[method-assign]
    raised = lives(world, MINUTE_S)
    assert 0 < raised < DEAD_LETTER_AFTER
    assert phase_of(world, good) is Phase.STORED, world.told("a neighbour is held up")
    raised += lives(world, HOUR_S)
    assert raised == DEAD_LETTER_AFTER
    state = world.store.load("default", bad.id).transcription
    assert (state.phase, state.reason) == (Phase.FAILED, reasons.OUR_FAULT), world.told("no end, or no name")
    assert not world.store.commands, "something is still tried"

    world.blobs.put = put  # type: ignore[method-assign]  # mended
    world.retry(bad.id, budget=0)
    assert lives(world, MINUTE_S) == 0
    assert phase_of(world, bad) is Phase.STORED, world.told("what is paid for is out of reach")
    assert not list(promises.broken(world)), world.told("; ".join(promises.broken(world)))


def test_command_that_always_kills_its_worker_ends_by_name_after_eight_tries(tmp_path: Path) -> None:
    world, bad, good = two_announced(tmp_path)
    lives(world, 20.0)
    world.pass_time(20.0)  # both transcripts are done
    world.recall.tick()
    for message in world.recall.messages[-2:]:
        world.deliver(message)
    world.service.receive()
    (fetch,) = (row.id for row in world.store.commands.values() if row.recording[1] == bad.id)
    kills = 0
    while (
        worker := world.start(lambda: world.service.perform(fetch), stops_at="during the download")
    ) is not None:
        world.kill(worker)
        kills += 1
        assert kills <= DEAD_LETTER_AFTER, world.told("it is tried for ever")
        world.clock.at += 2 * TIMING.lease_s
    assert kills == DEAD_LETTER_AFTER
    state = world.store.load("default", bad.id).transcription
    assert (state.phase, state.reason) == (Phase.FAILED, reasons.OUR_FAULT), world.told("no end, or no name")
    lives(world, MINUTE_S)
    assert phase_of(world, good) is Phase.STORED
    world.retry(bad.id, budget=0)
    lives(world, MINUTE_S)
    assert phase_of(world, bad) is Phase.STORED, world.told("what is paid for is out of reach")
    assert not list(promises.broken(world)), world.told("; ".join(promises.broken(world)))


def test_create_that_may_have_been_sent_and_then_kills_every_worker_is_looked_up_and_paid_once(
    tmp_path: Path,
) -> None:
    world, recording, _ = two_announced(tmp_path)
    world.deliver(world.recall.messages[0])
    world.service.receive()
    (create,) = world.store.commands
    for kills in range(DEAD_LETTER_AFTER):
        where = "after taking the lease" if kills else "after the POST"
        worker = world.start(lambda: world.service.perform(create), stops_at=where)
        assert worker is not None
        world.kill(worker)
        world.clock.at += 2 * TIMING.lease_s
    world.run(lambda: world.service.perform(create))
    history = [line["event"] for line in world.store.history("default", recording.id)]
    assert history == ["recording_done", "sending", "create_unknown"], world.told("taken for not sent")
    lives(world, 2 * HOUR_S)
    assert phase_of(world, recording) is Phase.STORED
    assert not list(promises.broken(world)), world.told("; ".join(promises.broken(world)))


# -- deliveries --------------------------------------------------------------------------------------


def test_delivery_that_always_raises_is_closed_after_eight_tries_and_its_neighbour_is_applied_at_once(
    tmp_path: Path,
) -> None:
    world, bad, good = two_announced(tmp_path)
    load = world.store.load

    def breaks(workspace: str, recording_id: str) -> Loaded:
        if recording_id == bad.id:
            raise Bug
        return load(workspace, recording_id)

    world.store.load = breaks  # type: ignore[method-assign]
    for message in world.recall.messages:
        world.deliver(message)
    world.run(world.service.receive)
    assert [row.applied_at is None for row in world.store.deliveries.values()] == [True, False], "held up"
    while world.store.has_unapplied():
        world.run(world.service.receive)
        assert world.failed <= DEAD_LETTER_AFTER, world.told("it is tried for ever")
    assert world.failed == DEAD_LETTER_AFTER
    assert_closed_by_name(world)
    lives(world, MINUTE_S)
    assert phase_of(world, good) is Phase.STORED


def test_delivery_that_always_kills_its_worker_is_closed_after_eight_tries_and_takes_no_neighbour_along(
    tmp_path: Path,
) -> None:
    world, bad, good = two_announced(tmp_path)
    load = world.store.load

    def halts(workspace: str, recording_id: str) -> Loaded:
        world.pause(f"loading {recording_id}")
        return load(workspace, recording_id)

    world.store.load = halts  # type: ignore[method-assign]
    for message in world.recall.messages:
        world.deliver(message)  # the bad one first: its death is the whole batch's
    kills = 0
    while (worker := world.start(world.service.receive, stops_at="loading R1")) is not None:
        world.kill(worker)
        kills += 1
        assert kills <= DEAD_LETTER_AFTER, world.told("it is tried for ever")
    assert kills == DEAD_LETTER_AFTER
    assert_closed_by_name(world)
    lives(world, MINUTE_S)
    assert phase_of(world, good) is Phase.STORED, world.told("a neighbour was taken along")
    assert phase_of(world, bad) is Phase.NEW, "reconcile takes it up"


def assert_closed_by_name(world: World) -> None:
    """Both deliveries are applied; the first one says that it was not."""
    first, second = world.store.deliveries.values()
    assert not world.store.has_unapplied()
    assert first.note is not None
    assert "8 crashed attempts" in first.note
    assert second.note is None or "8 crashed attempts" not in second.note


# -- words -------------------------------------------------------------------------------------------


def two_announced(scratch: Path) -> tuple[Tolerant, Recording, Recording]:
    """The bad one is announced first."""
    world = Tolerant(scratch, Policy(BUILT_IN_PROVIDERS[:1], 1, durations=DURATIONS))
    bad, good = world.add_recording(1), world.add_recording(2)
    for recording in (bad, good):
        world.recall.announce("recording.done", recording.id)
    return world, bad, good


def lives(world: Tolerant, for_s: float) -> int:
    """The whole service at work; how many of its jobs failed."""
    before = world.failed
    world.live(world.clock.at + for_s, delivers=everything)
    return world.failed - before


def everything(message: Message) -> bool:
    return True


def phase_of(world: World, recording: Recording) -> Phase:
    return world.store.load("default", recording.id).transcription.phase
