"""A download that takes longer than the lease of its worker: the lease is kept, and nobody else begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.orchestrator.timing import Timing
from tests.flow.programme import assert_each_is_paid_once_and_stored
from tests.flow.stage import running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

_LEASES = 2.25


def test_a_download_of_more_than_two_leases_is_one_download_and_its_worker_keeps_it(tmp_path: Path) -> None:
    with running(tmp_path, seed=80, workers=2) as place:
        scale = float(place.environment["AFTERWORD_TIME_SCALE"])
        lease_s = Timing().scaled(place.settings.time_scale).lease_s
        recording = place.recall.record(download=[f"slow:{_LEASES * lease_s * scale:g}"])
        # Somebody is free to take what looks abandoned, and news comes often enough to have it offered.
        others = [place.recall.record(transcribe_s=120) for _ in range(3)]
        place.wait_for_ends(recording, *others, within_s=60)
        assert place.recall.bill(recording)["downloads"] == 1
        assert place.recall.bill(recording)["retrieves"] == 1
        assert [line for line in place.log_lines() if line.get("event") == "lease_lost"] == []
        assert_each_is_paid_once_and_stored(place, [recording, *others])
