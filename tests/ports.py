"""Ports for servers that tests start in processes of their own."""

from __future__ import annotations

import itertools
import os
import socket

# Below those that systems give to outgoing connections (from 32768 on Linux): a port taken from there may be
# some connection's by the time that the server binds it.
_FIRST, _EACH = 12_000, 2_000


def _of_this_process() -> int:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return _FIRST + int(worker) % 8 * _EACH


_next = itertools.count(os.getpid() % _EACH)


def free_port() -> int:
    """One that nothing listens at, and no other process of the suite is given."""
    for number in itertools.islice(_next, _EACH):
        port = _of_this_process() + number % _EACH
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("no port is free")
