"""
The command line in this process, against a home of its own and a simulator of Recall. No service runs: what
a command says and does is its own.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from app import cli, log, wiring
from app.adapters.sql.store import SqlStore
from app.core import events
from app.orchestrator.records import NewDelivery, Source
from app.orchestrator.service import Service
from app.settings.environment import Settings
from tests import migrated
from tests.flow.stage import Installation, installation
from tests.policies import built_in

WORKSPACE = "default"
FIRST = built_in().providers[0].key


class Terminal(io.StringIO):
    """A person who has typed this."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Home:
    place: Installation
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    @property
    def store(self) -> SqlStore:
        return self.place.store

    @property
    def settings(self) -> Settings:
        return self.place.settings

    @property
    def service(self) -> Service:
        return wiring.open_service(self.settings)

    def run(self, *arguments: str, typed: str | None = None) -> Said:
        """A command; `typed` at a terminal, or without one."""
        self.monkeypatch.setattr(sys, "stdin", io.StringIO() if typed is None else Terminal(typed))
        self.capsys.readouterr()
        code = cli.run(arguments)
        said = self.capsys.readouterr()
        return Said(code, said.out, said.err)

    def happens(self, recording: str, *happened: events.Event, by: str = "worker") -> None:
        for event in happened:
            self.service.advance(WORKSPACE, recording, event, Source(by=by))

    def hears(self, *, recording: str | None = None, kind: str = "recording.done") -> str:
        """A webhook about a recording, applied; the recording's id."""
        recording = recording or str(uuid.uuid4())
        self.store.add_deliveries([delivery(kind, recording)])
        self.service.receive()
        return recording

    def recorded(self, *, days_ago: float) -> str:
        """A recording that Recall has, and nothing told us of."""
        recording = self.place.recall.record(recording_done="drop")
        self.place.recall.simulator.world.recordings[recording].created_at -= timedelta(days=days_ago)
        return recording

    def version(self, recording: str) -> int:
        return self.store.load(WORKSPACE, recording).version


def delivery(kind: str, recording: str) -> NewDelivery:
    now = datetime.now(UTC)
    data = {"code": kind.rpartition(".")[2], "sub_code": None, "updated_at": now.isoformat()}
    body = {"event": kind, "data": {"data": data, "recording": {"id": recording, "metadata": {}}}}
    id_, at = f"msg_{uuid.uuid4().hex[:12]}", now.timestamp()
    return NewDelivery(WORKSPACE, id_, at, int(at), "label", json.dumps(body).encode())


@pytest.fixture
def home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Home]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with installation(tmp_path, seed=61, time_scale=60) as place:
        for name, value in place.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("COLUMNS", "200")
        migrated.migrate(place.settings)
        yield Home(place, monkeypatch, capsys)
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    log.hide([])
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
