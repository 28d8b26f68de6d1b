"""
Anything at all: whatever comes in, a reader returns or raises `Unreadable`, and nothing else.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.recall import create_response, resources, url_checks, webhook_events
from app.recall.json_fields import Unreadable
from app.recall.types import CreateOrder

R = "4cff97e4-f0c7-4915-b5a0-983238758f28"
T = "fc8fcbb5-2795-48ca-a273-caf0bfe01dea"
B = "e4b22b2d-d490-4874-a086-322922f07950"
OTHER = "a31e78b3-b67e-4dcf-af63-631e7548c40f"
AT = 1_763_700_000.0
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BASE = "https://us-east-1.recall.ai"
KEY = "key-that-must-not-be-seen"


def order(provider: str = "deepgram_async", **options: Any) -> CreateOrder:
    return CreateOrder(
        recording_id=R,
        provider=provider,
        options=options,
        separate_streams=True,
        marker=f"{R}/1",
        idempotency_key="11111111-1111-5111-8111-111111111111",
    )


names = st.sampled_from(
    ["event", "type", "data", "recording", "transcript", "bot", "id", "metadata", "status", "sub_code"]
    + ["code", "updated_at", "created_at", "results", "next", "provider", "afterword", "expires_at"]
    + ["recording_id", "transcript_id", "media_shortcuts", "audio_mixed", "started_at", "completed_at"]
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([R, T, B]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(names | st.text(max_size=9), inner, max_size=6)
    ),
    max_leaves=25,
)
kinds = st.sampled_from(
    ["recording.done", "recording.failed", "transcript.done", "transcript.failed", "bot.x"]
)
deliveries = st.fixed_dictionaries({"event": kinds | json_values, "data": json_values})


def check_decoded(body: bytes) -> None:
    try:
        result = webhook_events.decode_delivery(body, at=AT)
    except Unreadable:
        return
    assert (result.event is None) == (result.note is not None)
    assert result.recording_id is None or re.fullmatch(r"[0-9a-f-]{36}", result.recording_id)
    for value in (result.kind, result.note or "", repr(result.event)):
        value.encode()  # whatever was let through can be stored


@given(st.binary(max_size=300))
def test_no_bytes_make_the_decoder_raise_anything_but_unreadable(body: bytes) -> None:
    check_decoded(body)


@pytest.mark.slow
@given(deliveries)
@example({"event": "recording.done", "data": {"recording": {"id": R, "metadata": {"\ud800": "\0"}}}})
@example({"event": "bot.x", "data": {"data": {"updated_at": "0001-01-01T00:00:00+23:59"}}})
@example({"event": "bot.x", "data": {"data": {"updated_at": "9999-12-31T23:59:59-23:59"}}})
def test_no_shape_makes_the_decoder_raise_anything_but_unreadable(payload: Any) -> None:
    check_decoded(json.dumps(payload).encode())


@pytest.mark.slow
@given(json_values | deliveries, st.integers(100, 599))
def test_no_answer_makes_a_reader_raise_anything_but_unreadable(value: Any, status: int) -> None:
    body = json.dumps(value).encode()
    judged = create_response.read_create_answer(status, {}, body, order=order(), now=NOW, cap_s=120)
    assert judged.kind in {"created", "refused", "unknown"}
    for reader in (
        lambda raw: resources.read_artifact(raw, transcript_id=T, recording_id=R),
        lambda raw: resources.read_list(raw, recording_id=R),
        lambda raw: resources.read_recordings_list(raw, now=AT),
        lambda raw: resources.read_recording(200, raw, recording_id=R, now=AT),
        lambda raw: resources.read_deletion(raw, own_id=T),
        resources.read_probe,
    ):
        try:
            reader(body)
        except Unreadable:
            continue


@given(st.text(max_size=40))
def test_any_retry_after_is_a_wait_within_the_cap(value: str) -> None:
    assert 0 <= create_response.retry_after_s({"retry-after": value}, now=NOW) <= 300


@given(st.text(max_size=40))
def test_any_text_is_judged_as_an_address_without_raising(url: str) -> None:
    is_loopback = url_checks.host_is_loopback(url)
    assert not (is_loopback and url_checks.parts_of(url) is None)
    assert not (is_loopback and url_checks.is_public(url))
