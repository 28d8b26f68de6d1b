"""
Says in the log when a part of readiness is not well any more, and when it is again: one line each. The
database and Redis have lines of the dispatcher's own.

Only what was said last is kept: after a restart what is not well is said once more.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import structlog

from app.settings.program_name import pasteable
from app.web.health import UNKNOWN, Readiness

_RESPONSE_TIMEOUT_S = 5.0
# Said by others: the dispatcher, and whatever else needs the database to know how it is.
_TOLD_ELSEWHERE = frozenset({"database", "queue"})
_UNKNOWN_WITH_THEM = frozenset({"workers", "recall", "providers", "inbox", "outgoing", "budget"})

_log = structlog.get_logger(__name__)


class Watch:
    """One look at a time; see `look`."""

    def __init__(self, readiness: Readiness, *, log: Any = None) -> None:
        self._readiness = readiness
        self._log = log if log is not None else _log
        self._ailing: dict[str, tuple[float, str]] = {}  # since when, and what was said

    def look(self) -> None:
        """Asks every part and says what has changed. Never raises; takes some seconds where a part hangs."""
        report = self._readiness.ask(within_s=_RESPONSE_TIMEOUT_S)
        said = report.by_part()
        now = time.monotonic()
        for part in sorted({*said, *self._ailing} - _TOLD_ELSEWHERE):
            state = report.parts.get(part, "down")
            if state == UNKNOWN and part in _UNKNOWN_WITH_THEM:
                continue
            since, before = self._ailing.get(part, (now, ""))
            if part not in said:
                if report.facts is not None:
                    del self._ailing[part]
                    self._log.warning("part_well_again", part=part, ailed_s=round(now - since, 1))
            elif said[part] != before:
                self._ailing[part] = (since, said[part])
                self._log.error("part_ailing", part=part, state=state, about=pasteable(said[part]))

    def run_in_thread(self, *, every_s: float) -> None:
        """From now on by a thread of its own, until the process ends: what hangs delays nothing else."""
        threading.Thread(target=self._run, args=(every_s,), name="watch", daemon=True).start()

    def _run(self, every_s: float) -> None:
        while True:
            time.sleep(every_s)
            self.look()
