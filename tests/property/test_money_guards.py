"""
One short story for each fence and each promise about money: what a random run finds only now and then,
these find always. Each fails when its fence is taken away.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.core.policy import Policy
from app.core.state import Phase
from app.recall.limits import READS_PER_WINDOW
from app.recall.providers import BUILT_IN_PROVIDERS
from tests.property import promises
from tests.property.bill import Message, Recording
from tests.property.surroundings import DURATIONS, TIMING
from tests.property.world import World

HOUR_S = 3_600.0
MINUTE_S = 60.0
LISTS_PER_MINUTE = 60  # Recall's own number


# -- deliveries --------------------------------------------------------------------------------------


def test_delivery_whose_worker_dies_before_the_commit_is_applied_by_the_next(tmp_path: Path) -> None:
    world, recording = announced(tmp_path)
    world.deliver(world.recall.messages[0])
    worker = world.start(world.service.receive, stops_at="before the commit of RecordingDone")
    assert worker is not None
    world.kill(worker)
    world.service.receive()
    world.live(world.clock.at + MINUTE_S, delivers=everything)
    assert phase_of(world, recording) is Phase.STORED, world.told("a delivery is lost")


# -- the lease ---------------------------------------------------------------------------------------


def test_worker_that_was_frozen_in_its_download_puts_no_file_when_another_has_its_lease(
    tmp_path: Path,
) -> None:
    world, recording = announced(tmp_path)
    world.live(world.clock.at + 20.0, delivers=everything)
    world.pass_time(20.0)
    world.recall.tick()
    world.deliver(world.recall.messages[-1])
    world.service.receive()
    (fetch,) = world.store.commands
    worker = world.start(lambda: world.service.perform(fetch), stops_at="during the download")
    assert worker is not None
    worker.is_frozen = True
    world.live(world.clock.at + 2 * MINUTE_S, delivers=everything)
    assert phase_of(world, recording) is Phase.STORED
    world.go_on(worker, stops_at="")
    assert not list(promises.broken(world)), world.told("; ".join(promises.broken(world)))


def test_worker_that_was_frozen_before_its_post_sends_nothing_after_the_hour(tmp_path: Path) -> None:
    world, recording = announced(tmp_path)
    world.deliver(world.recall.messages[0])
    world.service.receive()
    (create,) = world.store.commands
    worker = world.start(lambda: world.service.perform(create), stops_at="before the POST")
    assert worker is not None
    worker.is_frozen = True
    world.live(world.clock.at + 3 * HOUR_S, delivers=everything)
    assert phase_of(world, recording) is Phase.STORED, world.told("the others did not take over")
    world.go_on(worker, stops_at="")
    assert not list(promises.broken(world)), world.told("; ".join(promises.broken(world)))


@pytest.mark.parametrize("stops_at", ["before the POST", "after the commit of Sending"])
def test_request_of_a_worker_nobody_watched_for_a_minute_is_not_sent(tmp_path: Path, stops_at: str) -> None:
    world, _ = announced(tmp_path)
    world.deliver(world.recall.messages[0])
    world.service.receive()
    (create,) = world.store.commands
    worker = world.start(lambda: world.service.perform(create), stops_at=stops_at)
    assert worker is not None
    worker.is_frozen = True
    world.clock.at += DURATIONS.stamp_max_age_s + 1.0
    world.go_on(worker, stops_at="")
    assert not world.recall.transcripts, world.told("an old stamp was sent")


@pytest.mark.slow
def test_request_of_a_worker_whose_lease_went_to_another_is_not_sent(tmp_path: Path) -> None:
    world, _ = announced(tmp_path, lease_renew_s=0.02)  # the one thread that keeps real time
    world.deliver(world.recall.messages[0])
    world.service.receive()
    (create,) = world.store.commands
    worker = world.start(lambda: world.service.perform(create), stops_at="before the POST")
    assert worker is not None
    worker.is_frozen = True
    world.store.commands[create].token = "another's"
    time.sleep(0.5)
    world.go_on(worker, stops_at="")
    assert not world.recall.transcripts, world.told("sent by one who knew that he had lost his lease")


def test_claim_of_a_worker_that_stood_still_while_an_absence_was_noted_is_not_made(tmp_path: Path) -> None:
    """Its lease is its own still; what it loaded does not say that Recall is to be looked at first."""
    world, _recording = announced(tmp_path)
    world.deliver(world.recall.messages[0])
    world.service.receive()
    (create,) = world.store.commands
    worker = world.start(lambda: world.service.perform(create), stops_at="before the commit of Sending")
    assert worker is not None
    worker.is_frozen = True
    world.clock.at += 2 * TIMING.silence_s
    world.service.receive()  # by another, who was away as well
    world.go_on(worker, stops_at="")
    assert not world.recall.transcripts, world.told("it was sent")
    (known,) = world.store.recordings.values()
    assert known.transcription.lookup_required, world.told("and nothing was noted")
    assert not known.sends


# -- a backup put back -------------------------------------------------------------------------------


def test_attempt_that_waited_when_the_backup_was_made_is_looked_up_before_it_is_sent(tmp_path: Path) -> None:
    world, recording = announced(tmp_path)
    world.choose_by = posts("429")
    world.live(world.clock.at + 1.0, delivers=everything)
    world.back_up()
    world.choose_by = None
    world.live(world.clock.at + 2 * HOUR_S, delivers=everything)
    assert len(world.recall.transcripts) == 1
    put_back_and_stored(world, recording, delivers=nothing)


def test_planned_attempt_of_a_backup_is_looked_up_before_it_is_paid(tmp_path: Path) -> None:
    world, recording = announced(tmp_path)
    world.deliver(world.recall.messages[0])
    world.service.receive()
    world.back_up()
    world.live(world.clock.at + 2 * HOUR_S, delivers=everything)
    put_back_and_stored(world, recording, delivers=nothing)


def test_news_from_before_the_backup_was_put_back_is_looked_up_however_fresh(tmp_path: Path) -> None:
    world, recording = announced(tmp_path)
    world.service.receive()  # it has worked before: a first start is no silence
    world.back_up()
    world.choose_by = posts("429")  # so that what is paid has another key than a fresh claim
    world.live(world.clock.at + 12 * MINUTE_S, delivers=everything)
    assert len(world.recall.transcripts) == 1
    put_back_and_stored(world, recording, delivers=the_news)


def put_back_and_stored(world: World, recording: Recording, *, delivers: Callable[[Message], bool]) -> None:
    """The backup is put back, and the recording is stored again without a second payment."""
    world.put_back()
    world.live(world.clock.at + 2 * HOUR_S, delivers=delivers)
    assert not list(promises.broken(world)), world.told("; ".join(promises.broken(world)))
    assert phase_of(world, recording) is Phase.STORED


# -- rates -------------------------------------------------------------------------------------------


def test_one_bot_gets_no_more_than_five_creates_in_any_minute(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    for number in range(1, 13):
        bot = "cccccccc-0000-4000-8000-000000000001"
        world.recall.announce("recording.done", world.add_recording(number, bot_id=bot).id)
    world.live(world.clock.at + 10 * MINUTE_S, delivers=everything)
    made = sorted(t.created_at for t in world.recall.transcripts.values())
    assert len(made) == 12
    assert most_in_a_minute(made) == 5, made


def test_a_slot_brought_along_is_used_for_one_page_and_not_for_the_next(tmp_path: Path) -> None:
    world, asked = with_old_news(tmp_path, recordings=6, pages=3)
    assert len(asked) >= 18, world.told("not all were listed")
    most = max(sum(0.0 <= other - at < 5.0 for other in asked) for at in asked)
    assert most <= 1 + 5.0 / MINUTE_S * LISTS_PER_MINUTE, asked


@pytest.mark.slow
def test_a_slot_that_was_waited_for_is_used_and_not_taken_anew(tmp_path: Path) -> None:
    world, asked = with_old_news(tmp_path, recordings=40, pages=1)
    assert len(asked) == 40, world.told("not all were listed")
    in_turn_s = 40 / READS_PER_WINDOW["list"] * MINUTE_S
    assert asked[-1] - asked[0] < 1.2 * in_turn_s, "slots were taken and not used"


@pytest.mark.slow
def test_slots_that_nobody_came_to_use_for_minutes_are_no_burst(tmp_path: Path) -> None:
    world, asked = with_old_news(tmp_path, recordings=80, pages=1, away_s=3 * MINUTE_S)
    assert len(asked) == 80, world.told("not all were listed")
    assert max(sum(0.0 <= other - at < MINUTE_S for other in asked) for at in asked) <= LISTS_PER_MINUTE


def test_all_slots_of_a_minute_used_as_late_as_they_may_be_stay_below_recalls_numbers() -> None:
    in_a_minute = {
        rate: n * (60 + DURATIONS.slot_late_at_most_s) / 60 for rate, n in READS_PER_WINDOW.items()
    }
    assert in_a_minute["retrieve"] <= 300
    assert in_a_minute["list"] <= LISTS_PER_MINUTE


def with_old_news(
    scratch: Path, *, recordings: int, pages: int, away_s: float = 0.0
) -> tuple[World, list[float]]:
    """
    When each page was read, of news two hours old that came at once; the first slot is 30 s off.

    Args:
        away_s: Nobody works for so long, when the slots have been taken.
    """
    world = a_world(scratch)
    world.recall.page_size = 1
    asked: list[float] = []
    pause = world.recall.pause

    def noted(where: str) -> None:
        if where.startswith("before a page"):
            asked.append(world.clock.at)
        pause(where)

    world.recall.pause = noted
    for number in range(1, recordings + 1):
        recording = world.add_recording(number)
        for _ in range(pages):
            world.recall.order_elsewhere(recording.id, "meeting_captions", ("spoken", 0.0))
        world.recall.announce("recording.done", recording.id)
    news = [m for m in world.recall.messages if m.what.startswith("recording.done")]
    world.pass_time(2 * HOUR_S)
    world.store.push_rate("default", "list", after_s=MINUTE_S + 30.0)  # a look waits a minute
    for message in news:
        world.deliver(message)
    world.service.receive()
    if away_s:
        world.live(world.clock.at + MINUTE_S + 1.0)
        world.pass_time(away_s)
    world.live(world.clock.at + 5 * MINUTE_S)
    return world, asked


# -- words -------------------------------------------------------------------------------------------


def most_in_a_minute(moments: list[float]) -> int:
    return max(sum(0.0 <= other - at < MINUTE_S for other in moments) for at in moments)


def a_world(scratch: Path, **timing: float) -> World:
    policy = Policy(BUILT_IN_PROVIDERS[:1], 1, durations=DURATIONS)
    return World(scratch, policy, replace(TIMING, **timing))


def announced(scratch: Path, **timing: float) -> tuple[World, Recording]:
    world = a_world(scratch, **timing)
    recording = world.add_recording(1)
    world.recall.announce("recording.done", recording.id)
    world.pass_time(2.0)
    return world, recording


def posts(first: str) -> Callable[[str, tuple[Any, ...]], Any]:
    """The first POST goes like this; everything else is well."""
    seen: list[str] = []

    def choose(what: str, options: tuple[Any, ...]) -> Any:
        if what.startswith("POST"):
            seen.append(what)
            return first if len(seen) == 1 else options[0]
        return options[0]

    return choose


def everything(message: Message) -> bool:
    return True


def nothing(message: Message) -> bool:
    """What was acknowledged before the backup was put back does not come again."""
    return False


def the_news(message: Message) -> bool:
    return message.what.startswith("recording.done")


def phase_of(world: World, recording: Recording) -> Phase:
    return world.store.load("default", recording.id).transcription.phase
