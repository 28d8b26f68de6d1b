"""
Transcripts, recordings and pages of both, as Recall writes them and as it might one day.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app.core.events import RecordingCondition
from app.recall import providers, resources, webhook_events
from app.recall.json_fields import Unreadable

R = "4cff97e4-f0c7-4915-b5a0-983238758f28"
T = "fc8fcbb5-2795-48ca-a273-caf0bfe01dea"
B = "e4b22b2d-d490-4874-a086-322922f07950"
OTHER = "a31e78b3-b67e-4dcf-af63-631e7548c40f"
AT = 1_763_700_000.0
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BASE = "https://us-east-1.recall.ai"
KEY = "key-that-must-not-be-seen"


def artifact(**changes: Any) -> dict[str, Any]:
    return {
        "id": T,
        "recording": {"id": R, "metadata": None},
        "status": {"code": "done", "sub_code": None},
        "metadata": {"afterword": f"{R}/3"},
        "data": {"download_url": "https://s3.example/secret", "provider_data_download_url": None},
        "provider": {"recallai_async": {"language_code": "auto"}},
        **changes,
    }


def read(**changes: Any) -> Any:
    body = json.dumps(artifact(**changes)).encode()
    return resources.read_artifact(body, transcript_id=T, recording_id=R)


def test_a_transcript_is_read() -> None:
    got = read()
    assert (got.transcript_id, got.status, got.sub_code, got.provider) == (T, "done", None, "recallai_async")
    assert (got.ordinal, got.is_realtime) == (3, False)
    assert (got.download_url, got.provider_data_url) == ("https://s3.example/secret", None)
    assert (got.recording_id, got.providers) == (R, ("recallai_async",))
    assert "secret" not in repr(got)


@pytest.mark.parametrize(
    "changes", [{"data": None}, {"data": {"download_url": ""}}, {"data": {"download_url": 7}}, {"data": []}]
)
def test_a_transcript_without_an_address_has_none(changes: dict[str, Any]) -> None:
    assert read(**changes).download_url is None


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ({"assembly_ai_async": None, "deepgram_async": {"model": "x"}, "rev_async": None}, "deepgram_async"),
        ({"recallai_async": {}}, "recallai_async"),
        ({"a": None}, None),
        ({}, None),
        (None, None),
        ("deepgram_async", None),
    ],
)
def test_the_provider_is_the_first_key_with_a_value(provider: Any, name: str | None) -> None:
    assert read(provider=provider).provider == name


@pytest.mark.parametrize(
    ("provider", "ordered", "name"),
    [
        ({"a_async": {}, "b_async": {}}, "b_async", "b_async"),
        ({"a_async": {}, "b_async": {}}, "c_async", "a_async"),
        ({"a_async": {}, "b_async": {}}, None, "a_async"),
        ({"a_async": None, "b_async": {}}, "a_async", "b_async"),
        ({}, "a_async", None),
    ],
)
def test_of_several_filled_providers_the_ordered_one_counts(
    provider: Any, ordered: str | None, name: str | None
) -> None:
    assert read(provider=provider).provider_for(ordered) == name


@pytest.mark.parametrize(
    ("provider", "is_realtime"),
    [
        ({"meeting_captions": {}, "deepgram_async": {}}, False),
        ({"deepgram_async": {}, "meeting_captions": {}}, False),
        ({"deepgram_async": None, "meeting_captions": {}}, True),
        ({"zoom_rtms": {}, "meeting_captions": {}}, True),
        ({}, False),
    ],
)
def test_several_providers_are_realtime_only_when_none_is_asynchronous(
    provider: Any, is_realtime: bool
) -> None:
    assert read(provider=provider, metadata={}).is_realtime is is_realtime


def test_thousands_of_providers_are_not_carried_along() -> None:
    assert len(read(provider={f"p{n}_async": {} for n in range(5_000)}).providers) <= 20


@pytest.mark.parametrize("key", ["deepgram_streaming", "meeting_captions", "zoom_rtms", "a_new_word"])
def test_what_does_not_say_async_is_realtime_unless_it_bears_our_marker(key: str) -> None:
    assert providers.is_realtime_provider(key)
    assert read(provider={key: {}}, metadata={}).is_realtime
    assert not read(provider={key: {}}).is_realtime


@pytest.mark.parametrize("key", ["recallai_async", "assembly_ai_async_chunked", "gladia_v2_async", None])
def test_what_says_async_or_nothing_is_not_realtime(key: str | None) -> None:
    assert not providers.is_realtime_provider(key)


@pytest.mark.parametrize(
    "changes", [{"id": None}, {"id": "../"}, {"status": None}, {"status": {}}, {"status": {"code": 3}}]
)
def test_a_transcript_without_id_or_status_is_unreadable(changes: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        read(**changes)


def test_a_failed_transcript_says_why_and_a_foreign_one_has_no_ordinal() -> None:
    got = read(status={"code": "failed", "sub_code": "provider_connection_failed"}, metadata={})
    assert (got.sub_code, got.ordinal) == ("provider_connection_failed", None)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": OTHER},
        {"recording": {"id": OTHER}},
        {"recording": OTHER},
        {"recording": {"id": 7}},
        {"recording": {"id": ""}},
        {"recording_id": OTHER, "recording": None},
        {"recording": None, "metadata": {}},
        {"recording": {}, "metadata": {"afterword": f"{OTHER}/1"}},
    ],
)
def test_a_transcript_that_is_not_the_one_asked_for_is_unreadable(changes: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        read(**changes)


def test_a_transcript_that_names_no_recording_is_known_by_our_marker() -> None:
    assert read(recording=None).ordinal == 3
    assert read(recording={"metadata": None}, recording_id=R.upper()).recording_id == R


def page(*results: Any, next: Any = None) -> bytes:
    return json.dumps({"next": next, "previous": None, "results": list(results)}).encode()


def test_a_page_lists_the_recordings_transcripts_and_where_to_go_on() -> None:
    body = page(artifact(), artifact(id=OTHER, recording=None), next="https://n/")
    found, following = resources.read_list(body, recording_id=R)
    assert [(a.transcript_id, a.ordinal) for a in found] == [(T, 3), (OTHER, 3)]
    assert following == "https://n/"
    assert resources.read_list(page(next=""), recording_id=R) == ([], None)


@pytest.mark.parametrize(
    "body",
    [page({}), page("x"), b"{}", b"[]", b"<html>", page(next=7), b'{"results": null}', page(artifact(id=7))]
    + [page(artifact(recording={"id": OTHER})), page(artifact(), artifact(id=B, recording={"id": OTHER}))]
    + [page(artifact(recording=None, metadata={}))],
)
def test_a_page_that_is_not_one_is_never_taken_for_an_empty_list(body: bytes) -> None:
    with pytest.raises(Unreadable):
        resources.read_list(body, recording_id=R)


def recording(**changes: Any) -> dict[str, Any]:
    return {"id": R, "status": {"code": "done"}, "metadata": {"a": "1"}, "bot": {"id": B}, **changes}


def facts(**changes: Any) -> Any:
    body = json.dumps(recording(**changes)).encode()
    return resources.read_recording(200, body, recording_id=R, now=AT)


@pytest.mark.parametrize(
    ("changes", "condition"),
    [
        ({}, RecordingCondition.DONE),
        ({"expires_at": None}, RecordingCondition.DONE),
        ({"expires_at": "2099-01-01T00:00:00Z"}, RecordingCondition.DONE),
        ({"expires_at": "2020-01-01T00:00:00Z"}, RecordingCondition.GONE),
        ({"expires_at": "never"}, RecordingCondition.DONE),
        ({"status": {"code": "deleted"}}, RecordingCondition.GONE),
        ({"status": {"code": "failed"}}, RecordingCondition.FAILED),
        ({"status": {"code": "processing"}}, RecordingCondition.NOT_DONE),
        ({"status": {"code": "paused"}}, RecordingCondition.NOT_DONE),
        ({"status": {"code": "a_new_one"}}, RecordingCondition.NOT_DONE),
        ({"status": None}, RecordingCondition.NOT_DONE),
    ],
)
def test_the_condition_of_a_recording(changes: dict[str, Any], condition: RecordingCondition) -> None:
    assert facts(**changes).condition == condition


@pytest.mark.parametrize(
    ("shortcuts", "has_media"),
    [
        (None, True),
        ({}, False),
        ({"audio_mixed": None, "video_mixed": None, "transcript": {"id": T}}, False),
        ({"audio_mixed": {"status": {"code": "deleted"}}, "video_mixed": None}, False),
        ({"audio_mixed": None, "video_mixed": {"status": {"code": "done"}}}, True),
        ({"audio_mixed": {"id": T}}, True),
        ({"audio_separate": {"id": T}}, True),
    ],
)
def test_a_recording_without_usable_sound_has_no_media(shortcuts: Any, has_media: bool) -> None:
    assert facts(media_shortcuts=shortcuts).has_media is has_media


@pytest.mark.parametrize(
    ("started", "completed", "duration_s"),
    [
        ("2026-01-01T10:00:00Z", "2026-01-01T10:30:00.5Z", 1800.5),
        ("2026-01-01T10:00:00", "2026-01-01T11:30:00+01:00", 1800.0),
        ("2026-01-01T10:00:00Z", None, None),
        (None, "2026-01-01T10:00:00Z", None),
        ("2026-01-01T10:00:00Z", "2026-01-01T09:00:00Z", None),
        ("2026-01-01T10:00:00Z", "2026-01-01T10:00:00Z", None),
    ],
)
def test_a_duration_is_known_only_from_both_ends(started: Any, completed: Any, duration_s: Any) -> None:
    assert facts(started_at=started, completed_at=completed).duration_s == duration_s


@pytest.mark.parametrize(
    ("media", "url"),
    [
        ({"participant_events": {"data": {"participants_download_url": "https://a/b"}}}, "https://a/b"),
        ({"participant_events": {"data": {"participants_download_url": None}}}, None),
        ({"participant_events": {"data": {"participants_download_url": 7}}}, None),
        ({"participant_events": None}, None),
        (None, None),
    ],
)
def test_where_the_participants_of_a_recording_are(media: Any, url: str | None) -> None:
    assert facts(media_shortcuts=media).participants_url == url


def test_bot_and_metadata_of_a_recording() -> None:
    got = facts(bot={"id": B, "metadata": {"a": "0", "b": "2"}})
    assert (got.bot_id, got.metadata) == (B, (("a", "1"), ("b", "2")))
    assert facts(bot=None).bot_id is None
    assert facts(bot=None, bot_id=B).bot_id == B


def test_a_recording_that_is_not_there() -> None:
    for status, body, condition in ((404, b"<html>", RecordingCondition.UNKNOWN),):
        assert resources.read_recording(status, body, recording_id=R, now=AT).condition == condition
    for id in ("../", OTHER, None):
        with pytest.raises(Unreadable):
            facts(id=id)


def test_metadata_keeps_its_nulls_which_take_no_texts_place() -> None:
    got = facts(
        metadata={"a": None, "b": None, "afterword": None}, bot={"id": B, "metadata": {"afterword": "skip"}}
    )
    assert got.metadata == (("a", None), ("afterword", "skip"), ("b", None))


def test_half_a_surrogate_pair_in_metadata_costs_one_character() -> None:
    got = facts(metadata={"note": "cut \ud83d", "\udc00": "x", "nul": "\0", "n": 1, "long": "x" * 501})
    assert got.metadata == (("note", "cut \ufffd"), ("\ufffd", "x"))


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: b"\xef\xbb\xbf \r\n" + body + b" \r\n",
        lambda body: body.decode().encode("utf-16"),
        lambda body: body[:-1] + b', "x": NaN, "y": [Infinity, -Infinity]}',
        lambda body: body[:-1] + b', "x": "\\udc00 \\ud800"}',
        lambda body: body[:-1] + b', "x": "\xff \xed\xa0\x80 \x01 \t"}',
    ],
)
def test_what_json_does_not_allow_but_writers_write_is_read_everywhere(spoilt: Any) -> None:
    body = spoilt(json.dumps(artifact()).encode())
    assert resources.read_artifact(body, transcript_id=T, recording_id=R) == read()
    assert resources.read_list(spoilt(page(artifact())), recording_id=R) == ([read()], None)
    whole = spoilt(json.dumps(recording()).encode())
    assert resources.read_recording(200, whole, recording_id=R, now=AT) == facts()
    event = {"event": "transcript.done", "data": {"transcript": {"id": T}, "recording": {"id": R}}}
    assert webhook_events.decode_delivery(spoilt(json.dumps(event).encode()), at=AT).recording_id == R


def test_a_list_of_recordings() -> None:
    body = page(recording(created_at="2026-01-01T00:00:00Z"), next="https://n/")
    (seen,), following = resources.read_recordings_list(body, now=AT)
    assert (seen.recording_id, seen.facts.bot_id, following) == (R, B, "https://n/")
    assert seen.created_at == datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    with pytest.raises(Unreadable):
        resources.read_recordings_list(page({}), now=AT)
