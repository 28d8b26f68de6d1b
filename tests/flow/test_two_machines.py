"""
Two sets of workers and two dispatchers on one database and one Redis, as two machines have it: whoever is
offered a command twice does it once.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from app.settings.program_name import ROOT
from tests.flow.programme import assert_each_is_paid_once_and_stored
from tests.flow.stage import Installation, running, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("two machines"), pytest.mark.timeout(240)]

_WORKERS = 2  # of each set


def test_two_sets_of_workers_and_two_dispatchers_pay_each_recording_exactly_once(tmp_path: Path) -> None:
    log = tmp_path / "second.log"
    with running(tmp_path, seed=61, workers=_WORKERS) as place:
        with second_machine(place, log) as processes:
            wait_until(lambda: is_at_work(place, log), within_s=20, what=f"the second set works ({log})")
            happy = [place.recall.record() for _ in range(16)]
            stormed = place.recall.record(recording_done="storm:20")
            lost = place.recall.record(creates=["cut_after"])
            place.wait_for_ends(*happy, stormed, lost, within_s=60)
            bills = place.recall.whole_bill()["per_recording"]
            assert_each_is_paid_once_and_stored(place, [*happy, stormed, lost])
            assert all(process.poll() is None for process in processes)
        for recording in [*happy, stormed]:
            calls = {name: bills[recording][name] for name in ("create_posts", "retrieves", "lists")}
            assert calls == {"create_posts": 1, "retrieves": 1, "lists": 0}, recording
        assert all(process.returncode == 0 for process in processes), log.read_text()[-2000:]
        assert decided(place.log_path) >= 5
        assert decided(log) >= 5, "the second set had no part in it"
        place.wait_until_well()


@contextmanager
def second_machine(place: Installation, log: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """As the Procfile runs them."""
    processes: list[subprocess.Popen[bytes]] = []
    with ExitStack() as ending, log.open("ab") as output:
        for module in ("workers", "workers.dispatcher"):
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", module],
                cwd=ROOT,
                env=place.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            ending.callback(_end, process)
            processes.append(process)
        yield processes


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=30)
    finally:
        process.kill()


def is_at_work(place: Installation, log: Path) -> bool:
    """A recording each way, until the second set had a hand in one."""
    place.wait_for_ends(place.recall.record(transcribe_s=2), within_s=20)
    return decided(log) > 0


def decided(log: Path) -> int:
    """Decisions written into this log."""
    lines = [line for line in log.read_text("utf-8").splitlines() if line.startswith("{")]
    return sum(json.loads(line).get("event") == "decided" for line in lines)
