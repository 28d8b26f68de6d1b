"""
Who serves a Unix socket is asked before anything is sent: real sockets of real processes, also of another
user, in folders of every kind. What needs a second user needs root, and is skipped by name without it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from app.adapters.redis import embedded_server
from app.adapters.redis.errors import why_unusable
from app.adapters.redis.job_queue import RqQueue, connect
from app.adapters.redis.private_socket import OWN_NAME, SocketRefused
from app.errors import QueueUnavailable
from app.orchestrator.timing import Timing

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a server of another user: only root can start one")

# Says PONG to whatever it is asked, and notes that it was asked.
IMPOSTOR = """
import os, pathlib, socket, sys
path, user, note = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
note.touch(); note.chmod(0o666)
if user: os.setgid(user); os.setuid(user)
sock = socket.socket(socket.AF_UNIX)
os.chdir(os.path.dirname(path)); sock.bind(os.path.basename(path)); os.chmod(os.path.basename(path), 0o777)
sock.listen(); print("ready", flush=True)
while True:
    caller, _ = sock.accept()
    while (asked := caller.recv(65536)):
        note.write_bytes(note.read_bytes() + asked)
        if b"HELLO" in asked: caller.sendall(b"%1\\r\\n$5\\r\\nproto\\r\\n:3\\r\\n")
        if b"PING" in asked: caller.sendall(b"+PONG\\r\\n")
