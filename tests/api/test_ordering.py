"""
Orders: one transcription per recording, whatever is sent how often. Could it be paid twice? What may be paid
for is a planned create or a look at Recall's list; each is counted.
"""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.core import events
from app.core.commands import AskRecording, Command, CreateTranscript, LookUpTranscript
from app.core.events import RecordingCondition
from app.core.policy import Order
from app.core.state import Phase, Transcription
from app.recall.providers import BY_VENDOR
from tests.api.stage import WORKSPACE, Stage, open_stage


def pending(stage: Stage, recording: str) -> list[Command]:
    return list(stage.store.load(WORKSPACE, recording).pending)


def state(stage: Stage, recording: str) -> Transcription:
    return stage.store.load(WORKSPACE, recording).transcription


def test_a_recording_never_heard_of_is_asked_about_then_listed_before_anything_is_paid(stage: Stage) -> None:
    recording = str(uuid.uuid4())
    answer = stage.order(recording, {"language": "en", "diarization": True, "provider": "whisper"})

    assert answer.status_code == 201
    assert (answer.json["status"], answer.json["recording_id"]) == ("pending", recording)
    assert pending(stage, recording) == [AskRecording()]
    stage.happens(recording, events.RecordingAsked(stage.store.now(), RecordingCondition.DONE))
    assert pending(stage, recording) == [LookUpTranscript(0)]
    now = stage.store.now()
    stage.happens(recording, events.Listed(now, 0))
    # An empty list says nothing before the recording itself is seen.
    assert pending(stage, recording) == [LookUpTranscript(0), AskRecording()]
    stage.happens(recording, events.RecordingAsked(now, RecordingCondition.DONE))
    assert CreateTranscript(1, "recallai_async") in pending(stage, recording)


def test_the_same_order_twice_and_in_capitals_is_one(stage: Stage) -> None:
    recording = str(uuid.uuid4())
    first, again = stage.order(recording), stage.order(recording.upper(), {"provider": None})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json["id"] == again.json["id"]
    assert len(stage.get("/transcriptions").json["data"]) == 1


@pytest.mark.slow
def test_twenty_orders_at_one_moment_begin_one(stage: Stage) -> None:
    recording = str(uuid.uuid4())
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda _: stage.order(recording, {"language": "de"}).status_code, range(12)))
    assert sorted(codes)[-2:] != [201, 201]
    assert set(codes) <= {200, 201, 409, 503}
    assert codes.count(201) == 1
    assert pending(stage, recording) == [AskRecording()]


def test_what_is_under_way_or_done_stays_and_costs_nothing(stage: Stage) -> None:
    done = stage.stored()
    under_way = str(uuid.uuid4())
    stage.happens(under_way, events.RecordingDone(stage.store.now()))
    for recording in (done, under_way):
        before = stage.store.load(WORKSPACE, recording)
        answer = stage.order(recording, {"language": "fr", "provider": "deepgram"})
        assert answer.status_code == 200
        assert stage.store.load(WORKSPACE, recording) == before


def test_a_skipped_one_is_transcribed_all_the_same_and_a_failed_one_within_its_budget(stage: Stage) -> None:
    skipped, failed = str(uuid.uuid4()), str(uuid.uuid4())
    stage.happens(skipped, events.RecordingDone(stage.store.now(), metadata=(("afterword", "skip"),)))
    assert state(stage, skipped).phase is Phase.SKIPPED
    assert stage.order(skipped, {"provider": "deepgram"}).json["status"] == "processing"
    assert pending(stage, skipped) == [LookUpTranscript(0)]

    stage.happens(failed, events.RecordingFailed(stage.store.now()))
    assert stage.order(failed).status_code == 201
    assert pending(stage, failed) == [LookUpTranscript(0)]


def test_a_used_budget_is_409_and_says_how_to_pay(stage: Stage) -> None:
    recording = str(uuid.uuid4())
    now = stage.store.now()
    stage.happens(recording, events.RecordingDone(now))
    for ordinal, provider in enumerate(("recallai_async", "assembly_ai_async", "deepgram_async"), 1):
        tid = str(uuid.uuid4())
        stage.happens(
            recording,
            events.Created(now, ordinal, tid, provider),
            events.TranscriptFailed(now, tid, ordinal, "oops"),
        )
    assert state(stage, recording).phase is Phase.FAILED
    answer = stage.order(recording)
    assert answer.status_code == 409
    assert answer.json["error"]["code"] == "budget_used"
    assert "--budget" in answer.json["error"]["message"]


