"""
Signals that come while a service starts, before its own handlers are there.

As process 1 of a container a process gets no signal that it has no handler for, so that a stop would be
waited for in vain; and a SIGHUP right after the start, as of a reload, would end it.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn


def mind_signals(*, kept: frozenset[signal.Signals] = frozenset()) -> None:
    """
    SIGTERM ends the start, with exit 0: there is nothing to drain. Those `kept` wait until
    `app.processes.supervisor` takes them.
    """
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _leave)
    signal.pthread_sigmask(signal.SIG_BLOCK, kept)


def _leave(signum: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
