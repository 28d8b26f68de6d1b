"""
What the tests of the processes share: a logger that prints one JSON line per event (read back from
the pipe), and jobs that do visible things, by the names RQ would call.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


class PrintedLog:
    """A structlog-like logger: one JSON line per event on standard output, at once."""

    def _say(self, event: str, **values: Any) -> None:
        sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
        sys.stdout.flush()

    debug = info = warning = error = exception = _say


def touch(path: str) -> None:
    """A job: leaves a file."""
    Path(path).write_text(str(os.getpid()))


def sleep_noting(path: str, seconds: float) -> None:
    """A job: appends its pid and "start", sleeps, appends "end"."""
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()} start\n")
        file.flush()
        time.sleep(seconds)
        file.write(f"{os.getpid()} end\n")