def test_an_intent_holds_for_its_fallbacks_and_leaves_out_who_lacks_the_language(stage: Stage) -> None:
    recording = str(uuid.uuid4())
    order = {"language": "jpn", "diarization": False, "provider": "assemblyai"}
    assert stage.order(recording, order).status_code == 201
    assert state(stage, recording).intent == Order("ja", False, "assembly_ai_async")
    galician = str(uuid.uuid4())
    assert stage.order(galician, {"language": "gl"}).status_code == 201
    stage.happens(galician, events.RecordingDone(stage.store.now()))
    stage.happens(galician, events.Listed(stage.store.now(), 0))
    stage.happens(galician, events.RecordingAsked(stage.store.now(), RecordingCondition.DONE))
    assert CreateTranscript(1, "assembly_ai_async") in pending(stage, galician)


@pytest.mark.parametrize("provider", sorted(BY_VENDOR))
def test_each_provider_is_told_a_language_that_it_has(stage: Stage, provider: str) -> None:
    assert stage.order(str(uuid.uuid4()), {"language": "de-CH", "provider": provider}).status_code == 201


def test_a_language_that_no_provider_can_be_told_is_refused_with_the_reason(stage: Stage) -> None:
    answer = stage.order(str(uuid.uuid4()), {"language": "gl", "provider": "recallai"})
    error = answer.json["error"]
    assert (answer.status_code, error["code"]) == (422, "unsupported_language")
    assert "assembly_ai_async" in error["message"]
    answer = stage.order(str(uuid.uuid4()), {"language": "tlh"})
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "unsupported_language")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"provider": "rev", "language": "auto"}, "unsupported_language"),
        ({"provider": "nobody"}, "unsupported_provider"),
        ({"provider": "deepgram_streaming"}, "unsupported_provider"),
        ({"language": "tlh"}, "unsupported_language"),
        ({"language": "no language"}, "unsupported_language"),
        ({"language": "\ud800"}, "unsupported_language"),
        ({"language": 3}, "invalid_request"),
        ({"diarization": "yes"}, "invalid_request"),
        ({"langauge": "de"}, "invalid_request"),
        ([], "invalid_request"),
        ("x", "invalid_request"),
    ],
)
def test_what_cannot_be_ordered_is_422_and_begins_nothing(stage: Stage, body: Any, code: str) -> None:
    recording = str(uuid.uuid4())
    answer = stage.order(recording, body)
    assert answer.status_code == 422
    assert answer.json["error"]["code"] in (code, "invalid_request")
    assert stage.store.load(WORKSPACE, recording).version == 0


def test_what_is_no_uuid_is_422(stage: Stage) -> None:
    for recording in ("rec_abc123", "x" * 36, "0" * 32, "%00", f"{uuid.uuid4()}%0a"):
        assert stage.order(recording, {}).status_code == 422


@pytest.mark.slow
@pytest.mark.parametrize("body", [b"{", b"\xff", b"nul", b"[" * 10_000, b'{"language": "' + b"x" * 70_000])
def test_a_body_that_is_no_json_is_refused(stage: Stage, body: bytes) -> None:
    answer = stage.ask("POST", f"/recordings/{uuid.uuid4()}/transcribe", data=body)
    assert answer.status_code in (413, 422)


def test_a_body_is_json_whatever_its_type_is_said_to_be(stage: Stage) -> None:
    recording = str(uuid.uuid4())
    answer = stage.ask(
        "POST",
        f"/recordings/{recording}/transcribe",
        data=json.dumps({"language": "de"}),
        content_type="application/x-www-form-urlencoded",
    )
    assert answer.status_code == 201
    assert state(stage, recording).intent.language == "de"


def test_an_idempotency_key_repeats_the_answer_and_refuses_another_request(stage: Stage) -> None:
    recording = str(uuid.uuid4())
    key = {"Idempotency-Key": "order-1"}
    codes = [stage.order(recording, {"language": "de"}, headers=key).status_code for _ in range(3)]
    assert codes == [201, 201, 201]
    other = stage.order(recording, {"language": "en"}, headers=key)
    assert (other.status_code, other.json["error"]["code"]) == (422, "idempotency_key_reused")
    bad = stage.order(recording, {}, headers={"Idempotency-Key": "with blank"})
    assert bad.status_code == 422


