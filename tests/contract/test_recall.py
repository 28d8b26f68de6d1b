"""
The port `Recall`, kept by our client against the simulator: every outcome of a create as Recall's bill
saw it, and reading. Faults at the level of bytes are in tests/recall/.
"""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path

import pytest

from app.core.events import RecordingCondition
from app.errors import AccountRefused, RecallBusy
from tests.contract.recall_stage import LATE, Stage, order

# -- create: what is known afterwards, and what it cost ---------------------------------------------


def test_a_create_says_which_transcript_it_made(stage: Stage) -> None:
    recording_id = stage.recording()
    made = stage.create(recording_id)
    assert (made.kind, made.status, made.provider) == ("created", 200, "recallai_async")
    (seen,) = stage.listed(recording_id)
    assert (seen.transcript_id, seen.ordinal, seen.is_realtime) == (made.transcript_id, 1, False)
    assert stage.billed(recording_id) == 1


@pytest.mark.slow
@pytest.mark.parametrize("word", ["cut_after", LATE, "status_after:500", "status_after:503", "no_id", "html"])
def test_a_lost_answer_is_unknown_and_the_list_finds_what_was_paid(stage: Stage, word: str) -> None:
    recording_id = stage.recording(creates=[word])
    lost = stage.create(recording_id)
    assert (lost.kind, lost.transcript_id) == ("unknown", None)
    (seen,) = stage.listed(recording_id)
    assert (seen.ordinal, seen.provider) == (1, "recallai_async")
    assert (stage.billed(recording_id), stage.posts(recording_id)) == (1, 1)


