"""
The POST that costs money, against faults at the level of bytes: what is known of it, what is not, and
that it is not written when it is too late.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.recall.resources import MAX_ANSWER_BYTES
from app.recall.types import CreateAnswer
from tests.doubles.still_clock import StillClock
from tests.recall.raw_server import Behaviour, RawServer, answer, drip, hang_up, raw_server, send, silence
from tests.recall.stage import (
    CREATED,
    EMPTY_PAGE,
    ORDER,
    QUICK,
    SLOW_ALLOWED,
    client,
    closed_port,
    create,
)


@contextlib.contextmanager
def handshakes(behaviour: Behaviour) -> Iterator[str]:
    """An https address whose server answers the first bytes of TLS with something else."""

    def one(conn: socket.socket) -> None:
        with contextlib.suppress(OSError), conn:
            conn.recv(65536)
            behaviour(conn)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"


_BUSY_S = 10.0  # of a machine with other work; what drips goes on for twenty
HEAD_200 = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behaviour", "detail"),
    [
        (hang_up, "connection_lost"),
        (send(b"HTTP/1.1 20"), "connection_lost"),
        (send(b"HTTP/1.1 200 OK\r\nContent-Le"), None),
        (send(b"\x16\x03\x01 nonsense\r\n\r\n"), "connection_lost"),
        (answer(200, CREATED[:-9], length=len(CREATED)), "truncated"),
        (answer(400, b'{"code"', length=99), "truncated"),
        (answer(400, b"x" * 10, length=MAX_ANSWER_BYTES + 1), "truncated"),
        (send(b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), "truncated"),
        (send(b"HTTP/1.1 400 Bad\r\n\r\n" + b"x" * (MAX_ANSWER_BYTES + 1)), "too_large"),
        (send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"), "encoding"),
        (silence, "timeout"),
        (drip(b""), "timeout"),
        (drip(b"HTTP/1.1 200 OK\r\nX: "), "timeout"),
        (drip(HEAD_200 % 4000), "timeout"),
        (drip(b"HTTP/1.1 400 Bad\r\n\r\n{"), "timeout"),
        (answer(301, b"", "Location: /elsewhere/"), "http_301"),
        (answer(307, b"", "Location: /elsewhere/"), "http_307"),
    ],
)
def test_a_post_whose_answer_is_not_whole_is_unknown_and_sent_once(
    behaviour: Behaviour, detail: str | None
) -> None:
    with raw_server(behaviour) as server:
        began = time.monotonic()
        result = create(server.url, QUICK if detail == "timeout" else SLOW_ALLOWED)
        took_s = time.monotonic() - began
    assert result.kind == "unknown"
    assert detail is None or result.detail == detail
    assert len(server.requests) == server.connections == 1
    assert took_s < QUICK.create_overall_s + _BUSY_S


@pytest.mark.slow
def test_a_post_reset_while_it_is_written_is_unknown() -> None:
    big = replace(ORDER, options={"key_terms": ["x" * 100] * 200_000})

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reset() -> None:
            conn, _ = listener.accept()
            conn.recv(10)
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            conn.close()

        threading.Thread(target=reset, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert client(url).create(big, is_still_fresh=lambda: True).kind == "unknown"


def test_a_refused_connection_is_not_sent_and_tried_again_within_seconds() -> None:
    clock = StillClock()
    recall = client(f"http://127.0.0.1:{closed_port()}", clock=clock)
    result = recall.create(ORDER, is_still_fresh=lambda: pytest.fail("there is no connection"))
    assert (result.kind, result.detail) == ("not_sent", "refused")
    assert len(clock.sleeps) == 2
    assert sum(clock.sleeps) < 5


def test_a_name_that_does_not_resolve_is_not_sent() -> None:
    assert create("https://recall.invalid").detail in {"dns", "refused"}


def test_a_failed_handshake_is_not_sent() -> None:
    with handshakes(lambda conn: conn.sendall(b"this is not TLS")) as url:
        assert create(url) == CreateAnswer("not_sent", detail="tls")


def test_a_post_that_did_not_leave_goes_out_once_with_the_same_key_when_the_way_is_free() -> None:
    port = closed_port()
    with contextlib.ExitStack() as stack:
        servers: list[RawServer] = []

        class OpeningClock(StillClock):
            def sleep(self, seconds: float) -> None:
                """The server comes up while the client waits."""
                servers.append(stack.enter_context(raw_server(answer(200, CREATED), at_port=port)))

        recall = client(f"http://127.0.0.1:{port}", clock=OpeningClock())
        assert recall.create(ORDER, is_still_fresh=lambda: True).kind == "created"
    (server,) = servers
    assert len(server.requests) == 1
    assert b"Idempotency-Key: a-key-of-the-create" in server.requests[0]


# -- the stamp --------------------------------------------------------------------------------------


def test_a_stamp_too_old_once_connected_sends_nothing() -> None:
    with raw_server(answer(200, CREATED)) as server:
        # The question comes when the connection stands, not before.
        result = create(server.url, fresh=lambda: not server.accepted.wait(2))
        time.sleep(0.1)
    assert (result.kind, result.detail) == ("not_sent", "stale_stamp")
    assert (server.connections, server.requests) == (1, [])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="stands on what Linux does with a full queue")
def test_a_slow_connect_makes_the_stamp_stale_and_nothing_arrives() -> None:
    arrived: list[bytes] = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        # With its queue full the kernel ignores who knocks; they knock again after a second.
        socket.create_connection(listener.getsockname()).close()

        def accept_late() -> None:
            time.sleep(0.5)
            for _ in range(2):
                conn, _ = listener.accept()
                arrived.append(conn.recv(1))

        thread = threading.Thread(target=accept_late, daemon=True)
        thread.start()
        stamped = time.monotonic()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        slow_allowed = client(url, replace(QUICK, connect_timeout_s=9, create_overall_s=9))
        result = slow_allowed.create(ORDER, is_still_fresh=lambda: time.monotonic() - stamped < 0.3)
        thread.join(5)
    assert (result.kind, result.detail) == ("not_sent", "stale_stamp")
    assert arrived == [b"", b""]


def test_a_stamp_is_looked_at_again_before_each_repetition() -> None:
    answers = iter([True, False])
    with raw_server(answer(200, CREATED)) as server:
        recall = client(server.url)
        assert recall.create(ORDER, is_still_fresh=lambda: next(answers)).kind == "created"
        assert recall.create(ORDER, is_still_fresh=lambda: next(answers)).kind == "not_sent"
    assert len(server.requests) == 1


def test_a_post_never_rides_on_a_connection_kept_from_before() -> None:
    with raw_server(answer(200, EMPTY_PAGE, keep=True), answer(200, CREATED)) as server:
        recall = client(server.url)
        recall.probe()
        recall.probe()
        assert server.connections == 1
        assert recall.create(ORDER, is_still_fresh=lambda: True).kind == "created"
    assert server.connections == 2


# -- TLS --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    make = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        [openssl, *make.split(), "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context, cert


@pytest.mark.slow
def test_over_tls_too_everything_holds(
    tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, certificate = tls
    behaviours = (answer(200, CREATED), hang_up, drip(HEAD_200 % 4000), answer(200, CREATED))
    with raw_server(*behaviours, tls=context) as server:
        assert create(server.url).detail == "tls"  # an unknown certificate
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        server.connections = 0
        kinds = [create(server.url, timeouts) for timeouts in (SLOW_ALLOWED, SLOW_ALLOWED, QUICK)]
        assert [(a.kind, a.detail) for a in kinds] == [
            ("created", ""),
            ("unknown", "connection_lost"),
            ("unknown", "timeout"),
        ]
        assert create(server.url, fresh=lambda: False).detail == "stale_stamp"
    assert len(server.requests) == 3


@pytest.mark.slow
def test_a_dripping_handshake_ends_at_the_overall_limit() -> None:
    with handshakes(drip(b"\x16\x03\x03\x40\x00", b"\x02")) as url:
        began = time.monotonic()
        result = create(url, QUICK)
    assert (result.kind, result.detail) == ("not_sent", "timeout")
    assert time.monotonic() - began < 3 * QUICK.create_overall_s + _BUSY_S
