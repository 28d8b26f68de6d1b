"""Remedies can be pasted into the terminal in which they were read."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from app.cli.account_status import WHY_FOREIGN
from app.orchestrator.next_steps import NEXT_STEPS
from app.settings import program_name
from app.settings.program_name import pasteable, program


def test_in_a_clone_it_is_the_launcher_from_whatever_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(program_name.ROOT)
    assert program() == "./afterword"
    monkeypatch.chdir(tmp_path)
    assert shlex.split(program()) == [str(program_name.ROOT / "afterword")]


def test_where_it_is_installed_it_is_what_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(program_name, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program() == "python -m app"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "afterword").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "afterword").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert program() == "afterword"


def test_every_remedy_is_called_as_it_can_be_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for sentence in (WHY_FOREIGN, *NEXT_STEPS.values()):
        told = pasteable(sentence)
        assert "./afterword" not in told
        assert "`afterword" not in told
        assert told.count(program()) == sentence.count("afterword ")
    assert pasteable("the afterword of a book") == "the afterword of a book"