@pytest.mark.parametrize(
    "word", ["cut_before", "status_before:500", "status_before:502", "status_before:504"]
)
def test_a_create_that_failed_silently_is_unknown_too_and_costs_nothing(stage: Stage, word: str) -> None:
    recording_id = stage.recording(creates=[word])
    assert stage.create(recording_id).kind == "unknown"
    assert stage.listed(recording_id) == []
    assert (stage.billed(recording_id), stage.posts(recording_id)) == (0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("word", ["cut_after", LATE])
def test_the_same_order_again_finds_the_same_transcript_and_pays_once(stage: Stage, word: str) -> None:
    recording_id = stage.recording(creates=[word])
    assert stage.create(recording_id).kind == "unknown"
    deadline = time.monotonic() + 9
    while (again := stage.create(recording_id)).kind != "created":
        assert (again.kind, again.status) == ("unknown", 409)  # the first is still in flight
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert again.transcript_id == stage.listed(recording_id)[0].transcript_id
    assert stage.billed(recording_id) == 1


@pytest.mark.parametrize("status", [400, 404, 409, 429, 507])
def test_a_scripted_status_is_judged_by_its_number(stage: Stage, status: int) -> None:
    recording_id = stage.recording(creates=[f"status_before:{status}"])
    answer = stage.create(recording_id)
    assert (answer.kind, answer.status) == ("unknown" if status == 409 else "refused", status)
    assert stage.billed(recording_id) == 0


def test_a_refused_create_with_a_new_key_is_another_create(stage: Stage) -> None:
    recording_id = stage.recording(creates=["status_before:507"])
    assert stage.create(recording_id).status == 507
    assert stage.create(recording_id).status == 507  # replayed: this key is used up
    assert stage.create(recording_id, idempotency_key="the next generation").kind == "created"


def test_a_provider_without_credentials_is_told_from_other_refusals(stage: Stage) -> None:
    blamed = stage.create(stage.recording(creates=["refuse"]))
    assert (blamed.kind, blamed.status, blamed.names_provider) == ("refused", 400, True)
    unknown = stage.create(stage.recording(), provider="nobody_async", options={})
    assert (unknown.status, unknown.names_provider) == (400, True)
    option = stage.create(stage.recording(), provider="rev_async", options={"no_such_option": 1})
    assert (option.status, option.names_provider) == (400, True)


@pytest.mark.parametrize(
    ("state", "status"), [("expired", 400), ("no_audio", 400), ("zdr", 400), ("unknown", 404)]
)
def test_a_recording_that_cannot_be_transcribed_is_not_the_providers_fault(
    stage: Stage, state: str, status: int
) -> None:
    answer = stage.create(stage.recording(recording_state=state))
    assert (answer.kind, answer.status, answer.names_provider) == ("refused", status, False)


def test_recalls_own_limit_is_a_refusal_that_blames_no_provider(stage: Stage) -> None:
    recording_id = stage.recording()
    for n in range(10):
        stage.created(recording_id, idempotency_key=f"key {n}")
    full = stage.create(recording_id, idempotency_key="one too many")
    assert (full.kind, full.status, full.names_provider) == ("refused", 400, False)
    assert full.code == "non_field_errors"


def test_an_account_that_may_not_pay_is_refused_and_so_is_a_wrong_key(stage: Stage) -> None:
    stage.settings(balance=False)
    assert stage.create(stage.recording()).status == 402
    stage.settings(balance=True, api_keys=["another"])
    answer = stage.create(str(uuid.uuid4()))
    assert (answer.kind, answer.status, answer.code) == ("refused", 401, "authentication_failed")


@pytest.mark.parametrize(("style", "code"), [("json", "request_blocked"), ("html", ""), ("text", "")])
def test_a_payload_the_firewall_dislikes_is_refused_with_403(stage: Stage, style: str, code: str) -> None:
    stage.settings(waf_style=style)
    answer = stage.create(stage.recording(payload_403=True))
    assert (answer.kind, answer.status, answer.code) == ("refused", 403, code)


@pytest.mark.parametrize(
    ("style", "least_s", "most_s"), [("seconds", 40.0, 61.0), ("date", 39.0, 62.0), ("missing", 1.0, 1.1)]
)
def test_a_429_says_how_long_in_each_of_its_styles(
    limited: Stage, style: str, least_s: float, most_s: float
) -> None:
    limited.settings(retry_after=style)
    recording_id = limited.recording()
    limited.created(recording_id)
    busy = limited.create(recording_id, idempotency_key="another")
    assert (busy.kind, busy.status) == ("refused", 429)
    assert busy.retry_after_s is not None
    assert least_s <= busy.retry_after_s <= most_s
    limited.listed(recording_id)
    with pytest.raises(RecallBusy) as caught:
        limited.listed(recording_id)
    assert least_s <= caught.value.retry_after_s <= most_s


def test_a_stale_stamp_sends_nothing(stage: Stage) -> None:
    recording_id = stage.recording()
    answer = stage.recall.create(order(recording_id), is_still_fresh=lambda: False)
    assert (answer.kind, answer.detail) == ("not_sent", "stale_stamp")
    assert stage.posts(recording_id) == 0


def test_a_recall_that_is_away_is_unknown_for_a_create_and_busy_for_the_rest(stage: Stage) -> None:
    recording_id = stage.recording()
    for mode in ("503", "cut"):
        stage.settings(down=True, down_mode=mode)
        assert stage.create(recording_id).kind == "unknown"
        with pytest.raises(RecallBusy):
            stage.recall.probe()
    stage.settings(down=False)
    stage.recall.probe()


# -- reading ----------------------------------------------------------------------------------------


def test_a_list_is_read_to_its_end_whatever_its_pages_and_order(stage: Stage) -> None:
    recording_id, other = stage.recording(), stage.recording()
    made = {stage.created(recording_id, ordinal=n) for n in range(1, 8)}
    stage.created(other)
    for list_order in ("newest", "oldest", "mixed"):
        stage.settings(page_size=2, list_order=list_order)
        found = stage.listed(recording_id)
        assert {a.transcript_id for a in found} == made
        assert {a.ordinal for a in found} == set(range(1, 8))


@pytest.mark.parametrize("form", ["single", "all_keys"])
def test_the_provider_is_known_in_both_forms(stage: Stage, form: str) -> None:
    stage.settings(provider_form=form)
    recording_id = stage.recording()
    made = stage.create(recording_id, provider="deepgram_async", options={"model": "nova-3"})
    assert made.provider == stage.listed(recording_id)[0].provider == "deepgram_async"


def test_a_failed_transcript_says_why_and_has_no_address(stage: Stage) -> None:
    failed = stage.done(stage.recording(transcripts=["failed:provider_connection_failed"]))
    assert (failed.status, failed.sub_code) == ("failed", "provider_connection_failed")
    assert failed.download_url is None


def test_captions_are_realtime_and_not_ours(stage: Stage) -> None:
    recording_id = stage.recording(captions="done")
    deadline = time.monotonic() + 5
    while not (found := stage.listed(recording_id)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert [(a.is_realtime, a.ordinal) for a in found] == [(True, None)]


@pytest.mark.parametrize("style", ["artifact", "404"])
def test_a_deleted_transcript_is_deleted_or_none(stage: Stage, style: str) -> None:
    recording_id = stage.recording()
    transcript_id = stage.created(recording_id)
    stage.sim(f"transcripts/{transcript_id}/delete", {})
    stage.settings(deleted_retrieve=style)
    found = stage.recall.retrieve(transcript_id, recording_id=recording_id)
    assert (found is None) if style == "404" else (found is not None and found.status == "deleted")


def test_an_unknown_transcript_is_none_and_an_unknown_recording_says_so(stage: Stage) -> None:
    assert stage.recall.retrieve(str(uuid.uuid4()), recording_id=str(uuid.uuid4())) is None
    assert stage.recall.recording(str(uuid.uuid4())).condition == RecordingCondition.UNKNOWN
    assert stage.listed(str(uuid.uuid4())) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "condition", "has_media"),
    [
        ("done", RecordingCondition.DONE, True),
        ("processing:100000", RecordingCondition.NOT_DONE, None),
        ("failed", RecordingCondition.FAILED, None),
        ("deleted", RecordingCondition.UNKNOWN, None),  # this one answers 404
        ("expired", RecordingCondition.GONE, None),
        ("no_audio", RecordingCondition.DONE, False),
        ("unknown", RecordingCondition.UNKNOWN, None),
    ],
)
def test_a_recording_tells_its_condition(
    stage: Stage, state: str, condition: RecordingCondition, has_media: bool | None
) -> None:
    facts = stage.recall.recording(stage.recording(recording_state=state))
    assert facts.condition == condition
    assert has_media is None or facts.has_media is has_media


