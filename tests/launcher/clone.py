"""
A miniature clone for the launcher to work on: the real `afterword`, and a project that needs no network.

Knows the files that the launcher reads. Each lock names one empty package, offered by a local folder; the
build backend is a file of ten lines that can be told to pause, so that a test can strike while pip works.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.launcher.tiny_wheel import write_wheel

VERSIONED = f"python3.{sys.version_info[1]}"
REAL_PYTHON = Path(sys.base_prefix) / "bin" / VERSIONED
LAUNCHER = Path(__file__).resolve().parents[2] / "afterword"

# Printed by the miniature application: what the launcher handed over to it. `stay` first runs until the file
# `staying` is gone.
APPLICATION = """
import importlib.metadata, json, os, pathlib, sys, time

def is_open(fd):
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True

def version_of(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None

def main():
    from app.processes import venv_lock
    held = venv_lock.hold()
    if held is not None:
        sys.exit(held)
    if sys.argv[1:] == ["stay"]:
        (here := pathlib.Path(__file__).parent.parent / "staying").touch()
        while here.exists():
            time.sleep(0.02)
    print(json.dumps({
        "arguments": sys.argv[1:],
        "cwd": os.getcwd(),
        "file": __file__,
        "lock_is_open": is_open(9) or is_open(8),
        "base": version_of("tiny-base"),
        "tests": version_of("tiny-tests"),
    }))

if __name__ == "__main__":
    main()
"""

# PEP 660. While the file `pause` is there it says `paused` and waits, at most until its parent (pip) is gone.
BACKEND = """
import os, pathlib, sys, time
sys.path.insert(0, os.path.dirname(__file__))
from tiny_wheel import write_wheel

def build_editable(folder, config_settings=None, metadata_directory=None):
    here, parent = pathlib.Path.cwd(), os.getppid()
    with (here / "builds").open("a") as builds:
        builds.write("x")
    while (here / "pause").exists() and os.getppid() == parent:
        (here / "paused").touch()
        time.sleep(0.02)
    return write_wheel(pathlib.Path(folder), "afterword", "0.1.0", {"afterword.pth": str(here)})
"""

PYPROJECT = """
[build-system]
requires = []
build-backend = "tiny_backend"
backend-path = ["backend"]
[project]
name = "afterword"
version = "0.1.0"
"""


@dataclass(frozen=True, slots=True)
class Clone:
    """One miniature clone at `root`, with the folder `wheels` as its only source of packages."""

    root: Path
    wheels: Path
    python: Path

    @property
    def launcher(self) -> Path:
        return self.root / "afterword"

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def builds(self) -> int:
        """How often pip built the project: once per making of `.venv`."""
        counted = self.root / "builds"
        return len(counted.read_text()) if counted.exists() else 0

    def lock(self, name: str, version: str, *, file: str) -> None:
        """Makes the package `name` at `version` and writes the lock `file`, which names only it."""
        wheel = write_wheel(self.wheels, name, version, {f"{name.replace('-', '_')}.py": ""})
        digest = hashlib.sha256((self.wheels / wheel).read_bytes()).hexdigest()
        (self.root / file).write_text(f"{name}=={version} \\\n    --hash=sha256:{digest}\n")

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Starts the launcher in a process group of its own, as a terminal would."""
        return self._start(self.launcher, *arguments, env=env, cwd=self.root)

    def run(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        via: Path | None = None,
    ) -> Run:
        """Runs the launcher, or what is `via` in its stead, to its end."""
        return finish(self._start(via or self.launcher, *arguments, env=env, cwd=cwd or self.root))

    def _start(
        self, program: Path, *arguments: str, env: Mapping[str, str] | None, cwd: Path
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [program, *arguments],
            cwd=cwd,
            env={**self._environment(), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _environment(self) -> dict[str, str]:
        """
        The caller's environment without its pip settings and its Python, and with no way to a network.

        The proxy is a port where nobody listens: whatever tries the network fails at once and visibly.
        """
        theirs = ("PIP_", "PYTHON", "COV_")
        kept = {name: text for name, text in os.environ.items() if not name.startswith(theirs)}
        nowhere = "http://127.0.0.1:9"
        return {
            **kept,
            "AFTERWORD_PYTHON": str(self.python),
            "PATH": f"{self.python.parent}:{os.environ['PATH']}",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_FIND_LINKS": self.wheels.as_uri(),
            "PIP_NO_INDEX": "1",
            "PIP_NO_CACHE_DIR": "1",
            "HTTP_PROXY": nowhere,
            "HTTPS_PROXY": nowhere,
        }

    def wait_for(self, relative: str, *, timeout_s: float = 30.0) -> None:
        """Waits until the file is there."""
        end = time.monotonic() + timeout_s
        while not (self.root / relative).exists():
            if time.monotonic() > end:
                raise TimeoutError(f"{relative} did not appear in {timeout_s} s")
            time.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Run:
    """How one call of the launcher ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> dict[str, Any]:
        """What the miniature application printed."""
        assert self.code == 0, self.err
        said: dict[str, Any] = json.loads(self.out)
        return said


def finish(process: subprocess.Popen[str]) -> Run:
    """Waits for the launcher to end; kills what is left of its group if it does not."""
    try:
        out, err = process.communicate(timeout=50)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return Run(process.returncode, out, err)


def make_clone(root: Path, wheels: Path, *, python: Path) -> Clone:
    """Lays out a miniature clone at `root`, never run yet, which will be made with `python`."""
    for folder in (root / "app/processes", root / "backend", wheels):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copy2(LAUNCHER, root / "afterword")
    (root / "app" / "__init__.py").touch()
    (root / "app/processes/__init__.py").touch()
    for name in ("venv_lock.py", "file_lock.py"):
        shutil.copy2(LAUNCHER.parent / "app/processes" / name, root / "app/processes")
    (root / "app" / "__main__.py").write_text(APPLICATION)
    (root / "backend" / "tiny_backend.py").write_text(BACKEND)
    shutil.copy2(Path(__file__).with_name("tiny_wheel.py"), root / "backend")
    (root / "pyproject.toml").write_text(PYPROJECT)
    clone = Clone(root, wheels, python)
    clone.lock("tiny-base", "1.0", file="requirements.lock")
    clone.lock("tiny-tests", "1.0", file="requirements-test.lock")
    return clone


def write_script(path: Path, lines: Sequence[str]) -> Path:
    """Writes an executable shell script."""
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


def write_quick_python(folder: Path, *, with_pip: bool) -> Path:
    """
    A Python in all respects but one: its `-m venv` copies what it installs: pip, or `tiny_pip`.

    Installing pip is most of the making of a venv, and is not what these tests are about.
    """
    packages = folder / "packages"
    if with_pip:
        own = importlib.metadata.distribution("pip")
        for name in sorted({file.parts[0] for file in own.files or ()} - {".."}):
            shutil.copytree(str(own.locate_file(name)), packages / name)
    else:
        (packages / "pip").mkdir(parents=True)
        shutil.copy2(Path(__file__).with_name("tiny_pip.py"), packages / "pip" / "__main__.py")
    return write_script(
        folder / VERSIONED,
        [
            'if [ "$1 $2" = "-m venv" ]; then',
            f'    "{REAL_PYTHON}" -m venv --without-pip "$3" &&'
            f' exec cp -Rp "{packages}/." "$3/lib/{VERSIONED}/site-packages/"',
            "fi",
            f'exec "{REAL_PYTHON}" "$@"',
        ],
    )
