"""Answers that wait without a thread: never before the commit, once, and not for ever."""

from __future__ import annotations

import selectors
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from app.web.bounded_worker import Connection
from app.web.deferred_response import DeferredResponse, defer_response
from app.web.group_commit import settle
from tests.web import receiver as receivers
from tests.web.receiver import Receiver, delivery, event_body, new_id, read_answer

# More than two workers have threads: gunicorn.conf.py.
MORE_THAN_THREADS = 200
HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """Whose commits wait for a locked database for longer than a request does."""
    running = receivers.start(tmp_path, RECEIVER_BUSY_S="20")
    yield running
    receivers.stop(running)
    assert "Traceback" not in running.log


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.slow
def test_deliveries_that_wait_for_the_disk_hold_no_thread_and_are_answered_after_their_commit(
    receiver: Receiver,
) -> None:
    ids = [new_id() for _ in range(MORE_THAN_THREADS)]
    with ExitStack() as stack:
        socks = [stack.enter_context(receiver.connect()) for _ in ids]
        with locked(receiver.inbox.path):
            for sock, webhook_id in zip(socks, ids, strict=True):
                sock.sendall(delivery(event_body(), webhook_id=webhook_id))
            assert receiver.send(HEALTHZ).status == 200
            # Not select(): it takes no descriptor above 1023, and this process may have that many.
            with selectors.DefaultSelector() as selector:
                for sock in socks:
                    selector.register(sock, selectors.EVENT_READ)
                assert selector.select(timeout=0) == []

        assert {read_answer(sock).status for sock in socks} == {202}
    assert set(receiver.inbox.ids()) == set(ids)


@pytest.mark.slow
def test_delivery_whose_commit_hangs_gets_503_with_retry_after_while_it_hangs(receiver: Receiver) -> None:
    with locked(receiver.inbox.path):
        answer = receiver.deliver(event_body())

        assert (answer.status, answer.code) == (503, "unavailable")
        assert answer.headers["retry-after"] == "5"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.took_s > 2.5


def late() -> DeferredResponse:
    return DeferredResponse(deadline=0.0, otherwise=lambda: ("503 Away", [], b""))


@pytest.mark.parametrize("is_stored", [True, False])
@pytest.mark.parametrize("thread_is_first", [True, False])
def test_answer_is_sent_once_both_the_thread_and_the_store_are_done(
    *, is_stored: bool, thread_is_first: bool
) -> None:
    told: list[DeferredResponse] = []
    answer, conn = late(), object.__new__(Connection)
    steps: list[Callable[[], None]] = [
        lambda: answer.release(conn, told.append),
        lambda: settle(answer, is_stored=is_stored),
    ]

    first, second = steps if thread_is_first else steps[::-1]
    first()
    assert told == []
    second()
    assert told == [answer]
    assert (answer.conn, answer.result(0)) == (conn, is_stored)


def test_answer_given_up_is_not_turned_good_by_a_commit_that_comes_too_late() -> None:
    told: list[DeferredResponse] = []
    answer = late()
    settle(answer, is_stored=False)
    settle(answer, is_stored=True)
    answer.release(object.__new__(Connection), told.append)

    assert told == [answer]
    assert not answer.result(0)


def test_server_that_cannot_answer_late_is_told_apart() -> None:
    assert defer_response({"wsgi.input": object()}, within_s=1.0, otherwise=lambda: ("", [], b"")) is None
