"""The lies of a run: their shares, that the simulator understands them, and that the README allows them."""

from __future__ import annotations

import shlex

import pytest

from app.simulator.meetings.odd_files import UNREADABLE
from app.simulator.model.faults import parse_script
from app.simulator.model.lies import Lie
from tests.chaos import lies
from tests.chaos.command import Options, main
from tests.chaos.script import STORED, Plan, plans
from tests.chaos.storm import outages

_NUMBER = 1000
_MOST_LATE_S, _ABSENT_LESS_THAN_S = 3600.0, 600.0


@pytest.fixture(scope="module")
def script() -> list[Plan]:
    return plans(7, _NUMBER, per_second=3.0, lies=lies.faults(lies.KINDS))


def _title(plan: Plan) -> str:
    return plan.title.partition(" + ")[0]


def test_every_kind_is_told_of_two_recordings_in_a_hundred(script: list[Plan]) -> None:
    for kind, faults in lies.ABOUT_RECORDINGS.items():
        titles = {fault.title for fault in faults}
        assert sum(_title(plan) in titles for plan in script) == lies.SHARE * _NUMBER, kind


@pytest.mark.slow
def test_two_seeds_tell_every_lie_there_is() -> None:
    two = [
        plan for seed in (1, 2) for plan in plans(seed, _NUMBER, per_second=3.0, lies=lies.faults(lies.KINDS))
    ]
    told = {_title(plan) for plan in two}
    assert not {f.title for faults in lies.ABOUT_RECORDINGS.values() for f in faults} - told


def test_a_short_run_tells_one_of_each_kind() -> None:
    short = {
        _title(plan) for plan in plans(1, 60, per_second=2.0, with_slow=False, lies=lies.faults(lies.KINDS))
    }
    for kind, faults in lies.ABOUT_RECORDINGS.items():
        assert short & {fault.title for fault in faults}, kind


def test_the_same_seed_tells_the_same_lies_and_without_lies_nothing_changes(script: list[Plan]) -> None:
    assert plans(7, _NUMBER, per_second=3.0, lies=lies.faults(lies.KINDS)) == script
    assert plans(7, _NUMBER, per_second=3.0, lies=lies.faults(())) == plans(7, _NUMBER, per_second=3.0)


def _of(plan: Plan, way: str) -> list[Lie]:
    return [lie for lie in parse_script(plan.script).lies if lie.way == way]


def test_no_lie_goes_beyond_what_the_readme_stands_on(script: list[Plan]) -> None:
    for plan in script:
        for lie in _of(plan, "late"):
            assert lie.seconds <= _MOST_LATE_S, plan.title
        for lie in _of(plan, "forget"):
            is_short = lie.times is not None or (lie.for_s is not None and lie.for_s < _ABSENT_LESS_THAN_S)
            assert is_short or "recording" in lie.routes, plan.title


def test_a_lie_costs_nothing_more(script: list[Plan]) -> None:
    unreadable = {f"file {kind}" for kind in UNREADABLE}
    for plan in script:
        if "lies" in plan.script and "empty" not in plan.script.get("transcripts", ()):
            assert (plan.paid, plan.ends) == ((1, 1), (STORED,)), plan.title
        assert (_title(plan) in unreadable) == (
            "bodies" in plan.script and plan.script["bodies"][0] in UNREADABLE
        )


@pytest.mark.parametrize("over_s", [30.0, 330.0])
def test_what_is_about_everything_happens_once_and_the_clock_comes_back(over_s: float) -> None:
    given = {"database_away_s": 6.0, "recall_away_s": 1.5, "foreign_s": 4.0}
    names = [strike.what for strike in outages(3, over_s, told=lies.ABOUT_ALL, **given)]  # type: ignore[arg-type]
    assert names.count("the key of another workspace") == names.count("a provider taken out") == 1
    steps = [name for name in names if "clock" in name]
    assert len(steps) >= 2
    assert steps[::2] == ["the database's clock forward"] * (len(steps) // 2)
    assert steps[1::2] == ["the database's clock back"] * (len(steps) // 2)
    assert outages(3, over_s, told=(), **given) == outages(3, over_s, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("told", ["all", "none", "late,foreign key"])
def test_the_command_that_repeats_a_run_can_be_pasted(told: str) -> None:
    given = ["--recordings", "60", "--seed", "3", "--lies", told, "--on-silence", "next"]
    options = _options(given)
    assert _options(shlex.split(options.again())[2:]) == options


def _options(arguments: list[str]) -> Options:
    given = dict(main.make_context("chaos", arguments).params)
    return Options(**{name: value for name, value in given.items() if name not in ("json_path", "keep")})
