"""Whether processes still live that may end while they are asked, and settings for those started by hand."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from app.adapters.redis import embedded_server
from tests.ports import free_port


def is_zombie(process: psutil.Process) -> bool:
    """It has ended and was not waited for. One that was waited for is none any more."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def is_alive(process: psutil.Process) -> bool:
    """It runs: neither gone nor a zombie."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def exit_code_of_a_fork(job: Callable[[], object], *, within_s: int = 20) -> int:
    """
    Of a child that does the job: 0, or 1 when it raised. One that waits for a lock, which another thread of
    this process held when it was forked, is ended by SIGALRM: -14.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(within_s)
            job()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def settings_without_recall(home: Path) -> dict[str, str]:
    """All that a process needs to start; at the address of Recall there is none."""
    return {
        "AFTERWORD_ISOLATED": "1",
        "AFTERWORD_HOME": str(home),
        "RECALL_API_KEY": "key-of-nobody",
        "RECALL_API_BASE_URL": "http://127.0.0.1:1",
        "RECALL_WEBHOOK_SECRETS": "whsec_" + "A" * 32,
        "PORT": str(free_port()),
    }


def wait_until_ready(home: Path, timeout_s: float = 10.0) -> None:
    """Returns when the embedded server of this home answers."""
    ends_at = time.monotonic() + timeout_s
    while not embedded_server.is_ready(home):
        assert time.monotonic() < ends_at, f"the embedded Valkey did not answer in {timeout_s:g} s"
        time.sleep(0.02)
