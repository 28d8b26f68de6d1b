"""
What an answer to a create means. The one table of this program that is about money.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.recall import create_response
from app.recall.limits import CreateFault
from app.recall.types import CreateAnswer, CreateOrder

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


def answer(status: int, body: Any = b"", headers: dict[str, str] | None = None, **to: Any) -> CreateAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return create_response.read_create_answer(
        status, headers or {}, raw, order=to.get("to", order()), now=NOW, cap_s=120
    )


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_2xx_with_an_id_is_created(status: int) -> None:
    body = {"id": T, "recording": {"id": R}, "provider": {"rev_async": None, "deepgram_async": {}}}
    assert answer(status, body) == CreateAnswer(
        "created", transcript_id=T, provider="deepgram_async", status=status
    )
    assert answer(status, {"id": T.upper(), "recording": {"id": R}}).transcript_id == T
    loud = {"id": T, "recording": {"id": R.upper()}, "metadata": {"afterword": f"{R.upper()}/1"}}
    assert answer(status, loud).kind == "created"


def test_of_several_providers_in_an_answer_the_ordered_one_is_noted() -> None:
    several: dict[str, Any] = {"recallai_async": {}, "deepgram_async": {}}
    said = {"id": T, "recording": {"id": R}, "provider": several}
    assert answer(200, said).provider == "deepgram_async"
    assert answer(200, said, to=order("rev_async")).provider == "recallai_async"


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "unreadable_answer"),
        (b"<html>OK</html>", "unreadable_answer"),
        (b"[]", "unreadable_answer"),
        ({"status": {"code": "processing"}}, "no_id"),
        ({"id": "../"}, "no_id"),
        ({"id": T, "recording": {"id": OTHER}}, "other_recording"),
        ({"id": T, "recording": OTHER}, "other_recording"),
        ({"id": T, "recording_id": OTHER}, "other_recording"),
        ({"id": T, "recording": {"id": R}, "metadata": {"afterword": f"{R}/2"}}, "other_marker"),
        ({"id": T, "recording": {"id": R}, "metadata": {"afterword": f"{OTHER}/1"}}, "other_marker"),
        ({"id": T}, "names_no_recording"),
        ({"id": T, "metadata": {"afterword": "skip"}}, "other_marker"),
        ({"id": T, "metadata": {"afterword": 1}}, "other_marker"),
        ({"id": T, "recording": {"id": R}, "metadata": {}}, "other_marker"),
        ({"id": T, "recording": {"id": R}, "metadata": {"a": "b"}}, "other_marker"),
    ],
)
def test_a_2xx_that_does_not_say_what_was_made_is_unknown(body: Any, detail: str) -> None:
    result = answer(200, body)
    assert (result.kind, result.transcript_id, result.detail) == ("unknown", None, detail)


def test_every_4xx_but_409_and_507_is_refused_and_all_the_rest_unknown() -> None:
    refused = {status for status in range(300, 600) if answer(status).kind == "refused"}
    assert refused == set(range(400, 500)) - {409} | {507}
    assert {answer(status).kind for status in set(range(100, 600)) - refused} == {"unknown"}


@pytest.mark.parametrize(
    ("status", "headers", "wait_s"),
    [
        (429, {"Retry-After": "7"}, 7.0),
        (429, {}, 1.0),
        (429, {"retry-after": "9999"}, 120.0),
        (503, {"Retry-After": "3"}, 3.0),
        (507, {"Retry-After": "30"}, 30.0),
        (400, {"Retry-After": "30"}, None),
    ],
)
def test_the_wait_of_a_busy_answer_is_kept(
    status: int, headers: dict[str, str], wait_s: float | None
) -> None:
    assert answer(status, b"", headers).retry_after_s == wait_s


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (
            {"code": "recording_not_ready", "detail": "This recording, of Jane, is not done."},
            "recording_not_ready",
        ),
        ({"code": "Jane said so", "detail": "x"}, "code,detail"),
        ({"non_field_errors": ["Too many transcripts."]}, "non_field_errors"),
        ({"b": ["x"], "a": "y", "a field of Jane": 1}, "a,b"),
        ({str(n): 1 for n in range(9)}, "0,1,2,3,4"),
        (["Jane"], ""),
        ("Jane", ""),
        (b"<html>Jane</html>", ""),
        (b"\xff", ""),
        (b"[" * 200_000, ""),
    ],
)
def test_a_refusal_keeps_recalls_code_or_field_names_and_never_its_prose(body: Any, code: str) -> None:
    result = answer(400, body)
    assert (result.code, result.kind, result.detail) == (code, "refused", "http_400")


@pytest.mark.parametrize(
    "body",
    [
        {"provider": ["This field is required."]},
        {"provider": {"deepgram_async": {"model": ["Not a valid choice."]}}},
        {"deepgram_async": ["Invalid."]},
        {"model": ["Not a valid choice."]},
        {"transcript": "Unable to get temporary credentials for deepgram_streaming. (more)"},
        {"transcript": "Unable to get temporary credentials for deepgram_async."},
        {"code": "bad_request", "detail": "No credentials for Deepgram are set."},
        {"non_field_errors": ["deepgram_async is not available."]},
        ["deepgram_async: no"],
    ],
)
def test_a_400_about_the_provider_is_recognised(body: Any) -> None:
    assert answer(400, body, to=order(model="nova-9")).names_provider


@pytest.mark.parametrize(
    "body",
    [
        {"non_field_errors": ["Too many transcripts for this recording."]},
        {"code": "recording_not_ready", "detail": "This recording is not done."},
        {"metadata": ["Too long."]},
        {"diarization": {"use_separate_streams_when_available": ["Must be a boolean."]}},
        {"detail": "Ask your transcription provider"},
        {"detail": "my_deepgram_async and deepgramming are other words"},
        b"<html>deepgram_async</html>",
        {"a": {"a": {"a": {"a": {"a": {"a": {"provider": 1}}}}}}},
        None,
    ],
)
def test_a_400_about_something_else_is_not_blamed_on_the_provider(body: Any) -> None:
    assert not answer(400, body, to=order(model="nova-3", metadata="x")).names_provider


def test_recallais_own_name_alone_is_no_blame() -> None:
    body = {"detail": "See recallai for details."}
    assert not answer(400, body, to=order("recallai_async")).names_provider
    assert answer(400, {"detail": "recallai_async failed"}, to=order("recallai_async")).names_provider


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (401, CreateFault.KEY),
        (402, CreateFault.BALANCE),
        (403, CreateFault.FORBIDDEN),
        (429, CreateFault.BUSY),
        (507, CreateFault.BUSY),
        *((status, CreateFault.REQUEST) for status in (400, 404, 422)),
        *((status, CreateFault.ON_THE_WAY) for status in (405, 410, 413, 418, 451)),
    ],
)
def test_what_a_refused_create_is_about_is_told_by_its_status(status: int, fault: CreateFault) -> None:
    assert answer(status, {"detail": "no"}).fault is fault


def test_a_refusal_that_names_the_provider_is_about_the_provider() -> None:
    assert answer(400, {"provider": ["no"]}).fault is CreateFault.PROVIDER


def test_only_a_400_can_be_about_the_provider() -> None:
    assert not answer(403, {"provider": ["x"]}).names_provider


def in_http(delta_s: float) -> str:
    return (NOW + timedelta(seconds=delta_s)).strftime("%a, %d %b %Y %H:%M:%S GMT")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("17", 17.0),
        (" 17 ", 17.0),
        ("31536000", 300.0),
        ("9" * 5000, 300.0),
        (in_http(20), 20.0),
        (in_http(-20), 0.0),
        (in_http(1e6), 300.0),
        ((NOW + timedelta(seconds=20)).strftime("%a, %d %b %Y %H:%M:%S -0000"), 20.0),
        ("1.5", 1.0),
        ("1e2", 1.0),
        ("-5", 1.0),
        ("", 1.0),
        ("soon", 1.0),
        ("١٢", 1.0),
        ("Mon, 99 Foo 2026 00:00:00 GMT", 1.0),
    ],
)
def test_retry_after_is_seconds_or_a_date_capped_or_one_second(value: str, seconds: float) -> None:
    assert create_response.retry_after_s({"RETRY-after": value}, now=NOW) == seconds


def test_a_cap_holds_for_the_default_too() -> None:
    assert create_response.retry_after_s({}, now=NOW) == 1.0
    assert create_response.retry_after_s({}, now=NOW, cap_s=0.5) == 0.5
