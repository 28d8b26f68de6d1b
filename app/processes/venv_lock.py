"""
Keeps the packages of `.venv` as they are while something runs from there.

Every program of ours holds a shared lock (flock) on the file `place` in `.venv/.afterword` for its life, and
its forked children with it; the launcher takes the exclusive one before it installs, and goes away when it
cannot have it. Both end by themselves when processes die. Where the Python is not of a `.venv` that the
launcher made, there is nothing to hold.

Imports nothing but the standard library: it comes before whatever could just be replaced.
"""

from __future__ import annotations

import fcntl
import os
import sys

from app.processes import file_lock

_INSTALLER_LEAVES_WITHIN_S = 5.0

_held: int | None = None


def hold() -> int | None:
    """
    To be called before anything of `.venv` is imported. Once more is no harm. Returns None; or the exit code
    75, with a sentence on stderr, while the launcher is installing.
    """
    global _held  # noqa: PLW0603 - held for as long as the process runs
    if _held is not None:
        return None
    try:
        place = os.path.join(sys.prefix, ".afterword", "place")  # noqa: PTH118 - pathlib is not imported yet
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        is_shared = file_lock.take(
            fcntl.flock, descriptor, fcntl.LOCK_SH, within_s=_INSTALLER_LEAVES_WITHIN_S
        )
    except OSError:  # a file system without locks: nothing can be held there
        is_shared = True
    if not is_shared:
        os.close(descriptor)
        sys.stderr.write(
            "afterword: .venv is just being brought up to date; run this again when that is done.\n"
        )
        return 75
    _held = descriptor
    return None
