"""The script of a run: the same for the same seed, with the shares that were promised, and playable."""

from __future__ import annotations

import itertools

import pytest

from app.simulator.model.faults import parse_script
from tests.chaos.script import FAULTS, STORED, Plan, plans
from tests.chaos.storm import Strike, kills, outages

_NUMBER = 2000


@pytest.fixture(scope="module")
def script() -> list[Plan]:
    return plans(7, _NUMBER, per_second=3.0)


def _storm(seed: int, over_s: float) -> list[Strike]:
    return kills(seed, over_s) + outages(seed, over_s, database_away_s=20.0, recall_away_s=4.0)


def test_the_same_seed_is_the_same_script_and_another_is_another(script: list[Plan]) -> None:
    assert plans(7, _NUMBER, per_second=3.0) == script
    assert plans(8, _NUMBER, per_second=3.0) != script
    assert _storm(7, 600.0) == _storm(7, 600.0) != _storm(8, 600.0)


@pytest.mark.parametrize(
    ("trait", "share"), [("fault", 0.20), ("redelivered", 0.30), ("forged", 0.02), ("unsent", 0.05)]
)
def test_shares_are_as_promised(script: list[Plan], trait: str, share: float) -> None:
    number = sum(trait in plan.traits for plan in script)
    assert number == pytest.approx(share * _NUMBER, rel=0.25)


def test_every_fault_happens_several_times_in_a_whole_run(script: list[Plan]) -> None:
    for fault in FAULTS:
        assert sum(plan.title.startswith(fault.title) for plan in script) >= 5, fault.title


def test_the_simulator_understands_every_plan(script: list[Plan]) -> None:
    assert [plan.title for plan in script if parse_script(plan.script) is None] == []
    assert sum(bool(plan.script) for plan in script) > _NUMBER / 10


def test_no_plan_lets_recall_itself_make_two_of_ours_run_at_a_time(script: list[Plan]) -> None:
    for plan in script:
        words = [str(word) for word in plan.script.get("transcripts", ())]
        if plan.script.get("done_webhook") == ["before_processing_ends"]:
            assert not any(word.startswith("failed") for word in words), plan.title


def test_the_short_form_leaves_out_what_takes_an_hour(script: list[Plan]) -> None:
    short = {plan.title for plan in plans(7, _NUMBER, per_second=3.0, with_slow=False)}
    slow = {fault.title for fault in FAULTS if fault.is_slow}
    assert slow
    assert not {title for title in short if title.partition(" + ")[0] in slow}


def test_after_silence_the_policy_next_pays_for_a_second_one_and_nothing_else_changes(
    script: list[Plan],
) -> None:
    others = plans(7, _NUMBER, per_second=3.0, on_silence="next")
    changed = [(one, other) for one, other in zip(script, others, strict=True) if one != other]
    assert changed
    assert all(one.is_silent and other.paid == (2, 2) and other.ends == (STORED,) for one, other in changed)


@pytest.mark.parametrize("over_s", [30.0, 667.0])
def test_the_storm_has_everything_ends_before_the_meetings_and_never_overlaps_itself(over_s: float) -> None:
    broken = outages(3, over_s, database_away_s=6.0, recall_away_s=1.5)
    names = [strike.what for strike in broken]
    assert names.count("Redis emptied") == 1
    assert {"Redis killed", "database away", "Recall down", "download host blocked"} <= set(names)
    for one, following in itertools.pairwise(broken):
        assert one.at_s + one.lasts_s < following.at_s
    assert broken[-1].at_s + broken[-1].lasts_s < over_s
    killed = kills(3, over_s)
    assert [strike.at_s for strike in killed] == [2.0 * (i + 1) for i in range(len(killed))]
    assert over_s - killed[-1].at_s < 8.0
