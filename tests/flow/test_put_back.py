"""
A database put back from a backup knows less than Recall: what waited in it has been paid for since.

An hour of Recall's memory for Idempotency-Keys passes in four seconds here, so that no key helps.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.contract.store_builders import history_of
from tests.flow.programme import assert_each_is_paid_once_and_stored
from tests.flow.stage import Installation, running, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

# `Timing.silence_s` at its floor, and what may lie between two heartbeats.
_SILENCE_S = 10.0 + 1.5


def test_create_that_waited_in_a_backup_put_back_is_looked_up_and_not_paid_again(tmp_path: Path) -> None:
    with running(tmp_path, seed=23, time_scale=900.0, workers=2) as place:
        place.recall.settings(balance=False)
        recording = place.recall.record()
        wait_until(lambda: place.readyz()["parts"]["recall"] == "paused", within_s=20, what="402 pauses")
        copy, made_at = _back_up(place), time.monotonic()
        place.recall.settings(balance=True)
        place.wait_for_ends(recording, within_s=30)
        assert_each_is_paid_once_and_stored(place, [recording])
        place.stop()
        _put_back(place, copy)
        time.sleep(max(0.0, made_at + _SILENCE_S - time.monotonic()))
        place.service = place.spawn("up")  # the 402's pause is back as well, until somebody creates
        place.wait_for_ends(recording, within_s=30)
        assert_each_is_paid_once_and_stored(place, [recording])
        events = [line["event"] for line in history_of(place.store, recording)]
        assert "long_silence" in events


def _back_up(place: Installation) -> Path:
    """As docs/operating.md says."""
    copy = place.home / "afterword.db.copy"
    with (
        closing(sqlite3.connect(place.home / "afterword.db")) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    return copy


def _put_back(place: Installation, copy: Path) -> None:
    place.store.close()
    for name in ("afterword.db-wal", "afterword.db-shm"):
        (place.home / name).unlink(missing_ok=True)
    shutil.copy(copy, place.home / "afterword.db")
