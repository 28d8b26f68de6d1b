"""
How far back a pass over Recall's list looks, and that nothing which becomes news later is passed over.
The store is in memory, Recall is a list; time is moved.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from app.adapters.memory import MemoryStore
from app.core.events import RecordingCondition
from app.core.policy import Policy, built_in
from app.errors import AccountRefused, RecallBusy
from app.passes import ask_for_passes, reconcile_all
from app.ports import RecordingFacts, RecordingSeen
from app.reconcile import Found, Reconciler
from app.records import KEY_ACCEPTED
from app.service import Service
from app.task import Workspace

HOUR = 3600.0
START = 1_800_000_000.0
POLICY = built_in()
EVERY_S = POLICY.durations.reconcile_every_s


class FullQueue:
    """Nothing is handed to workers here: what was taken up is seen in the store."""

    def __init__(self) -> None:
        self.passes_asked = 0

    def ask_reconcile(self) -> None:
        self.passes_asked += 1

    def room(self) -> int:
        return 0


@dataclass
class Meeting:
    began_at: float
    ended_at: float
    becomes: RecordingCondition = RecordingCondition.DONE


@dataclass
class Stage:
    """A service whose Recall is a list, and the clock of all of them."""

    at: float = START
    is_filtered: bool = False  # Recall lists finished recordings only
    is_dated: bool = True
    page_size: int = 3
    meetings: dict[str, Meeting] = field(default_factory=dict)
    asked: list[float] = field(default_factory=list)  # `created_after` of each pass
    fails_at_page: Callable[[], Exception] | None = None  # raised instead of the second page
    lines: list[dict[str, Any]] = field(default_factory=list)
    policy: Policy = POLICY
    queue: FullQueue = field(default_factory=FullQueue)
    fingerprint: str = "f1"

    def __post_init__(self) -> None:
        stage = self

        class Store(MemoryStore):
            def now(self) -> float:
                return stage.at

        self.store = Store()
        self.store.first_start()
        self.store.set_key_status("default", self.fingerprint, KEY_ACCEPTED)
        recall = cast(Any, self)
        self.service = Service(
            store=self.store,
            queue=cast(Any, self.queue),
            blobs=recall,
            clock=self,
            workspaces={"default": Workspace("default", recall, self.policy)},
            scratch=Path("/nonexistent"),
            log=structlog.wrap_logger(
                None,
                processors=[self._keep],
                wrapper_class=structlog.make_filtering_bound_logger(0),
            ),
        )

    def _keep(self, _: Any, __: str, fields: MutableMapping[str, Any]) -> str:
        self.lines.append(dict(fields))
        raise structlog.DropEvent

    # -- the clock -----------------------------------------------------------------------------------
    def now(self) -> float:
        return self.at

    def boottime(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds

    # -- Recall --------------------------------------------------------------------------------------
    def probe(self) -> None:
        """Accepted."""

    def recordings_page(
        self, created_after: float, cursor_url: str | None
    ) -> tuple[list[RecordingSeen], str | None]:
        if cursor_url is None:
            self.asked.append(created_after)
        elif self.fails_at_page is not None:
            raise self.fails_at_page()
        there = [(i, m) for i, m in self.meetings.items() if created_after < m.began_at <= self.at]
        rows = [self._seen(i, m) for i, m in there]
        if self.is_filtered:
            rows = [r for r in rows if r.facts.condition is RecordingCondition.DONE]
        start = int(cursor_url or 0)
        following = start + self.page_size
        return rows[start:following], str(following) if following < len(rows) else None

    def _seen(self, recording_id: str, meeting: Meeting) -> RecordingSeen:
        is_over = meeting.ended_at <= self.at
        condition = meeting.becomes if is_over else RecordingCondition.NOT_DONE
        ended_at = meeting.ended_at if is_over else None
        began_at = meeting.began_at if self.is_dated else None
        return RecordingSeen(recording_id, RecordingFacts(condition), began_at, ended_at)

    # -- the place for results -----------------------------------------------------------------------
    def sweep(self) -> int:
        return 0

    # -- what the tests say --------------------------------------------------------------------------
    def meets(self, name: str, *, began: float, ended: float, **more: Any) -> None:
        """Hours after the start."""
        self.meetings[name] = Meeting(START + began * HOUR, START + ended * HOUR, **more)

    def a_pass(self, *, at: float | None = None) -> Found:
        """At so many hours after the start: begun by the sweep, and gone on with to its end or a trouble."""
        if at is not None:
            self.at = START + at * HOUR
        self.store.turns.clear()
        total, troubles = Found(), len(self.put_off)
        ask_for_passes(self.store, cast(Any, self.queue), self.service.workspaces)
        for _ in range(40):
            total.add(reconcile_all(self.service))
            if not self.store.has_pass_waiting() or len(self.put_off) > troubles:
                break
            self.at += 19.0  # until the next sweep
        return total

    @property
    def put_off(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == "reconcile_put_off"]

    def passes(self, *, until: float) -> int:
        """One each ten minutes; how many were taken up in all."""
        taken_up = 0
        while self.at < START + until * HOUR:
            self.at += EVERY_S
            taken_up += self.a_pass().taken_up
        return taken_up

    @property
    def looked_back_h(self) -> float:
        """How far before now the latest pass began."""
        return round((self.at - self.asked[-1]) / HOUR, 1)

    @property
    def known(self) -> set[str]:
        return {recording for _, recording in self.store.recordings}


@pytest.fixture(params=[False, True], ids=["all listed", "finished ones listed"])
def stage(request: pytest.FixtureRequest) -> Stage:
    return Stage(is_filtered=request.param)


def test_the_first_pass_looks_back_to_the_first_start_and_later_ones_hours_not_days(stage: Stage) -> None:
    stage.a_pass(at=40)
    assert stage.asked == [START]
    stage.a_pass(at=40.2)
    assert stage.looked_back_h == pytest.approx(3, abs=0.3)


def test_without_a_pass_by_itself_nothing_unannounced_is_taken_up_and_the_command_still_does(
    stage: Stage,
) -> None:
    off = Stage(is_filtered=stage.is_filtered, policy=replace(POLICY, reconcile=False))
    for each, passes_asked in ((stage, 1), (off, 0)):
        each.meets("lost", began=1, ended=2)
        each.at = START + 9 * HOUR
        each.service.sweep()
        assert each.queue.passes_asked == passes_asked
    assert off.a_pass().taken_up == 0, "asked for before the policy was changed"
    assert (off.asked, off.known) == ([], set())
    by_hand = Reconciler(off.service, off.service.workspaces["default"], by="reconcile")
    assert by_hand.run(since=START).taken_up == 1


def test_a_whole_pass_comes_every_six_hours_and_never_reaches_beyond_two_days(stage: Stage) -> None:
    stage.a_pass(at=100)
    assert stage.looked_back_h == 48
    stage.passes(until=105.7)
    assert max(stage.at - asked for asked in stage.asked[1:]) < 10 * HOUR
    stage.passes(until=106.3)
    assert any(stage.at - asked > 47 * HOUR for asked in stage.asked[-3:])


def test_a_recording_whose_webhook_was_lost_is_taken_up_by_a_short_pass(stage: Stage) -> None:
    stage.a_pass(at=10)
    stage.meets("lost", began=9.5, ended=10.1)
    assert stage.a_pass(at=10.2).taken_up == 0, "its webhook may still come"
    assert stage.a_pass(at=10.35).taken_up == 1
    assert stage.a_pass(at=10.5).taken_up == 0
    assert stage.known == {"lost"}


def test_what_is_left_to_its_webhook_is_counted_and_not_called_absent(stage: Stage) -> None:
    stage.meets("old", began=1, ended=2)
    stage.meets("young", began=9.5, ended=9.9)
    stage.meets("under way", began=9.5, ended=99)
    stage.at = START + 10 * HOUR
    by_hand = Reconciler(stage.service, stage.service.workspaces["default"], by="backfill", is_dry=True)
    found = by_hand.run(since=START)
    assert found == Found(listed=1, taken_up=1, too_young=1)


def test_a_meeting_that_began_long_before_the_last_pass_is_taken_up_soon_after_its_end() -> None:
    stage = Stage()
    stage.meets("nine hours", began=1, ended=10)
    assert stage.passes(until=10) == 0
    assert stage.asked[-1] <= START + 1 * HOUR, "it was seen under way: passes begin before it"
    assert stage.passes(until=10.5) == 1
    stage.passes(until=11)
    assert stage.looked_back_h == pytest.approx(3, abs=0.3), "nothing is unfinished any more"


def test_a_long_meeting_that_was_never_listed_under_way_is_found_by_the_next_whole_pass() -> None:
    stage = Stage(is_filtered=True)
    stage.meets("nine hours", began=1, ended=10)
    assert stage.passes(until=17) == 1


def test_a_recording_that_never_ends_holds_the_passes_back_for_two_days_at_most() -> None:
    stage = Stage()
    stage.meets("stuck", began=1, ended=1e6)
    stage.passes(until=40)
    assert all(asked <= START + 1 * HOUR for asked in stage.asked)
    stage.passes(until=52)
    assert stage.looked_back_h == pytest.approx(3, abs=0.3)


@pytest.mark.parametrize("ending", [RecordingCondition.FAILED, RecordingCondition.GONE])
def test_a_recording_that_ended_without_a_result_holds_nothing_back(ending: RecordingCondition) -> None:
    stage = Stage()
    stage.meets("failed", began=1, ended=2, becomes=ending)
    assert stage.a_pass(at=9).taken_up == 0
    stage.a_pass(at=9.2)
    assert stage.looked_back_h == pytest.approx(3, abs=0.3)


@pytest.mark.parametrize(
    "trouble", [lambda: RecallBusy("http_503", retry_after_s=1.0), lambda: AccountRefused(401)]
)
def test_a_pass_that_breaks_off_goes_on_at_its_page_and_none_is_left_out(
    stage: Stage, trouble: Callable[[], Exception]
) -> None:
    stage.a_pass(at=10)
    for number in range(9):
        stage.meets(f"lost {number}", began=10.01, ended=10.1)
    stage.fails_at_page = trouble
    stage.a_pass(at=12)
    assert len(stage.known) == 3, "the first page stays taken up"
    assert len(stage.put_off) == 1
    stage.fails_at_page = None
    stage.a_pass(at=15.9)
    assert len(stage.asked) == 2, "it went on where it stopped"
    assert len(stage.known) == 9
    stage.a_pass(at=16)
    assert stage.asked[-1] < START + 10 * HOUR, "the next looks from where the broken one began"


def test_a_whole_pass_that_breaks_off_is_still_the_whole_one_when_it_goes_on(stage: Stage) -> None:
    stage.a_pass(at=60)
    for number in range(4):
        stage.meets(f"lost {number}", began=60.1, ended=60.2)
    stage.fails_at_page = lambda: AccountRefused(403)
    stage.a_pass(at=66.1)
    assert stage.looked_back_h == 48
    stage.fails_at_page = None
    stage.a_pass(at=66.3)
    assert stage.lines[-1] | {"is_whole": True} == stage.lines[-1]
    stage.a_pass(at=66.5)
    assert stage.looked_back_h < 10, "and is not due again at once"


def test_after_a_long_absence_the_pass_begins_where_the_last_one_could_see_to(stage: Stage) -> None:
    stage.a_pass(at=5)
    stage.meets("while away", began=6, ended=7)
    assert stage.a_pass(at=30).taken_up == 1


def test_a_database_whose_clock_was_set_back_makes_a_whole_pass(stage: Stage) -> None:
    stage.a_pass(at=100)
    stage.store.rates.clear()  # its slots lie ten hours ahead now
    stage.a_pass(at=90)
    assert stage.looked_back_h == 48


def test_a_recording_without_a_date_keeps_the_next_pass_where_this_one_began() -> None:
    stage = Stage()
    stage.meets("undated", began=9, ended=99)
    stage.is_dated = False
    stage.a_pass(at=10)
    stage.a_pass(at=11)
    assert stage.asked == [pytest.approx(START, abs=2)] * 2


def test_look_ups_that_have_taken_the_next_ten_minutes_are_waited_for(stage: Stage) -> None:
    stage.meets("lost", began=0.1, ended=0.2)
    stage.at = START + HOUR
    stage.store.push_rate("default", "list", after_s=600)
    assert stage.a_pass().taken_up == 1
    assert stage.at >= START + HOUR + 600


def test_a_rate_whose_next_slot_is_far_away_costs_no_worker_its_time(stage: Stage) -> None:
    stage.store.push_rate("default", "list", after_s=10 * HOUR)
    ask_for_passes(stage.store, cast(Any, stage.queue), stage.service.workspaces)
    began = stage.at
    reconcile_all(stage.service)
    assert (stage.at, stage.asked) == (began, [])
    assert stage.store.has_pass_waiting(), "for the next sweep"


def test_a_dry_run_takes_nothing_up_and_moves_nothing(stage: Stage) -> None:
    stage.meets("lost", began=1, ended=2)
    stage.at = START + 9 * HOUR
    workspace = stage.service.workspaces["default"]
    found = Reconciler(stage.service, workspace, by="reconcile", is_dry=True).run(since=START)
    assert (found.taken_up, stage.known, stage.store.marks) == (1, set(), {})
