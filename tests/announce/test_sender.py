"""One announcement, from its row to a receiver over a socket and back."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from sqlalchemy import event
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.adapters.local_files import LocalBlobs
from app.adapters.redis.job_queue import lane_of
from app.adapters.sql.outgoing_tables import endpoints, outgoing
from app.adapters.sql.store import SqlStore, open_store
from app.announce.exchange import post
from app.announce.lanes import Lanes
from app.announce.news import News
from app.announce.payload import LARGEST_BYTES, Payloads, enveloped
from app.announce.schedule import Schedule
from app.announce.sender import Sender
from app.core import events
from app.core.machine import Decision
from app.core.state import Phase
from app.orchestrator.records import AnnouncementOffer
from app.recall.signatures import parse_secret
from app.settings.outgoing import Endpoint
from tests import migrated
from tests.announce.receiver import OLD_SECRET, SECRET, Received, Receiver, endpoint, receiving
from tests.contract.store_builders import HAND, RECORDING, WORKSPACE, begin
from tests.doubles.manifests import put_result

LOG = structlog.get_logger()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def slowly(_: Received) -> tuple[int, Mapping[str, str]]:
    time.sleep(1.0)
    return 204, {}


class Stage:
    """A database, a folder of results, and a sender over both."""

    def __init__(self, folder: Path) -> None:
        migrated.write(folder / "afterword.db")
        self.store: SqlStore = open_store(f"sqlite:///{folder / 'afterword.db'}")
        self.blobs = LocalBlobs(folder / "transcripts")
        self.schedule = replace(Schedule(), timeout_s=0.5)

    def ended(
        self, *told: Endpoint, recording_id: str = RECORDING, **changes: Any
    ) -> list[AnnouncementOffer]:
        """A recording's result is there."""
        begin(self.store, recording_id=recording_id)
        before = self.store.load(WORKSPACE, recording_id)
        after = replace(
            before.transcription, phase=Phase.STORED, current="t1", verdict="spoken", completed_at=2.0
        )
        published = events.Published(1.0, "t1", "deepgram_async", None)
        said = News(told)(before.transcription, after)
        done = self.store.commit(before, Decision(after), event=published, source=HAND, news=said)
        return list(done.announcements)

    def sender(self, *, public_url: str | None = None) -> Sender:
        return Sender(self.store, Payloads(self.blobs, public_url=public_url), self.schedule, LOG)

    def row(self) -> Any:
        return self.store.read_first(sa.select(outgoing))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    opened = Stage(tmp_path)
    yield opened
    opened.store.close()


def test_a_receiver_can_verify_it_and_finds_the_facts_and_the_files(stage: Stage, receiver: Receiver) -> None:
    crm = endpoint(receiver.url)
    put_result(stage.blobs, RECORDING, "t1", {"transcript.txt": b"Ada: Hello.\n"})
    (offer,) = stage.ended(crm)
    answer = stage.sender(public_url="https://notes.example").send(offer.id, crm)
    assert answer is not None
    assert (answer.status, stage.row().status) == (204, "delivered")
    (came,) = receiver.received
    body = Webhook(SECRET).verify(came.body, dict(came.headers))
    assert (came.headers["webhook-id"], body["type"]) == (stage.row().webhook_id, "transcription.completed")
    data = body["data"]
    assert (data["recording_id"], data["status"], data["duration_ms"]) == (RECORDING, "completed", 60_000)
    (file,) = data["files"]
    assert (file["name"], file["size_bytes"]) == ("transcript.txt", 12)
    assert file["url"] == f"https://notes.example/v1/transcriptions/{data['id']}/files/transcript.txt"
    assert not {"segments", "text"} & data.keys()


