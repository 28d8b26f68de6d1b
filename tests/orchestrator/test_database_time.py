"""The database's clock is asked again when it may have moved on by itself."""

from __future__ import annotations

from dataclasses import dataclass

from app.orchestrator.database_time import DatabaseTime


@dataclass
class Clocks:
    """The database's, `off_s` ahead of this machine's uptime; asking it takes a while."""

    uptime: float = 100.0
    off_s: float = 1_800_000_000.0
    asked: int = 0
    takes_s: float = 0.0

    def now(self) -> float:
        self.asked += 1
        self.uptime += self.takes_s
        return self.uptime + self.off_s

    def boottime(self) -> float:
        return self.uptime


def begun(clocks: Clocks) -> DatabaseTime:
    return DatabaseTime(clocks.now, clocks.boottime, clocks.uptime + clocks.off_s)


def test_within_two_seconds_it_is_carried_on_without_a_question() -> None:
    clocks = Clocks()
    time = begun(clocks)
    clocks.uptime += 1.5
    assert (time.now(), clocks.asked) == (clocks.uptime + clocks.off_s, 0)


def test_after_two_seconds_it_is_asked_again_and_a_step_is_seen() -> None:
    clocks = Clocks()
    time = begun(clocks)
    clocks.off_s -= 4_000.0
    clocks.uptime += 2.5
    assert (time.now(), clocks.asked) == (clocks.uptime + clocks.off_s, 1)
    clocks.uptime += 1.0
    assert (time.now(), clocks.asked) == (clocks.uptime + clocks.off_s, 1)


def test_a_question_that_waits_long_makes_no_time_pass_twice() -> None:
    clocks = Clocks(takes_s=4.0)
    time = begun(clocks)
    clocks.uptime += 3.0
    first = time.now()
    assert first == clocks.uptime + clocks.off_s
    assert (time.now(), clocks.asked) == (first, 1)


def test_an_uptime_that_begins_anew_is_no_age() -> None:
    clocks = Clocks()
    time = begun(clocks)
    clocks.uptime -= 50.0
    assert (time.now(), clocks.asked) == (clocks.uptime + clocks.off_s, 1)
