"""What a person reads when Redis refuses: the true cause with its remedy, and nothing of a secret."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis
from redis import exceptions as said

from app.adapters.redis import errors
from app.adapters.redis.job_queue import connect
from app.errors import ConfigError, QueueUnavailable
from app.settings.environment import load_settings
from tests.contract.test_wrong_server import queue_at, start_valkey
from workers.up import refuse_unfit_redis

RIGHT, WRONG = "right-Zq9", "wrong-Zq9"


def refusal(url: str) -> str:
    with pytest.raises(QueueUnavailable) as refused:
        queue_at(url).check_write()
    assert "Zq9" not in str(refused.value)
    assert str(refused.value).startswith("Redis cannot be used: ")
    return str(refused.value)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server that wants a password; a user of its own may only work on RQ's keys."""
    server, port = start_valkey(
        tmp_path_factory.mktemp("redis") / "plain", "--maxmemory-policy", "allkeys-lru"
    )
    with Redis(port=port) as client:
        client.execute_command("ACL", "SETUSER", "rq", "on", f">{RIGHT}", "~rq:*", "+@all", "-@dangerous")
        client.execute_command("ACL", "SETUSER", "reader", "on", f">{RIGHT}", "~*", "+@read", "+@connection")
        client.config_set("requirepass", RIGHT)
    yield port
    server.kill()
    server.wait()


@pytest.mark.parametrize(
    ("credentials", "end", "why"),
    [
        (f":{WRONG}@", "/0", "refuses the user or the password of REDIS_URL"),
        (f"stranger:{RIGHT}@", "/0", "refuses the user or the password of REDIS_URL"),
        ("", "/0", "refuses the user or the password of REDIS_URL"),
        (f":{RIGHT}@", "/99", "no database of that number"),
        (f"reader:{RIGHT}@", "/0", "allow it all commands on keys ~rq:*"),
    ],
)
def test_a_server_that_refuses_says_what_to_correct(plain: int, credentials: str, end: str, why: str) -> None:
    assert why in refusal(f"redis://{credentials}127.0.0.1:{plain}{end}")


def test_no_server_and_no_host_and_no_socket_are_called_that(tmp_path: Path) -> None:
    assert "is the server of REDIS_URL running" in refusal(f"redis://:{RIGHT}@127.0.0.1:1/0")
    assert "host of REDIS_URL is not known here" in refusal(f"redis://:{RIGHT}@{WRONG}.invalid/0")
    assert "is the server of REDIS_URL running" in refusal(f"unix://{tmp_path}/none.sock")


@pytest.mark.slow
def test_encryption_against_a_plain_port_says_to_leave_it(plain: int) -> None:
    assert "write redis:// there" in refusal(f"rediss://:{RIGHT}@127.0.0.1:{plain}/0")


