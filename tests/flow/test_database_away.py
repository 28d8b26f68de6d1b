"""
The database cannot be written for a while (SQLite: held by another program; PostgreSQL: stopped as by a
crash): nothing is acknowledged that is not kept, and what waited goes on without a hand.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests

from tests.flow.deliveries import deliver
from tests.flow.programme import assert_each_is_paid_once_and_stored
from tests.flow.stage import Installation, running, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

# Who wants SQLite's lock waits before giving up. A stopped server refuses at once: longer, and three tries of
# a webhook would be spent, the fourth being half a minute away.
_AWAY_S = {"sqlite": 8.0, "postgresql": 3.0}


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, database_kind: str) -> Iterator[Installation]:
    with running(tmp_path_factory.mktemp("away"), database=database_kind, seed=12) as place:
        yield place


def test_a_database_that_is_away_for_seconds_answers_503_and_recall_delivers_again(
    up: Installation, database_kind: str
) -> None:
    before = [up.recall.record() for _ in range(3)]
    with up.database.away():
        back_at = time.monotonic() + _AWAY_S[database_kind]
        during = [up.recall.record() for _ in range(3)]
        answer = deliver(up, during[0], webhook_id="msg_while_away")
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert requests.get(f"{up.url}/healthz", timeout=5).status_code == 200
        ready = requests.get(f"{up.url}/readyz", timeout=10)
        assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
        time.sleep(max(0.0, back_at - time.monotonic()))
    refused = [d for r in during for d in up.recall.deliveries(r) if d["attempts"]]
    assert all(d["attempts"][0]["status"] in (503, None) for d in refused), "acknowledged and not stored"
    assert_each_is_paid_once_and_stored(up, [*before, *during])
    up.wait_until_well(within_s=15)


def test_a_database_that_goes_in_the_middle_of_work_costs_nothing_twice(up: Installation) -> None:
    recordings = {
        "accepted, not answered": up.recall.record(creates=["timeout_after:60"]),
        "transcribing": up.recall.record(transcribe_s=60),
        "downloading": up.recall.record(download=["slow:90"]),
    }
    wait_until(
        lambda: (
            up.recall.bill(recordings["downloading"])["downloads"] == 1
            and up.recall.bill(recordings["accepted, not answered"])["create_posts"] == 1
        ),
        within_s=20,
        what="a create and a download under way",
    )
    with up.database.away():
        time.sleep(2.0)  # the answers come meanwhile, and cannot be written down
    assert_each_is_paid_once_and_stored(up, list(recordings.values()))


def test_every_acknowledged_delivery_is_in_the_database(up: Installation) -> None:
    """After the outages above: what Recall was told is stored, is stored."""
    acknowledged = {
        d["webhook_id"] for d in up.recall.deliveries() if any(a["status"] == 202 for a in d["attempts"])
    }
    assert len(acknowledged) >= 15
    assert acknowledged <= up.kept_deliveries()
