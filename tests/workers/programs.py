"""Python programs in real processes: their log lines, their descendants, what they leave behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tests.patience import SLOW_MACHINE
from tests.process_checks import is_alive
from tests.workers.visible_jobs import FOLDER

ROOT = Path(__file__).resolve().parents[2]
PREAMBLE = """
import os, signal, sys, time
from pathlib import Path
from tests.workers.visible_jobs import PrintedLog
from app.processes.child import ChildSpec
from app.processes.supervisor import Renewal, Supervisor
"""


def eventually(condition: Callable[[], Any], within_s: float = 10.0) -> Any:
    """The first true value of `condition`; fails when there is none in time, on a slow machine later."""
    ends_at = time.monotonic() + within_s * SLOW_MACHINE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < ends_at, "did not happen in time"
        time.sleep(0.02)


class Program:
    """A Python program in a process of its own; its JSON log lines and its descendants."""

    def __init__(self, source: str, folder: Path) -> None:
        self.output = folder / f"output-{time.monotonic_ns()}"
        self._stream = self.output.open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-c", PREAMBLE + textwrap.dedent(source)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), FOLDER: str(folder)},
        )
        self.seen: dict[int, psutil.Process] = {}

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        lines = [line for line in self.output.read_text().splitlines() if line.startswith("{")]
        found = [json.loads(line) for line in lines]
        return [event for event in found if name is None or event["event"] == name]

    def pid_of(self, child: str, start: int = 1) -> int:
        """Waits for the `start`-th start of a child; returns its pid."""

        def started() -> int | None:
            for event in self.events("child_started"):
                if event["child"] == child and event["starts"] == start:
                    return int(event["pid"])
            return None

        return int(eventually(started))

    def descendants(self) -> list[psutil.Process]:
        """All that live now; remembered, so that `orphans` can look for them later."""
        try:
            found = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        self.seen |= {process.pid: process for process in found}
        return list(found)

    def orphans(self) -> list[psutil.Process]:
        return [process for process in self.seen.values() if is_alive(process)]

    def send(self, sig: signal.Signals) -> None:
        self.descendants()
        self.process.send_signal(sig)

    def wait(self, timeout_s: float = 15.0) -> int:
        return self.process.wait(timeout_s)

    def close(self) -> None:
        self.descendants()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for left in self.orphans():
            left.kill()
        eventually(lambda: not self.orphans())
        self._stream.close()
