"""A connection that is kept for the next question, and closed by the other side in between."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import pytest

from app.errors import RecallBusy
from tests.recall.raw_server import Behaviour, answer, hang_up, raw_server, read_request, silence
from tests.recall.stage import EMPTY_PAGE, SLOW_ALLOWED, client

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(EMPTY_PAGE), EMPTY_PAGE)


def then(first: bytes, second: bytes, *, is_read: bool = True) -> Behaviour:
    """Two requests on one connection; the second may be left unread, which the client sees as a reset."""

    def behave(conn: socket.socket) -> None:
        conn.sendall(first)
        if is_read:
            read_request(conn)
        else:
            conn.recv(1)
        conn.sendall(second)

    return behave


def test_a_kept_connection_that_died_meanwhile_is_made_anew() -> None:
    died = threading.Event()

    def hang_up_unannounced(conn: socket.socket) -> None:
        conn.sendall(PAGE)
        conn.shutdown(socket.SHUT_RDWR)
        died.set()

    with raw_server(hang_up_unannounced) as server:
        recall = client(server.url)
        for _ in range(5):
            recall.probe()
            assert died.wait(5)
            died.clear()
    assert server.connections == 5


@pytest.mark.parametrize("is_read", [True, False], ids=["heard", "unheard"])
def test_a_question_that_crossed_the_end_of_a_kept_connection_is_asked_once_more(is_read: bool) -> None:
    with raw_server(then(PAGE, b"", is_read=is_read), answer(200, EMPTY_PAGE, keep=True)) as server:
        recall = client(server.url)
        recall.probe()
        recall.probe()
    assert server.connections == 2
    assert [told.outcome for told in recall.answers()] == ["2xx", "silence", "2xx"]


def test_a_new_connection_without_an_answer_is_not_tried_again() -> None:
    with raw_server(then(PAGE, b""), hang_up) as server:
        recall = client(server.url)
        recall.probe()
        with pytest.raises(RecallBusy, match="connection_lost"):
            recall.probe()
    assert server.connections == 2


def test_an_answer_that_breaks_off_on_a_kept_connection_is_not_asked_for_again() -> None:
    with raw_server(then(PAGE, PAGE[:-5])) as server:
        recall = client(server.url)
        recall.probe()
        with pytest.raises(RecallBusy):
            recall.probe()
    assert server.connections == 1


@pytest.mark.slow
def test_silence_on_a_kept_connection_is_not_asked_again() -> None:
    def answer_and_wait(conn: socket.socket) -> None:
        conn.sendall(PAGE)
        read_request(conn)
        silence(conn)

    with raw_server(answer_and_wait) as server:
        recall = client(server.url, replace(SLOW_ALLOWED, read_timeout_s=2.0))
        recall.probe()
        with pytest.raises(RecallBusy, match="timeout"):
            recall.probe()
    assert server.connections == 1