def test_a_request_that_was_refused_may_be_sent_again_under_its_key(stage: Stage) -> None:
    recording = str(uuid.uuid4())
    key = {"Idempotency-Key": "order-2"}
    assert stage.order(recording, {"language": "tlh"}, headers=key).status_code == 422
    assert stage.order(recording, {"language": "de"}, headers=key).status_code == 201


def test_processing_is_above_the_policy_and_names_who_said_it(stage: Stage) -> None:
    path = "/projects/default/config/processing"
    assert stage.get(path).json == {"auto_transcription": {"enabled": True, "provider": "recallai_async"}}
    off = {"auto_transcription": {"enabled": False, "provider": "whisper"}}
    assert stage.ask("PUT", path, data=json.dumps(off)).status_code == 200

    now, passed = stage.store.now(), str(uuid.uuid4())
    stage.happens(passed, events.RecordingDone(now))
    assert state(stage, passed).phase is Phase.SKIPPED

    on = {"auto_transcription": {"enabled": True, "provider": "deepgram"}}
    answer = stage.ask("PUT", path, data=json.dumps(on))
    assert answer.json == {"auto_transcription": {"enabled": True, "provider": "deepgram_async"}}
    taken = str(uuid.uuid4())
    stage.happens(taken, events.RecordingDone(now))
    assert pending(stage, taken) == [CreateTranscript(1, "deepgram_async")]
    said = stage.store.processing("default")
    assert said is not None
    assert said.by == "all"
    assert stage.ask("PUT", "/projects/nowhere/config/processing", data=json.dumps(on)).status_code == 404


def test_force_beside_a_result_is_one_further_attempt_and_the_files_stay_readable(stage: Stage) -> None:
    recording = stage.stored()
    key = {"Idempotency-Key": "once-more"}
    order = {"force": True, "provider": "deepgram", "language": "de"}
    first = stage.order(recording, order, headers=key)
    assert (first.status_code, first.json["status"]) == (201, "processing")
    assert pending(stage, recording) == [LookUpTranscript(0)]
    assert len(first.json["segments"]) == 4
    assert stage.get(f"/transcriptions/{recording}/files/transcript.txt").status_code == 200

    again = stage.order(recording, order, headers=key)
    other = stage.order(recording, {"force": True})
    assert again.status_code == 201
    assert (other.status_code, other.json["error"]["code"]) == (409, "still_running")
    assert stage.order(recording).status_code == 200  # without force: the one that is under way
    assert state(stage, recording).planned == 1  # what is stored was made by another party
    assert len(state(stage, recording).orders) == 1


def test_an_extra_whose_answer_was_lost_is_the_same_order_when_it_is_sent_again(stage: Stage) -> None:
    """As after a death between the commit of the order and that of its answer."""
    recording = stage.stored()
    key = {"Idempotency-Key": "lost"}
    assert stage.order(recording, {"force": True}, headers=key).status_code == 201
    stage.store.end_request("all", "lost", status=None)
    stage.happens(recording, events.RecordingDeleted(stage.store.now()))
    assert state(stage, recording).phase is Phase.STORED  # it ended, unpaid

    assert stage.order(recording, {"force": True}, headers=key).status_code == 200
    assert state(stage, recording).phase is Phase.STORED
    assert len(state(stage, recording).orders) == 1


def test_force_where_there_is_no_result_is_an_order_as_any_other(stage: Stage) -> None:
    fresh = str(uuid.uuid4())
    assert stage.order(fresh, {"force": True}).json["status"] == "pending"
    assert state(stage, fresh).extra is None
    running = str(uuid.uuid4())
    stage.happens(running, events.RecordingDone(stage.store.now()))
    answer = stage.order(running, {"force": True})
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "still_running")


def test_a_provider_without_a_price_is_not_ordered_where_a_day_has_a_budget(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("providers = ['recallai_async']\n[cost]\ndaily_budget = 5\n")
    stage = open_stage(tmp_path, AFTERWORD_POLICY="policy.toml")
    answer = stage.order(str(uuid.uuid4()), {"provider": "gladia"})
    assert (answer.status_code, answer.json["error"]["code"]) == (422, "unsupported_provider")
    assert "daily budget" in answer.json["error"]["message"]
    assert stage.order(str(uuid.uuid4()), {"provider": "assemblyai"}).status_code == 201
    stage.store.close()
