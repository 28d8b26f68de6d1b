"""
An update under a running service: what a job needs is imported before its process is forked, so that no
version is mixed with another that was checked out meanwhile.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings.program_name import ROOT
from tests.flow.stage import running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

# Python imports a module of this name at its start, if there is one.
SITE = """
import os, sys
forks = 0
def forked():
    global forks
    forks += 1
def note(event, arguments):
    if event == "import" and forks >= 2:  # `up`, its child, and what that forked
        from multiprocessing import process
        name = process.current_process().name
        with open({path!r}, "a") as file:
            file.write(f"{{name}} {{arguments[0]}}\\n")
from multiprocessing import process
os.register_at_fork(after_in_child=forked)
sys.addaudithook(note)
"""


def test_a_horse_imports_nothing_whatever_its_job_is(tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE.format(path=str(noted)))
    with running(tmp_path, workers=2, PYTHONPATH=f"{tmp_path / 'site'}:{ROOT}") as up:
        recordings = [
            up.recall.record(),
            up.recall.record(transcripts=["failed:provider_connection_failed"]),
        ]
        up.wait_for_ends(*recordings, within_s=60)
    lines = noted.read_text().splitlines() if noted.exists() else []
    assert sorted({line for line in lines if line.startswith(("worker-", "inbox"))}) == []
