"""Miniature clones: a fresh one per test, and one per module that is already made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.launcher.clone import REAL_PYTHON, Clone, make_clone, write_quick_python


@pytest.fixture(scope="session")
def quick_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that makes a venv in a fraction of the time."""
    return write_quick_python(tmp_path_factory.mktemp("quick"))


@pytest.fixture
def fresh(tmp_path: Path, quick_python: Path) -> Clone:
    """A clone on which the launcher never ran; with blanks and an apostrophe in its path, always."""
    return make_clone(tmp_path / "it's a clone", tmp_path / "wheels", python=quick_python)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone whose `.venv` is ready, made by a real Python. Tests may only use it, not break it."""
    folder = tmp_path_factory.mktemp("made")
    clone = make_clone(folder / "a clone", folder / "wheels", python=REAL_PYTHON)
    assert clone.run("--version").said["arguments"] == ["--version"]
    return clone
