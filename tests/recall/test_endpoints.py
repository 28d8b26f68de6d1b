"""
Requests, byte for byte, and the addresses they may go to.
"""

from __future__ import annotations

import json
import re
import tomllib
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.recall import endpoints, url_checks
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


def every_get() -> list[endpoints.HttpRequest]:
    return [
        endpoints.retrieve_request(BASE, KEY, T),
        endpoints.recording_request(BASE, KEY, R),
        endpoints.list_request(BASE, KEY, recording_id=R),
        endpoints.list_request(BASE, KEY, recording_id=R, cursor="/api/v1/transcript/?cursor=a%2Bb"),
        endpoints.recordings_list_request(BASE, KEY, created_after=AT),
        endpoints.recordings_list_request(BASE, KEY, created_after=AT, cursor="/api/v1/recording/?cursor=1"),
        endpoints.probe_request(BASE, KEY),
    ]


@pytest.mark.parametrize("request_", every_get(), ids=lambda r: r.url)
def test_a_get_has_the_key_a_trailing_slash_and_no_body(request_: endpoints.HttpRequest) -> None:
    assert (request_.method, request_.body) == ("GET", None)
    assert request_.headers["Authorization"] == f"Token {KEY}"
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
        "/api/v1/recording/?cursor=1",
        "/api/v1/transcript/?status_code=processing",
    ]
    deletion = endpoints.delete_request(BASE, KEY, T)
    assert (deletion.method, deletion.url) == ("DELETE", f"{BASE}/api/v1/transcript/{T}/")
    deletion = endpoints.recording_delete_request(BASE, KEY, R)
    assert (deletion.method, deletion.url) == ("DELETE", f"{BASE}/api/v1/recording/{R}/")


def test_the_create_says_provider_options_streams_marker_and_key() -> None:
    request = endpoints.create_request(BASE, KEY, order(language="multi", model="nova-3"))
    assert (request.method, request.url) == ("POST", f"{BASE}/api/v1/recording/{R}/create_transcript/")
    assert request.headers["Idempotency-Key"] == order().idempotency_key
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.body or b"") == {
        "provider": {"deepgram_async": {"language": "multi", "model": "nova-3"}},
        "diarization": {"use_separate_streams_when_available": True},
        "metadata": {"afterword": f"{R}/1"},
    }


def test_the_same_order_gives_the_same_bytes_whatever_the_order_of_its_options() -> None:
    one = endpoints.create_request(BASE, KEY, order(a=1, b=2))
    assert one == endpoints.create_request(BASE, KEY, order(b=2, a=1))


def test_the_user_agent_names_the_version_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    agent = endpoints.probe_request(BASE, KEY).headers["User-Agent"]
    assert agent == f"afterword/{project['version']}"


PAGE = "/api/v1/transcript/?cursor=cD0y%2B&recording_id=x"


@pytest.mark.parametrize(
    "following",
    [
        BASE + PAGE,
        "http://us-east-1.recall.ai" + PAGE,  # a TLS terminator before Recall
        "https://api.recall.ai" + PAGE,  # an alias of the region
        "https://US-EAST-1.recall.ai:443" + PAGE,
        "https://us-east-1.recall.ai:8443" + PAGE,
        "http://10.0.0.7:8080" + PAGE,
        "https://x:y@evil.example" + PAGE,
        "https://evil.example/recall" + PAGE,
        "//us-east-1.recall.ai" + PAGE,
        PAGE,
        PAGE.removeprefix("/api/v1/transcript/"),
        PAGE.replace("/?", "?"),
        PAGE + "#fragment",
    ],
)
@pytest.mark.parametrize("base", [BASE, "https://proxy.example/recall"])
def test_a_cursor_is_path_and_query_on_our_own_base(base: str, following: str) -> None:
    cursor = endpoints.cursor_of(following, "transcript")
    assert cursor == PAGE == endpoints.cursor_of(cursor, "transcript")
    assert endpoints.list_request(base, KEY, recording_id=R, cursor=cursor).url == base + PAGE


@pytest.mark.parametrize(
    "following",
    [
        "",
        BASE,
        f"{BASE}/",
        f"{BASE}/?cursor=1",
        f"{BASE}?cursor=1",
        f"{BASE}/api/v1/transcript/",
        f"{BASE}/api/v1/transcript/?",
        f"{BASE}/api/v1/recording/?cursor=1",
        f"{BASE}/api/v2/transcript/?cursor=1",
        f"{BASE}/api/v1/transcripts/?cursor=1",
        f"{BASE}/myapi/v1/transcript?cursor=1",
        f"{BASE}/login?next=/api/v1/transcript/?cursor=1",
        f"{BASE}/api/v1/transcript/../bot/?cursor=1",
        "https://us-east-1.recall.ai\\@evil.example/?cursor=1",
        "https://[/api/v1/transcript/?cursor=1",
        f"{BASE}/api/v1/transcript/?cursor=1\r\nX: y",
        f"{BASE}/api/v1/transcript/?cursor=1 2",
        f"{BASE}/api/v1/transcript/?cursor=é",
        f"{BASE}/api/v1/transcript/?cursor=" + "x" * 4000,
    ],
)
def test_an_address_of_something_else_is_no_next_page(following: str) -> None:
    with pytest.raises(Unreadable):
        endpoints.cursor_of(following, "transcript")
    with pytest.raises(Unreadable):
        endpoints.list_request(BASE, KEY, recording_id=R, cursor=following)


