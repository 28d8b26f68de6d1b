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


# Jobs take whole numbers alone: where they leave their traces is in the environment of the process.
FOLDER = "AFTERWORD_TEST_FOLDER"
JOBS = {f"tests.workers.visible_jobs.{name}": 1 for name in ("touch", "sleep_noting", "fail_telling")}


def touch(number: int) -> None:
    """A job: leaves a file, `done-NUMBER`, with its pid in it."""
    Path(os.environ[FOLDER], f"done-{number}").write_text(str(os.getpid()))


SIGNED = "https://bucket.example/t.json?X-Amz-Signature="


def fail_telling(number: int) -> None:
    """A job: fails with a secret in its message."""
    raise RuntimeError(f"cannot read {SIGNED}{number}")


def sleep_noting(milliseconds: int) -> None:
    """A job: appends its pid and "start" to the file `note`, sleeps, appends "end"."""
    with Path(os.environ[FOLDER], "note").open("a") as file:
        file.write(f"{os.getpid()} start\n")
        file.flush()
        time.sleep(milliseconds / 1000)
        file.write(f"{os.getpid()} end\n")
