"""Key, firewall, routes: what is judged before Recall's own logic, and in which order."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from tests.simulator.conftest import Recall


def raw(recall: Recall, text: str) -> str:
    """Send bytes as they are: requests would add or leave out what matters here."""
    host, port = recall.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as peer:
        peer.sendall(text.encode())
        answer = b""
        while piece := peer.recv(65536):
            answer += piece
    return answer.decode()


@pytest.mark.parametrize("form", ["Token {}", "token {}", "{}"])
def test_a_key_is_accepted_bare_and_with_its_word(recall: Recall, form: str) -> None:
    answer = recall.call(
        "GET", "transcript/", headers={"Authorization": form.format(recall.simulator.api_key)}
    )
    assert answer.status_code == 200


def test_a_missing_key_is_told_from_a_wrong_one(recall: Recall) -> None:
    missing = recall.http.get(f"{recall.url}/api/v1/transcript/")
    wrong = recall.call("GET", "transcript/", headers={"Authorization": "Token of-another-region"})
    assert (missing.status_code, missing.json()["code"]) == (401, "not_authenticated")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "authentication_failed")
    assert "another Recall region" in wrong.json()["detail"]
    assert missing.headers["WWW-Authenticate"] == wrong.headers["WWW-Authenticate"] == "Token"


def test_bearer_is_refused_even_with_the_right_key(recall: Recall) -> None:
    bearer = {"Authorization": f"Bearer {recall.simulator.api_key}"}
    answer = recall.call("GET", "transcript/", headers=bearer)
    assert answer.status_code == 401


def test_the_key_is_judged_before_method_and_existence(recall: Recall) -> None:
    assert recall.http.put(f"{recall.url}/api/v1/transcript/nowhere/").status_code == 401
    assert recall.call("PUT", "transcript/nowhere/").status_code == 405
    assert recall.call("GET", "transcript/nowhere/").status_code == 404


def test_an_unknown_route_is_a_page_and_an_unknown_object_is_json(recall: Recall) -> None:
    page, thing = recall.call("GET", "nothing/"), recall.call("GET", "recording/nowhere/")
    assert (page.status_code, page.headers["Content-Type"].split(";")[0]) == (404, "text/html")
    assert (thing.status_code, thing.headers["Content-Type"]) == (404, "application/json")


def test_a_post_without_its_slash_fails_and_makes_nothing(recall: Recall) -> None:
    rid = recall.recording()
    answer = recall.call("POST", f"recording/{rid}/create_transcript", json={"provider": {"rev_async": {}}})
    assert answer.status_code == 404
    assert recall.sim("bill")["creates_accepted"] == 0


def test_a_get_with_a_body_is_blocked_by_the_firewall(recall: Recall) -> None:
    answer = recall.call("GET", "transcript/", data="null")
    assert answer.status_code == 403
    assert answer.json()["code"] == "request_blocked"


@pytest.mark.parametrize("value", ["http://localhost:1/x", "see http://10.0.0.7/x"])
def test_a_body_naming_this_machine_or_an_address_is_blocked(recall: Recall, value: str) -> None:
    body = {"provider": {"recallai_async": {}}, "metadata": {"callback": value}}
    assert recall.create(recall.recording(), json=body).status_code == 403


def test_the_firewall_speaks_json_or_text_or_a_page(recall: Recall) -> None:
    said = recall.call("GET", "transcript/", data="{}")
    assert (said.status_code, said.json()["code"]) == (403, "request_blocked")
    recall.sim("settings", {"waf_style": "html"})
    assert "403 ERROR" in recall.call("GET", "transcript/", data="{}").text
    recall.sim("settings", {"waf_style": "text"})
    assert recall.call("GET", "transcript/", data="{}").text == "request_blocked\n"


def test_one_payload_can_be_blocked_while_others_pass(recall: Recall) -> None:
    assert recall.create(recall.recording(payload_403=True)).status_code == 403
    assert recall.create(recall.recording()).status_code == 200


def test_a_key_of_one_region_fails_in_another(start: Callable[..., Recall]) -> None:
    here, there = start(seed=1), start(seed=2)
    foreign = {"Authorization": here.simulator.api_key}
    assert there.call("GET", "transcript/", headers=foreign).status_code == 401


def test_down_is_a_503_or_a_cut_connection(recall: Recall) -> None:
    recall.sim("settings", {"down": True})
    assert recall.call("GET", "transcript/").status_code == 503
    recall.sim("settings", {"down_mode": "cut"})
    key = recall.simulator.api_key
    request = f"GET /api/v1/transcript/ HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\r\n"
    try:
        assert raw(recall, request) == ""
    except ConnectionError:
        return  # a reset is as good as an end without a byte
