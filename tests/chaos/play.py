"""
One run from the first meeting to the evidence: lets meetings end on time, has the storm blow meanwhile, waits
until everything has ended, and reads what the oracle judges by.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.errors import Away, StoreUnavailable
from tests.chaos.announcements import HEALTHY
from tests.chaos.hostile_requests import HostileRequests
from tests.chaos.manifests import Manifests, wrongs
from tests.chaos.oracle import ENDS, Evidence, Known, Removed, Terms
from tests.chaos.recovery import Recoveries
from tests.chaos.script import Plan
from tests.chaos.stage import BUDGET, REMOVED, Stage
from tests.chaos.storm import Storm, Strike

# Whatever would still be created too often is created in this time.
_QUIET_S = 2.0
_LOOK_EVERY_S = 1.0
# More than an outage of the database leaves behind. With more to do than this, what is being measured is the
# machine: meetings wait, so that nothing is given up on for want of a processor.
_MOST_BEHIND = 100
_ON_TIME = frozenset({"ok", "duplicate", "storm"})


@dataclass(frozen=True, slots=True)
class Run:
    """
    What a run is made of.

    Attributes:
        patience_s: After the last meeting and the last fault: until what has not ended counts as pending.
    """

    seed: int
    plans: list[Plan]
    schedules: tuple[list[Strike], ...]
    on_silence: str = "fail"
    patience_s: float = 90.0
    watches_manifests: bool = False


@dataclass(slots=True)
class Progress:
    """What a display shows while it runs."""

    arrived: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    going_on: str = ""
    struck: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Played:
    """The evidence, and what else is worth telling."""

    evidence: Evidence
    struck: Mapping[str, int]
    storm_troubles: tuple[str, ...]
    stranger_answers: Mapping[int, int]
    arriving_s: float
    took_s: float


def play(stage: Stage, run: Run, *, tell: Callable[[Progress], None]) -> Played:
    """
    Args:
        tell: Called about once a second, in this thread.

    Raises:
        Away: `up` itself has ended; nothing can be said.
    """
    began_at = time.monotonic()
    recoveries = Recoveries(stage.has_create)
    storm, hostile_requests = Storm(stage, recoveries), HostileRequests(stage.place.url, run.seed)
    company = _Company(stage, run, storm, tell)
    manifests = Manifests(stage.files)
    if run.watches_manifests:
        manifests.begin()
    recoveries.begin()
    hostile_requests.begin()
    storm.begin(*run.schedules)
    try:
        cast = _let_meetings_end(company, recoveries)
        arriving_s = time.monotonic() - began_at
        company.wait(storm.is_over)
        company.cast = cast
        give_up_at = time.monotonic() + run.patience_s
        company.wait(lambda: time.monotonic() > give_up_at or company.has_ended())
        quiet_until = time.monotonic() + _QUIET_S
        company.wait(lambda: time.monotonic() > quiet_until)
        measured = recoveries.finish()
        company.note_stuck()
    finally:
        storm.end()
        hostile_requests.end()
        seen = manifests.end() if run.watches_manifests else []
    recall = stage.place.recall
    evidence = Evidence(
        plans=cast,
        bill=recall.whole_bill(),
        deliveries=recall.deliveries(),
        known=stage.known(len(run.plans)),
        kept=frozenset(stage.place.kept_deliveries()),
        folders=stage.folders(),
        terms=Terms(BUDGET, run.on_silence),
        undone=tuple(company.undone()),
        stranger_5xx=tuple(hostile_requests.wrong),
        database_away=tuple(storm.database_away),
        recoveries=tuple(measured),
        stuck=frozenset(company.stuck),
        not_final=tuple(wrongs(seen)),
        removed=None if stage.keys_before is None else Removed(REMOVED, stage.keys_before),
        theirs=tuple(stage.theirs),
        told={recording: frozenset(events) for recording, events in stage.endpoints.told.events.items()},
        told_early=tuple(stage.endpoints.told.early),
        told_forged=stage.endpoints.told.forged,
    )
    return Played(
        evidence,
        storm.struck,
        tuple(storm.troubles),
        dict(hostile_requests.answers),
        arriving_s,
        time.monotonic() - began_at,
    )


@dataclass(slots=True)
class _Company:
    """Looks after a run: is the service alive, what has ended, what is left?"""

    stage: Stage
    run: Run
    storm: Storm
    tell: Callable[[Progress], None]
    cast: Mapping[str, Plan] = field(default_factory=dict)
    is_behind: bool = False
    progress: Progress = field(default_factory=Progress)
    stuck: set[str] = field(default_factory=set)
    _told_at: float = 0.0

    def wait(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self.look()
            time.sleep(0.2)

    def look(self) -> None:
        """At most once a second."""
        now = time.monotonic()
        if now < self._told_at + _LOOK_EVERY_S:
            return
        self._told_at = now
        service = self.stage.place.service
        if not self.stage.is_restarting and (service is None or service.poll() is not None):
            raise Away(f"the service has stopped; its log is {self.stage.place.log_path}")
        self.progress.going_on, self.progress.struck = self.storm.now, self.storm.struck
        try:
            counts = self.stage.place.store.counts()
            self.progress.ended = Counter(counts.transcriptions)
            self.is_behind = counts.commands_due + counts.deliveries_unapplied > _MOST_BEHIND
            self.note_stuck()
        except StoreUnavailable:
            self.progress.going_on = self.storm.now or "database away"
        self.tell(self.progress)

    def note_stuck(self) -> None:
        """Raises `StoreUnavailable`."""
        self.stuck.update(self.stage.stuck())

    def has_ended(self) -> bool:
        """Each has come to its end, nothing is due, and Recall has nothing under way."""
        in_all = sum(number for phase, number in self.progress.ended.items() if phase in ENDS)
        if in_all < len(self.cast):
            time.sleep(_LOOK_EVERY_S)
            return False  # the cheap question first
        try:
            return not self._unended(self.stage.known(len(self.cast))) and not self.undone()
        except StoreUnavailable:
            return False

    def _unended(self, known: Mapping[str, Known]) -> list[str]:
        return [i for i in self.cast if i not in known or not known[i].has_ended]

    def undone(self) -> list[str]:
        """Work that is still due."""
        counts = self.stage.place.store.counts()
        pending = [d for d in self.stage.place.recall.deliveries() if d["state"] in ("pending", "held")]
        left = {"commands due": counts.commands_due, "deliveries unapplied": counts.deliveries_unapplied}
        left["announcements under way"] = counts.announcements_waiting.get(HEALTHY, 0)
        left["webhooks under way"] = len([d for d in pending if not d["forged"]])
        return [f"{number} {what}" for what, number in left.items() if number]


def _let_meetings_end(company: _Company, recoveries: Recoveries) -> dict[str, Plan]:
    """Each at its time or later; the order, and with it every id, follows from the seed."""
    began_at = time.monotonic()
    cast: dict[str, Plan] = {}
    for plan in company.run.plans:
        while (wait_s := began_at + plan.at_s - time.monotonic()) > 0:
            company.look()
            time.sleep(min(wait_s, 0.2))
        company.look()
        company.wait(lambda: not company.is_behind)
        recording_id = company.stage.record(plan.request())
        cast[recording_id] = plan
        if _is_told_on_time(plan.script):
            recoveries.arrived(recording_id)
        company.progress.arrived += 1
    return cast


def _is_told_on_time(script: Mapping[str, Any]) -> bool:
    return str(script.get("recording_done", "ok")).partition(":")[0] in _ON_TIME
