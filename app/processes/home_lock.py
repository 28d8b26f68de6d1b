"""
Who holds a home, and whether the port is free: asked before a child is started.

Two locks, because they end at different moments. `up.alive` (a record lock) ends with the holder
itself. `up.lock` (flock, with the holder's pid in it) is inherited by every forked child and so ends
with the last of them. Alive: another `up` runs, go away. Only the second: a killed one's children
are on their way out, wait for them. Both end by themselves when processes die; nothing is stale.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from app.errors import AfterwordError, Away, ConfigError, HeldByAnother
from app.processes import file_lock

CHILDREN_VANISH_WITHIN_S = 6.0
FILES = ("up.alive", "up.lock")
BACKLOG = 512  # as in gunicorn.conf.py
_NOTE_BYTES = 16
_DYING_S = 0.5  # a killed process holds its locks until the kernel has taken it apart


@contextmanager
def hold_home(home: Path, *, timeout_s: float = CHILDREN_VANISH_WITHIN_S) -> Iterator[None]:
    """
    Holds `home`, made if it is not there, for this process and the children it forks meanwhile. Those of a
    killed holder are waited for, `timeout_s` seconds. A block that refuses with an error of ours, or that
    Ctrl-C ends, leaves what `is_stopped` says as it was.

    Raises:
        HeldByAnother: Another process holds it; the message names it. Exit 75.
        ConfigError: It cannot be made, or not be written to. Exit 78.
        Away: Its disk is full, so that not even an empty file can be made. Exit 69.
    """
    with ExitStack() as opened:
        make_home(home)
        try:
            alive, lock = (_open(home / name, opened) for name in FILES)
            _take_alive(alive, lock, home)
            _take_lock(lock, home, timeout_s)
        except OSError as error:
            raise _home_trouble(error, home) from error
        before = _noted(lock)
        _note(lock, str(os.getpid()))
        try:
            yield
        except (AfterwordError, KeyboardInterrupt):
            _note(lock, before)
            raise
        _note(lock, "")


def make_home(home: Path) -> None:
    """Makes the folder, for its owner alone. Raises as `hold_home`."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _home_trouble(error, home) from error


def is_held(home: Path) -> bool:
    """Whether an `up` runs in this home, or the children of one."""
    try:
        with (home / "up.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # let go at once, by closing
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def is_stopped(home: Path) -> bool:
    """Whether the last `up` of this home ended as it was told to: one that was killed leaves its number."""
    try:
        return not (home / "up.lock").read_text("ascii").strip()
    except (OSError, ValueError):
        return False


def holder(home: Path) -> int | None:
    """The process id of the `up` that holds this home, where it could note it."""
    with suppress(OSError, ValueError):
        return int((home / "up.lock").read_text("ascii"))
    return None


def _open(path: Path, opened: ExitStack) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    opened.callback(os.close, descriptor)
    return descriptor


def _home_trouble(error: OSError, home: Path) -> Exception:
    cause = error.strerror or "unknown"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Away(f"AFTERWORD_HOME: {home} cannot be made ({cause}); make room on its disk.")
    return ConfigError([f"AFTERWORD_HOME: {home} cannot be made or written to ({cause}); choose another."])


def _noted(lock: int) -> str:
    return os.pread(lock, _NOTE_BYTES, 0).decode(errors="replace").strip()


def _note(lock: int, holder: str) -> None:
    # Always as long: an emptied file would need a block again at the next start, which a full disk refuses.
    try:
        os.pwrite(lock, f"{holder:<{_NOTE_BYTES - 1}}\n".encode(), 0)
    except OSError:  # the locks hold without it; but it must not name another process
        with suppress(OSError):
            os.ftruncate(lock, 0)


def _take_alive(alive: int, lock: int, home: Path) -> None:
    if not file_lock.take(fcntl.lockf, alive, fcntl.LOCK_EX, within_s=_DYING_S):
        pid = _noted(lock) or "just starting"
        raise HeldByAnother(
            f"{home} is in use by another `afterword up` (process {pid}): stop that one, or set "
            "AFTERWORD_HOME to another folder."
        )


def _take_lock(lock: int, home: Path, timeout_s: float) -> None:
    if not file_lock.take(fcntl.flock, lock, fcntl.LOCK_EX, within_s=timeout_s):
        raise HeldByAnother(
            f"{home} is still in use by the children of an `afterword up` that was killed; they "
            f"did not end in {timeout_s:g} s. Find them with `fuser {home / 'up.lock'}`."
        )


def ensure_port_free(host: str, port: int) -> None:
    """Binds once and lets go. Raises as `listen_on`."""
    listen_on(host, port, backlog=None).close()


def listen_on(host: str, port: int, *, backlog: int | None = BACKLOG) -> socket.socket:
    """
    The socket that web is given: connections wait in it from now on, until it is closed everywhere. With no
    backlog it is bound alone.

    Raises:
        HeldByAnother: Another process listens there. Exit 75.
        ConfigError: HOST is no address of this machine, or PORT is not ours to take.
        Away: The network itself refuses.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:  # the latter of a name that no resolver takes
        raise ConfigError([f"HOST {host!r} is not an address: use e.g. 127.0.0.1"]) from error
    try:
        with ExitStack() as unless_done:
            found = unless_done.enter_context(socket.socket(family, kind, protocol))  # IPv6 may be absent
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
            if backlog is not None:
                found.listen(backlog)  # two may bind at the same moment
            unless_done.pop_all()
        return found
    except OSError as error:
        raise _port_trouble(error, host, port) from error


def _port_trouble(error: OSError, host: str, port: int) -> Exception:
    match error.errno:
        case errno.EADDRINUSE:
            return HeldByAnother(
                f"Port {port} on {host} is taken by another process: stop it (`lsof -i :{port}` names it), "
                "or choose another with PORT."
            )
        case errno.EACCES:
            return ConfigError([f"PORT {port} needs rights this user does not have: use one above 1023"])
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            return ConfigError([f"HOST {host} is not an address of this machine: use e.g. 127.0.0.1"])
        case _:
            return Away(f"Port {port} on {host} cannot be used: {error.strerror}")
