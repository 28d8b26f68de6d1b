"""
Machine, service and store are driven through random interleavings: webhooks in any order and number,
workers that stop or die at any effect, answers of Recall that are lost, late, refused or replayed,
time that jumps. After every step Recall's own bill is looked at; in the end everything is well again,
three days pass, and nothing may be pending, unpaid for or lost.

`HYPOTHESIS_PROFILE=soak` runs thousands instead of the fixed ones of CI. A failure tells its story.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.core.policy import Policy
from app.core.quality import Quality
from app.recall.providers import BUILT_IN_PROVIDERS
from tests.property import outside_events, promises
from tests.property.bill import Message
from tests.property.outside_events import OUTSIDE_EVENTS
from tests.property.surroundings import DURATIONS
from tests.property.workers import Worker
from tests.property.world import World, short

_QUIET = settings(
    deadline=None,
    stateful_step_count=60,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
    print_blob=True,
)
PROFILES = {
    "ci": settings(_QUIET, max_examples=120, derandomize=True, database=None),
    "soak": settings(_QUIET, max_examples=5_000),
    # For looking at mutants: the first failure is enough.
    "hunt": settings(_QUIET, max_examples=1_500, phases=(Phase.generate,), database=None),
}
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
DAYS_S = 86_400.0
JUMPS_S = (1.0, 6.0, 16.0, 31.0, 62.0, 300.0, 700.0, 1_900.0, 3_100.0, 3_700.0, 4_300.0, 30_000.0, 90_000.0)
# Where a worker is interrupted, by a part of the effect's name; "": it runs to its end.
PLACES = (
    "after the POST",
    "before the POST",
    "before the commit of C",  # what a create came to
    "before the commit of S",  # the claim, or a stored result
    "after the commit of S",
    "before the commit",
    "after the commit",
    "after taking the lease",
    "before the note",
    "before GET",
    "before a page",
    "during the download",
    "before asking for the lease",
    "after putting",
    "after putting manifest",
)
STOPS = st.one_of(st.just(""), st.sampled_from(PLACES))
INBOX_STOPS = st.sampled_from(["", "", "before the commit", "after the commit"])
LIVES = ("all work", "webhooks fail to come", "nobody works")
KINDS = ("done", "done", "done", "done", "done", "short", "processing", "unknown", "skip")
_BOT = "cccccccc-0000-4000-8000-000000000001"  # one for all: its rate of creates is theirs together
T = TypeVar("T")


@cache
def one_of(options: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from(options)


class Interleavings(RuleBasedStateMachine):
    scratch: ClassVar[Path]
    world: World

    # -- the beginning ---------------------------------------------------------------------------------
    @initialize(
        providers=st.integers(1, 3),
        attempts=st.integers(1, 3),
        on_silence=st.sampled_from(["fail", "next"]),
        fallback_on_empty=st.booleans(),
        page_size=st.sampled_from([50, 1]),
        keeps_server_errors=st.booleans(),
        is_heard=st.sampled_from([True, True, True, False]),
        recordings=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3),
    )
    def a_world(
        self,
        providers: int,
        attempts: int,
        on_silence: Any,
        fallback_on_empty: bool,
        page_size: int,
        keeps_server_errors: bool,
        is_heard: bool,
        recordings: list[str],
    ) -> None:
        policy = Policy(
            providers=BUILT_IN_PROVIDERS[:providers],
            attempts=attempts,
            on_silence=on_silence,
            quality=Quality(empty="fall-back" if fallback_on_empty else "accept"),
            durations=DURATIONS,
        )
        self.world = World(self.scratch, policy)
        self.world.recall.page_size = page_size
        self.world.recall.keeps_server_errors = keeps_server_errors
        for number, kind in enumerate(recordings, 1):
            self._add(number, kind)
        if is_heard:
            for message in self.world.recall.messages:
                self.world.deliver(message)
            self.world.service.receive()

    def _add(self, number: int, kind: str) -> None:
        recording = self.world.add_recording(number, bot_id=None if number == 2 else _BOT)
        if kind == "skip":
            recording.metadata["afterword"] = "skip"
        if kind == "short":
            recording.duration_s = 20.0
        if kind in ("processing", "unknown"):
            recording.status = kind
        # A recording of another region announces itself here all the same; so may one that is not done.
        self.world.recall.announce("recording.done", recording.id)

    # -- webhooks --------------------------------------------------------------------------------------
    @precondition(lambda self: self.world.recall.messages)
    @rule(data=st.data(), is_new_id=st.booleans(), stops_at=INBOX_STOPS)
    def a_webhook_comes(self, data: st.DataObject, is_new_id: bool, stops_at: str) -> None:
        message = self._one(data, "webhook", self.world.recall.messages)
        self.world.deliver(message, under_a_new_id=message.times > 0 and is_new_id)
        self._do(data, self.world.open_service().receive, stops_at=stops_at)

    @precondition(lambda self: any(not m.times for m in self.world.recall.messages))
    @rule(data=st.data(), order=st.randoms(use_true_random=False))
    def all_webhooks_come_in_any_order(self, data: st.DataObject, order: Random) -> None:
        new = [m for m in self.world.recall.messages if not m.times]
        order.shuffle(new)
        for message in new:
            self.world.deliver(message)
        self._do(data, self.world.service.receive, stops_at="")

    # -- workers ---------------------------------------------------------------------------------------
    @precondition(lambda self: self.world.store.commands)
    @rule(data=st.data(), stops_at=STOPS)
    def a_worker_starts(self, data: st.DataObject, stops_at: str) -> None:
        self._work(data, stops_at)

    def _work(self, data: st.DataObject, stops_at: str) -> None:
        """On what is due, or will be next; that it may be in another's hands is the point."""
        rows = sorted(self.world.store.commands.values(), key=lambda row: (row.due_at, row.id))
        row = self._one(data, "command", rows)
        may_be_taken_at = row.due_at
        if row.leased_until is not None and data.draw(st.booleans(), label="when the lease is over"):
            may_be_taken_at = max(row.due_at, row.leased_until + 0.1)
        self.world.pass_time(max(0.0, may_be_taken_at - self.world.store.now()))
        service = self.world.open_service()
        self._do(data, lambda: service.perform(row.id), stops_at=stops_at)

    @precondition(lambda self: self.world.store.commands)
    @rule(data=st.data(), stops_at=st.sampled_from(PLACES))
    def a_worker_starts_and_stops(self, data: st.DataObject, stops_at: str) -> None:
        self._work(data, stops_at)

    @precondition(lambda self: self.world.workers)
    @rule(data=st.data(), stops_at=STOPS)
    def a_stopped_worker_goes_on(self, data: st.DataObject, stops_at: str) -> None:
        worker = self._one(data, "worker", self.world.workers)
        worker.is_frozen = False
        self._choosing(data, lambda: self._settle(data, self.world.go_on(worker, stops_at=stops_at)))

    # -- time ------------------------------------------------------------------------------------------
    @rule(data=st.data(), seconds=st.sampled_from(JUMPS_S), who=st.sampled_from(LIVES))
    def time_passes(self, data: st.DataObject, seconds: float, who: str) -> None:
        if who == "nobody works":
            self.world.say(f"nobody works for {seconds:g} s")
            self.world.pass_time(seconds)
            return
        if not self.world.is_well:
            seconds = min(seconds, 700.0)  # a day of vain tries takes long and shows nothing new
        self.world.say(f"{who} for {seconds:g} s")
        until, with_webhooks = self.world.clock.at + seconds, who == "all work"
        self._choosing(data, lambda: self.world.live(until, delivers=lambda m: with_webhooks))

    @precondition(lambda self: not self.world.store.commands and len(self.world.recall.recordings) < 8)
    @rule(data=st.data(), kind=st.sampled_from(KINDS), stops_at=INBOX_STOPS)
    def another_meeting_ends(self, data: st.DataObject, kind: str, stops_at: str) -> None:
        """Without work the rest of the run would show nothing."""
        self._add(len(self.world.recall.recordings) + 1, kind)
        self.world.deliver(self.world.recall.messages[-1])
        self._do(data, self.world.service.receive, stops_at=stops_at)

    # -- everything else: one rule, or a run would see little but weather ------------------------------
    @rule(data=st.data(), what=st.sampled_from(OUTSIDE_EVENTS))
    def something_happens(self, data: st.DataObject, what: str) -> None:
        outside_events.happen(self.world, what, data.draw)

    # -- what must hold --------------------------------------------------------------------------------
    @invariant()
    def every_promise_is_kept(self) -> None:
        if hasattr(self, "world"):
            self._check(list(promises.broken(self.world)))

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            if not self._is_broken:
                the_end(self.world, self._check)
        finally:
            for worker in list(self.world.workers):
                self.world.kill(worker)

    # -- how -------------------------------------------------------------------------------------------
    _is_broken = False

    def _check(self, wrongs: list[str]) -> None:
        if wrongs:
            self._is_broken = True
            pytest.fail(self.world.told("; ".join(wrongs)), pytrace=False)

    def _one(self, data: st.DataObject, what: str, options: Sequence[T]) -> T:
        return options[data.draw(st.integers(0, len(options) - 1), label=f"number of the {what}")]

    def _do(self, data: st.DataObject, job: Callable[[], object], *, stops_at: str) -> None:
        def start() -> None:
            self._settle(data, self.world.start(job, stops_at=stops_at))

        self._choosing(data, start)

    def _settle(self, data: st.DataObject, worker: Worker | None) -> None:
        """A worker that stopped: is it slow, frozen or dead?"""
        if worker is None:
            return
        how = data.draw(one_of(("slow", "frozen", "dead")), label=f"{worker.name}, {worker.where}")
        worker.is_frozen = how == "frozen"
        if how == "dead":
            self.world.kill(worker)

    def _choosing(self, data: st.DataObject, what: Callable[[], None]) -> None:
        """Recall's answers are drawn meanwhile."""
        self.world.choose_by = lambda label, options: data.draw(one_of(options), label=short(label))
        try:
            what()
        except Exception:
            self._is_broken = True
            raise
        finally:
            self.world.choose_by = None


def the_end(world: World, check: Callable[[list[str]], None]) -> None:
    """Everything is well again; of the webhooks still due every third never comes; three days pass."""
    world.say("everything is well again")
    world.mend()
    for worker in list(world.workers):
        world.go_on(worker, stops_at="")
        check(list(promises.broken(world)))
    world.live(world.clock.at + 3 * DAYS_S, delivers=_arrives)
    check([*promises.broken(world), *promises.unended(world), *promises.forgotten(world)])
    for state in promises.states(world):
        if state.reason in promises.FREE_TO_RETRY:
            world.retry(state.recording_id, budget=0)
    world.live(world.clock.at + 3 * DAYS_S, delivers=_arrives)
    check([*promises.broken(world), *promises.unended(world), *promises.lost(world)])


def _arrives(message: Message) -> bool:
    return int(message.id.rpartition("_")[2]) % 3 != 0


@pytest.mark.slow
@pytest.mark.timeout(900 if PROFILE == "ci" else 36_000)
def test_no_interleaving_pays_twice_forgets_or_waits_for_ever(tmp_path: Path) -> None:
    class Here(Interleavings):
        scratch = tmp_path

    run_state_machine_as_test(Here, settings=PROFILES[PROFILE])
