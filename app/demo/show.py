"""How the demonstration looks: a live table while it runs, a summary when it has ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Group, JustifyMethod, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from app.adapters.sql.finding import Listed
from app.core.state import ENDS, Phase
from app.demo.script import Cast, Scene
from app.results.transcription_object import colour_of, number_paid

# Columns of the live table, in characters; `scene` takes what is left, and some wait for a wide terminal.
_WIDTHS = {"recording": 9, "meeting": 30, "scene": 34, "state": 12, "provider": 18, "paid": 4, "time": 8}
_ONLY_WIDE = {"meeting": 127, "provider": 95}
_GAP = 2


def live_table(
    cast: Cast, listed: Mapping[str, Listed], *, now: float, most_rows: int, width: int, told: int = 0
) -> RenderableType:
    """
    One line per recording, as wide as the terminal: its state, provider, attempts and time. `told`: of how
    many the demonstration's own receiver has had a webhook.
    """
    names = [name for name in _WIDTHS if width >= _ONLY_WIDE.get(name, 0)]
    others = sum(_WIDTHS[name] + _GAP for name in names if name != "scene")
    widths = {**_WIDTHS, "scene": max(8, min(_WIDTHS["scene"], width - others))}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        justify: JustifyMethod = "right" if name in ("paid", "time") else "left"
        table.add_column(name, width=widths[name], no_wrap=True, justify=justify)
    for recording_id, (scene, facts) in list(cast.items())[-most_rows:]:
        cells = _row(recording_id, scene, facts, listed.get(recording_id), now)
        table.add_row(*(cells[name] for name in names))
    done = sum(row.state.phase in ENDS for row in listed.values())
    bar = ProgressBar(total=max(len(cast), 1), completed=done, width=40)
    return Group(table, Text(""), bar, Text(f"{done} of {len(cast)} recordings ended, {told} announced"))


def _row(
    recording_id: str, scene: Scene, facts: Mapping[str, Any], row: Listed | None, now: float
) -> dict[str, Any]:
    """By the name of the column."""
    cells: dict[str, Any] = dict.fromkeys(_WIDTHS, "")
    cells |= {"recording": recording_id[:8], "meeting": str(facts["title"]), "scene": scene.title}
    if row is None:
        return cells | {"state": Text("recording", style="dim")}
    state = row.state
    last = state.attempts[-1].provider if state.attempts else ""
    took = max(0.0, (row.completed_at or now) - row.first_heard_at)
    return cells | {
        "state": Text(state.phase.value, style=colour_of(state.phase)),
        "provider": state.provider or last,
        "paid": str(number_paid(state)),
        "time": f"{took:.1f} s",
    }


def summary_table(cast: Cast, listed: Mapping[str, Listed], bill: Mapping[str, Any]) -> Table:
    """Scenes with their outcomes, and what Recall would have charged."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("scene")
    for name in ("ended", "stored", "failed", "paid", "calls", "median"):
        table.add_column(name, justify="right", no_wrap=True)
    by_scene: dict[str, list[str]] = {}
    for recording_id, (scene, _) in cast.items():
        by_scene.setdefault(scene.title, []).append(recording_id)
    for title, ids in by_scene.items():
        rows = [listed[i] for i in ids if i in listed]
        bills = [bill["per_recording"][i] for i in ids]
        times = sorted((r.completed_at or 0) - r.first_heard_at for r in rows if r.completed_at)
        table.add_row(
            title,
            str(sum(r.state.phase in ENDS for r in rows)),
            str(sum(r.state.phase is Phase.STORED for r in rows)),
            str(sum(r.state.phase is Phase.FAILED for r in rows) or ""),
            str(sum(b["billed"] for b in bills)),
            str(sum(b["create_posts"] + b["retrieves"] + b["lists"] for b in bills)),
            f"{times[len(times) // 2]:.1f} s" if times else "",
        )
    return table


def told_lines(cast: Cast, bill: Mapping[str, Any]) -> list[str]:
    """What the providers of a meeting with an intent of its own were told, one after the other."""
    own = next((i for i, (scene, _) in cast.items() if scene.told), None)
    made = bill["per_recording"][own]["transcripts"] if own is not None else []
    return [f"{each['provider']:<16}{json.dumps(each['options'])}" for each in made]


def webhook_lines(body: Mapping[str, Any]) -> list[str]:
    """What a received webhook says, shortened."""
    data = body["data"]
    names = ", ".join(file["name"] for file in data["files"])
    return [
        f"{body['type']} at {body['timestamp']}",
        f"recording {data['recording_id']}, {data['provider']}, verdict {data['verdict']}",
        f"files     {names}",
    ]