def test_a_recording_deleted_meanwhile_is_gone(stage: Stage) -> None:
    recording_id = stage.recording()
    stage.sim(f"recordings/{recording_id}/delete", {})
    assert stage.recall.recording(recording_id).condition == RecordingCondition.GONE


def test_a_recording_tells_bot_metadata_and_duration(stage: Stage) -> None:
    made = stage.sim("recordings", {"metadata": {"team": "blue"}})
    facts = stage.recall.recording(made["recording_id"])
    assert (facts.bot_id, facts.metadata) == (made["bot_id"], (("team", "blue"),))
    assert facts.duration_s == pytest.approx(made["duration_s"], abs=1)
    assert facts.started_at == pytest.approx(time.time() - made["duration_s"], abs=30)


def test_a_recordings_participants_can_be_downloaded_by_an_address_that_is_not_shown(
    stage: Stage, tmp_path: Path
) -> None:
    facts = stage.recall.recording(stage.recording())
    assert facts.participants_url is not None
    assert facts.participants_url not in repr(facts)
    stage.recall.download(facts.participants_url, tmp_path / "people", keep_going=lambda: None)
    people = json.loads((tmp_path / "people").read_bytes())
    assert len({person["id"] for person in people}) == len(people) > 1
    assert all("name" in person for person in people)
    assert stage.recall.recording(stage.recording(recording_state="expired")).participants_url is None


def test_the_workspaces_recordings_are_read_to_the_end_and_those_under_way_are_not_done(stage: Stage) -> None:
    start = time.time() - 1
    made = {stage.recording() for _ in range(4)}
    under_way = stage.sim("recordings", {"finish": False})["recording_id"]
    for list_order in ("newest", "oldest", "mixed"):
        stage.settings(page_size=2, list_order=list_order)
        seen = stage.recordings(start)
        assert {s.recording_id for s in seen} == made | {under_way}
        assert len(seen) == 5
        assert all(s.created_at is not None and s.created_at > start for s in seen)
        done = {s.recording_id for s in seen if s.facts.condition is RecordingCondition.DONE}
        not_done = {s.recording_id for s in seen if s.facts.condition is RecordingCondition.NOT_DONE}
        assert (done, not_done) == (made, {under_way})


def test_recordings_from_before_a_time_are_not_listed(stage: Stage) -> None:
    stage.recording()
    (seen,) = stage.recordings(0)
    assert seen.created_at is not None
    assert stage.recordings(seen.created_at + 1) == []


def test_the_list_of_recordings_is_busy_or_refused_like_every_other(stage: Stage) -> None:
    stage.settings(down=True, down_mode="503")
    with pytest.raises(RecallBusy):
        stage.recall.recordings_page(0, None)
    with pytest.raises(RecallBusy):
        stage.recall.delete(str(uuid.uuid4()))
    stage.settings(down=False, api_keys=["another"])
    with pytest.raises(AccountRefused):
        stage.recall.recordings_page(0, None)
    with pytest.raises(AccountRefused):
        stage.recall.delete(str(uuid.uuid4()))


def test_a_transcript_is_deleted_at_recall_and_again_is_fine(stage: Stage) -> None:
    recording_id = stage.recording()
    kept, deleted = (stage.done(recording_id, ordinal=n).transcript_id for n in (1, 2))
    for _ in range(2):
        stage.recall.delete(deleted)
    assert [a.transcript_id for a in stage.listed(recording_id) if a.status != "deleted"] == [kept]
    stage.recall.delete(str(uuid.uuid4()))


def test_a_probe_passes_for_a_good_account_and_names_a_bad_one(stage: Stage) -> None:
    stage.recall.probe()
    stage.settings(api_keys=["another"])
    with pytest.raises(AccountRefused) as caught:
        stage.recall.probe()
    assert caught.value.status == 401
