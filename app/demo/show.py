"""How the demonstration looks: a live table while it runs, a summary when it has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from app.adapters.sql_people import Listed
from app.core.state import ENDS, Goal
from app.demo.script import Scene
from app.transcription_object import number_paid

_COLOURS = {Goal.STORED: "green", Goal.FAILED: "red", Goal.SKIPPED: "dim"}
Cast = Mapping[
    str, tuple[Scene, Mapping[str, Any]]
]  # by recording id: what is played, what the simulator said


def live_table(cast: Cast, listed: Mapping[str, Listed], *, now: float, most_rows: int) -> RenderableType:
    """One line per recording: its state, provider, attempts and time."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, width in (("recording", 9), ("meeting", 30), ("scene", 34), ("state", 13), ("provider", 18)):
        table.add_column(name, width=width, no_wrap=True)
    table.add_column("paid", justify="right")
    table.add_column("time", justify="right")
    rows = list(cast.items())
    for recording_id, (scene, facts) in rows[-most_rows:] if len(rows) > most_rows else rows:
        table.add_row(*_row(recording_id, scene, facts, listed.get(recording_id), now))
    done = sum(row.state.goal in ENDS for row in listed.values())
    bar = ProgressBar(total=max(len(cast), 1), completed=done, width=40)
    return Group(table, Text(""), bar, Text(f"{done} of {len(cast)} recordings ended"))


def _row(
    recording_id: str, scene: Scene, facts: Mapping[str, Any], row: Listed | None, now: float
) -> tuple[Any, ...]:
    start = (recording_id[:8], str(facts["title"]), scene.title)
    if row is None:
        return (*start, Text("recording", style="dim"), "", "", "")
    state = row.state
    last = state.attempts[-1].provider if state.attempts else ""
    took = max(0.0, (row.completed_at or now) - row.first_heard_at)
    goal = Text(state.goal.value, style=_COLOURS.get(state.goal, "yellow"))
    return (*start, goal, state.provider or last, str(number_paid(state)), f"{took:.1f} s")


def summary_table(cast: Cast, listed: Mapping[str, Listed], bill: Mapping[str, Any]) -> Table:
    """Scenes with their outcomes, and what Recall would have charged."""
    table = Table(title="What came of it", title_justify="left", title_style="bold", header_style="bold")
    table.add_column("scene")
    for name in ("recordings", "stored", "failed", "paid transcripts", "API calls", "median time"):
        table.add_column(name, justify="right")
    by_scene: dict[str, list[str]] = {}
    for recording_id, (scene, _) in cast.items():
        by_scene.setdefault(scene.title, []).append(recording_id)
    for title, ids in by_scene.items():
        rows = [listed[i] for i in ids if i in listed]
        bills = [bill["per_recording"][i] for i in ids]
        times = sorted((r.completed_at or 0) - r.first_heard_at for r in rows if r.completed_at)
        table.add_row(
            title,
            str(len(ids)),
            str(sum(r.state.goal is Goal.STORED for r in rows)),
            str(sum(r.state.goal is Goal.FAILED for r in rows) or ""),
            str(sum(b["billed"] for b in bills)),
            str(sum(b["create_posts"] + b["retrieves"] + b["lists"] for b in bills)),
            f"{times[len(times) // 2]:.1f} s" if times else "",
        )
    return table
