"""
A worker that can be stopped at any effect and go on later, or never: its job runs in a thread of its
own, and only one thread of all runs at a time. So every run is the same when its choices are.

Knows nothing of jobs. `Gate` is what the world calls at each effect; in a thread that is not a
worker's it does nothing, so that undisturbed work needs no thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any


class Crash(BaseException):
    """The end of a killed worker: not an Exception, so that nothing of ours mistakes it for one."""


@dataclass(frozen=True, slots=True)
class Stopped:
    where: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A choice the worker's surroundings make; answered through `Worker.answer`."""

    what: str
    options: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    error: BaseException | None


Word = Stopped | Asked | Ended


class Worker:
    """One job under way. `stops_at`: it halts at the next effect whose name has this in it; "": never."""

    def __init__(self, name: str, job: Callable[[], object], *, started_at: float) -> None:
        self.name = name
        self.started_at = started_at
        self.is_frozen = False  # frozen: renews no lease; else: merely slow
        self.has_stopped = False
        self.leased: Any = None
        self.where = "at its start"
        self._job = job
        self._stops_at = ""
        self._is_killed = False
        self._in: SimpleQueue[Any] = SimpleQueue()
        self._out: SimpleQueue[Word] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def go_on(self, stops_at: str) -> Word:
        """Runs until it halts, has a question, or has ended."""
        self._stops_at = stops_at
        if not self._thread.is_alive():
            self._thread.start()
        else:
            self._in.put(None)
        return self._out.get()

    def answer(self, value: Any) -> Word:
        self._in.put(value)
        return self._out.get()

    def kill(self) -> None:
        """It never gets any further."""
        self._is_killed = True
        if self._thread.is_alive():
            self._in.put(None)
            while not isinstance(self._out.get(), Ended):
                self._in.put(None)

    # -- in its own thread ---------------------------------------------------------------------------
    def _run(self) -> None:
        _here.worker = self
        try:
            self._job()
        except BaseException as error:  # it is handed to whoever started this worker
            self._out.put(Ended(error))
        else:
            self._out.put(Ended(None))

    def halt(self, where: str) -> None:
        if self._is_killed:
            raise Crash
        if self._stops_at and self._stops_at in where:
            self.where = where
            self._out.put(Stopped(where))
            self._in.get()
            if self._is_killed:
                raise Crash

    def ask(self, what: str, options: tuple[Any, ...]) -> Any:
        if self._is_killed:
            raise Crash
        self._out.put(Asked(what, options))
        return self._in.get()


_here = threading.local()


def current() -> Worker | None:
    """The worker in whose thread we are."""
    found: Worker | None = getattr(_here, "worker", None)
    return found
