"""
Signs of life of processes, in the table `heartbeats`: a row per process and host, named `worker-1@host`, with
host, process id and start in its detail. Written each ten seconds at most, never per job or request.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
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
    """The last sign of life of a process. `role` is "worker-1", "inbox", "web", "dispatcher", "up", …"""

    role: str
    host: str
    pid: int | None
    age_s: float


def read(heartbeats: Mapping[str, tuple[float, str]]) -> tuple[Beat, ...]:
    """What `store.heartbeats()` says, of the rows that name a host."""
    found = []
    for name, (age_s, detail) in sorted(heartbeats.items()):
        role, mark, host = name.partition("@")
        if mark:
            pid = _detail(detail).get("pid")
            found.append(Beat(role, host, pid if isinstance(pid, int) else None, max(0.0, age_s)))
    return tuple(found)


def hosts(beats: Collection[Beat], *, within_s: float = ALIVE_WITHIN_S) -> frozenset[str]:
    """The machines from which a sign of life came in the last seconds."""
    return frozenset(beat.host for beat in beats if beat.age_s <= within_s)


def started_at(heartbeats: Mapping[str, tuple[float, str]]) -> float | None:
    """When the first of the programs that live now began, by its host's clock; None: none lives, or says."""
    told = [_detail(detail).get("started_at") for _, detail in _programs(heartbeats).values()]
    return min((float(at) for at in told if isinstance(at, int | float)), default=None)


def silent(heartbeats: Mapping[str, tuple[float, str]], *, now: float) -> tuple[str, ...]:
    """
    Processes of a living `up` that should give a sign and do not: stopped, hung, or dying at each start.

    Args:
        now: Seconds since the epoch; processes of an `up` that has just begun are given time.

    Returns:
        Names such as `worker-2@host (process 4711)`, the number where it is known.
    """
    missing: list[str] = []
    for name, (_, detail) in _programs(heartbeats).items():
        told = _detail(detail)
        workers, began = told.get("workers"), told.get("started_at")
        if not isinstance(workers, int) or not isinstance(began, int | float):
            continue
        if abs(now - began) < SILENT_AFTER_S:
            continue
        roles = ("web", "inbox", *(f"worker-{n + 1}" for n in range(workers)))
        for role in roles:
            one = f"{role}@{name.partition('@')[2]}"
            age_s, last = heartbeats.get(one, (float("inf"), ""))
            if age_s > SILENT_AFTER_S:
                pid = _detail(last).get("pid")
                missing.append(f"{one} (process {pid})" if isinstance(pid, int) else one)
    return tuple(missing)


def has_lost_web(heartbeats: Mapping[str, tuple[float, str]], silent: Collection[str] = ()) -> bool:
    """Whether no web process gives signs of life, and one did today or is among the silent ones."""
    age_s = min((age_s for name, (age_s, _) in heartbeats.items() if name.startswith("web@")), default=None)
    if age_s is not None and age_s <= SILENT_AFTER_S:
        return False
    was_today = age_s is not None and age_s < _OF_TODAY_S
    return was_today or any(name.startswith("web@") for name in silent)


def _programs(heartbeats: Mapping[str, tuple[float, str]]) -> dict[str, tuple[float, str]]:
    return {
        name: beat
        for name, beat in heartbeats.items()
        if name.startswith(("up@", "dispatcher@")) and beat[0] <= ALIVE_WITHIN_S
    }


class Beater:
    """Writes the sign of life of this process. To be made in the process itself."""

    def __init__(
        self,
        store: BeatStore,
        role: str,
        *,
        every_s: float = BEAT_EVERY_S,
        after: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            after: Called after each write, e.g. to close the connection that it opened.
        """
        host = socket.gethostname()
        self._store = store
        self._name = f"{role}@{host}"
        self._detail = json.dumps({"host": host, "pid": os.getpid(), "started_at": round(time.time(), 1)})
        self._every_s = every_s
        self._after = after
        self._clock = clock
        self._next_at = float("-inf")

    def beat_if_due(self) -> None:
        """
        Returns at once when the last one is young. Does not raise while the database is away, which the
        dispatcher tells of.
        """
        now = self._clock()
        if now < self._next_at:
            return
        self._next_at = now + self._every_s
        try:
            self._store.beat(self._name, detail=self._detail)
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
            time.sleep(self._every_s)


def _detail(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
