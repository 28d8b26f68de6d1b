"""
What a verified webhook body says: every event, every oddity, and nothing but `Unreadable` for the rest.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app.core import events
from app.recall import json_fields, webhook_events
from app.recall.json_fields import Unreadable
from app.recall.limits import failure_cause

R = "4cff97e4-f0c7-4915-b5a0-983238758f28"
T = "fc8fcbb5-2795-48ca-a273-caf0bfe01dea"
B = "e4b22b2d-d490-4874-a086-322922f07950"
OTHER = "a31e78b3-b67e-4dcf-af63-631e7548c40f"
AT = 1_763_700_000.0
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BASE = "https://us-east-1.recall.ai"
KEY = "key-that-must-not-be-seen"


def delivery(kind: str, **data: Any) -> bytes:
    body = {"data": {"code": kind.rpartition(".")[2], "sub_code": None, "updated_at": "2025-04-27T01:36:37Z"}}
    return json.dumps(
        {"event": kind, "data": {**body, "recording": {"id": R, "metadata": {}}, **data}}
    ).encode()


def transcript(metadata: Any = None, id: Any = T) -> dict[str, Any]:
    return {"id": id, "metadata": metadata}


def decoded(body: bytes) -> webhook_events.Decoded:
    return webhook_events.decode_delivery(body, at=AT)


@pytest.mark.parametrize(
    ("body", "event"),
    [
        (delivery("recording.done", bot={"id": B, "metadata": {}}), events.RecordingDone(AT, bot_id=B)),
        (delivery("recording.done", bot=None), events.RecordingDone(AT)),
        (delivery("recording.done"), events.RecordingDone(AT)),
        (delivery("recording.done", bot_id=B), events.RecordingDone(AT, bot_id=B)),
        (delivery("recording.done", bot={"id": "../"}), events.RecordingDone(AT)),
        (delivery("recording.failed"), events.RecordingFailed(AT)),
        (delivery("recording.deleted"), events.RecordingDeleted(AT)),
        (delivery("transcript.done", transcript=transcript({})), events.TranscriptDone(AT, T)),
        (delivery("transcript.done", transcript_id=T), events.TranscriptDone(AT, T)),
        (
            delivery("transcript.done", transcript=transcript({"afterword": f"{R}/2"}), bot=None),
            events.TranscriptDone(AT, T, ordinal=2),
        ),
        (delivery("transcript.failed", transcript=transcript()), events.TranscriptFailed(AT, T)),
        (delivery("transcript.deleted", transcript=transcript()), events.TranscriptDeleted(AT, T)),
        (delivery("transcript.done", transcript=transcript(id=T.upper())), events.TranscriptDone(AT, T)),
        (delivery("recording.done", some_new_field={"deep": [1]}), events.RecordingDone(AT)),
    ],
)
def test_a_delivery_becomes_its_event(body: bytes, event: events.Event) -> None:
    result = decoded(body)
    assert result.event == event
    assert (result.recording_id, result.note) == (R, None)
    assert result.happened_at == datetime(2025, 4, 27, 1, 36, 37, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "kind",
    ["recording.processing", "recording.paused", "transcript.processing", "bot.done", "sdk_upload.complete"]
    + ["bot.log", "video_mixed.done", "something.nobody_has_seen", "transcript.done.v2"],
)
def test_a_kind_that_says_nothing_to_us_is_a_note(kind: str) -> None:
    result = decoded(delivery(kind))
    assert (result.event, result.note, result.recording_id) == (None, f"nothing to do: {kind}", R)


def test_a_note_needs_no_recording_and_no_good_id() -> None:
    assert decoded(b'{"event":"sdk_upload.failed","data":{"recording":null}}').recording_id is None
    assert decoded(b'{"event":"bot.done","data":{"recording":{"id":"../"}}}').recording_id is None
    assert decoded(b'{"event":"bot.done","data":[]}').note == "nothing to do: bot.done"
    assert decoded(b'{"event":"bot.done"}').happened_at is None


def test_a_legacy_status_change_is_a_note_with_its_code_and_recording() -> None:
    status = {"code": "recording_done", "created_at": "2025-01-29T23:49:58+00:00", "recording_id": R}
    result = decoded(
        json.dumps({"event": "bot.status_change", "data": {"bot_id": B, "status": status}}).encode()
    )
    assert result.note == "nothing to do: bot.status_change (recording_done)"
    assert (result.event, result.recording_id) == (None, R)
    assert result.happened_at == datetime(2025, 1, 29, 23, 49, 58, tzinfo=UTC).timestamp()


def test_a_legacy_body_names_its_kind_type_and_its_ids_beside_the_objects() -> None:
    body = {"type": "transcript.failed", "data": {"recording_id": R, "transcript_id": T}}
    assert decoded(json.dumps(body).encode()).event == events.TranscriptFailed(AT, T)


@pytest.mark.parametrize(
    ("extra", "found"),
    [
        ({"data": {"sub_code": "provider_connection_failed"}}, "provider_connection_failed"),
        ({"data": None, "status": {"sub_code": "in_status"}}, "in_status"),
        ({"data": {"sub_code": None}, "status": {"sub_code": "in_status"}}, "in_status"),
        ({"data": {"sub_code": "one_nobody_knows"}}, "one_nobody_knows"),
        ({"data": {"sub_code": 7}}, None),
        ({"data": {"sub_code": "Prose, with the name of a person."}}, None),
        ({}, None),
    ],
)
def test_a_sub_code_is_found_in_each_of_its_places(extra: dict[str, Any], found: str | None) -> None:
    result = decoded(delivery("transcript.failed", transcript=transcript(), **extra))
    assert result.event == events.TranscriptFailed(AT, T, None, found, failure_cause(found))
    result = decoded(delivery("recording.failed", **extra))
    assert result.event == events.RecordingFailed(AT, sub_code=found)


def test_a_sub_code_beside_the_data_is_found() -> None:
    body = {"event": "recording.failed", "data": {"recording": {"id": R}}, "status": {"sub_code": "top"}}
    assert decoded(json.dumps(body).encode()).event == events.RecordingFailed(AT, sub_code="top")


@pytest.mark.parametrize(
    "marker",
    [f"{R}/0", f"{R}/10", f"{R}/", f"{OTHER}/1", R, "", 3, None, ["x"], f"{R}/1\n", f" {R}/1", f"{R}/١"],
)
def test_a_marker_that_is_not_exactly_ours_is_foreign(marker: Any) -> None:
    result = decoded(delivery("transcript.done", transcript=transcript({"afterword": marker})))
    assert result.event == events.TranscriptDone(AT, T, ordinal=None)


def test_a_marker_in_capitals_is_ours() -> None:
    assert webhook_events.ordinal_of(f"{R.upper()}/9", R) == 9
    assert webhook_events.ordinal_of(f"{R}/9", None) is None


@pytest.mark.parametrize("ordinal", ["0", "10", "19", "99", "-1", "01", "1.0", "", " 1", "1\n", "\u0663"])
def test_a_marker_with_an_ordinal_no_attempt_can_have_is_foreign(ordinal: str) -> None:
    assert webhook_events.ordinal_of(f"{R}/{ordinal}", R) is None


@pytest.mark.parametrize("metadata", [None, [], "x", 3])
def test_transcript_metadata_of_a_wrong_kind_is_foreign_not_unreadable(metadata: Any) -> None:
    result = decoded(delivery("transcript.done", transcript=transcript(metadata)))
    assert result.event == events.TranscriptDone(AT, T, ordinal=None)


def metadata_of(bot: Any, recording: Any) -> Any:
    body = delivery(
        "recording.done", bot={"id": B, "metadata": bot}, recording={"id": R, "metadata": recording}
    )
    event = decoded(body).event
    assert isinstance(event, events.RecordingDone)
    return event.metadata


def test_metadata_of_the_recording_wins_over_the_bots_and_comes_sorted() -> None:
    assert metadata_of({"b": "bot", "a": "bot"}, {"b": "recording"}) == (("a", "bot"), ("b", "recording"))


def test_metadata_keeps_only_what_can_be_stored() -> None:
    odd: dict[str, Any] = {
        "n": None,
        "i": 3,
        "o": {},
        "nul": "a\0b",
        "half": "\ud800",
        "long": "x" * 501,
        "k" * 101: "x",
    }
    assert metadata_of({"n": "from the bot"}, odd | {"ok": "x" * 500, "\udfff": "x", "null": None}) == (
        ("half", "\ufffd"),
        ("n", "from the bot"),
        ("null", None),
        ("ok", "x" * 500),
        ("\ufffd", "x"),
    )
    assert metadata_of("no object", ["neither"]) == ()


def test_metadata_in_excess_is_cut_but_never_the_wish_to_be_left_alone() -> None:
    many = {f"A{n:04}": "x" for n in range(500)}
    kept = metadata_of({}, many | {"afterword": "skip"})
    assert len(kept) == json_fields.MAX_PAIRS
    assert ("afterword", "skip") in kept


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"<html>", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", "no name of an event"),
        (b'{"event": 7}', "no name of an event"),
        (b'{"event": "a b"}', "no name of an event"),
        (b'{"event": "' + b"x" * 101 + b'"}', "no name of an event"),
        (b'{"event": "recording.done"}', "no recording id"),
        (b'{"event": "recording.done", "data": []}', "no recording id"),
        (b'{"event": "recording.done", "data": {"recording": "x"}}', "no recording id"),
        (delivery("recording.done", recording={"id": "../"}), "the recording id is not a UUID"),
        (delivery("recording.done", recording={"id": 7}), "the recording id is not a UUID"),
        (delivery("recording.done", recording={"id": R + "\n"}), "the recording id is not a UUID"),
        (delivery("recording.done", recording={"id": "{" + R + "}"}), "the recording id is not a UUID"),
        (delivery("recording.done", recording={"id": R.replace("-", "")}), "the recording id is not a UUID"),
        (delivery("transcript.done"), "no transcript id"),
        (delivery("transcript.failed", transcript={"id": "../../etc"}), "the transcript id is not a UUID"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[" * 500_000, "nested too deeply"),
        (b'{"n": ' + b"1" * 10_000 + b"}", "not JSON"),
        (b" " * (webhook_events.MAX_DELIVERY_BYTES + 1), "over-long"),
    ],
)
def test_what_cannot_be_read_says_why_and_quotes_nothing(body: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        decoded(body)
    assert caught.value.reason == str(caught.value) == reason
