"""
Statuses that are no last word, and successes that are not the whole: what a gateway on the way may say. The
answer that follows an interim one belongs to the question before, whatever is asked next on that connection.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import pytest

from app.errors import RecallBusy
from app.recall.client import RecallClient
from app.recall.http_exchange import HttpTimeouts
from tests.recall.raw_server import answer, raw_server
from tests.recall.stage import CREATED, EMPTY_PAGE, R, T, client, create

_OTHER = "8b1fdd3a-2c39-4a35-9a06-1e5f0a3c9f11"
_ROW = {"id": T, "recording": {"id": R}, "status": {"code": "done"}, "provider": {"recallai_async": {}}}
_TRANSCRIPT = json.dumps(_ROW).encode()
_PAGE = json.dumps({"next": None, "previous": None, "results": [_ROW]}).encode()


class LateAnswers:
    """One connection: an interim answer to each question, and the last word only when the next has come."""

    keeps_alive = True

    def __init__(self, status: int) -> None:
        self._status, self._owed = status, b""

    def __call__(self, conn: socket.socket) -> None:
        if self._owed:
            conn.sendall(self._owed)
        else:
            conn.sendall(f"HTTP/1.1 {self._status} Word\r\nLink: </x>\r\n\r\n".encode())
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(EMPTY_PAGE)}\r\n\r\n"
        self._owed = head.encode() + EMPTY_PAGE


@pytest.mark.parametrize("status", [102, 103, 199])
def test_the_answer_after_an_interim_one_is_not_taken_for_that_to_the_next_question(status: int) -> None:
    with raw_server(LateAnswers(status), answer(200, _PAGE)) as server:
        recall = client(server.url, HttpTimeouts())
        with pytest.raises(RecallBusy) as raised:
            recall.list_page(_OTHER, None)
        found, _ = recall.list_page(R, None)
    assert raised.value.cause == f"http_{status}"
    assert [artifact.transcript_id for artifact in found] == [T]


@pytest.mark.parametrize("status", [202, 204, 206])
@pytest.mark.parametrize(
    ("ask", "body"),
    [
        (lambda it: it.retrieve(T, recording_id=R), _TRANSCRIPT),
        (lambda it: it.list_page(R, None), EMPTY_PAGE),
        (lambda it: it.recording(R), json.dumps({"id": R, "status": {"code": "done"}}).encode()),
        (lambda it: it.recordings_page(0.0, None), EMPTY_PAGE),
        (lambda it: it.probe(), EMPTY_PAGE),
    ],
    ids=["retrieve", "list", "recording", "recordings", "probe"],
)
def test_a_question_is_answered_with_200_or_not_at_all(
    status: int, ask: Callable[[RecallClient], object], body: bytes
) -> None:
    said = b"" if status == 204 else body
    with raw_server(answer(status, said)) as server, pytest.raises(RecallBusy) as raised:
        ask(client(server.url, HttpTimeouts()))
    assert raised.value.cause == f"http_{status}"


@pytest.mark.parametrize(("status", "is_done"), [(200, True), (204, True), (202, False), (207, False)])
def test_a_deletion_is_done_when_it_is_said_so(status: int, is_done: bool) -> None:
    with raw_server(answer(status)) as server:
        if is_done:
            client(server.url, HttpTimeouts()).delete(T)
            return
        with pytest.raises(RecallBusy):
            client(server.url, HttpTimeouts()).delete(T)


@pytest.mark.parametrize("status", [102, 103])
def test_an_interim_answer_to_a_create_is_no_answer(status: int) -> None:
    with raw_server(answer(status), answer(200, CREATED)) as server:
        assert create(server.url).kind == "unknown"
        assert len(server.requests) == 1
