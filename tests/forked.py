"""
`python -m app …` without its start: half a second of imports, which each command would otherwise make anew.

A server (`multiprocessing`'s) has imported the commands, and forks for each call. What is forked is a process
with an environment, streams and a session of its own. That the real start works is shown where commands are
started by themselves: tests/launcher, tests/workers, `Installation.start` and `Installation.spawn`.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.__main__ import main
from app.settings.program_name import ROOT

_IMPORTED = (
    "tests.forked",
    *(f"app.cli.{name}" for name in ("show", "check", "erase", "backfill", "status")),
)
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(list(_IMPORTED))


def run(
    arguments: Sequence[str], environment: Mapping[str, str], *, timeout_s: float = 45.0
) -> subprocess.CompletedProcess[str]:
    """
    As `subprocess.run` with captured text. Raises TimeoutError after `timeout_s`.
    """
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "stdout", Path(folder) / "stderr"
        process = _CONTEXT.Process(target=_become, args=(tuple(arguments), dict(environment), out, err))
        process.start()
        process.join(timeout_s)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"{' '.join(arguments)}: not within {timeout_s:g} s")
        code = process.exitcode
        process.close()
        return subprocess.CompletedProcess(list(arguments), code, _text(out), _text(err))


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


def _become(arguments: tuple[str, ...], environment: dict[str, str], out: Path, err: Path) -> None:
    """In the fork: what the kernel gives a program that is started, then `main`."""
    os.environ.clear()
    os.environ.update(environment)
    os.setsid()
    os.chdir(ROOT)
    _lead(0, os.devnull)
    _lead(1, out)
    _lead(2, err)
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), "utf-8")
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), "utf-8")
    sys.argv = ["afterword", *arguments]
    sys.exit(main())


def _lead(number: int, path: Path | str) -> None:
    opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.dup2(opened, number)
    os.close(opened)
