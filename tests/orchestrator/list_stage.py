"""
A service whose Recall is a list of recordings: for tests of passes, keys, accounts. The store is in memory,
the clock is moved.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import structlog

from app.core.events import RecordingCondition
from app.core.policy import Policy
from app.orchestrator.command_context import Workspace
from app.orchestrator.housekeeping import ask_for_passes
from app.orchestrator.recall_list_passes import reconcile_all
from app.orchestrator.reconcile import Found
from app.orchestrator.records import KEY_ACCEPTED
from app.orchestrator.service import Service
from app.orchestrator.timing import Timing
from app.recall.types import Answer, RecordingFacts, RecordingSeen
from tests.doubles.full_queue import FullQueue
from tests.doubles.memory_store import MemoryStore
from tests.policies import built_in

HOUR = 3600.0
START = 1_800_000_000.0
POLICY = built_in()
EVERY_S = POLICY.durations.reconcile_every_s


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
    sees: set[str] | None = None  # what a retrieve of a recording finds; None: whatever is asked for
    raises: Callable[[], Exception] | None = None  # raised instead, by every question but the list
    counted: list[Answer] = field(default_factory=list)
    retrieved: list[str] = field(default_factory=list)
    on_retrieve: Callable[[], object] = lambda: None  # meanwhile
    probes: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        stage = self

        class Store(MemoryStore):
            def now(self) -> float:
                return stage.at

        self.store: MemoryStore = Store()
        self.store.first_start()
        self.store.set_key_status("default", self.fingerprint, KEY_ACCEPTED)
        self.service = self.open_service()

    def open_service(self) -> Service:
        """As a process started now has it."""
        recall = cast(Any, self)
        return Service(
            store=self.store,
            queue=self.queue,
            blobs=recall,
            clock=self,
            workspaces={"default": Workspace("default", recall, self.policy)},
            timing=Timing(),
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
    def answers(self) -> list[Answer]:
        """As `RecallClient` counts them."""
        found, self.counted = self.counted, []
        return found

    def answer(self, endpoint: str) -> None:
        """Counted, and a trouble or none."""
        trouble = self.raises() if self.raises is not None else None
        self.counted.append(Answer(endpoint, "http_401" if trouble is not None else "2xx"))
        if trouble is not None:
            raise trouble

    def probe(self) -> None:
        self.probes.append(self.at)
        self.answer("recordings")

    def recording(self, recording_id: str) -> RecordingFacts:
        self.retrieved.append(recording_id)
        self.on_retrieve()
        self.answer("recording")
        is_seen = self.sees is None or recording_id in self.sees
        return RecordingFacts(RecordingCondition.DONE if is_seen else RecordingCondition.UNKNOWN)

    def recordings_page(
        self, created_after: float, cursor_url: str | None
    ) -> tuple[list[RecordingSeen], str | None]:
        self.counted.append(Answer("recordings", "2xx"))
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
        self.store.intervals.clear()
        total, troubles = Found(), len(self.put_off)
        ask_for_passes(self.store, self.queue, self.service.workspaces)
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
