"""Those who send half a request and stop are told so after ten seconds, and nobody waits behind them."""

from __future__ import annotations

import contextlib
import shlex
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.patience import SLOW_MACHINE
from tests.web.receiver import (
    GUNICORN,
    Answer,
    Receiver,
    delivery,
    event_body,
    head,
    new_id,
    read_answer,
    signature_headers,
    start,
    stop,
)

pytestmark = pytest.mark.slow

BODY = event_body()


def half_head() -> bytes:
    return delivery(BODY)[:80]


def half_body() -> bytes:
    return delivery(BODY)[:-10]


def half_chunk() -> bytes:
    return head(signature_headers(BODY) | {"Transfer-Encoding": "chunked"}) + b"40\r\nhalf"


def stall(
    receiver: Receiver, stack: contextlib.ExitStack, request: bytes, *, times: int
) -> list[socket.socket]:
    stalled = []
    for _ in range(times):
        sock = stack.enter_context(receiver.connect(timeout_s=20))
        sock.sendall(request)
        stalled.append(sock)
    return stalled


def assert_honest_ones_are_served(receiver: Receiver, *, number: int) -> None:
    ids = [new_id() for _ in range(number)]
    answers = [receiver.send(delivery(BODY, webhook_id=webhook_id)) for webhook_id in ids]

    assert {answer.status for answer in answers} == {202}
    assert max(answer.took_s for answer in answers) < 1.0
    assert set(ids) <= set(receiver.inbox.ids())


def test_64_connections_with_half_a_request_delay_no_honest_delivery_by_a_second(receiver: Receiver) -> None:
    with contextlib.ExitStack() as stack:
        stall(receiver, stack, half_head(), times=32)
        stall(receiver, stack, half_body(), times=32)
        time.sleep(0.3)

        assert_honest_ones_are_served(receiver, number=40)
        with ThreadPoolExecutor(8) as pool:
            several = list(pool.map(lambda _: receiver.deliver(BODY), range(40)))
        assert {answer.status for answer in several} == {202}
        assert max(answer.took_s for answer in several) < 1.0


def test_64_half_bodies_that_all_fall_to_one_process_leave_it_threads(tmp_path: Path) -> None:
    alone = start(tmp_path, GUNICORN_CMD_ARGS="--workers 1")
    try:
        with contextlib.ExitStack() as stack:
            stall(alone, stack, half_body(), times=64)
            assert_honest_ones_are_served(alone, number=20)
    finally:
        stop(alone)


def test_300_half_heads_and_silent_connections_take_no_thread(receiver: Receiver) -> None:
    with contextlib.ExitStack() as stack:
        stall(receiver, stack, half_head(), times=150)
        stall(receiver, stack, b"", times=150)

        assert_honest_ones_are_served(receiver, number=20)


def test_half_a_request_is_408_after_ten_seconds_whatever_the_pace_and_silence_is_cut(
    receiver: Receiver,
) -> None:
    requests = {
        "silence": b"",
        "head": half_head(),
        "body": half_body(),
        "chunk": half_chunk(),
        "line": b"POST /webhooks/rec",
    }
    drips = {
        "dripping head": b"POST /webhooks/recall HTTP/1.1\r\nX-Long: ",
        "dripping body": half_body()[:-60],
    }
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        waiting = {}
        for name, request in (requests | drips).items():
            started = time.monotonic()
            (sock,) = stall(receiver, stack, request, times=1)
            if name in drips:
                threading.Thread(target=drip, args=(sock,), daemon=True).start()
            waiting[name] = pool.submit(read_answer, sock, started=started)
        answers: dict[str, Answer] = {name: future.result() for name, future in waiting.items()}

    assert answers["silence"].status == 0
    assert {answer.status for name, answer in answers.items() if name != "silence"} == {408}
    assert all(9.5 < answer.took_s < 11.5 * SLOW_MACHINE for answer in answers.values())


def drip(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            sock.sendall(b"a")
            time.sleep(0.5)


def test_refused_senders_who_do_not_close_hold_up_nobody(receiver: Receiver) -> None:
    """gunicorn waits two seconds on its main loop for each of them to close; 20 would stop it for 40 s."""
    with contextlib.ExitStack() as stack:
        for sock in stall(receiver, stack, head({"Content-Length": "5"}), times=20):
            assert read_answer(sock).status == 401

        assert_honest_ones_are_served(receiver, number=20)


def test_running_out_of_descriptors_pauses_the_worker_and_does_not_kill_it(tmp_path: Path) -> None:
    few = start(tmp_path, command=["sh", "-c", f"ulimit -n 60; exec {shlex.join(GUNICORN)} --workers 1"])
    try:
        (worker,) = psutil.Process(few.process.pid).children()
        with contextlib.ExitStack() as stack:
            stall(few, stack, b"", times=100)
            time.sleep(0.5)
        assert_honest_ones_are_served(few, number=5)
        assert worker.is_running()
    finally:
        stop(few)
    assert "Traceback" not in few.log
    assert "out of descriptors" in few.log
