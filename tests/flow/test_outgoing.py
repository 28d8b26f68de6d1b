"""Outgoing webhooks of the whole service: one healthy endpoint, one slow, one dead, one that says 410."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from tests.announce.receiver import SECRET, Received, Receiver, policy_of, receiving
from tests.flow.stage import Installation, installation, wait_until
from tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.xdist_group("outgoing")]


@dataclass
class Place:
    up: Installation
    healthy: Receiver
    slow: Receiver
    gone: Receiver
    unreadable: list[str] = field(default_factory=list)  # announced before its manifest could be read

    def told(self, recording: str) -> list[Mapping[str, Any]]:
        """What the healthy endpoint was told of a recording."""
        bodies = [json.loads(one.body) for one in self.healthy.received]
        return [body for body in bodies if body["data"].get("recording_id") == recording]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("outgoing")
    with ExitStack() as stack:
        healthy, slow, gone = (stack.enter_context(receiving()) for _ in range(3))
        policy = folder / "policy.toml"
        urls = {"healthy": healthy.url, "slow": slow.url, "gone": gone.url}
        urls["dead"] = f"http://127.0.0.1:{free_port()}/"
        policy.write_text(policy_of(urls), "utf-8")
        more: Any = {"AFTERWORD_POLICY": str(policy), "HOOK_SECRET": SECRET}
        up = stack.enter_context(installation(folder, seed=5, workers=2, **more))
        made = Place(up, healthy, slow, gone)
        healthy.answer = lambda one: _checked(made, one)
        slow.answer = _slowly
        gone.answer = lambda _: (410, {})
        up.start()
        yield made


def _slowly(_: Received) -> tuple[int, Mapping[str, str]]:
    time.sleep(30.0)
    return 204, {}


def _checked(place: Place, one: Received) -> tuple[int, Mapping[str, str]]:
    data = Webhook(SECRET).verify(one.body, dict(one.headers))["data"]
    if data.get("status") == "completed" and not place.up.stored(data["recording_id"]):
        place.unreadable.append(data["recording_id"])
    return 204, {}


def test_what_ended_is_told_once_its_manifest_is_there_and_no_endpoint_delays_another(place: Place) -> None:
    up = place.up
    plain = [up.recall.record() for _ in range(6)]
    failing = up.recall.record(transcripts=["failed:null"] * 3)
    up.wait_for_ends(*plain, failing, within_s=40)
    for recording in plain:
        wait_until(lambda r=recording: bool(place.told(r)), within_s=5, what="it is announced")  # type: ignore[misc]
        (told,) = place.told(recording)
        assert told["type"] == "transcription.completed"
        assert {file["name"] for file in told["data"]["files"]} >= {"transcript.txt", "sentences.json"}
    wait_until(lambda: bool(place.told(failing)), within_s=5, what="the failure is announced")
    assert [told["type"] for told in place.told(failing)] == ["transcription.failed"]
    assert place.unreadable == []
    assert len(place.slow.received) <= 4


def test_an_endpoint_that_is_gone_is_said_aloud_until_a_person_enables_it(place: Place) -> None:
    up = place.up
    said: dict[str, Any] = {}

    def is_said() -> bool:
        said.update(up.readyz())
        return bool(said["parts"]["outgoing"] != "ok")

    wait_until(is_said, within_s=5, what="it is said")
    assert said["status"] == "degraded"
    checked = up.afterword("check")
    assert "webhooks enable gone" in checked.stdout + checked.stderr
    assert len(place.gone.received) <= 2
    place.gone.answer = lambda _: (200, {})
    assert up.afterword("webhooks", "enable", "gone").returncode == 0
    wait_until(lambda: len(place.gone.received) >= 7, within_s=10, what="what waited is sent")


def test_a_killed_sender_is_started_again_and_nothing_is_left_untold(place: Place) -> None:
    up = place.up
    under_way: list[str] = []

    def dawdle(one: Received) -> tuple[int, Mapping[str, str]]:
        under_way.append(one.headers["webhook-id"])
        time.sleep(1.0)
        return 204, {}

    place.healthy.answer = dawdle
    recording = up.recall.record()
    wait_until(lambda: bool(under_way), within_s=30, what="it is under way", every_s=0.02)
    up.child("outgoing").kill()
    place.healthy.answer = lambda one: _checked(place, one)
    wait_until(lambda: len(place.told(recording)) >= 2, within_s=30, what="it is told again")
    ids = {one.headers["webhook-id"] for one in place.healthy.received if recording.encode() in one.body}
    assert len(ids) == 1
    assert place.unreadable == []


def test_neither_secret_nor_what_is_behind_an_address_is_in_the_log(place: Place, tmp_path: Path) -> None:
    log = place.up.log()
    assert SECRET not in log
    assert SECRET.removeprefix("whsec_") not in log
    assert "endpoint_disabled" in log
