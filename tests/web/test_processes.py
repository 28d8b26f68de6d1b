"""Locked databases, killed workers, stopped and orphaned servers: what was acknowledged is stored."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.web.receiver import (
    ROOT,
    Receiver,
    delivery,
    event_body,
    head,
    new_id,
    read_answer,
    start,
    stop,
)

pytestmark = pytest.mark.slow

BODY = event_body()
READY = head({"Connection": "close"}, path="/readyz", method="GET")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Receiver]:
    """A receiver to be maltreated."""
    running = start(tmp_path)
    yield running
    stop(running)


def wait_until(is_true: Callable[[], bool], *, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def workers_of(receiver: Receiver) -> list[psutil.Process]:
    arbiter = psutil.Process(receiver.process.pid)
    wait_until(lambda: len(arbiter.children()) == 2, timeout_s=5)
    return list(arbiter.children())


def is_dead(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)  # nobody may be there to bury it
    except psutil.NoSuchProcess:
        return True


def test_locked_database_is_503_with_retry_after_and_202_once_it_is_free(receiver: Receiver) -> None:
    webhook_id = new_id()
    with contextlib.closing(sqlite3.connect(receiver.inbox.path)) as foreign:
        foreign.execute("BEGIN EXCLUSIVE")
        refused = receiver.deliver(BODY, webhook_id=webhook_id)
        time.sleep(1.1)  # the cached answer of /readyz
        unready = receiver.send(READY)

    assert (refused.status, refused.headers["retry-after"]) == (503, "5")
    assert unready.status == 503
    assert webhook_id not in receiver.inbox.ids()
    time.sleep(1.1)
    assert receiver.send(READY).status == 200
    assert receiver.deliver(BODY, webhook_id=webhook_id).status == 202
    assert receiver.inbox.ids().count(webhook_id) == 1


def test_concurrent_deliveries_and_duplicates_are_each_stored_once(receiver: Receiver) -> None:
    ids = [new_id() for _ in range(60)]
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda id_: receiver.deliver(BODY, webhook_id=id_).status, ids * 3))

    assert set(answers) == {202}
    assert [receiver.inbox.ids().count(webhook_id) for webhook_id in ids] == [1] * 60


def test_workers_are_woken_for_what_is_stored(receiver: Receiver) -> None:
    bell = receiver.inbox.path.with_suffix(".wake")
    before = bell.stat().st_size if bell.exists() else 0
    receiver.deliver(BODY)

    wait_until(lambda: bell.exists() and bell.stat().st_size > before, timeout_s=5)


def test_sigkilled_workers_lose_nothing_that_was_acknowledged(own: Receiver) -> None:
    acknowledged: list[str] = []
    is_over = threading.Event()

    def send() -> None:
        while not is_over.is_set():
            webhook_id = new_id()
            with contextlib.suppress(OSError):
                if own.deliver(BODY, webhook_id=webhook_id).status == 202:
                    acknowledged.append(webhook_id)

    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(send)
        for _ in range(4):
            time.sleep(0.4)
            with contextlib.suppress(psutil.Error):
                workers_of(own)[0].kill()
        time.sleep(0.4)
        is_over.set()

    assert len(acknowledged) > 100
    assert set(acknowledged) <= set(own.inbox.ids())


def test_sigterm_answers_what_is_under_way_and_does_not_wait_for_those_who_stall(own: Receiver) -> None:
    with contextlib.ExitStack() as stack:
        for request in (b"", delivery(BODY)[:50]) * 5:
            stack.enter_context(own.connect()).sendall(request)
        honest = stack.enter_context(own.connect())
        request = delivery(BODY)
        honest.sendall(request[:-10])
        time.sleep(0.2)
        started = time.monotonic()
        own.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        honest.sendall(request[-10:])
        assert read_answer(honest).status == 202
        assert own.process.wait(timeout=10) == 0

    assert time.monotonic() - started < 9
    assert "Traceback" not in own.log


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the workers notice within a second")
def test_workers_die_with_their_arbiter_and_free_the_port(own: Receiver) -> None:
    workers = workers_of(own)
    own.process.kill()

    wait_until(lambda: all(is_dead(worker) for worker in workers), timeout_s=0.5)
    wait_until(lambda: can_be_bound(own.port), timeout_s=5)


def can_be_bound(port: int) -> bool:
    with socket.socket() as sock, contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        return True
    return False


def test_server_can_be_run_inside_a_process_of_ours(tmp_path: Path) -> None:
    code = (
        "import sys; from app.web.gunicorn_app import run_gunicorn; "
        "from tests.web.receiver_app import create;"
        "run_gunicorn(create, bind=f'127.0.0.1:{sys.argv[1]}')"
    )
    running = start(tmp_path, command=[sys.executable, "-c", code, "{port}"])
    try:
        assert running.deliver(BODY).status == 202
        assert workers_of(running)
    finally:
        stop(running)
    assert running.process.returncode == 0


# The title is set between the fork and `post_fork`. As on a busy machine, a worker stands still there.
SLOW_FORK = """
import signal, sys, time
from gunicorn import util
from app.web.gunicorn_app import run_gunicorn
was = util._setproctitle

def slow(title):
    was(title)
    if title.startswith("worker"):
        print("forked", flush=True)
        time.sleep(0.5)

util._setproctitle = slow
run_gunicorn(lambda: print, bind="127.0.0.1:0", workers=1)
"""


def test_worker_that_is_told_to_stop_just_after_its_fork_stops() -> None:
    with subprocess.Popen([sys.executable, "-c", SLOW_FORK], cwd=ROOT, stdout=subprocess.PIPE) as arbiter:
        assert arbiter.stdout is not None
        assert arbiter.stdout.readline() == b"forked\n"
        arbiter.send_signal(signal.SIGTERM)
        try:
            assert arbiter.wait(timeout=20) == 0  # the arbiter itself kills a worker after 25 s
        finally:
            arbiter.kill()


_LISTENS = {
    "127.0.0.1:8000": [{}, {"HOST": "", "PORT": ""}],
    "127.0.0.1:9000": [{"PORT": "9000"}],
    "0.0.0.0:8000": [{"HOST": "0.0.0.0"}],
    "[::1]:9000": [{"HOST": "::1", "PORT": "9000"}],
}
_ASKED_IN_TURNS = """
import json, os, runpy, sys

clean = dict(os.environ)
for environment in json.loads(sys.argv[1]):
    os.environ.clear()
    os.environ.update(clean | environment)
    print(runpy.run_path("gunicorn.conf.py")["bind"])
"""


def test_server_listens_where_host_and_port_say_and_on_loopback_unless_told() -> None:
    clean = {name: text for name, text in os.environ.items() if name not in {"HOST", "PORT"}}
    expected = [(bind, environment) for bind, each in _LISTENS.items() for environment in each]
    printed = subprocess.run(
        [sys.executable, "-c", _ASKED_IN_TURNS, json.dumps([environment for _, environment in expected])],
        cwd=ROOT,
        env=clean,
        capture_output=True,
        text=True,
        check=True,
    )

    assert printed.stdout.split() == [bind for bind, _ in expected]
