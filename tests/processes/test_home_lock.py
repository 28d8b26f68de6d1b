"""One `up` per home, one listener per port; and nothing stale after a kill."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import Away, ConfigError, HeldByAnother
from app.processes.home_lock import ensure_port_free, hold_home, is_stopped
from tests.workers.programs import Program, eventually

HOLDER = """
from app.processes.home_lock import hold_home
with hold_home(Path({home!r})):
    PrintedLog().info("held")
    {then}
"""
IDLE = "time.sleep(1000)"
WITH_CHILD = "os.fork(); time.sleep(1000)"


def holder(program: Callable[[str], Program], home: Path, then: str = IDLE) -> Program:
    running = program(HOLDER.format(home=str(home), then=then))
    eventually(lambda: running.events("held"))
    return running


def test_second_holder_is_refused_at_once_with_the_pid_and_home_of_the_first(
    program: Callable[[str], Program], tmp_path: Path
) -> None:
    home = tmp_path / "a home"
    first = holder(program, home)
    began_at = time.monotonic()
    with pytest.raises(HeldByAnother) as refusal, hold_home(home):
        pass
    assert time.monotonic() - began_at < 5
    assert str(first.process.pid) in str(refusal.value)
    assert str(home) in str(refusal.value)


def test_killed_holder_leaves_nothing_that_hinders_the_next(
    program: Callable[[str], Program], tmp_path: Path
) -> None:
    first = holder(program, tmp_path)
    first.process.kill()
    first.wait()
    with hold_home(tmp_path):
        pass


@pytest.mark.parametrize("ends", [Away("PostgreSQL is away"), KeyboardInterrupt()])
@pytest.mark.parametrize("was_killed", [False, True])
def test_a_start_that_is_refused_is_no_service_that_was_killed_and_hides_none(
    program: Callable[[str], Program], tmp_path: Path, ends: BaseException, was_killed: bool
) -> None:
    if was_killed:
        first = holder(program, tmp_path)
        first.process.kill()
        first.wait()
    else:
        with hold_home(tmp_path):
            pass
    assert is_stopped(tmp_path) is not was_killed
    with pytest.raises(type(ends)), hold_home(tmp_path):
        raise ends
    assert is_stopped(tmp_path) is not was_killed


def test_a_first_start_that_is_refused_leaves_no_killed_service(tmp_path: Path) -> None:
    with pytest.raises(Away), hold_home(tmp_path):
        raise Away("the port is taken")
    assert is_stopped(tmp_path)


def test_next_holder_waits_until_the_children_of_a_killed_one_are_gone(
    program: Callable[[str], Program], tmp_path: Path
) -> None:
    first = holder(program, tmp_path, WITH_CHILD)
    (child,) = eventually(first.descendants)
    first.process.kill()  # its child lives on: this one is tied to nobody
    first.wait()
    with pytest.raises(HeldByAnother, match="children"), hold_home(tmp_path, timeout_s=0.3):
        pass
    child.kill()
    with hold_home(tmp_path):
        pass


def test_next_holder_need_not_wait_for_a_killed_one_to_be_buried(
    program: Callable[[str], Program], tmp_path: Path
) -> None:
    first = holder(program, tmp_path)
    first.process.kill()  # not waited for: a zombie with a pid
    with hold_home(tmp_path):
        pass


def test_held_home_can_be_held_again_after_it_was_let_go(tmp_path: Path) -> None:
    for _ in range(2):
        with hold_home(tmp_path):
            pass


@pytest.mark.parametrize("home", ["/proc/nowhere", "/dev/null", "/dev/null/below"])
def test_home_that_cannot_be_made_is_a_problem_of_configuration_with_its_name(home: str) -> None:
    with pytest.raises(ConfigError, match=rf"AFTERWORD_HOME: {home} .*choose another"), hold_home(Path(home)):
        pass


def test_the_file_with_the_pid_keeps_its_block_so_that_a_full_disk_hinders_no_restart(tmp_path: Path) -> None:
    lock = tmp_path / "up.lock"
    sizes = []
    for _ in range(2):
        with hold_home(tmp_path):
            assert lock.read_text().strip() == str(os.getpid())
            sizes.append(lock.stat().st_size)
        assert lock.read_text().strip() == ""
        sizes.append(lock.stat().st_size)
    assert len(set(sizes)) == 1


def test_taken_port_is_refused_naming_the_port_and_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(HeldByAnother, match=rf"Port {port} .* PORT"):
            ensure_port_free("127.0.0.1", port)
    ensure_port_free("127.0.0.1", port)


def test_host_of_another_machine_is_a_problem_of_configuration() -> None:
    with pytest.raises(ConfigError, match="HOST"):
        ensure_port_free("192.0.2.1", 8000)
