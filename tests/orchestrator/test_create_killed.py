"""
A process is killed between each two steps of a create, and other workers go on: at Recall there is one paid
transcript, and it is stored. Real processes and SIGKILL, real SQLite, the simulator and its bill.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import requests
import sqlalchemy as sa
import structlog

from app.adapters.local_files import LocalBlobs
from app.adapters.sql import tables as t
from app.adapters.sql.store import SqlStore
from app.core import events
from app.core.commands import CreateTranscript
from app.core.state import Phase, Transcription
from app.orchestrator.command_context import Workspace
from app.orchestrator.records import KEY_ACCEPTED, Committed, Source
from app.orchestrator.service import Service
from app.orchestrator.timing import Timing
from app.recall.client import RecallClient
from app.recall.http_exchange import HttpTimeouts
from app.simulator.server import Simulator, SimulatorConfig
from tests import migrated
from tests.doubles.full_queue import FullQueue
from tests.policies import built_in

STEPS = ("before the claim", "after the claim", "after the POST", "after its outcome", "after the event")
_ROUND_S = 20.0  # longer than a lease, shorter than an absence
_MOST_ROUNDS = 60


class DyingStore(SqlStore):
    """Kills its process at one step of a create."""

    dies = ""

    def _at(self, step: str) -> None:
        if step == self.dies:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(9)

    def commit(self, *args: Any, **kwargs: Any) -> Committed:
        is_claim = kwargs.get("send") is not None
        if is_claim:
            self._at("before the claim")
        done = super().commit(*args, **kwargs)
        self._at("after the claim" if is_claim else "after the event")
        return done

    def record_send_outcome(self, *args: Any, **kwargs: Any) -> Any:
        self._at("after the POST")
        done = super().record_send_outcome(*args, **kwargs)
        self._at("after its outcome")
        return done


@dataclass
class Clock:
    """This machine's and the database's, both ahead by as much."""

    ahead_s: float = 0.0

    def now(self) -> float:
        return time.time() + self.ahead_s

    def boottime(self) -> float:
        return time.monotonic() + self.ahead_s

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Installation:
    def __init__(self, folder: Path, simulator: Simulator) -> None:
        self.folder, self.simulator = folder, simulator
        self.url = f"sqlite:///{folder}/afterword.db"
        migrated.write(folder / "afterword.db")
        self.clock = Clock()
        made = requests.post(f"{simulator.api_url}/_sim/recordings", json={"script": {}}, timeout=9).json()
        self.recording = str(made["recording_id"])

    def service(self, *, dies: str = "") -> Service:
        """As a process of its own has it."""
        store = DyingStore(self.url, clock_offset_s=self.clock.ahead_s)
        store.dies = dies
        policy, log = built_in(), structlog.wrap_logger(None, processors=[_drop])
        api = self.simulator
        recall = RecallClient(api.api_url, api.api_key, HttpTimeouts(), clock=self.clock, log=log)
        store.set_key_status("default", recall.fingerprint, KEY_ACCEPTED)
        return Service(
            store=store,
            queue=cast(Any, FullQueue()),
            blobs=LocalBlobs(self.folder / "results"),
            clock=self.clock,
            workspaces={"default": Workspace("default", recall, policy)},
            timing=Timing(),
            scratch=self.folder / "scratch",
            log=log,
        )

    def hears(self) -> int:
        """Of the recording; returns the create's id."""
        service = self.service()
        done = events.RecordingDone(service.store.now(), "a bot", ())
        service.advance("default", self.recording, done, Source(by="webhook"))
        (pending,) = service.store.load("default", self.recording).pending
        assert isinstance(pending, CreateTranscript)
        return self._ids(service)[0]

    def goes_on(self) -> Transcription:
        """Other workers, until it is stored."""
        for _ in range(_MOST_ROUNDS):
            self.clock.ahead_s += _ROUND_S
            service = self.service()
            for command_id in self._ids(service):
                service.perform(command_id)
            state = service.store.load("default", self.recording).transcription
            cast(SqlStore, service.store).close()
            if state.phase is Phase.STORED:
                return state
        raise AssertionError(state)

    def _ids(self, service: Service) -> list[int]:
        with cast(SqlStore, service.store).reading() as connection:
            return list(connection.execute(sa.select(t.commands.c.id)).scalars())

    def bill(self) -> dict[str, Any]:
        bill = requests.get(f"{self.simulator.api_url}/_sim/bill", timeout=9).json()
        return cast("dict[str, Any]", bill["per_recording"][self.recording])


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(SimulatorConfig(seed=3, time_scale=200.0)) as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_between_two_steps_of_a_create_pays_once_and_ends_stored(
    tmp_path: Path, simulator: Simulator, step: str
) -> None:
    place = Installation(tmp_path, simulator)
    command_id = place.hears()
    killed_in_a_process(lambda: place.service(dies=step).perform(command_id))
    assert place.bill()["create_posts"] == (0 if step in STEPS[:2] else 1), "killed elsewhere"
    state = place.goes_on()
    paid = place.bill()["transcripts"]
    assert len(paid) == 1, f"paid {len(paid)} times"
    assert (len(state.attempts), state.current) == (1, paid[0]["id"])


def killed_in_a_process(job: Callable[[], object]) -> None:
    child = os.fork()
    if child == 0:
        try:
            job()
        finally:
            os._exit(3)  # it was not killed
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"it ended by itself: {status}"
    assert os.WTERMSIG(status) == signal.SIGKILL


def _drop(*_: Any) -> str:
    raise structlog.DropEvent