def test_a_failed_try_is_repeated_with_the_same_id_and_bytes_and_another_signature(
    stage: Stage, receiver: Receiver
) -> None:
    crm = endpoint(receiver.url, include_text=True)
    put_result(stage.blobs, RECORDING, "t1", {"transcript.txt": b"Ada: Hello.\n"})
    (offer,) = stage.ended(crm)
    receiver.answer = lambda _: (503, {"Retry-After": "120"})
    stage.sender().send(offer.id, crm)
    assert (stage.row().status, stage.row().answer) == ("waiting", "503")
    assert 118 < stage.row().due_at - stage.store.now() <= 120
    put_result(stage.blobs, RECORDING, "t1", {"transcript.txt": b"Changed.\n"})
    stage.store.clock_offset_s += 121
    stage.sender().send(offer.id, crm)
    first, second = receiver.received
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


def test_telling_costs_two_transactions_beside_the_commit(stage: Stage, receiver: Receiver) -> None:
    crm, begun = endpoint(receiver.url), list[object]()
    event.listen(stage.store.engine, "begin", begun.append)
    without = stage.ended(recording_id="r2")
    number_without = len(begun)
    (offer,) = stage.ended(crm)
    assert (without, len(begun)) == ([], 2 * number_without)
    stage.sender().send(offer.id, crm)
    assert len(begun) == 2 * number_without + 2


def test_both_secrets_sign_while_a_receiver_changes_to_the_new_one(stage: Stage, receiver: Receiver) -> None:
    both = endpoint(receiver.url, secrets=(parse_secret(OLD_SECRET), parse_secret(SECRET)))
    (offer,) = stage.ended(both)
    stage.sender().send(offer.id, both)
    (came,) = receiver.received
    for secret in (OLD_SECRET, SECRET):
        Webhook(secret).verify(came.body, dict(came.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 32).verify(came.body, dict(came.headers))


def test_text_is_sent_where_it_is_wanted_and_not_over_a_mebibyte(stage: Stage, receiver: Receiver) -> None:
    crm = endpoint(receiver.url, include_text=True)
    segment = {"text": "Guten Tag, ü.", "speaker": "Ada", "start": 1.0, "end": 2.0, "confidence": None}
    files = {"transcript.txt": "Ada: Guten Tag, ü.\n", "segments.json": json.dumps([segment])}
    put_result(stage.blobs, RECORDING, "t1", {name: text.encode() for name, text in files.items()})
    for recording, number in (("long", LARGEST_BYTES), ("longer", 3 * LARGEST_BYTES)):
        long_files = {"transcript.txt": b"x" * number, "segments.json": b"[]"}
        put_result(stage.blobs, recording, "t1", long_files)
    for recording in (RECORDING, "long", "longer"):
        (offer,) = stage.ended(crm, recording_id=recording)
        stage.sender().send(offer.id, crm)
    short, long, longer = (json.loads(one.body)["data"] for one in receiver.received)
    assert short["segments"] == [segment]
    assert short["text"].startswith("Ada: Guten")
    for without in (long, longer):
        assert without["text_omitted"] is True
        assert "text" not in without


def test_what_has_no_manifest_any_more_is_announced_without_files(stage: Stage, receiver: Receiver) -> None:
    crm = endpoint(receiver.url)
    (offer,) = stage.ended(crm)
    stage.sender().send(offer.id, crm)
    assert json.loads(receiver.received[0].body)["data"]["files"] == []


def test_half_a_surrogate_pair_is_sent_escaped() -> None:
    assert json.loads(enveloped("e", 0.0, {"a": "\ud800"}).encode())["data"] == {"a": "\ud800"}


def test_410_disables_the_endpoint_and_says_so(
    stage: Stage, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    crm = endpoint(receiver.url)
    (first,), (second,) = stage.ended(crm), stage.ended(crm, recording_id="r2")
    receiver.answer = lambda _: (410, {})
    stage.sender().send(first.id, crm)
    assert stage.sender().send(second.id, crm) is None
    assert "endpoint_disabled" in capsys.readouterr().out
    moved = endpoint(receiver.url + "/new")
    receiver.answer = lambda _: (200, {})
    assert stage.sender().send(second.id, moved) is not None
    assert stage.store.read_first(sa.select(endpoints.c.disabled_at)) == (None,)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answers", "cause"),
    [
        (lambda _: (302, {"Location": "http://127.0.0.1:1/"}), "302"),
        (slowly, "timeout"),
    ],
)
def test_whatever_is_no_2xx_in_time_is_a_failure(
    answers: Callable[[Any], Any], cause: str, stage: Stage, receiver: Receiver
) -> None:
    crm = endpoint(receiver.url)
    (offer,) = stage.ended(crm)
    receiver.answer = answers
    stage.sender().send(offer.id, crm)
    assert (stage.row().answer, stage.row().status) == (cause, "waiting")


def test_a_storage_that_is_away_is_nothing_against_the_endpoint(stage: Stage, receiver: Receiver) -> None:
    crm = endpoint(receiver.url)
    (offer,) = stage.ended(crm)
    key = stage.blobs.root / WORKSPACE / RECORDING / "t1"
    key.mkdir(parents=True)
    (key / "manifest.json").symlink_to("manifest.json")  # a circle: the disk's error
    assert stage.sender().send(offer.id, crm) is None
    assert (stage.row().tries, stage.row().status, receiver.received) == (0, "waiting", [])


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "192.168.1.1", "0.0.0.0", "127.1"),
        *("[::1]", "[fe80::1]", "[fd00::1]", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "[fec0::1]"),
        *("localhost", "metadata.google.internal"),
    ],
)
def test_a_private_address_is_refused_before_anything_is_sent(host: str) -> None:
    told = endpoint(f"https://{host}/", allow_private=False)
    assert post(told, {}, b"", timeout_s=2).cause == "address_refused"


