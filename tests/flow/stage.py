"""
The real thing on this machine: `python -m app up` as a process of its own, the simulator in ours.

Knows how to start, kill, ask and stop it. Refuses to judge: the tests do, by the simulator's bill and by
the stored files. The service's own database is only asked whether it is *finished*.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import requests
import sqlalchemy as sa
from redis import Redis

from app import wiring
from app.adapters.redis.job_queue import connect
from app.adapters.sql import tables
from app.adapters.sql.store import SqlStore
from app.core.state import ENDS, Phase
from app.errors import StoreUnavailable
from app.ops.password import kept_password
from app.settings.environment import Settings, load_settings
from app.settings.program_name import ROOT
from app.simulator.server import Simulator, SimulatorConfig, default_key, default_secret
from tests import forked
from tests.chaos.database import Database, open_database
from tests.flow.recall import Recall
from tests.patience import SLOW_MACHINE
from tests.ports import free_port

READY_WITHIN_S = 30.0
STOPS_WITHIN_S = 40.0
# Ties `up` to this process before it becomes Python again: a killed test run leaves nothing behind.
# Not `preexec_fn`: the simulator's threads are running by then.
_TIED = (
    "import os, sys; from app.processes.parent_death import kernel_ties_to_parent; kernel_ties_to_parent(); "
    "os.execv(sys.executable, [sys.executable, '-P', '-m', 'app', *sys.argv[1:]])"
)


@dataclass
class Installation:
    """One home with its settings: what `up` and every other command is run against."""

    home: Path
    recall: Recall
    environment: dict[str, str] = field(repr=False)
    log_path: Path
    database: Database
    service: subprocess.Popen[bytes] | None = None
    _left: list[str] = field(default_factory=list, repr=False)

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.environment)

    @cached_property
    def store(self) -> SqlStore:
        return wiring.open_store(self.settings)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environment['PORT']}"

    @property
    def operator(self) -> tuple[str, str]:
        """User and password of the console, for `requests`."""
        return "ops", kept_password(self.settings) or ""

    @property
    def redis(self) -> Redis:
        """A client of its own."""
        return connect(wiring.redis_url(self.settings), timeouts="worker")

    # -- the service ---------------------------------------------------------------------------------
    def start(self) -> None:
        """`up`; returns when `/readyz` says ok."""
        self.service = self.spawn("up")
        wait_until(self._is_ready, within_s=READY_WITHIN_S, what=f"up is ready ({self.log_path})")

    def spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command of ours in a session of its own, its output at the end of the log."""
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-P", "-c", _TIED, *arguments],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _is_ready(self) -> bool:
        assert self.service is not None
        assert self.service.poll() is None, f"up ended with {self.service.returncode}: {self.log()[-3000:]}"
        with suppress(requests.RequestException, ValueError):
            return bool(self.readyz()["status"] == "ok")
        return False

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Asks it to stop; the exit code, once it has."""
        assert self.service is not None
        if self.service.poll() is None:
            self.service.send_signal(signum)
        try:
            return self.service.wait(timeout=STOPS_WITHIN_S)
        finally:
            if self.service.poll() is None:
                self.service.kill()
                self.service.wait()

    def close(self) -> None:
        if self.service is not None:
            self.stop()
        self.store.close()

    def wait_until_well(self, within_s: float = 10.0) -> None:
        """
        Until `/readyz` says ok. Two processes answer it, and each keeps what it found for a second: right
        after one has said ok the other may still say what was before.
        """
        wait_until(self._is_ready, within_s=within_s, what=lambda: f"all is well: {self.readyz()}")

    def readyz(self) -> Any:
        return requests.get(f"{self.url}/readyz", timeout=5).json()

    # -- its processes -------------------------------------------------------------------------------
    def family(self) -> list[psutil.Process]:
        """All processes below `up`."""
        assert self.service is not None
        with suppress(psutil.NoSuchProcess):
            return list(psutil.Process(self.service.pid).children(recursive=True))
        return []

    def child(self, name: str) -> psutil.Process:
        """The supervised child of this name, as the log told its last start."""
        starts = [line for line in self.log_lines() if line.get("event") == "child_started"]
        pid = [line["pid"] for line in starts if line["child"] == name][-1]
        return psutil.Process(pid)

    def children_of(self, *names: str) -> list[psutil.Process]:
        """What these children forked: horses, gunicorn's workers, the Valkey server."""
        found = []
        for name in names:
            with suppress(psutil.NoSuchProcess):
                found += self.child(name).children()
        return found

    # -- what it says --------------------------------------------------------------------------------
    def log(self) -> str:
        return self.log_path.read_text("utf-8", errors="replace")

    def log_lines(self) -> list[dict[str, Any]]:
        """The structured lines; what is no JSON is left out."""
        found = []
        for line in self.log().splitlines():
            with suppress(ValueError):
                parsed = json.loads(line)
                found += [parsed] if isinstance(parsed, dict) else []
        return found

    def afterword(self, *arguments: str, **changed: str | None) -> subprocess.CompletedProcess[str]:
        """A command by hand, with the installation's settings; `changed` ones differ, None is absent."""
        environment = {**self.environment, **{k: v for k, v in changed.items() if v is not None}}
        for name in (name for name, value in changed.items() if value is None):
            environment.pop(name, None)
        return forked.run(arguments, environment)

    def show(self, recording_id: str) -> Any:
        """`show --json`, parsed."""
        shown = self.afterword("show", recording_id, "--json")
        assert shown.returncode == 0, shown.stderr
        return json.loads(shown.stdout)

    # -- is it finished ------------------------------------------------------------------------------
    def wait_for_ends(self, *recording_ids: str, within_s: float) -> None:
        """Until each has come to an end, nothing is left to do, and Recall has no delivery under way."""
        wait_until(lambda: not self._unfinished(recording_ids), within_s=within_s, what=self._say_unfinished)

    def _unfinished(self, recording_ids: tuple[str, ...]) -> list[str]:
        try:
            listed = {row.state.recording_id: row.state for row in self.store.list_transcriptions(limit=1000)}
            counts = self.store.counts()
        except StoreUnavailable:
            return ["the database"]
        left = [
            f"{i}: {listed[i].phase.value if i in listed else 'unheard of'}"
            for i in recording_ids
            if i not in listed
            or listed[i].phase not in ENDS
            or (listed[i].phase is Phase.STORED and (listed[i].pending_transcripts or listed[i].superseded))
        ]
        if counts.deliveries_unapplied:
            left.append(f"{counts.deliveries_unapplied} deliveries unapplied")
        wanted = set(recording_ids)
        pending = {d["recording_id"] for d in self.recall.deliveries() if d["state"] in ("pending", "held")}
        self._left = left + [f"{i}: deliveries under way" for i in sorted(pending & wanted)]
        return self._left

    def _say_unfinished(self) -> str:
        return "every recording has ended; left: " + "; ".join(self._left)

    def kept_deliveries(self) -> set[str]:
        """The webhook ids in the database."""
        with self.store.reading() as connection:
            return set(connection.execute(sa.select(tables.deliveries.c.webhook_id)).scalars())

    # -- what it stored ------------------------------------------------------------------------------
    def stored(self, recording_id: str) -> dict[str, Path]:
        """The folders with a manifest, by transcript id."""
        base = self.home / "transcripts" / "default" / recording_id
        return {path.parent.name: path.parent for path in base.glob("*/manifest.json")}