def serve(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server whose every connection is answered so, then closed."""
    listener = socket.create_server(("127.0.0.1", 0))

    def work() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                answer(connection)

    threading.Thread(target=work, daemon=True).start()
    yield int(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that signs itself, for the name `localhost`, with its key in the same file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl: not installed")
    folder = tmp_path_factory.mktemp("certificate")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        "key",
        "-out",
        "crt",
    ]
    subprocess.run([*made, *subject], cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text((folder / "crt").read_text() + (folder / "key").read_text())
    return both


@pytest.fixture(scope="module")
def encrypted(certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as hidden:
            while hidden.recv(4096):
                hidden.sendall(b"-ERR not today\r\n")

    yield from serve(answer)


@pytest.mark.slow
def test_a_plain_connection_to_an_encrypted_port_says_how_to_encrypt(encrypted: int) -> None:
    assert "an encrypted one (rediss://)" in refusal(f"redis://127.0.0.1:{encrypted}/0")


@pytest.mark.slow
def test_certificates_are_told_apart(encrypted: int, certificate: Path) -> None:
    assert "?ssl_ca_certs=" in refusal(f"rediss://localhost:{encrypted}/0")
    trusted = f"?ssl_ca_certs={certificate}"
    assert "for another host name" in refusal(f"rediss://127.0.0.1:{encrypted}/0{trusted}")
    assert "answers with an error" in refusal(f"rediss://localhost:{encrypted}/0{trusted}")


def test_another_program_at_that_port_is_called_that() -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    for port in serve(answer):
        assert "is not Redis" in refusal(f"redis://127.0.0.1:{port}/0")


@pytest.mark.slow
def test_a_silent_server_is_called_silent_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "does not answer in time" in refusal(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")


def test_a_socket_of_another_user_is_called_that(tmp_path: Path) -> None:
    error = said.ConnectionError("x")
    error.__cause__ = PermissionError(13, "Permission denied")
    assert "may not use the socket" in errors.why_unusable(error)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (said.OutOfMemoryError("command not allowed"), "maxmemory"),
        (said.BusyLoadingError("loading"), "still reads its data"),
        (said.MasterDownError("down"), "replica without its primary"),
        (said.MovedError("1 127.0.0.1:7000"), "cluster mode, which is not supported"),
        (said.ClusterCrossSlotError("x"), "cluster mode, which is not supported"),
        (said.ResponseError("MISCONF Redis is configured to save"), "is its disk full?"),
        (said.ResponseError("DENIED Redis is running in protected mode because"), "protected mode"),
        (said.ResponseError("NOREPLICAS Not enough good replicas to write."), "min-replicas-to-write"),
        (said.ResponseError("unknown command 'BLMOVE', with args beginning with: 'Zq9'"), "6.2 or newer"),
        (said.ResponseError("something new about Zq9"), "answers with an error (ResponseError)"),
        (said.ConnectionError("max number of clients reached"), "maxclients"),
        (said.ConnectionError("Connection closed by server."), "ends the connection"),
    ],
)
def test_answers_become_sentences_that_repeat_nothing(error: Exception, why: str) -> None:
    sentence = errors.why_unusable(error)
    assert why in sentence
    assert "Zq9" not in sentence


# --- what answers and is of the wrong kind
def test_cluster_mode_is_refused_even_where_single_commands_work(tmp_path: Path) -> None:
    server, port = start_valkey(tmp_path / "cluster", "--cluster-enabled", "yes")
    try:
        with Redis(port=port) as client:
            assert "cluster mode, which is not supported" in refusal(f"redis://127.0.0.1:{port}/0")
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            found = errors.why_unfit(client)
        environ = {
            "AFTERWORD_ISOLATED": "1",
            "RECALL_API_BASE_URL": "http://127.0.0.1:1",
            "RECALL_API_KEY": "key-of-nobody",
            "RECALL_WEBHOOK_SECRETS": "whsec_" + "A" * 32,
            "REDIS_URL": f"redis://127.0.0.1:{port}/0",
        }
        with pytest.raises(ConfigError, match="cluster mode"):  # as `up` and `workers` begin
            refuse_unfit_redis(load_settings(environ, root=tmp_path))
        assert found is not None
        assert "cluster mode, which is not supported" in found
    finally:
        server.kill()
        server.wait()


def test_a_server_that_may_evict_is_noted_and_one_that_may_not_be_asked_is_not(plain: int) -> None:
    with connect(f"redis://:{RIGHT}@127.0.0.1:{plain}/0", timeouts="web") as client:
        assert "maxmemory-policy allkeys-lru" in (errors.note_of(client) or "")
        assert errors.why_unfit(client) is None
        client.config_set("maxmemory-policy", "noeviction")
        assert errors.note_of(client) is None
        client.config_set("maxmemory-policy", "allkeys-lru")
    with connect(f"redis://rq:{RIGHT}@127.0.0.1:{plain}/0", timeouts="web") as client:
        assert errors.note_of(client) is None
        assert errors.why_unfit(client) is None
        queue_at(f"redis://rq:{RIGHT}@127.0.0.1:{plain}/0").check_write()


class Told(Redis):
    """Answers INFO so."""

    def __init__(self, **about: object) -> None:
        super().__init__()
        self.about = about

    def info(self, *_: object, **__: object) -> dict[str, object]:
        return self.about


@pytest.mark.parametrize(
    ("version", "is_fit"),
    [("6.0.16", False), ("5.0.7", False), ("6.2.0", True), ("7.2.4", True), ("x", True)],
)
def test_a_server_too_old_for_the_queue_is_refused(version: str, is_fit: bool) -> None:
    assert (errors.why_unfit(Told(redis_version=version)) is None) is is_fit


def test_what_is_away_is_neither_unfit_nor_noted() -> None:
    with connect("redis://127.0.0.1:1/0", timeouts="web") as client:
        assert (errors.why_unfit(client), errors.note_of(client)) == (None, None)