def test_a_name_that_turns_out_to_be_private_is_refused_at_the_socket(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    def resolve(*_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", receiver.port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    told = endpoint(f"https://rebinding.example:{receiver.port}/", allow_private=False)
    assert post(told, {}, b"", timeout_s=2).cause == "address_refused"
    assert receiver.received == []


def test_plain_http_needs_a_word(receiver: Receiver) -> None:
    told = endpoint("http://93.184.216.34/", allow_private=False)
    assert post(told, {}, b"", timeout_s=2).cause == "not_https"


def test_a_slow_endpoint_delays_no_other(receiver: Receiver) -> None:
    is_let_go = threading.Event()

    def hold(_: Received) -> tuple[int, Mapping[str, str]]:
        is_let_go.wait(20)
        return 204, {}

    with receiving() as slow:
        slow.answer = hold
        told = [endpoint(slow.url, "slow"), endpoint(receiver.url, "quick")]

        def send(_: int, to: Endpoint) -> None:
            post(to, {}, b"{}", timeout_s=30)

        lanes = Lanes(send, told)
        for number in range(6):
            lanes.hand_over(number, lane_of("slow"))
            lanes.hand_over(number, lane_of("nobody"))
        slow.wait_for(2)
        lanes.hand_over(7, lane_of("quick"))
        receiver.wait_for(1)
        assert len(slow.received) == 2
        is_let_go.set()
        lanes.close(within_s=10)


def test_a_lane_goes_on_after_what_it_cannot_do(capsys: pytest.CaptureFixture[str]) -> None:
    done: list[int] = []

    def send(number: int, _: Endpoint) -> None:
        if number == 1:
            raise RuntimeError("a fault of ours")
        done.append(number)

    lanes = Lanes(send, [endpoint("http://a", "crm")])
    for number in (1, 2, 3):
        lanes.hand_over(number, lane_of("crm"))
    ends_at = time.monotonic() + 5
    while len(done) < 2 and time.monotonic() < ends_at:
        time.sleep(0.005)
    assert sorted(done) == [2, 3]
    lanes.close(within_s=1)
    assert "announcement_failed" in capsys.readouterr().out
