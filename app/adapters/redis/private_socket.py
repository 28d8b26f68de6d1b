"""
Connections to Redis over a Unix socket, made only to a server that may be trusted. What is in a queue is
acted upon, so who serves it is asked at every connection, before a byte is sent: any local user can put a
socket where it is expected, if the folder lets them.

The embedded Valkey (its socket has a name of its own) must be in a folder of this user's that no other may
write to, and run by this user. A server of the user's choice (REDIS_URL) may run under another user, as a
packaged Redis does; then no folder on the way to it may be open to all users. A stricter rule for those would
refuse common set-ups for nothing: write access on the way to the home is access to the database as well.

The path of a Unix socket holds 107 bytes on Linux, 103 on macOS; a longer one is reached through its folder.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis.connection import UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError

OWN_NAME = "afterword.sock"
_LONGEST_PATH_BYTES = 100
# https://man7.org/linux/man-pages/man2/open.2.html: enough to look at a folder and to go through it.
_LOOK_ONLY = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC


class SocketRefused(RedisConnectionError):
    """The server at a Unix socket is not to be trusted. The message is a sentence that may be shown."""


class CheckedSocket(UnixDomainSocketConnection):
    """redis-py's connection to a Unix socket, to a trusted server alone."""

    def _connect(self) -> socket.socket:
        path = Path(self.path)
        is_own = path.name == OWN_NAME
        with _opened(path.parent, is_own=is_own) as folder:
            if is_own:
                _refuse_open_folder(path.parent, os.fstat(folder))
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.settimeout(self.socket_connect_timeout)
                with _short(path, folder) as short:
                    sock.connect(short)
                _refuse_server(path, _served_by(sock, path), is_own=is_own)
            except BaseException:
                sock.close()
                raise
        sock.settimeout(self.socket_timeout)
        return sock


@contextmanager
def _opened(folder: Path, *, is_own: bool) -> Iterator[int]:
    try:
        descriptor = os.open(folder, _LOOK_ONLY | (os.O_NOFOLLOW if is_own else 0))
    except OSError as error:
        if is_own and error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise SocketRefused(f"{folder} is not a folder but a link or a file: remove it.") from error
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _refuse_open_folder(folder: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise SocketRefused(
            f"{folder} belongs to another user (uid {found.st_uid}): run this as that user, or set "
            "AFTERWORD_HOME to a folder of your own."
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise SocketRefused(f"{folder} may be written by others: chmod 700 it after a look inside.")


@contextmanager
def _short(path: Path, folder: int) -> Iterator[str]:
    """A path to the same socket that fits into its address."""
    if len(os.fsencode(path)) <= _LONGEST_PATH_BYTES:
        yield str(path)
    elif os.path.isdir(f"/proc/self/fd/{folder}"):
        yield f"/proc/self/fd/{folder}/{path.name}"
    else:
        with tempfile.TemporaryDirectory() as private:  # 0700, under a name of this moment
            link = Path(private, "s")
            link.symlink_to(path)
            yield str(link)


def _served_by(sock: socket.socket, path: Path) -> int:
    """The user id of the process that listens."""
    if not hasattr(socket, "SO_PEERCRED"):  # not Linux: by the owner of the socket's file
        return path.stat().st_uid
    # https://man7.org/linux/man-pages/man7/unix.7.html: struct ucred, pid, uid and gid
    layout = struct.Struct("3i")
    return int(layout.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, layout.size))[1])


def _refuse_server(path: Path, user: int, *, is_own: bool) -> None:
    if user == os.geteuid():
        return
    if is_own:
        raise SocketRefused(
            f"The server at {path} is run by another user (uid {user}): stop it and remove {path}."
        )
    if user == 0:
        return
    for folder in path.resolve().parents:
        if folder.stat().st_mode & stat.S_IWOTH:
            raise SocketRefused(
                f"The Redis at {path} is run by another user (uid {user}), and all users may write to "
                f"{folder}: let it listen in a folder of its own, or run it as this user."
            )
