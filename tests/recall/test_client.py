"""
The client against faults at the level of bytes: what stands on the wire, and what is read. The POST is
in test_client_post.py; what a well-behaved Recall answers in tests/contract/test_recall.py.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import AccountRefused, CursorRefused, RecallBusy
from app.orchestrator.ports_recall import Recall
from app.recall.client import RecallClient
from app.recall.http_exchange import HttpTimeouts
from app.recall.resources import MAX_ANSWER_BYTES
from app.recall.types import CreateAnswer
from tests.doubles.still_clock import StillClock
from tests.process_checks import exit_code_of_a_fork
from tests.recall.raw_server import Behaviour, answer, drip, hang_up, raw_server, send, silence
from tests.recall.stage import (
    CREATED,
    EMPTY_PAGE,
    KEY,
    ORDER,
    QUICK,
    SLOW_ALLOWED,
    R,
    T,
    client,
    closed_port,
    create,
)


def test_the_client_is_a_recall() -> None:
    recall: Recall = client("http://127.0.0.1:1")
    assert recall.fingerprint == "84665a50"


# -- what stands on the wire ------------------------------------------------------------------------


def test_a_create_is_one_post_with_key_and_idempotency_key() -> None:
    with raw_server(answer(200, CREATED)) as server:
        result = create(server.url)
    assert result == CreateAnswer("created", transcript_id=T, provider="recallai_async", status=200)
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == f"POST /api/v1/recording/{R}/create_transcript/ HTTP/1.1".encode()
    assert f"Authorization: Token {KEY}".encode() in lines
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
    assert f"Authorization: Token {KEY}".encode() in server.requests[0].split(b"\r\n")


def test_loopback_is_reached_without_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    for name in ("no_proxy", "NO_PROXY"):  # which may name this machine already
        monkeypatch.delenv(name, raising=False)
    with raw_server(answer(200, EMPTY_PAGE)) as server:
        client(server.url).probe()
    assert server.requests[0].startswith(b"GET /api/")


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


@pytest.mark.slow
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


@pytest.mark.slow
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
    timeouts = QUICK if cause == "timeout" else SLOW_ALLOWED
    with raw_server(behaviour) as server, pytest.raises(RecallBusy) as caught:
        client(server.url, timeouts).retrieve(T, recording_id=R)
    assert (caught.value.cause, caught.value.retry_after_s) == (cause, QUICK.busy_retry_after_s)
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
        client(server.url, clock=clock).retrieve(T, recording_id=R)
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


ASKS: dict[str, Callable[[RecallClient], object]] = {
    "list": lambda recall: recall.list_page(R, None),
    "retrieve": lambda recall: recall.retrieve(T, recording_id=R),
    "recording": lambda recall: recall.recording(R),
    "recordings": lambda recall: recall.recordings_page(0, None),
    "delete": lambda recall: recall.delete(T),
    "delete the recording": lambda recall: recall.delete_recording(R),
    "probe": lambda recall: recall.probe(),
}
# Where a 404 is Recall's word about the thing; nowhere is it a word about a list.
MEANT = {"retrieve": (404,), "recording": (404,), "delete": (404, 410), "delete the recording": (404, 410)}
every_ask = pytest.mark.parametrize("name", ASKS)


@pytest.mark.slow
@every_ask
def test_every_status_that_is_not_meant_asks_for_patience_and_is_named(name: str) -> None:
    accounts = (401, 402, 403)
    for status in {*range(300, 600)} - {*accounts, *MEANT.get(name, ())}:
        with raw_server(answer(status)) as server, pytest.raises(RecallBusy) as caught:
            ASKS[name](client(server.url, HttpTimeouts()))
        assert caught.value.cause == f"http_{status}"
        assert not isinstance(caught.value, CursorRefused)
    for status in accounts:
        with raw_server(answer(status)) as server, pytest.raises(AccountRefused) as refused:
            ASKS[name](client(server.url, HttpTimeouts()))
        assert refused.value.status == status


@every_ask
@pytest.mark.parametrize("body", [b"<html>log in to the hotel's network</html>", b"[]", b"{}", b""])
def test_a_page_of_somebody_else_is_trouble_on_the_way(body: bytes, name: str) -> None:
    if name.startswith("delete") and body in (b"", b"{}"):
        return  # a deletion is answered with nothing
    with raw_server(answer(200, body)) as server, pytest.raises(RecallBusy, match="unreadable"):
        ASKS[name](client(server.url))


OTHER = "a31e78b3-b67e-4dcf-af63-631e7548c40f"


def transcript(**changes: object) -> dict[str, object]:
    return {"id": T, "recording": {"id": R}, "status": {"code": "done"}, "metadata": {}, **changes}


def page(*results: object, next: object = None) -> bytes:
    return json.dumps({"next": next, "previous": None, "results": results}).encode()


ABOUT_ANOTHER: list[tuple[str, bytes]] = [
    ("retrieve", json.dumps(transcript(id=OTHER)).encode()),
    ("retrieve", json.dumps(transcript(recording={"id": OTHER})).encode()),
    ("retrieve", json.dumps(transcript(recording=OTHER)).encode()),
    ("retrieve", json.dumps(transcript(recording=None, recording_id=OTHER)).encode()),
    ("retrieve", json.dumps(transcript(recording=None)).encode()),
    ("retrieve", json.dumps(transcript(recording=None, metadata={"afterword": f"{OTHER}/1"})).encode()),
    ("recording", json.dumps({"id": OTHER, "status": {"code": "deleted"}}).encode()),
    ("list", page(transcript(recording={"id": OTHER}))),
    ("list", page(transcript(), transcript(id=OTHER, recording={"id": OTHER}))),
    ("list", page(transcript(recording={}))),
    ("delete", json.dumps(transcript(id=OTHER)).encode()),
]


@pytest.mark.parametrize(("name", "body"), ABOUT_ANOTHER)
def test_an_answer_about_another_thing_than_was_asked_is_busy_and_quotes_no_id(
    name: str, body: bytes
) -> None:
    with raw_server(answer(200, body)) as server, pytest.raises(RecallBusy) as caught:
        ASKS[name](client(server.url))
    assert caught.value.cause.startswith("unreadable: ")
    assert not any(id in caught.value.cause for id in (R, T, OTHER))


@pytest.mark.parametrize("body", [b"", b" \n", b"{}", json.dumps({"id": T.upper()}).encode()])
def test_a_deletion_is_answered_with_nothing_or_a_word_about_this_transcript(body: bytes) -> None:
    for said in (answer(200, body), answer(410)):
        with raw_server(said) as server:
            client(server.url).delete(T)
        assert server.requests[0].startswith(b"DELETE "), "and no complaint"


def test_a_page_of_recordings_is_of_whatever_the_workspace_has() -> None:
    with raw_server(answer(200, page({"id": R}, {"id": OTHER}))) as server:
        seen, cursor = client(server.url).recordings_page(0, None)
    assert ([s.recording_id for s in seen], cursor) == ([R, OTHER], None)


def test_ids_are_compared_in_their_canonical_spelling() -> None:
    loud = transcript(id=T.upper(), recording={"id": R.upper()})
    with raw_server(answer(200, json.dumps(loud).encode())) as server:
        found = client(server.url).retrieve(T.upper(), recording_id=R.upper())
    assert found is not None
    assert (found.transcript_id, found.recording_id) == (T, R)
    with raw_server(answer(200, page(loud))) as server:
        ((listed,), _) = client(server.url).list_page(R, None)
    assert listed == found
    with raw_server(answer(200, json.dumps({"id": R.upper()}).encode())) as server:
        client(server.url).recording(R)


def test_a_transcript_that_is_not_there_is_none() -> None:
    with raw_server(answer(404)) as server:
        assert client(server.url).retrieve(T, recording_id=R) is None


def test_a_redirect_is_not_followed() -> None:
    with raw_server(answer(200, EMPTY_PAGE)) as other:
        there = f"Location: {other.url}/api/v1/transcript/"
        with raw_server(answer(302, b"x" * 5, there)) as server, pytest.raises(RecallBusy, match="http_302"):
            client(server.url).probe()
    assert other.connections == 0


def test_a_next_page_on_another_host_is_asked_of_our_own_which_alone_gets_the_key() -> None:
    reads: dict[str, Callable[[RecallClient, str | None], tuple[object, str | None]]] = {
        "transcript": lambda recall, cursor: recall.list_page(R, cursor),
        "recording": lambda recall, cursor: recall.recordings_page(0, cursor),
    }
    with raw_server(answer(200, EMPTY_PAGE)) as other:
        for what, read in reads.items():
            body = page(next=f"{other.url}/api/v1/{what}/?cursor=%2B")
            with raw_server(answer(200, body)) as server:
                recall = client(server.url)
                _, cursor = read(recall, None)
                assert cursor == f"/api/v1/{what}/?cursor=%2B"
                with pytest.raises(RecallBusy, match="this page"):  # the server never gets on
                    read(recall, cursor)
            assert server.requests[1].startswith(f"GET /api/v1/{what}/?cursor=%2B HTTP".encode())
    assert other.connections == 0


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_cursor_that_recall_refuses_is_told_from_a_list_that_is_refused(status: int) -> None:
    with raw_server(answer(status)) as server:
        recall = client(server.url)
        for refused in (
            lambda: recall.list_page(R, "/api/v1/transcript/?cursor=1"),
            lambda: recall.recordings_page(0, "/api/v1/recording/?cursor=1"),
        ):
            with pytest.raises(CursorRefused):
                refused()


@pytest.mark.parametrize("status", [401, 405, 418, 429, 500, 503])
def test_other_trouble_on_a_page_reached_by_a_cursor_is_not_the_cursors(status: int) -> None:
    with raw_server(answer(status)) as server, pytest.raises((RecallBusy, AccountRefused)) as caught:
        client(server.url).list_page(R, "/api/v1/transcript/?cursor=1")
    assert not isinstance(caught.value, CursorRefused)


@pytest.mark.parametrize(
    "cursor", ["", "7", "/api/v1/recording/?cursor=1", "https://[/?c=1", "/api/v1/x/?c=1"]
)
def test_a_kept_cursor_that_is_none_is_refused_without_a_request(cursor: str) -> None:
    with raw_server(answer(200, EMPTY_PAGE)) as server, pytest.raises(CursorRefused):
        client(server.url).list_page(R, cursor)
    assert server.connections == 0


@pytest.mark.slow
def test_a_forked_child_does_not_use_its_parents_connection() -> None:
    with raw_server(answer(200, EMPTY_PAGE, keep=True)) as server:
        recall = client(server.url)
        recall.probe()
        assert exit_code_of_a_fork(recall.probe) == 0
        recall.probe()
    assert server.connections == 2