"""

Serve = Callable[[Path, int], Path]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts an impostor at a path, as a user; returns the file in which it notes what it was sent."""
    running: list[subprocess.Popen[bytes]] = []

    def start(path: Path, user: int) -> Path:
        note = tmp_path / f"note-{len(running)}"
        command = [sys.executable, "-c", IMPOSTOR, str(path), str(user), str(note)]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        assert running[-1].stdout is not None
        assert running[-1].stdout.readline() == b"ready\n"
        return note

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def open_way(tmp_path: Path) -> Path:
    """A folder that every user can reach, below folders that pytest made for one."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o005 != 0o005 and folder.stat().st_uid == os.geteuid():
            folder.chmod(0o755)
    return tmp_path


def ask(path: Path) -> bool:
    client: Redis = connect(f"unix://{path}", timeouts="web")
    try:
        return bool(client.ping())
    finally:
        client.close()


def folder_with(base: Path, name: str, mode: int, owner: int = 0) -> Path:
    folder = base / name
    folder.mkdir()
    folder.chmod(mode)
    if owner:
        os.chown(folder, owner, owner)
    return folder


def test_own_server_in_a_private_folder_is_spoken_to(tmp_path: Path, serve: Serve) -> None:
    folder = folder_with(tmp_path, "valkey", 0o700)
    note = serve(folder / OWN_NAME, 0)
    assert ask(folder / OWN_NAME)
    assert b"PING" in note.read_bytes()


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777, 0o722])
def test_own_server_in_a_folder_that_others_may_write_to_is_refused(
    tmp_path: Path, serve: Serve, mode: int
) -> None:
    folder = folder_with(tmp_path, "valkey", mode)
    note = serve(folder / OWN_NAME, 0)
    with pytest.raises(SocketRefused, match="may be written by others: chmod 700"):
        ask(folder / OWN_NAME)
    assert note.read_bytes() == b""


def test_own_folder_that_is_a_link_is_refused(tmp_path: Path, serve: Serve) -> None:
    folder = folder_with(tmp_path, "elsewhere", 0o700)
    note = serve(folder / OWN_NAME, 0)
    (tmp_path / "valkey").symlink_to(folder)
    with pytest.raises(SocketRefused, match="not a folder but a link"):
        ask(tmp_path / "valkey" / OWN_NAME)
    assert note.read_bytes() == b""


@needs_root
def test_own_folder_of_another_user_is_refused(open_way: Path, serve: Serve) -> None:
    folder = folder_with(open_way, "valkey", 0o755, NOBODY)
    note = serve(folder / OWN_NAME, NOBODY)
    with pytest.raises(SocketRefused, match="belongs to another user"):
        ask(folder / OWN_NAME)
    assert note.read_bytes() == b""


@needs_root
def test_another_users_server_in_the_own_folder_is_refused(
    open_way: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It was bound while the folder was open; only the listening process itself can tell.
    folder = folder_with(open_way, "valkey", 0o777)
    note = serve(folder / OWN_NAME, NOBODY)
    folder.chmod(0o700)
    os.chown(folder / OWN_NAME, 0, 0)
    with pytest.raises(SocketRefused, match="is run by another user"):
        ask(folder / OWN_NAME)
    assert note.read_bytes() == b""


@pytest.mark.slow
@needs_root
@pytest.mark.parametrize("timeouts", ["web", "worker"])
def test_every_program_of_ours_refuses_and_says_why(open_way: Path, serve: Serve, timeouts: str) -> None:
    folder = folder_with(open_way, "valkey", 0o755, NOBODY)
    note = serve(folder / OWN_NAME, NOBODY)
    url = embedded_server.url(open_way)
    assert url == f"unix://{folder / OWN_NAME}"
    with pytest.raises(QueueUnavailable, match="belongs to another user"):
        RqQueue(url, 1, Timing(), "aa").ping()  # web, dispatcher, horses, check
    with pytest.raises(SocketRefused) as refused:
        connect(url, timeouts="worker").ping()
    assert "belongs to another user" in why_unusable(refused.value)
    assert not embedded_server.is_ready(open_way)
    assert note.read_bytes() == b""


@needs_root
def test_packaged_redis_of_its_own_user_is_spoken_to(open_way: Path, serve: Serve) -> None:
    folder = Path("/run/afterword-test-redis")  # as Debian's: below root's folders alone
    folder.mkdir()
    try:
        folder.chmod(0o2755)
        os.chown(folder, NOBODY, NOBODY)
        assert serve(folder / "redis.sock", NOBODY).exists()
        assert ask(folder / "redis.sock")
    finally:
        (folder / "redis.sock").unlink(missing_ok=True)
        folder.rmdir()


@needs_root
@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_another_users_server_in_a_folder_for_everyone_is_refused(
    open_way: Path, serve: Serve, mode: int
) -> None:
    folder = folder_with(open_way, "shared", mode)
    note = serve(folder / "redis.sock", NOBODY)
    with pytest.raises(SocketRefused, match="all users may write to"):
        ask(folder / "redis.sock")
    assert note.read_bytes() == b""


@needs_root
def test_another_users_folder_below_one_for_everyone_is_refused(open_way: Path, serve: Serve) -> None:
    shared = folder_with(open_way, "shared", 0o1777)
    note = serve(folder_with(shared, "theirs", 0o755, NOBODY) / "redis.sock", NOBODY)
    with pytest.raises(SocketRefused, match="all users may write to"):
        ask(shared / "theirs" / "redis.sock")
    assert note.read_bytes() == b""


def test_server_of_ones_own_may_be_anywhere(tmp_path: Path, serve: Serve) -> None:
    folder = folder_with(tmp_path, "shared", 0o1777)
    serve(folder / "redis.sock", 0)
    assert ask(folder / "redis.sock")


@pytest.mark.parametrize("has_proc", [True, False])
def test_path_of_any_length_is_reached(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch, has_proc: bool
) -> None:
    if not has_proc:  # as on macOS
        monkeypatch.setattr(os.path, "isdir", lambda path: False)
    folder = folder_with(tmp_path, "deep" * 40, 0o700)
    serve(folder / OWN_NAME, 0)
    assert ask(folder / OWN_NAME)


def test_absent_server_is_an_ordinary_connection_error(tmp_path: Path) -> None:
    for path in (tmp_path / "valkey" / OWN_NAME, tmp_path / "redis.sock"):
        with pytest.raises(RedisConnectionError) as error:
            ask(path)
        assert not isinstance(error.value, SocketRefused)


def test_descriptors_are_given_back(tmp_path: Path, serve: Serve) -> None:
    folder = folder_with(tmp_path, "valkey", 0o700)
    serve(folder / OWN_NAME, 0)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(20):
        ask(folder / OWN_NAME)
    folder.chmod(0o777)
    for _ in range(20):
        with pytest.raises(SocketRefused):
            ask(folder / OWN_NAME)
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after <= before  # less: the collector closed what an earlier test had left
