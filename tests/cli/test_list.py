"""`list`: an id or a reason is for copying, so it stands in one piece whatever the width."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from app.cli.looking import print_list
from app.core import reasons
from tests.cli.conftest import Home


def listed(home: Home, *, width: int, is_terminal: bool) -> list[str]:
    """What a terminal or a pipe of this width gets for one failed recording, with the longest reason."""
    home.hears()
    (row,) = home.store.list_transcriptions(limit=1)
    longest = max(reasons.NEXT_STEPS, key=len)
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=is_terminal, color_system=None, highlight=False)
    print_list(console, [replace(row, state=replace(row.state, reason=longest))])
    lines = out.getvalue().splitlines()
    assert sum(row.state.recording_id in line for line in lines) == 1
    assert sum(longest in line for line in lines) == 1
    return lines


def test_a_pipe_gets_one_line_for_each_however_narrow_it_is_said_to_be(home: Home) -> None:
    heading, line = listed(home, width=40, is_terminal=False)
    assert heading.split() == ["recording", "phase", "provider", "attempts", "heard", "took", "why"]
    assert "creating" in line.split()


def test_a_narrow_terminal_gets_two_lines_that_fit_and_a_wide_one_the_table(home: Home) -> None:
    lines = listed(home, width=80, is_terminal=True)
    assert len(lines) == 2
    assert max(map(len, lines)) <= 80


def test_a_wide_terminal_gets_the_table(home: Home) -> None:
    lines = listed(home, width=200, is_terminal=True)
    assert len(lines) == 2
    assert lines[0].startswith("recording")


@pytest.mark.parametrize("columns", ["20", "80"])
def test_the_command_itself_folds_nothing(home: Home, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    recordings = {home.hears() for _ in range(3)}
    monkeypatch.setenv("COLUMNS", columns)
    lines = home.run("list").out.splitlines()
    assert {line.split()[0] for line in lines[1:]} == recordings
    assert len(lines) == 4
