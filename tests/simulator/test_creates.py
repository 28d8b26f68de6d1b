"""create_transcript: validation, limits, rates, Idempotency-Key, and every scripted answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from tests.simulator.conftest import Recall, Receiver, until

LONG = "x" * 501


def test_an_accepted_create_answers_200_with_a_processing_artifact_that_echoes_it(recall: Recall) -> None:
    body = {
        "provider": {"deepgram_async": {"model": "nova-3"}},
        "metadata": {"afterword": "r/1"},
        "diarization": {"use_separate_streams_when_available": True},
    }
    made = recall.create(recall.recording(), json=body).json()
    assert made["status"]["code"] == "processing"
    assert made["data"] == {"download_url": None, "provider_data_download_url": None}
    assert made["provider"]["deepgram_async"] == {"model": "nova-3"}
    assert (made["metadata"], made["diarization"]) == (body["metadata"], body["diarization"])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"provider": {}},
        {"provider": "recallai_async"},
        {"provider": {"nobody_async": {}}},
        {"provider": {"deepgram_streaming": {}}},
        {"provider": {"recallai_async": []}},
        {"provider": {"recallai_async": {}, "rev_async": {}}},
        {"provider": {"recallai_async": {"language_code": "xx"}}},
        {"provider": {"assembly_ai_async": {"language": "en"}}},
        {"provider": {"assembly_ai_async": {"language_detection": "yes"}}},
        {"provider": {"rev_async": {"colour": "red"}}},
        {"provider": {"rev_async": {}}, "metadata": {"k": LONG}},
        {"provider": {"rev_async": {}}, "metadata": {"k": 1}},
        {"provider": {"rev_async": {}}, "metadata": []},
        {"provider": {"rev_async": {}}, "diarization": True},
        {"provider": {"rev_async": {}}, "diarization": {"use_separate_streams_when_available": "yes"}},
        {"provider": {"rev_async": {}}, "transcription_options": {}},
    ],
)
def test_a_wrong_body_is_a_400_and_makes_nothing(recall: Recall, body: dict[str, Any]) -> None:
    answer = recall.create(recall.recording(), json=body)
    assert (answer.status_code, isinstance(answer.json(), dict)) == (400, True)
    assert recall.sim("bill")["creates_accepted"] == 0


def test_generations_differ_by_workspace(recall: Recall) -> None:
    recall.sim("settings", {"workspaces": {"old": "theirs"}, "generations": {"theirs": "recall"}})
    old = recall.sim("recordings", {"workspace": "theirs"})["recording_id"]
    body = {"provider": {"assembly_ai_async": {"speech_models": ["universal-2"]}}}
    refused = recall.create(old, json=body, headers={"Authorization": "old"})
    assert refused.status_code == 400
    assert refused.json() == {
        "provider": {"assembly_ai_async": {"speech_models": ["This field is not allowed."]}}
    }
    bill = recall.sim("bill")
    assert (bill["creates_refused"], bill["creates_accepted"]) == (1, 0)
    assert recall.create(recall.recording(), json=body).status_code == 200
    recall.sim("settings", {"stale_models": ["universal-2"]})
    stale = recall.create(recall.recording(), json=body)
    assert (stale.status_code, "universal-2" in stale.text) == (400, True)
    recall.sim("settings", {"generations": {"theirs": "newest"}}, expect=400)


def test_a_body_that_is_not_json_is_refused(recall: Recall) -> None:
    path = f"recording/{recall.recording()}/create_transcript/"
    json_type = {"Content-Type": "application/json"}
    assert recall.call("POST", path, data="{", headers=json_type).status_code == 400
    assert recall.call("POST", path, data="a=b").status_code == 415


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("processing:60", 400),
        ("failed", 400),
        ("expired", 400),
        ("no_audio", 400),
        ("zdr", 400),
        ("deleted", 404),
        ("unknown", 404),
    ],
)
def test_a_recording_that_cannot_be_transcribed_is_refused(recall: Recall, state: str, status: int) -> None:
    assert recall.create(recall.recording(recording_state=state)).status_code == status


def test_a_recording_is_accepted_once_its_processing_has_ended(recall: Recall) -> None:
    rid = recall.recording(recording_state="processing:600")
    assert recall.create(rid).status_code == 400
    assert recall.call("GET", f"recording/{rid}/").json()["status"]["code"] == "processing"
    recall.sim("advance", {"seconds": 600})
    assert recall.create(rid).status_code == 200


# -- limits and rates ----------------------------------------------------------------------------------------


def test_the_eleventh_transcript_is_refused_until_one_is_deleted(recall: Recall) -> None:
    rid = recall.recording(transcripts=["never"] * 20)
    made = [recall.created(rid) for _ in range(10)]
    assert recall.create(rid).status_code == 400
    recall.call("DELETE", f"transcript/{made[0]}/")
    assert recall.create(rid).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "limit"), [("successful10", 101), ("successful10_attempts100", 100)])
def test_the_newer_limits_count_successes_and_attempts(recall: Recall, mode: str, limit: int) -> None:
    recall.sim("settings", {"limit_mode": mode})
    rid = recall.recording(transcripts=["never"] * 200)
    accepted = [recall.create(rid).status_code == 200 for _ in range(101)].count(True)
    assert accepted == limit
    for one in recall.sim("bill")["per_recording"][rid]["transcripts"][:10]:
        recall.sim(f"transcripts/{one['id']}/finish", {})
    assert recall.create(rid).status_code == 400


def test_the_sixth_create_of_a_bot_in_a_minute_is_a_429_that_names_the_wait(
    start: Callable[..., Recall],
) -> None:
    recall = start(time_scale=10)
    rid = recall.recording(transcripts=["never"] * 9)
    assert {recall.create(rid).status_code for _ in range(5)} == {200}
    sixth = recall.create(rid)
    assert sixth.status_code == 429
    assert 4 <= int(sixth.headers["Retry-After"]) <= 6  # a minute, ten times as fast, in real seconds
    assert recall.create(recall.recording()).status_code == 200
    recall.sim("advance", {"seconds": 60})
    assert recall.create(rid).status_code == 200


def test_the_minute_slides_so_that_only_old_creates_make_room(start: Callable[..., Recall]) -> None:
    recall = start(time_scale=1)
    rid = recall.recording(transcripts=["never"] * 9)
    early = [recall.create(rid).status_code for _ in range(2)]
    recall.sim("advance", {"seconds": 40})
    middle = [recall.create(rid).status_code for _ in range(4)]
    recall.sim("advance", {"seconds": 20})
    late = [recall.create(rid).status_code for _ in range(3)]
    assert (early, middle, late) == ([200] * 2, [200] * 3 + [429], [200] * 2 + [429])


def test_the_bill_names_the_busiest_sliding_minute_even_without_limits(start: Callable[..., Recall]) -> None:
    recall = start(time_scale=1, limits="off")
    for calls, then_s in ((2, 30), (3, 40), (2, 0)):
        for _ in range(calls):
            recall.call("GET", "transcript/nowhere/")
        recall.sim("advance", {"seconds": then_s})
    assert recall.sim("bill")["busiest_minute"] == {"other": 5}


def test_recordings_of_one_bot_share_its_rate(start: Callable[..., Recall]) -> None:
    recall = start(time_scale=1)
    first = recall.sim("recordings", {})
    second = recall.sim("recordings", {"bot_id": first["bot_id"]})["recording_id"]
    assert {recall.create(first["recording_id"]).status_code for _ in range(5)} == {200}
    assert recall.create(second).status_code == 429


def test_a_429_can_lack_its_header_or_carry_a_date(start: Callable[..., Recall]) -> None:
    recall = start(time_scale=1, limits=0.2)
    rid = recall.recording()
    recall.create(rid)
    recall.sim("settings", {"retry_after": "missing"})
    assert "Retry-After" not in recall.create(rid).headers
    recall.sim("settings", {"retry_after": "date"})
    assert parsedate_to_datetime(recall.create(rid).headers["Retry-After"]).year >= 2025


def test_lists_and_other_calls_have_minutes_of_their_own(start: Callable[..., Recall]) -> None:
    recall = start(time_scale=1, limits=0.1)  # 6 and 30
    assert [recall.call("GET", "transcript/").status_code for _ in range(7)] == [200] * 6 + [429]
    assert recall.call("GET", "recording/").status_code == 429
    codes = [recall.call("GET", "transcript/nowhere/").status_code for _ in range(31)]
    assert codes == [404] * 30 + [429]


def test_no_balance_is_a_402_until_it_is_topped_up(recall: Recall) -> None:
    rid = recall.recording()
    recall.sim("settings", {"balance": False})
    assert recall.create(rid).status_code == 402
    recall.sim("settings", {"balance": True})
    assert recall.create(rid).status_code == 200


# -- Idempotency-Key -----------------------------------------------------------------------------------------


def test_a_repeated_key_brings_the_stored_answer_back_and_bills_nothing(recall: Recall) -> None:
    rid = recall.recording()
    first, second = (recall.create(rid, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.json() == second.json()
    bill = recall.sim("bill")
    assert (bill["creates_accepted"], bill["creates_replayed"]) == (1, 1)
    assert bill["per_recording"][rid]["create_posts"] == 2


def test_a_key_is_forgotten_after_an_hour(recall: Recall) -> None:
    rid = recall.recording(transcripts=["never"] * 3)
    first = recall.created(rid, headers={"Idempotency-Key": "k"})
    recall.sim("advance", {"seconds": 3601})
    assert recall.created(rid, headers={"Idempotency-Key": "k"}) != first


def test_a_key_means_something_only_with_its_path_and_its_user(recall: Recall) -> None:
    one, other = recall.recording(), recall.recording()
    recall.sim("settings", {"api_keys": [recall.simulator.api_key, "another-user"]})
    key = {"Idempotency-Key": "k"}
    made = {recall.created(one, headers=key), recall.created(other, headers=key)}
    made.add(recall.created(one, headers={**key, "Authorization": "another-user"}))
    assert len(made) == 3


def test_refusals_are_replayed_too_unless_switched_off(recall: Recall) -> None:
    rid = recall.recording(creates=["status_before:507"])
    key = {"Idempotency-Key": "k"}
    assert [recall.create(rid, headers=key).status_code for _ in range(2)] == [507, 507]
    recall.sim("settings", {"errors_replayed": False})
    other = recall.recording(creates=["status_before:507"])
    assert [recall.create(other, headers=key).status_code for _ in range(2)] == [507, 200]


@pytest.mark.parametrize(("first", "last"), [(False, 200), (True, 429)])
def test_whether_a_replay_meets_the_rate_is_a_setting(
    start: Callable[..., Recall], first: bool, last: int
) -> None:
    recall = start(time_scale=1)
    recall.sim("settings", {"throttle_first": first})
    rid = recall.recording()
    codes = [recall.create(rid, headers={"Idempotency-Key": "k"}).status_code for _ in range(6)]
    assert (codes[:5], codes[5]) == ([200] * 5, last)
    assert recall.sim("bill")["creates_accepted"] == 1


@pytest.mark.slow
def test_the_same_key_while_the_first_is_running_is_a_409(recall: Recall) -> None:
    rid = recall.recording(creates=["slow:40"])
    key = {"Idempotency-Key": "k"}
    answers: list[int] = []
    first = threading.Thread(target=lambda: answers.append(recall.create(rid, headers=key).status_code))
    first.start()
    until(lambda: recall.sim("bill")["calls"].get("create"))
    time.sleep(0.05)
    assert recall.create(rid, headers=key).status_code == 409
    first.join()
    assert (answers, recall.create(rid, headers=key).status_code) == ([200], 200)
    assert recall.sim("bill")["creates_accepted"] == 1


# -- scripted answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "billed"), [("cut_after", 1), ("cut_before", 0)])
def test_a_cut_connection_hides_whether_it_was_billed(recall: Recall, fault: str, billed: int) -> None:
    rid = recall.recording(creates=[fault])
    with pytest.raises(requests.ConnectionError):
        recall.create(rid, headers={"Idempotency-Key": "k"})
    assert recall.sim("bill")["creates_accepted"] == billed
    assert recall.create(rid, headers={"Idempotency-Key": "k"}).status_code == 200
    assert recall.sim("bill")["creates_accepted"] == 1


@pytest.mark.slow
def test_a_late_answer_was_accepted_at_once(recall: Recall) -> None:
    rid = recall.recording(creates=["timeout_after:1000"])
    with pytest.raises(requests.Timeout):
        requests.post(
            f"{recall.url}/api/v1/recording/{rid}/create_transcript/",
            json={"provider": {"recallai_async": {}}},
            headers={"Authorization": recall.simulator.api_key, "Idempotency-Key": "k"},
            timeout=0.3,
        )
    assert recall.sim("bill")["creates_accepted"] == 1
    assert recall.create(rid, headers={"Idempotency-Key": "k"}).status_code == 409
    recall.sim("advance", {"seconds": 1000})
    until(lambda: recall.create(rid, headers={"Idempotency-Key": "k"}).status_code == 200)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 402, 403, 400, 404, 409, 507])
def test_a_scripted_refusal_makes_nothing_and_the_next_create_passes(recall: Recall, status: int) -> None:
    rid = recall.recording(creates=[f"status_before:{status}"])
    refused = recall.create(rid)
    assert refused.status_code == status
    assert ("Retry-After" in refused.headers) == (status in (429, 507))
    assert recall.sim("bill")["creates_accepted"] == 0
    assert recall.create(rid).status_code == 200


def test_an_error_can_hide_an_accepted_create(recall: Recall) -> None:
    rid = recall.recording(creates=["status_after:500"])
    assert recall.create(rid).status_code == 500
    listed = recall.call("GET", "transcript/", params={"recording_id": rid}).json()["results"]
    assert [one["id"] for one in listed] == [recall.sim("bill")["per_recording"][rid]["transcripts"][0]["id"]]


def test_a_200_can_lack_an_id_or_be_no_json(recall: Recall) -> None:
    rid = recall.recording(creates=["no_id", "html"])
    assert "id" not in recall.create(rid).json()
    assert recall.create(rid).headers["Content-Type"].startswith("text/html")
    assert recall.sim("bill")["per_recording"][rid]["billed"] == 2


def test_missing_provider_credentials_are_a_400_with_a_plain_string(recall: Recall) -> None:
    answer = recall.create(recall.recording(creates=["refuse"]), json={"provider": {"gladia_v2_async": {}}})
    assert answer.status_code == 400
    assert "gladia_v2_async" in answer.json()["transcript"]


def test_done_before_answer_delivers_the_webhook_before_the_create_returns(
    hooked: Recall, receiver: Receiver
) -> None:
    rid = hooked.recording(creates=["done_before_answer"])
    until(lambda: "recording.done" in receiver.events())
    answer = hooked.create(rid).json()
    assert receiver.events() == ["recording.done", "transcript.done"]
    assert answer["id"] in receiver.got[1].body
    assert (answer["status"]["code"], hooked.status(answer["id"])) == ("processing", "done")


def test_the_call_delay_is_added_to_every_call(recall: Recall) -> None:
    recall.sim("settings", {"call_delay_ms": 150})
    begun = time.monotonic()
    recall.call("GET", "transcript/")
    assert time.monotonic() - begun >= 0.15
