"""
What is done to the service while it works: processes killed, Redis killed and emptied, the database taken
away, Recall itself in trouble. The schedule is pure and seeded; `Storm` carries it out.

It kills only what the service's own log names as its children, and what those forked.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import psutil
from redis.exceptions import RedisError

from tests.chaos.process_list import ProcessList
from tests.chaos.recovery import Recoveries
from tests.chaos.stage import TIME_SCALE, Stage

KILL_EVERY_S = 2.0
REDIS_KILLED_EVERY_S = 45.0
DATABASE_AWAY_EVERY_S = 300.0
CLOCK_STEPS_EVERY_S = 120.0
_CALM_AT_THE_END_S = 4.0
_NO_MONEY = "Recall without our money"
_FOREIGN, _POLICY = "the key of another workspace", "a provider taken out"
# How often the service is started anew, and about how long that takes.
_RESTARTS, _RESTART_S = {_FOREIGN: 2, _POLICY: 1}, 2.0
_FORWARD, _BACK = "the database's clock forward", "the database's clock back"
# More than the hour for which Recall remembers a key, and than the ten minutes after an absence.
_STEP_S = 75 * 60 / TIME_SCALE
# So long every create waits for money before the policy changes under it.
_WITHOUT_MONEY_S = 2.0
_ROLES = ("web", "a gunicorn worker", "a worker", "inbox", "outgoing", "dispatcher", "a horse", "a horse")


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault. `pick` (0 to 1) says which of several; `lasts_s` is 0 for what is over at once."""

    at_s: float
    what: str
    lasts_s: float = 0.0
    pick: float = 0.0


def kills(seed: int, over_s: float) -> list[Strike]:
    """A process every two seconds."""
    dice = random.Random(f"kills {seed}")
    number = int(max(0.0, over_s - _CALM_AT_THE_END_S) / KILL_EVERY_S)
    return [Strike((i + 1) * KILL_EVERY_S, dice.choice(_ROLES), pick=dice.random()) for i in range(number)]


