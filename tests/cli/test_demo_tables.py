"""The tables of the demonstration, in terminals of every width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console, RenderableType

from app.demo.script import Cast, scenes
from app.demo.show import live_table, summary_table

_SCENES = scenes(25)
_CAST: Cast = {f"{n:08x}-4": (scene, {"title": "Budget, second half"}) for n, scene in enumerate(_SCENES)}
_CALLS = dict.fromkeys(("billed", "create_posts", "retrieves", "lists"), 1)


def lines_of(table: RenderableType, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(table)
    shown = console.file
    assert isinstance(shown, io.StringIO)
    return [line.rstrip() for line in shown.getvalue().splitlines()]


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_no_id_state_or_heading_is_cut_while_it_runs(width: int) -> None:
    lines = lines_of(live_table(_CAST, {}, now=0.0, most_rows=9, width=width), width)
    assert {"recording", "scene", "state", "paid", "time"} <= set(lines[0].split())
    assert len(lines[1:10]) == 9
    for line, id_ in zip(lines[1:10], list(_CAST)[-9:], strict=True):
        assert line.startswith(f"{id_[:8]} ")
        assert line.split()[-1] == "recording"
        assert len(line) <= width


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_word_is_cut_at_the_end(width: int) -> None:
    lines = lines_of(summary_table(_CAST, {}, {"per_recording": dict.fromkeys(_CAST, _CALLS)}), width)
    assert lines[0].split() == ["scene", "ended", "stored", "failed", "paid", "calls", "median"]
    said = {word for line in lines for word in line.split()}
    assert {word for scene in _SCENES for word in scene.title.split()} <= said
    if width >= 80:
        titles = list(dict.fromkeys(scene.title for scene in _SCENES))
        assert [line.startswith(title) for line, title in zip(lines[1:], titles, strict=True)] == [True] * 10
