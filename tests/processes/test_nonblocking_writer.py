"""Readers of the log that stand still, leave, or have a full disk: work goes on, and the loss is told."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.patience import SLOW_MACHINE

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
LONG = "x" * 3000

# Four processes say 300 lines each; each leaves a file when it is through.
FAMILY = f"""
import os, sys, time, pathlib, logging
from app import log
log.configure('up')
folder = pathlib.Path(sys.argv[1])
for n in range(4):
    if os.fork() == 0:
        log.name_child(f'worker-{{n}}')
        for i in range(300):
            log.get_logger().info('said', n=n, i=i, text={LONG!r} if i % 10 == 0 else '')
            logging.getLogger('gunicorn.error').warning('said by a library')
            sys.stderr.write('a traceback of Python itself\\n')
        (folder / f'through-{{n}}').touch()
        os._exit(0)
for n in range(4):
    os.wait()
(folder / 'through').touch()
print('ready for more', file=sys.stderr)
while not (folder / 'more').exists():
    time.sleep(0.01)
log.get_logger().info('last')
(folder / 'dropped').write_text(str(log.dropped().total))
"""


def wait_for(path: Path, within_s: float = 20.0) -> None:
    ends_at = time.monotonic() + within_s * SLOW_MACHINE
    while not path.exists():
        assert time.monotonic() < ends_at, f"{path.name}: work stands still"
        time.sleep(0.02)


def start(tmp_path: Path, **streams: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", FAMILY, str(tmp_path)], cwd=ROOT, **streams)


@pytest.fixture
def ended() -> Iterator[list[subprocess.Popen[bytes]]]:
    running: list[subprocess.Popen[bytes]] = []
    yield running
    for process in running:
        process.kill()
        process.wait()


def read_all(fd: int, process: subprocess.Popen[bytes]) -> bytes:
    got = b""
    os.set_blocking(fd, False)
    while True:
        try:
            more = os.read(fd, 65536)
        except BlockingIOError:
            if process.poll() is not None:
                return got
            time.sleep(0.01)
            continue
        except OSError:  # the other end of a terminal is closed
            return got
        if not more:
            return got
        got += more


def lines_of(text: bytes) -> list[dict[str, Any]]:
    """Every whole line; one that was cut off ends where the next begins."""
    found = []
    for line in text.decode().splitlines():
        if line.startswith("{") and line.endswith("}"):
            found.append(json.loads(line))
    return found


def test_pipe_that_is_not_read_stops_no_process_and_the_loss_is_told_when_it_flows(
    tmp_path: Path, ended: list[subprocess.Popen[bytes]]
) -> None:
    read_end, write_end = os.pipe()
    process = start(tmp_path, stdout=write_end, stderr=write_end)
    ended.append(process)
    wait_for(tmp_path / "through")
    assert fcntl.fcntl(write_end, fcntl.F_GETFL) & os.O_NONBLOCK == 0, "it is the shell's, too"
    os.close(write_end)
    first = os.read(read_end, 1 << 20)
    (tmp_path / "more").touch()
    lines = lines_of(first + read_all(read_end, process))
    assert process.wait(10) == 0
    (told,) = [line for line in lines if line["event"] == "log_lines_dropped"]
    assert lines[-1]["event"] == "last"
    assert told["lines"] == int((tmp_path / "dropped").read_text()) > 3000
    assert str(told["lines"]) in told["about"]


def test_pipe_that_is_read_gets_every_line_whole(
    tmp_path: Path, ended: list[subprocess.Popen[bytes]]
) -> None:
    read_end, write_end = os.pipe()
    process = start(tmp_path, stdout=write_end, stderr=subprocess.DEVNULL)
    ended.append(process)
    os.close(write_end)
    (tmp_path / "more").touch()
    got = read_all(read_end, process)
    assert (tmp_path / "dropped").read_text() == "0"
    lines = [json.loads(line) for line in got.splitlines()]
    assert len([line for line in lines if line["event"] == "said"]) == 1200
    assert len(lines) == 2401


def test_terminal_that_was_stopped_stops_no_process(
    tmp_path: Path, ended: list[subprocess.Popen[bytes]]
) -> None:
    master, slave = pty.openpty()
    tty.setcbreak(slave)
    os.write(master, b"\x13")  # Ctrl-S
    process = start(tmp_path, stdout=slave, stderr=slave)
    ended.append(process)
    wait_for(tmp_path / "through")
    assert fcntl.fcntl(slave, fcntl.F_GETFL) & os.O_NONBLOCK == 0
    os.write(master, b"\x11")  # Ctrl-Q
    (tmp_path / "more").touch()
    os.close(slave)
    text = read_all(master, process).decode()
    assert "log lines were dropped" in text.replace("\n", " ")


def test_terminal_that_shows_nothing_more_stops_no_process(
    tmp_path: Path, ended: list[subprocess.Popen[bytes]]
) -> None:
    _, slave = pty.openpty()  # its program hangs: nothing is read at the other end
    ended.append(start(tmp_path, stdout=slave, stderr=slave))
    wait_for(tmp_path / "through")


def test_full_disk_and_a_reader_that_left_stop_no_process(
    tmp_path: Path, ended: list[subprocess.Popen[bytes]]
) -> None:
    (tmp_path / "more").touch()
    with Path("/dev/full").open("wb") as full:
        assert start(tmp_path, stdout=full, stderr=full).wait(30) == 0
    assert int((tmp_path / "dropped").read_text()) > 3000
    read_end, write_end = os.pipe()
    os.close(read_end)
    assert start(tmp_path, stdout=write_end, stderr=write_end).wait(30) == 0
    os.close(write_end)


def test_writer_that_was_stopped_in_the_middle_does_not_hold_the_others_up(
    tmp_path: Path, ended: list[subprocess.Popen[bytes]]
) -> None:
    source = "import fcntl, os, time; fcntl.lockf(1, fcntl.LOCK_EX); os.write(2, b'held'); time.sleep(1000)"
    read_end, write_end = os.pipe()
    holder = subprocess.Popen([sys.executable, "-c", source], stdout=write_end, stderr=subprocess.PIPE)
    ended.append(holder)
    assert holder.stderr is not None
    assert holder.stderr.read(4) == b"held"
    holder.send_signal(signal.SIGSTOP)
    process = start(tmp_path, stdout=write_end, stderr=subprocess.DEVNULL)
    ended.append(process)
    wait_for(tmp_path / "through", within_s=60)
    os.close(write_end)
    os.close(read_end)


def test_exception_that_nothing_catches_is_a_line_without_secrets(tmp_path: Path) -> None:
    source = (
        "import threading; from app import log; log.configure('up')\n"
        "def fail(): raise ValueError('password=hunter22')\n"
        "thread = threading.Thread(target=fail); thread.start(); thread.join()\n"
        "fail()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, check=False, timeout=20
    )
    assert ran.returncode == 1
    lines = lines_of(ran.stdout)
    assert [line["event"] for line in lines] == ["uncaught_exception"] * 2
    assert "ValueError" in lines[0]["exception"]
    assert b"hunter22" not in ran.stdout + ran.stderr
