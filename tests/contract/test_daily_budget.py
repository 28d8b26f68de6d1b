"""
A day's budget from the policy to the bill: real services on a real database, several at once, against a
Recall that writes down what it was asked for and may lose its answer.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from app.adapters.sql.store import SqlStore
from app.core import events, reasons
from app.core.cost import DAY_S, MICROS, Prices
from app.core.events import RecordingCondition
from app.core.policy import Policy, ProviderChoice
from app.core.state import AttemptStatus, Phase, Transcription
from app.orchestrator.command_context import Workspace
from app.orchestrator.records import KEY_ACCEPTED, Source
from app.orchestrator.service import Service
from app.orchestrator.timing import Timing
from app.recall.types import Answer, CreateAnswer, CreateOrder, RecordingFacts
from tests.contract.conftest import Place
from tests.doubles.full_queue import FullQueue
from tests.doubles.memory_blobs import MemoryBlobs

A = "a_async"
HOUR_S = 3600.0
CREATED = CreateAnswer("created")
POLICY = Policy((ProviderChoice(A),), 1, prices=Prices("USD", {A: MICROS}, 1.0, 3 * MICROS))


@dataclass
class Bill:
    """Recall: each recording lasts an hour, where it says how long."""

    duration_s: float | None = HOUR_S
    answer: CreateAnswer = CREATED
    created: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    fingerprint: str = "f1"
    lock: threading.Lock = field(default_factory=threading.Lock)

    def create_body(self, order: CreateOrder) -> bytes:
        return b"{}"

    def create(self, order: CreateOrder, body: bytes, *, is_still_fresh: Any) -> CreateAnswer:
        with self.lock:
            self.created.append(order.recording_id)
        if self.answer is CREATED:
            return replace(self.answer, transcript_id=f"t-{order.recording_id}", provider=order.provider)
        return self.answer

    def recording(self, recording_id: str) -> RecordingFacts:
        with self.lock:
            self.asked.append(recording_id)
        return RecordingFacts(RecordingCondition.DONE, duration_s=self.duration_s)

    def answers(self) -> list[Answer]:
        return []


@dataclass
class Stage:
    place: Place
    folder: Path
    policy: Policy = POLICY
    bill: Bill = field(default_factory=Bill)
    ahead_s: float = 0.0

    def __post_init__(self) -> None:
        self.store = self.open_store()
        self.store.set_key_status("default", "f1", KEY_ACCEPTED)

    def open_store(self) -> SqlStore:
        store = self.place.open()
        assert isinstance(store, SqlStore)
        store.clock_offset_s = self.ahead_s
        return store

    def service(self) -> Service:
        """As a process of its own has it."""
        return Service(
            store=self.open_store(),
            queue=cast(Any, FullQueue()),
            blobs=MemoryBlobs(),
            clock=cast(Any, _Clock(self.ahead_s)),
            workspaces={"default": Workspace("default", cast(Any, self.bill), self.policy)},
            timing=Timing(silence_s=20 * DAY_S),  # nothing works between two days, and that is no stop
            scratch=self.folder,
            log=structlog.wrap_logger(None, processors=[_drop]),
        )

    def hears(self, *names: str) -> None:
        service = self.service()
        for name in names:
            done = events.RecordingDone(self.store.now())
            service.advance("default", name, done, Source(by="webhook"))

    def works(self) -> None:
        """One service performs the creates that are due."""
        service = self.service()
        for item in service.store.due(100, offer_again_s=0.0):
            if item.description.startswith("create"):
                service.perform(item.id)

    def at_midnight(self) -> None:
        """All clocks go on to the next UTC day."""
        now = self.store.now()
        self.ahead_s += DAY_S - now % DAY_S + 60.0
        self.store = self.open_store()

    def state(self, name: str) -> Transcription:
        return self.store.load("default", name).transcription

    def phases(self, *names: str) -> list[str]:
        return sorted(self.state(name).phase.value for name in names)


@dataclass
class _Clock:
    ahead_s: float

    def now(self) -> float:
        return 0.0

    def boottime(self) -> float:
        return time.monotonic() + self.ahead_s

    def sleep(self, seconds: float) -> None: ...


def _drop(*_: Any) -> str:
    raise structlog.DropEvent


@pytest.fixture
def stage(sql_place: Place, tmp_path: Path) -> Stage:
    return Stage(sql_place, tmp_path)


@pytest.mark.slow
def test_workers_at_once_pay_up_to_the_budget_and_the_rest_the_next_day(stage: Stage) -> None:
    names = [f"r{n}" for n in range(8)]
    stage.hears(*names)
    due = [item.id for item in stage.store.due(100, offer_again_s=0.0)]
    gate = threading.Barrier(len(due))

    def work(command_id: int) -> None:
        service = stage.service()
        gate.wait()
        service.perform(command_id)

    with ThreadPoolExecutor(len(due)) as pool:
        list(pool.map(work, due))
    assert len(stage.bill.created) == 3
    assert stage.phases(*names) == ["creating"] * 5 + ["transcribing"] * 3
    assert stage.store.counts().over_budget == 5
    stage.at_midnight()
    stage.works()
    assert len(stage.bill.created) == 6
    assert len(set(stage.bill.created)) == 6
    assert [(spent.micros, spent.attempts) for spent in stage.store.spent(days=2)] == [(3 * MICROS, 3)] * 2
    assert len(stage.bill.asked) == 8, "each recording's length is asked for once"


@pytest.mark.slow
def test_a_lost_answer_keeps_its_place_also_when_its_recording_is_erased(stage: Stage) -> None:
    stage.policy = replace(POLICY, prices=replace(POLICY.prices, daily_budget=MICROS))
    stage.bill.answer = CreateAnswer("unknown", detail="timeout")
    stage.hears("a")
    stage.works()
    stage.bill.answer = CREATED
    stage.hears("b")
    stage.works()
    assert stage.bill.created == ["a"]
    assert stage.state("a").attempts[0].status is AttemptStatus.UNKNOWN
    stage.service().advance("default", "a", events.EraseAsked(stage.store.now()), Source(by="person"))
    _due_now(stage)
    stage.works()
    assert stage.bill.created == ["a"], "an erased recording's attempt keeps its place"


def test_without_a_length_an_hour_is_reserved_and_the_words_correct_it(stage: Stage) -> None:
    stage.bill.duration_s = None
    stage.policy = replace(POLICY, prices=replace(POLICY.prices, daily_budget=MICROS))
    stage.hears("a", "b")
    stage.works()
    assert (len(stage.bill.created), stage.store.spent()[0].micros) == (1, MICROS)
    (name,) = stage.bill.created
    service, at = stage.service(), stage.store.now()
    done = events.TranscriptDone(at, f"t-{name}", 1)
    words = events.Stored(at, f"t-{name}", A, "en", is_empty=False, duration_s=0.001)
    for event in (done, words):
        service.advance("default", name, event, Source(by="worker"))
    assert stage.store.spent()[0].micros < MICROS / 1000
    assert stage.state(name).duration_s == 0.001


@pytest.mark.slow
def test_after_a_day_it_fails_by_its_name_and_a_person_may_go_beyond(stage: Stage) -> None:
    stage.policy = replace(POLICY, prices=replace(POLICY.prices, daily_budget=MICROS - 1))
    stage.hears("a")
    for _ in range(3):
        stage.works()
        stage.at_midnight()
    stage.works()
    state = stage.state("a")
    assert (state.phase, state.reason, stage.bill.created) == (Phase.FAILED, reasons.DAILY_BUDGET_REACHED, [])
    over = events.RetryAsked(stage.store.now(), 0, over_budget=True)
    stage.service().advance("default", "a", over, Source(by="person"))
    stage.works()
    assert (stage.phases("a"), stage.bill.created) == (["transcribing"], ["a"])
    assert stage.store.spent()[0].micros == MICROS, "beyond the budget, and counted"


def test_without_a_budget_nothing_is_asked_before_a_create(stage: Stage) -> None:
    stage.policy = replace(POLICY, prices=replace(POLICY.prices, daily_budget=0))
    stage.hears("a")
    stage.works()
    assert (stage.bill.created, stage.bill.asked) == (["a"], [])
    assert stage.store.spent() == []


def _due_now(stage: Stage) -> None:
    with stage.store.writing() as connection:
        connection.exec_driver_sql("UPDATE commands SET due_at = 0 WHERE kind = 'create_transcript'")
