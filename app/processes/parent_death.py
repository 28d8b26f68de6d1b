"""
Ties a process's life to its parent's, and names it. Everything that is forked here calls this first:
a horse that outlives its worker would run beside its own repetition.

On Linux the kernel does it (PR_SET_PDEATHSIG, which survives exec). Elsewhere a thread looks whether
the parent is still the parent; that notices within half a second.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from typing import NoReturn

_POLL_S = 0.5
# <sys/prctl.h>; https://man7.org/linux/man-pages/man2/prctl.2.html
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15

# Loaded at import: after a fork of a threaded process is no time to look for libraries.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(parent_pid: int, *, by_polling: bool = _libc is None) -> None:
    """
    From now on SIGKILL of the parent kills this process too; if it is gone already, this does not return. The
    kernel counts the parent's *thread*: fork from a thread that lives as long as the process. `by_polling`
    (not Linux; tests) a thread watches instead.
    """
    if by_polling:
        threading.Thread(target=_watch, args=(parent_pid,), name="lifeline", daemon=True).start()
    else:
        kernel_ties_to_parent()
    if os.getppid() != parent_pid:
        _end()


def kernel_ties_to_parent() -> None:
    """The kernel's part alone: may run between fork and exec. Does nothing where there is none."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def name_process(name: str) -> None:
    """The name in `ps -o comm` and in `processName` of log records."""
    multiprocessing.current_process().name = name
    if _libc is not None:
        _libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def _watch(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(_POLL_S)
    _end()


def _end() -> NoReturn:
    # The whole group where we lead one: what we started and did not tie goes with us.
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
    os._exit(1)
