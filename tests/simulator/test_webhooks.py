"""Deliveries: signatures, retries, and everything a script can do to their order and number."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from svix.webhooks import Webhook, WebhookVerificationError

from tests.simulator.conftest import Recall, Received, Receiver, until


def verified(one: Received, secret: str) -> Any:
    """The body, if Svix's own library accepts the request."""
    Webhook(secret).verify(one.body, one.headers)
    return json.loads(one.body)


def is_verified(one: Received, secret: str) -> bool:
    try:
        verified(one, secret)
    except WebhookVerificationError:
        return False
    return True


def tried(recall: Recall, times: int) -> None:
    """Wait until the first recording.done was tried so often and what follows from it is decided."""
    until(lambda: len(recall.deliveries("recording.done")[0]["attempts"]) == times)


def test_a_finished_recording_is_announced_and_verifies(hooked: Recall, receiver: Receiver) -> None:
    rid = hooked.recording()
    until(lambda: receiver.got)
    body = verified(receiver.got[0], hooked.simulator.webhook_secret)
    assert (body["event"], body["data"]["recording"]["id"]) == ("recording.done", rid)
    assert body["data"]["data"]["code"] == "done"
    assert receiver.got[0].headers["webhook-id"].startswith("msg_")


def test_a_transcript_echoes_its_metadata_when_it_ends(hooked: Recall, receiver: Receiver) -> None:
    rid = hooked.recording()
    hooked.created(rid, json={"provider": {"rev_async": {}}, "metadata": {"afterword": "m"}})
    until(lambda: "transcript.done" in receiver.events())
    body = json.loads(receiver.got[-1].body)
    assert body["data"]["transcript"]["metadata"] == {"afterword": "m"}


def test_the_older_header_family_is_sent_instead_not_beside(hooked: Recall, receiver: Receiver) -> None:
    hooked.sim("settings", {"header_family": "svix"})
    hooked.recording()
    until(lambda: receiver.got)
    assert verified(receiver.got[0], hooked.simulator.webhook_secret)
    assert "svix-id" in receiver.got[0].headers
    assert "webhook-id" not in receiver.got[0].headers


def test_during_a_rotation_both_secrets_sign_beside_an_unknown_version(
    hooked: Recall, receiver: Receiver
) -> None:
    new = "whsec_" + base64.b64encode(hashlib.sha256(b"new").digest()).decode()
    old = hooked.simulator.webhook_secret
    hooked.sim("settings", {"webhook_secrets": [new, old]})
    hooked.recording()
    until(lambda: receiver.got)
    assert is_verified(receiver.got[0], new)
    assert is_verified(receiver.got[0], old)
    items = receiver.got[0].headers["webhook-signature"].split()
    assert [item.partition(",")[0] for item in items] == ["v1", "v1a", "v1"]


def test_without_a_secret_nothing_is_signed(hooked: Recall, receiver: Receiver) -> None:
    hooked.sim("settings", {"webhook_secrets": []})
    hooked.recording()
    until(lambda: receiver.got)
    assert not [name for name in receiver.got[0].headers if name.startswith(("webhook-", "svix-"))]


# -- retries -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_refused_delivery_comes_again_with_its_id_and_a_fresh_signature(
    hooked: Recall, receiver: Receiver
) -> None:
    receiver.answer = lambda nth: (500 if nth < 3 else 204, {})
    hooked.recording()
    tried(hooked, 1)
    time.sleep(1.0)  # signatures bear whole seconds of real time
    hooked.sim("advance", {"seconds": 400})
    until(lambda: len(receiver.got) == 3)
    assert len({one.headers["webhook-id"] for one in receiver.got}) == 1
    assert len({one.headers["webhook-signature"] for one in receiver.got}) > 1
    assert all(is_verified(one, hooked.simulator.webhook_secret) for one in receiver.got)
    until(lambda: hooked.deliveries("recording.done")[0]["state"] == "delivered")