def outages(
    seed: int,
    over_s: float,
    *,
    database_away_s: float,
    recall_away_s: float,
    with_slow: bool = True,
    told: Collection[str] = (),
    foreign_s: float = 14.0,
) -> list[Strike]:
    """
    Everything that is not a killed process of ours, one after the other, in an order the seed decides.

    Redis is emptied once; it is killed and the database is away at least once, more often in a long run.

    Args:
        with_slow: Also an empty balance. Recall repeats its 402 for an hour to whoever asks again under the
            same key, and who does not know what became of the first request has to.
        told: Kinds of `tests.chaos.lies` that are about everything.
        foreign_s: How long the key is another workspace's.
    """
    dice = random.Random(f"outages {seed}")
    names = ["Redis emptied"]
    names += ["Redis killed"] * max(1, int(over_s / REDIS_KILLED_EVERY_S))
    names += ["database away"] * max(1, int(over_s / DATABASE_AWAY_EVERY_S))
    names += ["Recall down", "download host blocked", *([_NO_MONEY] if with_slow else [])]
    restarts = [_FOREIGN] * ("foreign key" in told) + [_POLICY] * ("policy" in told)
    names += restarts if with_slow else []
    steps = [_FORWARD, _BACK] * (max(1, int(over_s / CLOCK_STEPS_EVERY_S)) if "clock" in told else 0)
    dice.shuffle(names)
    # In a short run last: with the service away so long, nothing else could be measured.
    names += [] if with_slow else restarts
    for number, step in enumerate(steps):  # in turn, and spread over the run
        names.insert((2 * number + 1) * (len(names) + 1) // (2 * len(steps)), step)
    lasting = {"database away": database_away_s, _FOREIGN: foreign_s, _POLICY: _WITHOUT_MONEY_S}
    lasting |= dict.fromkeys((_NO_MONEY, "Recall down", "download host blocked"), recall_away_s)
    during = [name for name in names if with_slow or name not in restarts]
    in_all_s = sum(lasting.get(name, 0.0) + _RESTARTS.get(name, 0) * _RESTART_S for name in during)
    gap_s = max(0.5, (over_s - _CALM_AT_THE_END_S - in_all_s) / (len(during) + 1))
    at_s, found = gap_s, list[Strike]()
    for name in names:
        found.append(Strike(at_s, name, lasting.get(name, 0.0)))
        at_s += gap_s + lasting.get(name, 0.0) + _RESTARTS.get(name, 0) * _RESTART_S
    return found


@dataclass(slots=True)
class Storm:
    """
    Carries two schedules out, side by side, in threads of its own.

    Attributes:
        struck: What was done, how often.
        database_away: (from, to) by the wall clock: when a 503 to Recall is right.
        now: What is going on, for the progress display.
        troubles: What the storm itself could not do. A fault that did not happen proves nothing.
    """

    stage: Stage
    recoveries: Recoveries
    struck: dict[str, int] = field(default_factory=dict)
    database_away: list[tuple[float, float]] = field(default_factory=list)
    now: str = ""
    troubles: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def begin(self, *schedules: list[Strike]) -> None:
        began_at = time.monotonic()
        for schedule in schedules:
            thread = threading.Thread(target=self._carry_out, args=(schedule, began_at), daemon=True)
            self._threads.append(thread)
            thread.start()

    def is_over(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def end(self) -> None:
        """Whatever is still to come does not; an outage under way ends at once."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _carry_out(self, schedule: list[Strike], began_at: float) -> None:
        process_list = ProcessList(self.stage.place.log_path)
        for strike in schedule:
            if self._stop.wait(max(0.0, began_at + strike.at_s - time.monotonic())):
                return
            try:
                self._strike(strike, process_list)
            except Exception as error:  # the storm must go on, and say what it could not do
                self.troubles.append(f"{strike.what}: {type(error).__name__}: {error}")

    def _strike(self, strike: Strike, process_list: ProcessList) -> None:
        lasting: Mapping[str, Callable[[float], None]] = {
            "database away": self._take_the_database_away,
            _NO_MONEY: lambda s: self._change_recall(s, "balance", worst=False),
            "Recall down": lambda s: self._change_recall(s, "down", worst=True),
            "download host blocked": lambda s: self._change_recall(s, "downloads_blocked", worst=True),
            _FOREIGN: self._change_the_key,
            _POLICY: self._change_the_policy,
        }
        if strike.what in lasting:
            self.now = strike.what
            with self.recoveries.during(strike.what):
                lasting[strike.what](strike.lasts_s)
            self.now = ""
        elif strike.what == "Redis emptied":
            self._empty_redis()
            self.recoveries.ended(strike.what)
        elif strike.what in (_FORWARD, _BACK):
            self.stage.set_clock(_STEP_S if strike.what == _FORWARD else 0.0)
        elif not self._kill(strike, process_list):
            return  # no horse to kill just now
        self.struck[strike.what] = self.struck.get(strike.what, 0) + 1

    def _kill(self, strike: Strike, process_list: ProcessList) -> bool:
        victims = (
            [process_list.valkey_server()]
            if strike.what == "Redis killed"
            else process_list.victims(strike.what)
        )
        alive = [victim for victim in victims if victim is not None]
        if not alive:
            return False
        with suppress(psutil.NoSuchProcess):
            alive[int(strike.pick * len(alive))].kill()
        self.recoveries.ended(strike.what, is_kill=strike.what != "Redis killed")
        return True

    def _empty_redis(self) -> None:
        for _ in range(100):  # it may just have been killed
            try:
                with self.stage.place.redis as redis:
                    redis.flushall()
                    return
            except RedisError:
                time.sleep(0.1)
        raise TimeoutError("Redis did not come back to be emptied")

    def _take_the_database_away(self, for_s: float) -> None:
        began_at = time.time()
        with self.stage.place.database.away():
            self._stop.wait(for_s)
        self.database_away.append((began_at, time.time()))

    def _change_the_key(self, for_s: float) -> None:
        self.stage.belong_to_another_workspace()
        try:
            self._stop.wait(for_s)
        finally:
            self.stage.belong_to_the_first_workspace()

    def _change_the_policy(self, for_s: float) -> None:
        self.stage.place.recall.settings(balance=False)
        try:
            self._stop.wait(for_s)
            self.stage.take_a_provider_out()
        finally:
            self.stage.place.recall.settings(balance=True)

    def _change_recall(self, for_s: float, setting: str, *, worst: bool) -> None:
        self.stage.place.recall.settings(**{setting: worst})
        try:
            self._stop.wait(for_s)
        finally:
            self.stage.place.recall.settings(**{setting: not worst})
