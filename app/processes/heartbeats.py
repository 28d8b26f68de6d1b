"""
Heartbeats of processes, in the table `heartbeats`: a row per process and host, named `worker-1@host`, with
host, process id and start in its detail. Written each ten seconds at most, never per job or request.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import structlog

from app.errors import AfterwordError

BEAT_EVERY_S = 10.0
ALIVE_WITHIN_S = 30.0  # for programs, whose sign comes each few seconds
# For their processes: a busy worker's sign comes each twenty seconds, and later where the database is slow.
SILENT_AFTER_S = 60.0
_OF_TODAY_S = 86_400.0

_log = structlog.get_logger(__name__)


class BeatStore(Protocol):
    """The part of the store that is needed here."""

    def beat(self, name: str, *, detail: str = "") -> None: ...


@dataclass(frozen=True, slots=True)
class Beat:
    """The last heartbeat of a process."""

    role: str  # "worker-1", "inbox", "web", "dispatcher", "up", …
    host: str
    pid: int | None
    age_s: float
    # What else its detail says; nothing where it is of another version.
    told: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def name(self) -> str:
        return f"{self.role}@{self.host}"

    @property
    def started_at(self) -> float | None:
        """Seconds since the epoch, by its host's clock."""
        at = self.told.get("started_at")
        return float(at) if isinstance(at, int | float) else None

    @property
    def settings(self) -> Mapping[str, Any]:
        """What stood on disk when a program read its settings, for `app.settings.changes`, and its `port`."""
        settings = self.told.get("settings")
        return settings if isinstance(settings, dict) else {}


def read(heartbeats: Mapping[str, tuple[float, str]]) -> tuple[Beat, ...]:
    """What `store.heartbeats()` says, of the rows that name a host."""
    found = []
    for name, (age_s, detail) in sorted(heartbeats.items()):
        role, mark, host = name.partition("@")
        if mark:
            told = _detail(detail)
            pid = told.get("pid")
            found.append(Beat(role, host, pid if isinstance(pid, int) else None, max(0.0, age_s), told))
    return tuple(found)


def programs(beats: Collection[Beat]) -> tuple[Beat, ...]:
    """Of `up`, and of dispatchers that were started by themselves, those that live."""
    return tuple(b for b in beats if b.role in ("up", "dispatcher") and b.age_s <= ALIVE_WITHIN_S)


def hosts(beats: Collection[Beat], *, within_s: float = ALIVE_WITHIN_S) -> frozenset[str]:
    """The machines from which a heartbeat came in the last seconds."""
    return frozenset(beat.host for beat in beats if beat.age_s <= within_s)


def started_at(heartbeats: Mapping[str, tuple[float, str]]) -> float | None:
    """When the first of the programs that live now began, by its host's clock; None: none lives, or says."""
    told = (program.started_at for program in programs(read(heartbeats)))
    return min((at for at in told if at is not None), default=None)


def silent(heartbeats: Mapping[str, tuple[float, str]], *, now: float) -> tuple[str, ...]:
    """
    Processes of a living `up` that should give heartbeats and do not (stopped, hung, or dying at each start):
    `worker-2@host (process 4711)`, the number where it is known. `now`, seconds since the epoch: those of an
    `up` that has just begun are given time.
    """
    beats = read(heartbeats)
    by_name = {beat.name: beat for beat in beats}
    missing: list[str] = []
    for program in programs(beats):
        workers, began = program.told.get("workers"), program.started_at
        if not isinstance(workers, int) or began is None or abs(now - began) < SILENT_AFTER_S:
            continue
        for role in ("web", "inbox", "outgoing", *(f"worker-{n + 1}" for n in range(workers))):
            last = by_name.get(f"{role}@{program.host}")
            if last is None or last.age_s > SILENT_AFTER_S:
                number = f" (process {last.pid})" if last is not None and last.pid is not None else ""
                missing.append(f"{role}@{program.host}{number}")
    return tuple(missing)


def has_lost_web(heartbeats: Mapping[str, tuple[float, str]], silent: Collection[str] = ()) -> bool:
    """Whether no web process gives heartbeats, and one did today or is among the silent ones."""
    age_s = min((age_s for name, (age_s, _) in heartbeats.items() if name.startswith("web@")), default=None)
    if age_s is not None and age_s <= SILENT_AFTER_S:
        return False
    was_today = age_s is not None and age_s < _OF_TODAY_S
    return was_today or any(name.startswith("web@") for name in silent)


class Beater:
    """Writes the heartbeat of this process. To be made in the process itself."""

    def __init__(
        self,
        store: BeatStore,
        role: str,
        *,
        more: Mapping[str, Any] = MappingProxyType({}),  # detail, beside or instead of host, pid and start
        after: Callable[[], None] = lambda: None,  # each write, e.g. to close the connection that it opened
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        host = socket.gethostname()
        detail = {"host": host, "pid": os.getpid(), "started_at": round(time.time(), 1)}
        self._store = store
        self._name = f"{role}@{host}"
        self._detail = json.dumps(detail | dict(more))
        self._after = after
        self._clock = clock
        self._next_at = float("-inf")

    def beat(self) -> None:
        """Now. Raises `StoreUnavailable`."""
        self._store.beat(self._name, detail=self._detail)

    def beat_if_due(self) -> None:
        """At most each ten seconds. Does not raise while the database is away: the dispatcher logs that."""
        now = self._clock()
        if now < self._next_at:
            return
        self._next_at = now + BEAT_EVERY_S
        try:
            self.beat()
        except AfterwordError as error:
            _log.debug("no_heartbeat", cause=str(error))
        finally:
            self._after()

    def run_in_thread(self) -> None:
        """From now on by a thread of its own, until the process ends."""
        threading.Thread(target=self._run, name="heartbeat", daemon=True).start()

    def _run(self) -> None:
        while True:
            self.beat_if_due()
            time.sleep(BEAT_EVERY_S)


def _detail(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
