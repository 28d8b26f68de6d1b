"""
The client against faults at the level of bytes: what stands on the wire, and what is read. The POST is
in test_client_post.py; what a well-behaved Recall answers in tests/contract/test_recall.py.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import AccountRefused, RecallBusy
from app.ports import CreateAnswer, Recall
from app.recall.client import RecallClient
from app.recall.wire import MAX_ANSWER_BYTES, RecallRefused
from tests.recall.raw_server import Behaviour, answer, drip, hang_up, raw_server, send, silence
from tests.recall.stage import (
    CREATED,
    EMPTY_PAGE,
    KEY,
    ORDER,
    QUICK,
    R,
    StillClock,
    T,
    client,
    closed_port,
    create,
)


def test_the_client_is_a_recall() -> None:
    recall: Recall = client("http://127.0.0.1:1")
    assert recall.fingerprint == "84665a50"


# -- what stands on the wire ------------------------------------------------------------------------


def test_a_create_is_one_post_with_bare_key_and_idempotency_key() -> None:
    with raw_server(answer(200, CREATED)) as server:
        result = create(server.url)
    assert result == CreateAnswer("created", transcript_id=T, provider="recallai_async", status=200)
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == f"POST /api/v1/recording/{R}/create_transcript/ HTTP/1.1".encode()
    assert f"Authorization: {KEY}".encode() in lines
    assert b"Idempotency-Key: a-key-of-the-create" in lines
    assert json.loads(body)["metadata"] == {"afterword": f"{R}/1"}


def test_a_get_has_no_body_and_says_so_by_silence() -> None:
    with raw_server(answer(200, EMPTY_PAGE)) as server:
        client(server.url).probe()
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == b""
    assert b"content-length" not in head.lower()
    assert b"transfer-encoding" not in head.lower()
    assert b"content-type" not in head.lower()


def test_netrc_does_not_replace_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("default login other password wrong\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with raw_server(answer(200, EMPTY_PAGE)) as server:
        client(server.url).probe()
    assert f"Authorization: {KEY}".encode() in server.requests[0].split(b"\r\n")


def test_loopback_is_reached_without_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    with raw_server(answer(200, EMPTY_PAGE)) as server:
        client(server.url).probe()


def test_another_host_is_reached_through_the_proxy_which_never_sees_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with raw_server(answer(502)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        result = create("https://recall.invalid")
    assert result.kind == "not_sent"
    assert proxy.requests[0].startswith(b"CONNECT recall.invalid:443 ")
    assert all(KEY.encode() not in request for request in proxy.requests)


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "naïve", "tab\t"])
def test_a_key_no_header_can_hold_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ValueError, match="API key") as caught:
        RecallClient("http://127.0.0.1:1", key, QUICK, clock=StillClock())
    assert not key or key not in str(caught.value)


def test_nothing_shows_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    seen: list[object] = []

    class Log:
        def info(self, event: str, **fields: object) -> None:
            seen.append((event, fields))

    with raw_server(hang_up) as server:
        recall = RecallClient(server.url, KEY, QUICK, clock=StillClock(), log=Log())
        seen.append(recall)
        seen.append(recall.create(ORDER, is_still_fresh=lambda: True))
        with pytest.raises(RecallBusy) as caught:
            recall.probe()
    assert len(seen) == 4
    assert KEY not in repr(seen) + repr(caught.getrepr(style="long")) + str(caught.value) + caplog.text
    assert caught.value.__cause__ is None


# -- reading ----------------------------------------------------------------------------------------


def test_a_get_that_certainly_never_left_is_repeated_within_seconds() -> None:
    clock = StillClock()
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(RecallBusy):
        client(f"http://127.0.0.1:{port}", clock=clock).probe()
    assert len(clock.sleeps) == 2
    assert sum(clock.sleeps) < 5


@pytest.mark.parametrize(
    ("behaviour", "cause"),
    [
        (answer(500), "http_500"),
        (answer(503), "http_503"),
        (hang_up, "connection_lost"),
        (answer(200, b"{", length=9), "truncated"),
        (silence, "timeout"),
        (drip(b"HTTP/1.1 200 OK\r\n\r\n"), "timeout"),
        (send(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (MAX_ANSWER_BYTES + 1)), "too_large"),
    ],
)
def test_a_get_that_fails_asks_for_patience_and_is_not_repeated_within_its_slot(
    behaviour: Behaviour, cause: str
) -> None:
    """Recall counts every request it sees, and the caller holds one slot of its rate."""
    with raw_server(behaviour) as server, pytest.raises(RecallBusy) as caught:
        client(server.url).retrieve(T)
    assert (caught.value.cause, caught.value.retry_after_s) == (cause, QUICK.resend_first_s)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("behaviour", "least_s", "most_s"),
    [
        (answer(429, b"", "Retry-After: 7"), 7.0, 7.7),
        (answer(429, b"", "Retry-After: 86400"), 120.0, 120.0),
        (answer(429), 1.0, 1.1),
        (answer(503, b"", "Retry-After: 20"), 20.0, 21.0),
    ],
)
def test_a_told_wait_is_passed_on_at_once_capped_and_jittered(
    behaviour: Behaviour, least_s: float, most_s: float
) -> None:
    clock = StillClock()
    with raw_server(behaviour) as server, pytest.raises(RecallBusy) as caught:
        client(server.url, clock=clock).retrieve(T)
    assert least_s <= caught.value.retry_after_s <= most_s
    assert (len(server.requests), clock.sleeps) == (1, [])


def test_the_wait_of_a_429_to_a_create_is_passed_on_too() -> None:
    with raw_server(answer(429, b"", "Retry-After: 7")) as server:
        result = create(server.url)
    assert (result.kind, result.status) == ("refused", 429)
    assert result.retry_after_s is not None
    assert 7.0 <= result.retry_after_s <= 7.7


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_get_refused_to_the_account_says_so_at_once(status: int) -> None:
    with raw_server(answer(status)) as server, pytest.raises(AccountRefused) as caught:
        client(server.url).probe()
    assert caught.value.status == status
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_create_refused_to_the_account_is_an_answer_not_an_error(status: int) -> None:
    with raw_server(answer(status)) as server:
        result = create(server.url)
    assert (result.kind, result.status) == ("refused", status)


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_list_that_is_refused_is_never_taken_for_empty(status: int) -> None:
    with raw_server(answer(status)) as server, pytest.raises(RecallRefused):
        client(server.url).list_page(R, None)


ASKS: list[Callable[[RecallClient], object]] = [
    lambda recall: recall.list_page(R, None),
    lambda recall: recall.retrieve(T),
    lambda recall: recall.recording(R),
    lambda recall: recall.probe(),
]


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("body", [b"<html>log in to the hotel's network</html>", b"{}", b""])
def test_a_page_of_somebody_else_is_trouble_on_the_way(
    body: bytes, ask: Callable[[RecallClient], object]
) -> None:
    with raw_server(answer(200, body)) as server, pytest.raises(RecallBusy, match="unreadable"):
        ask(client(server.url))


@pytest.mark.parametrize("status", [404, 410])
def test_a_transcript_that_is_not_there_is_none(status: int) -> None:
    with raw_server(answer(status)) as server:
        assert client(server.url).retrieve(T) is None


def test_a_redirect_is_not_followed() -> None:
    with raw_server(answer(200, EMPTY_PAGE)) as other:
        there = f"Location: {other.url}/api/v1/transcript/"
        with raw_server(answer(302, b"x" * 5, there)) as server, pytest.raises(RecallBusy, match="http_302"):
            client(server.url).probe()
    assert other.connections == 0


def test_a_cursor_of_another_host_gets_no_request() -> None:
    with raw_server(answer(200, EMPTY_PAGE)) as other, raw_server(answer(200, EMPTY_PAGE)) as server:
        with pytest.raises(RecallBusy, match="another host"):
            client(server.url).list_page(R, f"{other.url}/api/v1/transcript/?cursor=1")
        assert client(server.url).list_page(R, f"{server.url}/api/v1/transcript/?cursor=%2B") == ([], None)
    assert other.connections == 0
    assert server.requests[0].startswith(b"GET /api/v1/transcript/?cursor=%2B HTTP")


def test_a_kept_connection_that_died_meanwhile_is_made_anew() -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(EMPTY_PAGE), EMPTY_PAGE)
    with raw_server(send(page)) as server:  # hangs up without having said that it would
        recall = client(server.url)
        for _ in range(5):
            recall.probe()
    assert server.connections == 5


def test_a_forked_child_does_not_use_its_parents_connection() -> None:
    with raw_server(answer(200, EMPTY_PAGE, keep=True)) as server:
        recall = client(server.url)
        recall.probe()
        child = os.fork()
        if child == 0:
            recall.probe()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        recall.probe()
    assert server.connections == 2
