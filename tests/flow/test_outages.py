"""Something the service needs is away, slow or wrong for a while: nothing is lost, nothing is burnt."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests

from tests.flow.deliveries import deliver
from tests.flow.programme import assert_each_is_paid_once_and_stored
from tests.flow.stage import Installation, running, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("outages"), pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with running(tmp_path_factory.mktemp("outages"), seed=11) as place:
        yield place


def test_a_wrong_api_key_burns_nothing_is_told_everywhere_and_mends_itself(up: Installation) -> None:
    right = up.recall.key
    up.recall.settings(api_key="another-region-s-key")
    try:
        recordings = [up.recall.record() for _ in range(5)]
        wait_until(lambda: up.readyz()["parts"]["recall"] == "paused", within_s=15, what="readyz says paused")
        time.sleep(2.0)  # two minutes of Recall's: enough for every provider to be burnt
        assert up.readyz()["status"] == "degraded"
        assert up.readyz()["recall_paused"]["cause"] == "recall_answers_401"
        said = up.afterword("check")
        assert said.returncode == 1
        assert "refuses the API key" in said.stdout
        told = [line for line in up.log_lines() if line.get("event") == "account_refused"]
        assert told
        assert all(line["level"] == "error" and "RECALL_API_KEY" in line["remedy"] for line in told)
        for recording in recordings:
            shown = up.show(recording)
            assert shown["status"] in ("pending", "processing"), "failed for a wrong key"
            assert len(shown["attempts"]) <= 1
    finally:
        up.recall.settings(api_key=right)
    assert_each_is_paid_once_and_stored(up, recordings)
    up.wait_until_well()
    for recording in recordings:
        assert [a["provider"] for a in up.show(recording)["attempts"]] == ["recallai_async"]


@pytest.mark.parametrize("mode", ["cut", "503", "403"])
def test_a_download_host_that_refuses_everything_is_waited_for(up: Installation, mode: str) -> None:
    up.recall.settings(downloads_blocked=True, downloads_blocked_mode=mode)
    try:
        recordings = [up.recall.record() for _ in range(2)]
        wait_until(
            lambda: all(up.recall.bill(r)["retrieves"] >= 3 for r in recordings),
            within_s=20,
            what="three tries to fetch each",
        )
        assert {up.show(recording)["phase"] for recording in recordings} == {"fetching"}
    finally:
        up.recall.settings(downloads_blocked=False)
    assert_each_is_paid_once_and_stored(up, recordings)
    assert all(up.recall.bill(recording)["create_posts"] == 1 for recording in recordings)


@pytest.mark.parametrize("mode", ["503", "cut"])
def test_a_recall_that_is_down_is_waited_for(up: Installation, mode: str) -> None:
    up.recall.settings(down=True, down_mode=mode)
    try:
        recordings = [up.recall.record() for _ in range(3)]
        time.sleep(3.0)
    finally:
        up.recall.settings(down=False)
    assert_each_is_paid_once_and_stored(up, recordings)


def test_flushall_in_the_middle_loses_nothing(up: Installation) -> None:
    recordings = []
    with up.redis as redis:
        for _ in range(8):
            recordings.append(up.recall.record())
            time.sleep(0.15)
            redis.flushall()
    assert_each_is_paid_once_and_stored(up, recordings)
    up.wait_until_well(within_s=40)


def test_a_redis_that_hangs_for_seconds_delays_no_delivery_and_loses_nothing(up: Installation) -> None:
    (server,) = up.children_of("valkey")
    recordings = [up.recall.record()]
    server.suspend()
    try:
        recordings += [up.recall.record() for _ in range(4)]
        answers = [deliver(up, recordings[0], webhook_id=f"msg_while_redis_hangs_{n}") for n in range(3)]
        assert {answer.status_code for answer in answers} == {202}
        assert min(answer.elapsed.total_seconds() for answer in answers) < 1.0
        time.sleep(6.0)
    finally:
        server.resume()
    assert_each_is_paid_once_and_stored(up, recordings)


def test_a_full_redis_delays_work_is_told_and_loses_nothing(up: Installation) -> None:
    before = up.recall.record(transcribe_s=60)  # its news comes while Redis is full
    wait_until(lambda: bool(up.recall.paid(before)), within_s=20, what="a transcript under way")
    with up.redis as redis:
        redis.config_set("maxmemory-policy", "noeviction")
        redis.config_set("maxmemory", "1mb")
        try:
            during = [up.recall.record() for _ in range(3)]
            wait_until(lambda: _has_news(up, before, *during), within_s=20, what="all were announced")
            assert deliver(up, during[0], webhook_id="msg_while_redis_is_full").status_code == 202
            assert up.recall.whole_bill()["per_recording"][during[0]]["create_posts"] == 0, "it is not full"
            wait_until(lambda: _says_that_the_queue_is_down(up), within_s=10, what="readyz tells")
            time.sleep(2.0)  # dispatcher and workers try meanwhile
        finally:
            redis.config_set("maxmemory", "0")
    answers = [a["status"] for r in during for d in up.recall.deliveries(r) for a in d["attempts"]]
    assert set(answers) == {202}
    assert_each_is_paid_once_and_stored(up, [before, *during])
    up.wait_until_well(within_s=40)


def _has_news(up: Installation, *recordings: str) -> bool:
    """Each has been told of something, and nothing is under way."""
    by_recording = [up.recall.deliveries(recording) for recording in recordings]
    return all(by_recording) and all(d["state"] == "delivered" for found in by_recording for d in found)


def _says_that_the_queue_is_down(up: Installation) -> bool:
    """And that deliveries are taken all the same."""
    ready = requests.get(f"{up.url}/readyz", timeout=5)
    said = ready.json()
    if said["parts"]["queue"] != "down":
        return False
    assert (ready.status_code, said["status"]) == (200, "degraded")
    return True


def test_the_database_holds_every_acknowledged_delivery(up: Installation) -> None:
    """After all the outages above: what Recall was told is stored, is stored."""
    acknowledged = {
        d["webhook_id"] for d in up.recall.deliveries() if any(a["status"] == 202 for a in d["attempts"])
    }
    assert len(acknowledged) > 30
    assert acknowledged <= up.kept_deliveries()
