"""
The password of the console. Where AFTERWORD_OPS_PASSWORD does not name one, `up` makes one for this host, in
a file of the home that only its owner may read. It is shown to a person at a terminal and never logged.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import structlog

from app.errors import Away
from app.ops import USER
from app.processes.nonblocking_writer import SteadyStream
from app.processes.web_probe import base_url
from app.settings.environment import Settings

FILE_NAME = "ops-password"
_LONGEST_BYTES = 1024
_REMEDY = "remove it, and the next start makes another; or set AFTERWORD_OPS_PASSWORD"


def with_password(settings: Settings) -> Settings:
    """
    The settings with a password: the one that is set, else the home's, made now where it is missing.

    Where neither can be had (a full disk, a file that others may read) the console stays shut, in one line of
    the log with the remedy: that is no reason to refuse deliveries.
    """
    if settings.ops_password:
        return settings
    path = settings.home / FILE_NAME
    try:
        if _read(path) is None:
            _make(path)
        return settings.model_copy(update={"ops_password": _read(path)})
    except Away as error:
        structlog.get_logger(__name__).warning("console_shut", cause=str(error))
        return settings


def kept_password(settings: Settings) -> str | None:
    """The password that is set, else the one that is kept in the home; makes none. Raises `Away`."""
    return settings.ops_password or _read(settings.home / FILE_NAME)


def address(settings: Settings) -> str:
    """Of the console, as seen from this machine."""
    return f"{base_url(settings.host, settings.port)}/ops/"


def announce(settings: Settings, stream: TextIO | SteadyStream) -> None:
    """Says to a terminal where the console is, and its password: any other stream may be kept."""
    if not stream.isatty():
        return
    line = f"Console: {address(settings)}"
    if settings.ops_password:
        line += f"  user {USER}, password {settings.ops_password}"
    with suppress(OSError):  # no reader: no reason to stop
        stream.write(f"{line}\n")
        stream.flush()


def why_setting_needed(settings: Settings, hosts: Collection[str]) -> str | None:
    """A problem for `check` when several machines would each ask for a password of their own; else None."""
    if settings.ops_password or len(hosts) < 2:
        return None
    return (
        f"AFTERWORD_OPS_PASSWORD is missing: this installation runs on {len(hosts)} machines "
        f"({', '.join(sorted(hosts))}), and each would have a password of its own; set the same for all."
    )


def _make(path: Path) -> None:
    """Whole or not at all, and never in place of another: two first starts may meet."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, f"{secrets.token_urlsafe(18)}\n".encode())
            os.fsync(descriptor)
            with suppress(FileExistsError):
                os.link(written, path)
        finally:
            os.close(descriptor)
            Path(written).unlink()
    except OSError as error:
        raise Away(
            f"{path} cannot be made ({error.strerror}): mend that, or set AFTERWORD_OPS_PASSWORD."
        ) from error


def _read(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Away(f"{path} cannot be read ({error.strerror}): {_REMEDY}.") from error
    try:
        why = _why_unsafe(os.fstat(descriptor))
        text = "" if why else os.read(descriptor, _LONGEST_BYTES).decode("utf-8", "replace").strip()
    finally:
        os.close(descriptor)
    if why or not text:
        raise Away(f"{path} {why or 'is empty'}: {_REMEDY}.")
    return text


def _why_unsafe(found: os.stat_result) -> str | None:
    if not stat.S_ISREG(found.st_mode):
        return "is not a file"
    if found.st_uid != os.geteuid():
        return f"belongs to another user (uid {found.st_uid})"
    if found.st_mode & 0o077:
        return f"may be read or written by others (mode {found.st_mode & 0o777:04o})"
    return None
