"""Miniature clones: a fresh one or a made one per test, and one per module that tests only use."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.launcher.clone import Clone, make_clone, write_quick_python


@pytest.fixture(scope="session")
def quick_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that makes a venv in a fraction of the time, with `tiny_pip` in it."""
    return write_quick_python(tmp_path_factory.mktemp("quick"), with_pip=False)


@pytest.fixture(scope="session")
def python_of_pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with pip itself."""
    return write_quick_python(tmp_path_factory.mktemp("of pip"), with_pip=True)


@pytest.fixture
def fresh(tmp_path: Path, quick_python: Path) -> Clone:
    """A clone on which the launcher never ran; with blanks and an apostrophe in its path, always."""
    return make_clone(tmp_path / "it's a clone", tmp_path / "wheels", python=quick_python)


@pytest.fixture
def of_pip(tmp_path: Path, python_of_pip: Path) -> Clone:
    """As `fresh`, for what depends on what pip does."""
    return make_clone(tmp_path / "it's a clone", tmp_path / "wheels", python=python_of_pip)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory, quick_python: Path) -> Clone:
    """As `fresh`, after its first run. For `ready` alone, which keeps a copy of it as it is now."""
    folder = tmp_path_factory.mktemp("made once")
    clone = make_clone(folder / "it's a clone", folder / "wheels", python=quick_python)
    assert clone.run("list").said["base"] == "1.0"
    shutil.copytree(folder, folder.with_name("kept"), symlinks=True)
    return clone


@pytest.fixture
def ready(made_once: Clone) -> Clone:
    """A clone whose first run is over, to break: put back as it was, at its `.venv`'s place."""
    folder = made_once.root.parent
    shutil.rmtree(folder)
    subprocess.run(["cp", "-Rp", folder.with_name("kept"), folder], check=True)
    return made_once


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, quick_python: Path) -> Clone:
    """A clone whose `.venv` is ready. Tests may only use it, not break it."""
    folder = tmp_path_factory.mktemp("made")
    clone = make_clone(folder / "a clone", folder / "wheels", python=quick_python)
    assert clone.run("--version").said["arguments"] == ["--version"]
    return clone
