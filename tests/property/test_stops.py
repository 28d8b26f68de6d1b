"""Stories in which everything stands still at once, or nothing is there to do: with the service itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.core.policy import Policy
from app.core.state import AttemptStatus
from app.orchestrator.records import SendTimes
from app.recall.providers import BUILT_IN_PROVIDERS
from tests.property import promises
from tests.property.bill import Recording
from tests.property.surroundings import DURATIONS
from tests.property.world import World

HOUR_S = 3_600.0


def test_machine_that_sleeps_an_hour_between_the_age_of_a_key_and_its_stamp_repeats_nothing(
    tmp_path: Path,
) -> None:
    world = one_provider(tmp_path)
    recording = world.add_recording(1)
    world.choose_by = first_answer_is_lost(world)
    asked = world.store.send_times
    slept: list[float] = []

    def send_times(workspace: str, recording_id: str, ordinal: int, *, key_serial: int) -> SendTimes:
        times = asked(workspace, recording_id, ordinal, key_serial=key_serial)
        line = world.store.load(workspace, recording_id).transcription.attempt_of(ordinal=ordinal)
        if line is not None and line.status is AttemptStatus.CLAIMED and not slept:
            slept.append(HOUR_S)
            world.say("the lid is closed for an hour")
            world.clock.at += HOUR_S
        return times

    world.store.send_times = send_times  # type: ignore[method-assign]
    world.recall.announce("recording.done", recording.id)
    world.live(world.clock.at + 3 * HOUR_S, delivers=lambda message: True)
    assert slept, world.told("the key was never about to be repeated")
    assert not list(promises.broken(world)), world.told("; ".join(promises.broken(world)))


def test_recording_after_a_quiet_hour_is_created_without_a_list_first(tmp_path: Path) -> None:
    world = one_provider(tmp_path)
    for number in (1, 2):
        recording = world.add_recording(number)
        world.recall.announce("recording.done", recording.id)
        world.pass_time(2.0)  # a webhook comes after the event
        world.live(world.clock.at + 60, delivers=lambda message: True)
        first = events_of(world, recording)[:3]
        assert first == ["recording_done", "sending", "created"], world.told("a list")
        an_idle_hour(world)


def an_idle_hour(world: World) -> None:
    """Nothing to do, while the dispatcher sweeps every half minute as it does."""
    until = world.clock.at + HOUR_S
    world.queue.ask_reconcile = lambda: None  # type: ignore[method-assign]
    while world.clock.at < until:
        world.live(world.clock.at + 30.0, delivers=lambda message: True)
        world.service.sweep()


def one_provider(scratch: Path) -> World:
    return World(scratch, Policy(BUILT_IN_PROVIDERS[:1], 1, durations=DURATIONS))


def first_answer_is_lost(world: World) -> Callable[[str, tuple[Any, ...]], Any]:
    """And what was made is in no list for a minute; everything else is well."""
    posts: list[str] = []

    def choose(what: str, options: tuple[Any, ...]) -> Any:
        if what.startswith("POST"):
            posts.append(what)
            return "answer lost" if len(posts) == 1 else options[0]
        return 59.0 if 59.0 in options else options[0]

    return choose


def events_of(world: World, recording: Recording) -> list[str]:
    return [str(line["event"]) for line in world.store.history("default", recording.id)]
