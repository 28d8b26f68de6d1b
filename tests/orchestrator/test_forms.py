"""
In which form a provider reads its options is found out by one create that is refused, for nothing; recordings
of the same moment wait for it, and none of them fails or is paid for twice.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa
import structlog

from app.adapters.sql import tables as t
from app.adapters.sql.store import SqlStore
from app.core import events
from app.core.durations import Durations
from app.core.intent import Intent
from app.core.policy import Order, Policy, ProviderChoice
from app.core.state import AttemptStatus, Phase, Transcription
from app.orchestrator.command_context import Workspace
from app.orchestrator.provider_forms import KnownForm
from app.orchestrator.records import KEY_ACCEPTED, Source
from app.orchestrator.service import Service
from app.orchestrator.timing import Timing
from app.recall.create_response import read_create_answer
from app.recall.endpoints import create_body
from app.recall.translation import Generation
from app.recall.types import CreateAnswer, CreateOrder
from tests import migrated

ASSEMBLY, REV, DEEPGRAM = "assembly_ai_async", "rev_async", "deepgram_async"
OF_VENDOR = {"speech_models", "keyterms_prompt", "transcriber"}
OF_RECALL = {"speech_model", "word_boost"}
_MANY = int(os.environ.get("FORM_RECORDINGS", "45"))  # `afterword test --contracts`: 500


class FormRecall:
    """Recall, as far as creates go: what its closed schemas do not know is a 400, as a stale model is."""

    fingerprint = "f1"

    def __init__(self, generation: Generation | None, stale: frozenset[str] = frozenset()) -> None:
        self.generation, self.stale = generation, stale
        self.refused: Counter[str] = Counter()
        self.made: Counter[str] = Counter()
        self._lock = threading.Lock()

    def answers(self) -> list[Any]:
        return []

    def create_body(self, order: CreateOrder) -> bytes:
        return create_body(order)

    def create(self, order: CreateOrder, body: bytes, *, is_still_fresh: Callable[[], bool]) -> CreateAnswer:
        time.sleep(0.01)
        status, said = self._answer(order, json.loads(body)["provider"][order.provider])
        now = datetime.now(UTC)
        return read_create_answer(status, {}, json.dumps(said).encode(), order=order, now=now, cap_s=9)

    def _answer(self, order: CreateOrder, options: dict[str, Any]) -> tuple[int, Any]:
        unknown: set[str] = set()
        if order.provider in (ASSEMBLY, REV):
            both = OF_VENDOR | OF_RECALL
            known = {"vendor": OF_VENDOR, "recall": OF_RECALL, None: set()}[self.generation]
            unknown = (both - known) & options.keys() if self.generation else {"language_code"}
        stale = [m for m in self.stale if m in json.dumps(options)]
        with self._lock:
            if unknown or stale:
                self.refused[order.provider] += 1
                why = {name: ["This field is not allowed."] for name in unknown}
                if stale:
                    why["model"] = [f'"{m}" is no longer available.' for m in stale]
                return 400, {"provider": {order.provider: why}}
            self.made[order.marker] += 1
        made = {"id": f"{len(self.made):08d}-0000-4000-8000-000000000000"}
        return 200, made | {
            "recording": {"id": order.recording_id},
            "metadata": {"afterword": order.marker},
            "provider": {order.provider: {}},
        }


class Queue:
    def room(self) -> int:
        return 0


class Clock:
    def now(self) -> float:
        return time.time()

    def boottime(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Stage:
    def __init__(self, folder: Path, recall: FormRecall, **policy: Any) -> None:
        migrated.write(folder / "afterword.db")
        self.store = SqlStore(f"sqlite:///{folder}/afterword.db")
        self.recall = recall
        self.policy = Policy(
            tuple(map(ProviderChoice, (ASSEMBLY, DEEPGRAM, REV))),
            3,
            intent=Intent(languages=("de",), key_terms=("Afterword",)),
            durations=replace(Durations().scaled(50), first_ask_s=600.0),
            **policy,
        )
        self.store.set_key_status("default", recall.fingerprint, KEY_ACCEPTED)
        listening = structlog.make_filtering_bound_logger(0)
        self.service = Service(
            store=self.store,
            queue=cast(Any, Queue()),
            blobs=cast(Any, None),
            clock=Clock(),
            workspaces={"default": Workspace("default", cast(Any, recall), self.policy)},
            timing=Timing(),
            scratch=folder,
            log=structlog.wrap_logger(None, processors=[_drop], wrapper_class=listening),
        )

    def hears(self, number: int, provider: str) -> str:
        recording = f"{number:08d}-1111-4000-8000-000000000000"
        now, person = self.store.now(), Source(by="person")
        state = Transcription("default", recording, intent=Order(provider=provider))
        before = self.store.load("default", recording)
        before = replace(before, transcription=state)
        self.service.transitions.advance(
            "default", recording, events.RecordingDone(now), person, before=before
        )
        return recording

    def drains(self, *, threads: int = 4) -> None:
        """Until nothing is due within a minute; commands that wait are taken when they are due."""
        with ThreadPoolExecutor(threads) as pool:
            for _ in range(400):
                due, is_any_soon = self._due()
                if not is_any_soon:
                    return
                list(pool.map(self.service.perform, due))
                if not due:
                    time.sleep(0.02)
        raise AssertionError("no end")

    def _due(self) -> tuple[list[int], bool]:
        row = t.commands.c
        with self.store.reading() as connection:
            rows = connection.execute(sa.select(row.id, row.due_at - self.store.db_now)).all()
        return [n for n, wait_s in rows if wait_s <= 0], any(wait_s < 60 for _, wait_s in rows)

    def state(self, recording: str) -> Transcription:
        return self.store.load("default", recording).transcription

    def form(self, provider: str) -> KnownForm:
        return dict(self.store.load("default", "x").forms).get(provider, KnownForm())


def _drop(*_: Any) -> str:
    raise structlog.DropEvent


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    made: list[Stage] = []

    def make(recall: FormRecall, **policy: Any) -> Stage:
        made.append(Stage(tmp_path, recall, **policy))
        return made[-1]

    yield make
    for one in made:
        one.store.close()


@pytest.mark.slow
@pytest.mark.parametrize(("generation", "at_most"), [("recall", 3), ("vendor", 0)])
def test_of_many_recordings_at_once_three_creates_at_most_are_refused_and_no_recording_fails(
    stage: Callable[..., Stage], generation: Generation, at_most: int
) -> None:
    recall = FormRecall(generation)
    world = stage(recall)
    providers = (ASSEMBLY, REV, DEEPGRAM)
    recordings = [(world.hears(n, providers[n % 3]), providers[n % 3]) for n in range(_MANY)]
    world.drains()
    assert recall.refused.total() <= at_most
    for recording, provider in recordings:
        state = world.state(recording)
        (line,) = state.attempts
        assert (state.phase, line.status, line.provider) == (
            Phase.TRANSCRIBING,
            AttemptStatus.RUNNING,
            provider,
        )
        assert recall.made[f"{recording}/1"] == 1, "paid once"
    assert {world.form(key).form for key in (ASSEMBLY, REV)} == {generation}
    assert world.form(DEEPGRAM) == KnownForm()  # nothing can be learned of an open one
    assert world.store.tripped_providers("default") == frozenset()


@pytest.mark.slow
def test_a_refusal_in_both_forms_is_the_providers_and_is_not_tried_again_for_a_day(
    stage: Callable[..., Stage],
) -> None:
    recall = FormRecall(None)
    world = stage(recall)
    first, second = world.hears(1, ASSEMBLY), world.hears(2, ASSEMBLY)
    world.drains(threads=1)
    for recording in (first, second):
        refused, running = world.state(recording).attempts
        assert (refused.status, refused.provider) == (AttemptStatus.REFUSED, ASSEMBLY)
        assert (running.status, running.provider) == (AttemptStatus.RUNNING, DEEPGRAM)
    assert world.state(first).attempts[0].key_serial == 1  # once in either form
    assert world.state(second).attempts[0].key_serial == 0
    assert recall.refused[ASSEMBLY] == 3


def test_a_form_that_is_written_is_sent_and_nothing_is_learned(stage: Callable[..., Stage]) -> None:
    recall = FormRecall("recall")
    world = stage(recall, generations={ASSEMBLY: "recall"})
    recording = world.hears(1, ASSEMBLY)
    world.drains(threads=1)
    assert world.state(recording).attempts[0].status is AttemptStatus.RUNNING
    assert (recall.refused.total(), world.form(ASSEMBLY)) == (0, KnownForm())


@pytest.mark.slow
def test_a_refused_model_is_followed_by_the_tables_next_under_the_same_attempt(
    stage: Callable[..., Stage],
) -> None:
    recall = FormRecall("vendor", frozenset({"assemblyai-stt-3-7"}))
    world = stage(recall)
    first, second = world.hears(1, ASSEMBLY), None
    world.drains(threads=1)
    second = world.hears(2, ASSEMBLY)
    world.drains(threads=1)
    for recording in (first, second):
        (line,) = world.state(recording).attempts
        assert (line.status, line.provider) == (AttemptStatus.RUNNING, ASSEMBLY)
        assert recall.made[f"{recording}/1"] == 1
    assert recall.refused[ASSEMBLY] == 1
    assert world.form(ASSEMBLY).refused_models == ("assemblyai-stt-3-7",)


def test_where_every_model_is_refused_the_next_provider_is_asked(stage: Callable[..., Stage]) -> None:
    recall = FormRecall("vendor", frozenset({"nova-3", "nova-3-general"}))
    world = stage(recall)
    recording = world.hears(1, DEEPGRAM)
    world.drains(threads=1)
    refused, running = world.state(recording).attempts
    assert (refused.status, refused.provider, refused.key_serial) == (AttemptStatus.REFUSED, DEEPGRAM, 2)
    assert (running.status, running.provider) == (AttemptStatus.RUNNING, ASSEMBLY)