@given(
    st.text() | st.text(alphabet="/?#[]@:\\%.&=ab").map(lambda text: f"https:{text}/api/v1/recording/?c=1")
)
def test_whatever_the_next_page_is_called_the_request_goes_to_our_base(following: str) -> None:
    try:
        request = endpoints.recordings_list_request(BASE, KEY, created_after=AT, cursor=following)
    except Unreadable:
        return
    assert request.url.startswith(f"{BASE}/api/v1/recording/?")
    assert re.fullmatch(r"[!-~]+", request.url)


@pytest.mark.parametrize("id", ["../recording", "", R + "/", f"{R}?x=1"])
def test_an_id_that_is_no_uuid_never_becomes_part_of_an_address(id: str) -> None:
    for make in (endpoints.retrieve_request, endpoints.recording_request, endpoints.delete_request):
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
    assert url_checks.host_is_loopback(url) is is_loopback


@pytest.mark.parametrize(
    "url", [BASE, BASE + "/", BASE + "//", "http://127.0.0.1:8001/", "https://proxy.example/recall/"]
)
def test_a_good_base_url_loses_its_trailing_slash(url: str) -> None:
    assert url_checks.check_base_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    ["", "us-east-1.recall.ai", "http://us-east-1.recall.ai", "ftp://localhost", "https://", "https://a:0"]
    + ["https://u:p@recall.ai", f"{BASE}?x=secret", f"{BASE}#secret", f"{BASE}/ x", "https://a:99999"],
)
def test_a_bad_base_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"^[^:]+$") as caught:
        url_checks.check_base_url(url)
    assert "secret" not in str(caught.value)


NOT_PUBLIC = {
    "loopback": ["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"],
    "private": ["10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd00::1", "fc00::1"],
    "this network": ["0.0.0.0", "0.255.0.1", "::"],
    "shared": ["100.64.0.1", "100.127.255.255"],
    "link-local": ["169.254.169.254", "fe80::1", "fe80::1%eth0", "febf::1"],
    "site-local": ["fec0::1", "feff::1"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255"],
    "protocol assignments": [
        "192.0.0.1",
        "192.0.0.9",
        "192.0.0.170",
        "2001:1::1",
        "2001:4:112::1",
        "2001:1ff::1",
    ],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1", "3fff:fff::1"],
    "benchmarking": ["198.18.0.1", "198.19.255.255", "2001:2::1"],
    "orchid": ["2001:10::1", "2001:20::1", "2001:30::1"],
    "anycast and AS112": ["192.31.196.1", "192.52.193.1", "192.88.99.1", "192.175.48.1", "2620:4f:8000::1"],
    "Teredo": ["2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    "6to4": ["2002:0a00:0001::", "2002:34d8:101::1"],
    "mapped": ["::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0"],
    "translated": ["64:ff9b::a00:1", "64:ff9b::169.254.169.254", "64:ff9b::c612:1"],
    "translated locally": ["64:ff9b:1::1", "64:ff9b:1::808:808", "64:ff9b:1:ffff::1", "64:ff9b:0:1::808:808"],
    "compatible": ["::10.0.0.1", "::8.8.8.8", "::2"],
    "translatable": ["::ffff:0:10.0.0.1", "::ffff:0:8.8.8.8"],
    "discard": ["100::1", "100:0:0:1::1"],
    "segment routing": ["5f00::1"],
    "not assigned": ["4000::1", "1::1", "1fff::1", "e000::1", "200::1", "::1:0:0:0:1"],
    "with a zone": ["2600:1f24:64:8000::1%eth0", "64:ff9b::808:808%1"],
    "no address": ["not an address", "2130706433", "0x7f.1", "127.1", "010.0.0.1", "", "8.8.8.8/8"],
}


@pytest.mark.parametrize("address", [a for kind in NOT_PUBLIC.values() for a in kind])
def test_addresses_of_inner_networks_are_not_public_however_spelled(address: str) -> None:
    assert not url_checks.is_public(address)


@pytest.mark.parametrize(
    "address",
    ["52.216.1.1", "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"]
    + ["128.0.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "198.17.255.255", "198.20.0.0"]
    + ["223.255.255.255", "2600:1f24:64:8000::1", "2a05:d028:17:8000::1", "2001:200::1", "2001:4860::1"]
    + ["2003::1", "::ffff:52.216.1.1", "64:ff9b::34d8:101"],
)
def test_addresses_of_the_open_internet_are_public(address: str) -> None:
    assert url_checks.is_public(address)


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_no_address_is_public_that_this_pythons_tables_call_special(address: Any) -> None:
    if url_checks.is_public(str(address)):
        if address in IPv6Network("64:ff9b::/96") or address in IPv6Network("::ffff:0:0/96"):
            address = IPv4Address(int(address) & 0xFFFFFFFF)
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved
