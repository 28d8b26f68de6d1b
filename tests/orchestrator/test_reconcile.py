"""
How far back a pass over Recall's list looks, and that nothing which becomes news later is passed over.
The store is in memory, Recall is a list; time is moved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from app.core.events import RecordingCondition
from app.errors import AccountRefused, RecallBusy
from app.orchestrator.housekeeping import ask_for_passes
from app.orchestrator.recall_list_passes import reconcile_all
from app.orchestrator.reconcile import Found, Reconciler
from tests.orchestrator.list_stage import HOUR, POLICY, START, Stage


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
    ask_for_passes(stage.store, stage.queue, stage.service.workspaces)
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