@contextmanager
def installation(
    tmp: Path,
    *,
    database: str = "sqlite",
    seed: int = 1,
    time_scale: float = 60.0,
    workers: int = 4,
    **more: str,
) -> Iterator[Installation]:
    """
    A home of its own and a Recall of its own; nothing is started but the simulator and, where wanted, the
    database's server.

    Args:
        database: "sqlite" or "postgresql"; see the fixture `database_kind`.
        more: Settings of the environment.
    """
    port = free_port()
    simulator = Simulator(
        SimulatorConfig(
            webhook_url=f"http://127.0.0.1:{port}/webhooks/recall", time_scale=time_scale, seed=seed
        )
    )
    with ExitStack() as stack:
        stack.enter_context(simulator)
        kept_in = stack.enter_context(open_database(database, home=tmp / "home"))
        environment = {
            **_basics(),
            "AFTERWORD_ISOLATED": "1",
            "AFTERWORD_HOME": str(tmp / "home"),
            "AFTERWORD_TIME_SCALE": f"{time_scale:g}",
            "AFTERWORD_WORKERS": str(workers),
            "RECALL_API_BASE_URL": simulator.api_url,
            "RECALL_API_KEY": default_key(seed),
            "RECALL_WEBHOOK_SECRETS": default_secret(seed),
            "HOST": "127.0.0.1",
            "PORT": str(port),
            **({"DATABASE_URL": kept_in.url} if kept_in.url is not None else {}),
            **more,
        }
        place = Installation(tmp / "home", Recall(simulator), environment, tmp / "up.log", kept_in)
        stack.callback(place.close)
        yield place


@contextmanager
def running(tmp: Path, **options: Any) -> Iterator[Installation]:
    """The same with `up` running and ready."""
    with installation(tmp, **options) as place:
        place.start()
        yield place


def wait_until(
    is_so: Callable[[], bool], *, within_s: float, what: str | Callable[[], str], every_s: float = 0.1
) -> None:
    """Fails with `what` when it is not so in time, on a slow machine later."""
    give_up_at = time.monotonic() + within_s * SLOW_MACHINE
    while not is_so():
        if time.monotonic() > give_up_at:
            said = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {within_s:g} s: {said}")
        time.sleep(every_s)


def is_port_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _basics() -> Mapping[str, str]:
    kept = {n: os.environ[n] for n in ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR") if n in os.environ}
    return {**kept, "PYTHONSAFEPATH": "1", "PYTHONPATH": str(ROOT)}
