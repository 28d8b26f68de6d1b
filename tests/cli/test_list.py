"""`list`: an id or a reason is for copying, so it stands in one piece whatever the width."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from app.cli.listing import print_list
from app.core import events
from app.core.machine import Decision
from app.core.state import Phase
from app.orchestrator.next_steps import NEXT_STEPS
from app.orchestrator.records import Source
from tests.cli.conftest import WORKSPACE, Home

BOT = "e4b22b2d-d490-4874-a086-322922f07950"


def listed(home: Home, *, width: int, is_terminal: bool) -> list[str]:
    """What a terminal or a pipe of this width gets for one failed recording, with the longest reason."""
    home.hears()
    (row,) = home.store.list_transcriptions(limit=1)
    longest = max(NEXT_STEPS, key=len)
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=is_terminal, color_system=None, highlight=False)
    metadata = (("title", "The quarterly look at everything that was planned"), ("team", "sales"))
    state = replace(
        row.state, reason=longest, phase=Phase.FAILED, bot_id=BOT, metadata=metadata, verdict="spoken"
    )
    print_list(console, [replace(row, state=state)], {})
    lines = out.getvalue().splitlines()
    for whole in (row.state.recording_id, longest, BOT):
        assert sum(whole in line for line in lines) == 1
    return lines


def test_a_pipe_gets_one_line_for_each_however_narrow_it_is_said_to_be(home: Home) -> None:
    heading, line = listed(home, width=40, is_terminal=False)
    names = "recording phase verdict provider paid heard took why bot title metadata"
    assert heading.split() == names.split()
    assert "failed" in line.split()


@pytest.mark.parametrize("width", [60, 80])
def test_a_narrow_terminal_gets_a_few_lines_that_fit(home: Home, width: int) -> None:
    lines = listed(home, width=width, is_terminal=True)
    assert 4 <= len(lines) <= 9
    assert max(map(len, lines)) <= width


def test_a_wide_terminal_gets_the_table(home: Home) -> None:
    lines = listed(home, width=400, is_terminal=True)
    assert len(lines) == 2
    assert lines[0].startswith("recording")


@pytest.mark.parametrize("columns", ["20", "80"])
def test_the_command_itself_folds_nothing(home: Home, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    recordings = {home.hears() for _ in range(3)}
    monkeypatch.setenv("COLUMNS", columns)
    lines = home.run("list").out.splitlines()
    assert {line.split()[0] for line in lines[1:]} == recordings
    assert len(lines) == 4


@pytest.mark.slow
def test_filters_let_through_what_they_name(home: Home) -> None:
    ours, other = home.hears(), home.hears()
    loaded = home.store.load(WORKSPACE, ours)
    state = replace(
        loaded.transcription,
        phase=Phase.STORED,
        verdict="empty",
        bot_id=BOT,
        metadata=(("team", "a=b"),),
        provider="x",
    )
    event = events.DowntimeDetected(home.store.now())
    home.store.commit(loaded, Decision(state), event=event, source=Source(by="worker"))
    for arguments in (
        ("--phase", "stored"),
        ("--goal", "stored"),
        ("--bot", BOT[:6]),
        ("--metadata", "team=a=b"),
        ("--provider", "x"),
        ("--verdict", "empty"),
        ("--since", "1h", "--phase", "stored"),
        ("--since", "2020-01-01", "--bot", BOT),
    ):
        assert home.run("list", "--json", *arguments).json["recording_id"] == ours, arguments
    assert other in home.run("list", "--phase", "creating").out
    assert home.run("list", "--since", "2999-01-01T00:00:00Z").out == "None.\n"
    assert home.run("list", "--metadata", "team=a=b", "--metadata", "x=y").out == "None.\n"


@pytest.mark.parametrize(
    "arguments", [("--metadata", "team"), ("--since", "yesterday"), ("--phase", "done"), ("--since", "-1d")]
)
def test_a_filter_that_is_none_is_wrong_usage(home: Home, arguments: tuple[str, ...]) -> None:
    assert home.run("list", *arguments).code == 2
