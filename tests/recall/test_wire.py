"""
Requests, byte for byte, and the addresses they may go to.
"""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.ports import CreateOrder
from app.recall import addresses, wire
from app.recall.wire import Unreadable

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


def every_get() -> list[wire.HttpRequest]:
    return [
        wire.retrieve_request(BASE, KEY, T),
        wire.recording_request(BASE, KEY, R),
        wire.list_request(BASE, KEY, recording_id=R),
        wire.list_request(BASE, KEY, recording_id=R, cursor_url=f"{BASE}/api/v1/transcript/?cursor=a%2Bb"),
        wire.recordings_list_request(BASE, KEY, created_after=AT),
        wire.recordings_list_request(BASE, KEY, created_after=AT, cursor_url=f"{BASE}/x/?cursor=1"),
        wire.probe_request(BASE, KEY),
    ]


@pytest.mark.parametrize("request_", every_get(), ids=lambda r: r.url)
def test_a_get_has_the_bare_key_a_trailing_slash_and_no_body(request_: wire.HttpRequest) -> None:
    assert (request_.method, request_.body) == ("GET", None)
    assert request_.headers["Authorization"] == KEY
    assert request_.url.partition("?")[0].endswith("/")
    assert "Content-Type" not in request_.headers
    assert KEY not in repr(request_)


def test_addresses_are_recalls() -> None:
    assert [r.url.removeprefix(BASE) for r in every_get()] == [
        f"/api/v1/transcript/{T}/",
        f"/api/v1/recording/{R}/",
        f"/api/v1/transcript/?recording_id={R}",
        "/api/v1/transcript/?cursor=a%2Bb",
        "/api/v1/recording/?created_at_after=2025-11-21T04%3A40%3A00%2B00%3A00",
        "/x/?cursor=1",
        "/api/v1/transcript/?status_code=processing",
    ]
    deletion = wire.delete_request(BASE, KEY, T)
    assert (deletion.method, deletion.url) == ("DELETE", f"{BASE}/api/v1/transcript/{T}/")


def test_the_create_says_provider_options_streams_marker_and_key() -> None:
    request = wire.create_request(BASE, KEY, order(language="multi", model="nova-3"))
    assert (request.method, request.url) == ("POST", f"{BASE}/api/v1/recording/{R}/create_transcript/")
    assert request.headers["Idempotency-Key"] == order().idempotency_key
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.body or b"") == {
        "provider": {"deepgram_async": {"language": "multi", "model": "nova-3"}},
        "diarization": {"use_separate_streams_when_available": True},
        "metadata": {"afterword": f"{R}/1"},
    }


def test_the_same_order_gives_the_same_bytes_whatever_the_order_of_its_options() -> None:
    one = wire.create_request(BASE, KEY, order(a=1, b=2))
    assert one == wire.create_request(BASE, KEY, order(b=2, a=1))


def test_the_user_agent_names_the_version_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    agent = wire.probe_request(BASE, KEY).headers["User-Agent"]
    assert agent == f"afterword/{project['version']}"


@pytest.mark.parametrize(
    "cursor",
    [
        "https://us-east-1.recall.ai.evil.example/api/v1/transcript/?cursor=1",
        "http://us-east-1.recall.ai/api/v1/transcript/?cursor=1",
        "https://us-east-1.recall.ai:8443/api/v1/transcript/?cursor=1",
        "https://us-east-1.recall.ai@evil.example/?cursor=1",
        "https://x:y@us-east-1.recall.ai/?cursor=1",
        "//us-east-1.recall.ai/?cursor=1",
        "/api/v1/transcript/?cursor=1",
        "https://us-east-1.recall.ai\\@evil.example/",
        "https://us-east-1.recall.ai/?cursor=1\r\nX: y",
        "https://us-east-1.recall.ai:x/",
        "",
    ],
)
def test_the_key_never_follows_a_cursor_to_another_host(cursor: str) -> None:
    with pytest.raises(Unreadable):
        wire.list_request(BASE, KEY, recording_id=R, cursor_url=cursor)
    with pytest.raises(Unreadable):
        wire.recordings_list_request(BASE, KEY, created_after=AT, cursor_url=cursor)


def test_a_cursor_with_the_default_port_spelled_out_is_the_same_host() -> None:
    url = "https://US-EAST-1.recall.ai:443/api/v1/transcript/?cursor=1"
    assert wire.list_request(BASE, KEY, recording_id=R, cursor_url=url).url == url


@pytest.mark.parametrize("id", ["../recording", "", R + "/", f"{R}?x=1"])
def test_an_id_that_is_no_uuid_never_becomes_part_of_an_address(id: str) -> None:
    for make in (wire.retrieve_request, wire.recording_request, wire.delete_request):
        with pytest.raises(Unreadable):
            make(BASE, KEY, id)


@pytest.mark.parametrize(
    ("url", "is_loopback"),
    [
        ("http://localhost:8001", True),
        ("http://LOCALHOST", True),
        ("http://127.0.0.1:1/x", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:80", True),
        ("https://us-east-1.recall.ai", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://localhost.evil.example", False),
        ("http://localhost@evil.example", False),
        ("http://10.0.0.1", False),
        ("http://0.0.0.0", False),
        ("http://[", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_loopback_is_told_from_what_looks_like_it(url: str, is_loopback: bool) -> None:
    assert wire.host_is_loopback(url) is is_loopback


@pytest.mark.parametrize(
    "url", [BASE, BASE + "/", BASE + "//", "http://127.0.0.1:8001/", "https://proxy.example/recall/"]
)
def test_a_good_base_url_loses_its_trailing_slash(url: str) -> None:
    assert wire.check_base_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    ["", "us-east-1.recall.ai", "http://us-east-1.recall.ai", "ftp://localhost", "https://", "https://a:0"]
    + ["https://u:p@recall.ai", f"{BASE}?x=secret", f"{BASE}#secret", f"{BASE}/ x", "https://a:99999"],
)
def test_a_bad_base_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"^[^:]+$") as caught:
        wire.check_base_url(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"]
    + ["224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1"]
    + ["::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:0a00:0001::", "not an address", "2130706433"],
)
def test_addresses_of_inner_networks_are_not_public_however_spelled(address: str) -> None:
    assert not addresses.is_public(address)


@pytest.mark.parametrize(
    "address", ["52.216.1.1", "2600:1f24:64:8000::1", "::ffff:52.216.1.1", "64:ff9b::34d8:101"]
)
def test_addresses_of_the_open_internet_are_public(address: str) -> None:
    assert addresses.is_public(address)