def test_after_eight_attempts_in_a_good_day_it_is_given_up(hooked: Recall, receiver: Receiver) -> None:
    receiver.answer = lambda nth: (302, {"Location": "/elsewhere"})
    hooked.recording()
    for attempt in range(1, 8):
        tried(hooked, attempt)
        hooked.sim("advance", {"seconds": 1.2 * (5, 300, 1800, 7200, 18000, 36000, 36000)[attempt - 1]})
    until(lambda: hooked.deliveries("recording.done")[0]["state"] == "failed")
    hooked.sim("advance", {"seconds": 200_000})
    assert len(receiver.got) == 8


def test_the_receiver_can_stop_the_retries(hooked: Recall, receiver: Receiver) -> None:
    receiver.answer = lambda nth: (400, {"webhook-delivery": "abort-message"})
    hooked.recording()
    until(lambda: hooked.deliveries("recording.done")[0]["state"] == "aborted")


@pytest.mark.slow
def test_a_429_is_not_repeated_within_a_minute(hooked: Recall, receiver: Receiver) -> None:
    receiver.answer = lambda nth: (429 if nth == 1 else 200, {})
    hooked.recording()
    until(lambda: len(receiver.got) == 2)
    assert receiver.got[1].at - receiver.got[0].at >= 60 / hooked.simulator.config.time_scale - 0.01


def test_a_receiver_that_does_not_listen_is_tried_again(hooked: Recall, receiver: Receiver) -> None:
    url = receiver.url
    hooked.sim("settings", {"webhook_url": "http://127.0.0.1:9/"})
    hooked.recording()
    tried(hooked, 1)
    assert hooked.deliveries("recording.done")[0]["attempts"][0]["error"]
    hooked.sim("settings", {"webhook_url": url})
    hooked.sim("advance", {"seconds": 100})
    until(lambda: receiver.got)


def test_five_days_of_failures_disable_the_endpoint(hooked: Recall, receiver: Receiver) -> None:
    receiver.answer = lambda nth: (500, {})
    hooked.recording()
    tried(hooked, 1)
    hooked.sim("advance", {"seconds": 6 * 86_400})
    until(lambda: hooked.sim("settings")["endpoint_disabled"])
    before = len(receiver.got)
    hooked.recording()
    until(lambda: hooked.deliveries("recording.done")[-1]["state"] == "disabled")
    assert len(receiver.got) == before


def test_paused_deliveries_are_held_and_then_sent(hooked: Recall, receiver: Receiver) -> None:
    hooked.sim("settings", {"webhooks_paused": True})
    hooked.recording()
    until(lambda: hooked.deliveries("recording.done")[0]["state"] == "held")
    assert receiver.got == []
    hooked.sim("settings", {"webhooks_paused": False})
    until(lambda: receiver.got)


# -- scripted order, number and shape ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("word", "requests", "ids"), [("duplicate:5", 5, 1), ("storm:50", 50, 26)])
def test_recording_done_can_come_many_times(
    hooked: Recall, receiver: Receiver, word: str, requests: int, ids: int
) -> None:
    hooked.recording(recording_done=word)
    until(lambda: len(receiver.got) == requests)
    assert len({one.headers["webhook-id"] for one in receiver.got}) == ids
    assert set(receiver.events()) == {"recording.done"}


@pytest.mark.slow
def test_a_storm_arrives_at_one_moment(hooked: Recall, receiver: Receiver) -> None:
    inside: list[int] = [0]
    peak: list[int] = [0]

    def meet() -> None:
        inside[0] += 1
        peak[0] = max(peak[0], inside[0])
        time.sleep(0.3)
        inside[0] -= 1

    receiver.before = meet
    hooked.recording(recording_done="storm:50")
    until(lambda: len(receiver.got) == 50)
    assert peak[0] >= 25


def test_recording_done_can_be_lost(hooked: Recall, receiver: Receiver) -> None:
    hooked.recording(recording_done="drop")
    assert hooked.deliveries("recording.done")[0]["state"] == "dropped"
    hooked.sim("advance", {"seconds": 100_000})
    assert receiver.got == []


