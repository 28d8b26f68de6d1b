"""A log that is not read any more: everything goes on, and `/readyz` says ok because it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.settings.program_name import ROOT
from tests.flow.stage import installation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.xdist_group("standing log")]


def test_recordings_are_stored_while_the_log_stands_still_and_the_loss_is_told(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, b"x" * 65535 + b"\n")  # not one byte more would go in
    with installation(tmp_path, workers=2) as place:
        place.service = subprocess.Popen(
            [sys.executable, "-P", "-m", "app", "up"],
            cwd=ROOT,
            env=place.environment,
            stdin=subprocess.DEVNULL,
            stdout=write_end,
            stderr=write_end,
            start_new_session=True,
        )
        os.close(write_end)
        place.wait_until_well(within_s=30)
        recordings = [place.recall.record() for _ in range(5)]
        place.wait_for_ends(*recordings, within_s=45)
        assert all(len(place.stored(recording)) == 1 for recording in recordings)
        place.wait_until_well()
        os.read(read_end, 65536)  # the reader is back
        recording = place.recall.record()
        place.wait_for_ends(recording, within_s=45)
        assert place.stop() == 0
        said = os.read(read_end, 1 << 20).decode()
        assert '"log_lines_dropped"' in said
        assert '"stopped"' in said
        counted = sa.select(t.counters.c.value).where(t.counters.c.name == "log_lines_dropped")
        with place.store.reading() as connection:
            assert connection.execute(counted).scalar_one() > 5
    os.close(read_end)
