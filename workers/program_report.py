"""What the dispatcher writes about the program it belongs to: that it runs, and how."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from app import log

if TYPE_CHECKING:
    from app.adapters.sql.liveness import Liveness


class ProgramReport:
    """Heartbeats named `up@HOST`, or `dispatcher@HOST` where it was started by itself."""

    def __init__(
        self, store: Liveness, *, told: Mapping[str, Any], up: int | None, workers: int | None = None
    ) -> None:
        """
        Args:
            told: Of the settings it runs with, as `app.settings.changes` makes it.
            up: The process id of `up`; None for a dispatcher by itself.
            workers: How many `up` runs for Recall's work; from it follows who else should give signs.
        """
        host = socket.gethostname()
        self._store = store
        self._name = f"{'dispatcher' if up is None else 'up'}@{host}"
        detail = {"host": host, "pid": up or os.getpid(), "started_at": time.time(), "settings": dict(told)}
        self._detail = json.dumps(detail if up is None else {**detail, "workers": workers})

    def give(self) -> None:
        """One heartbeat, and what was dropped from the log since the last. Raises `StoreUnavailable`."""
        self._store.beat(self._name, detail=self._detail)
        dropped = log.dropped()
        if lines := dropped.unkept:
            self._store.count("log_lines_dropped", lines)
            dropped.kept(lines)