@pytest.mark.parametrize("script", [{"recording_done": "delay:500"}, {"done_webhook": ["delay:500"]}])
def test_a_webhook_can_be_late(hooked: Recall, receiver: Receiver, script: dict[str, Any]) -> None:
    rid = hooked.recording(**script)
    hooked.done(rid)
    until(lambda: len(receiver.got) == 1)
    hooked.sim("advance", {"seconds": 500})
    until(lambda: len(receiver.got) == 2)


@pytest.mark.slow
def test_recording_done_can_wait_for_a_transcript(hooked: Recall, receiver: Receiver) -> None:
    waits_s = iter([0.2, 0.0])  # the first is answered late, and the second must wait for that
    receiver.before = lambda: time.sleep(next(waits_s))
    rid = hooked.recording(recording_done="after_transcript_done")
    hooked.done(rid)
    until(lambda: len(receiver.got) == 2)
    assert receiver.events() == ["transcript.done", "recording.done"]


@pytest.mark.slow
def test_captions_can_overtake_recording_done(hooked: Recall, receiver: Receiver) -> None:
    waits_s = iter([0.2, 0.0])  # the first is answered late, and the second must wait for that
    receiver.before = lambda: time.sleep(next(waits_s))
    hooked.recording(captions="done_before_recording_done")
    until(lambda: len(receiver.got) == 2)
    assert receiver.events() == ["transcript.done", "recording.done"]


def test_captions_that_fail_name_their_own_sub_code(hooked: Recall, receiver: Receiver) -> None:
    hooked.recording(captions="failed")
    until(lambda: len(receiver.got) == 2)
    (body,) = [json.loads(one.body) for one in receiver.got if "transcript.failed" in one.body]
    assert body["data"]["data"]["sub_code"] == "zoom_captions_failure"


@pytest.mark.parametrize(
    ("outcome", "sub_code"),
    [("failed", "provider_connection_failed"), ("failed:null", None), ("failed:quite_new", "quite_new")],
)
def test_a_failure_carries_its_sub_code_in_webhook_and_artifact(
    hooked: Recall, receiver: Receiver, outcome: str, sub_code: str | None
) -> None:
    failed = hooked.done(hooked.recording(transcripts=[outcome]))
    assert failed["status"] | {"updated_at": ""} == {"code": "failed", "sub_code": sub_code, "updated_at": ""}
    until(lambda: "transcript.failed" in receiver.events())
    (body,) = [json.loads(one.body) for one in receiver.got if "transcript.failed" in one.body]
    assert body["data"]["data"]["sub_code"] == sub_code


def test_a_transcript_that_never_ends_can_be_ended_by_hand(hooked: Recall, receiver: Receiver) -> None:
    tid = hooked.created(hooked.recording(transcripts=["never"]))
    hooked.sim("advance", {"seconds": 1_000_000})
    assert hooked.status(tid) == "processing"
    hooked.sim(f"transcripts/{tid}/finish", {})
    assert hooked.status(tid) == "done"
    until(lambda: "transcript.done" in receiver.events())
    hooked.sim(f"transcripts/{tid}/fail", {}, expect=409)


@pytest.mark.slow
def test_the_webhook_can_come_before_the_api_agrees(hooked: Recall, receiver: Receiver) -> None:
    rid = hooked.recording(done_webhook=["before_processing_ends"], transcribe_s=1)
    until(lambda: receiver.got)
    seen: list[str] = []

    def look() -> None:
        seen.append(hooked.sim("bill")["per_recording"][rid]["transcripts"][0]["status"])

    receiver.before = look
    tid = hooked.created(rid)
    until(lambda: len(receiver.got) == 2)
    assert (receiver.events()[1], seen) == ("transcript.done", ["processing"])
    until(lambda: hooked.status(tid) == "done")


def test_a_forgery_beside_the_truth_does_not_verify(hooked: Recall, receiver: Receiver) -> None:
    hooked.done(hooked.recording(done_webhook=["forged_too"]))
    until(lambda: receiver.events().count("transcript.done") == 2)
    ended = [one for one in receiver.got if "transcript" in one.body]
    good = [is_verified(one, hooked.simulator.webhook_secret) for one in ended]
    assert Counter(good) == {True: 1, False: 1}


@pytest.mark.parametrize(("shape", "expected"), [("object", dict), ("null", type(None)), ("missing", None)])
def test_the_bot_of_a_webhook_comes_in_three_shapes(
    hooked: Recall, receiver: Receiver, shape: str, expected: type | None
) -> None:
    hooked.recording(shape={"bot": shape, "extra_fields": True, "timestamp_style": "offset"})
    until(lambda: receiver.got)
    data = json.loads(receiver.got[0].body)["data"]
    assert ("bot" in data) == (expected is not None)
    assert expected is None or isinstance(data["bot"], expected)
    assert data["simulated_extra"]
    assert data["data"]["updated_at"].endswith("+00:00")


def test_deletions_and_failures_by_hand_are_announced(hooked: Recall, receiver: Receiver) -> None:
    rid, broken = hooked.recording(), hooked.recording(finish=False)
    hooked.done(rid)
    hooked.sim(f"recordings/{rid}/delete", {})
    hooked.sim(f"recordings/{broken}/fail", {})
    until(lambda: {"recording.deleted", "transcript.deleted", "recording.failed"} <= set(receiver.events()))
    (failed,) = [json.loads(one.body) for one in receiver.got if "recording.failed" in one.body]
    assert failed["data"]["data"]["error"]["code"] == "INTERNAL_ERROR"


# -- by hand -------------------------------------------------------------------------------------------------


def test_emit_sends_any_event_any_number_of_times(hooked: Recall, receiver: Receiver) -> None:
    rid = hooked.recording(recording_done="drop")
    about = {"recording_id": rid, "wait": True}
    hooked.sim("emit", {**about, "event": "recording.paused", "times": 3, "same_id": True})
    hooked.sim("emit", {**about, "event": "bot.breakout_entered", "times": 2})
    until(lambda: len(receiver.got) == 5)
    assert len({one.headers["webhook-id"] for one in receiver.got}) == 3
    assert receiver.events().count("bot.breakout_entered") == 2


def test_emit_can_forge_age_and_garble(hooked: Recall, receiver: Receiver) -> None:
    about = {"event": "transcript.done", "recording_id": "unknown", "transcript_id": "t", "wait": True}
    secret = hooked.simulator.webhook_secret
    hooked.sim("emit", {**about, "forged": True})
    hooked.sim("emit", {**about, "stale_s": 3600})
    hooked.sim("emit", {**about, "raw_body": "no json", "webhook_id": "msg_mine"})
    assert [is_verified(one, secret) for one in receiver.got[:2]] == [False, False]
    Webhook(secret).verify(receiver.got[2].body, receiver.got[2].headers)
    assert (receiver.got[2].body, receiver.got[2].headers["webhook-id"]) == ("no json", "msg_mine")


def test_a_forgery_is_sent_once_whatever_it_is_answered(hooked: Recall, receiver: Receiver) -> None:
    receiver.answer = lambda nth: (401, {})
    hooked.sim("emit", {"event": "recording.done", "recording_id": "r", "forged": True, "wait": True})
    assert hooked.deliveries("recording.done")[0]["state"] == "failed"
    hooked.sim("advance", {"seconds": 100_000})
    assert len(receiver.got) == 1


def test_only_subscribed_events_are_sent(start: Callable[..., Recall], receiver: Receiver) -> None:
    recall = start(webhook_url=receiver.url)
    recall.sim("settings", {"events": ["transcript.processing"]})
    recall.created(recall.recording())
    until(lambda: receiver.got)
    assert receiver.events() == ["transcript.processing"]
