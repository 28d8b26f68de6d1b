"""
Draws the machine from what it does: every reachable transition, grouped by phase. Run
`python -m tests.core.diagram` to renew the picture in `app/core/README.md`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from app.core import events as ev
from app.core.commands import Command
from app.core.machine import Decision
from app.core.state import ENDS, Phase
from tests.core import walk

README = Path(__file__).resolve().parents[2] / "app/core/README.md"
BEGIN, END = "<!-- drawn by tests/core/diagram.py -->", "<!-- end of the drawing -->"
Edge = tuple[Phase, str, Phase]
Transition = tuple[walk.World, ev.Event, Command | None, walk.World, Decision]


def edges() -> set[Edge]:
    """Of everything reachable in any of the casts."""
    return set().union(*(moves_of(walk.reachable(cast)) for cast in walk.CASTS.values()))


def moves_of(transitions: Iterable[Transition]) -> set[Edge]:
    """(phase before, event, phase after) where the goal moves."""
    found = set()
    for before, event, _, after, _ in transitions:
        if before.state.phase is not after.state.phase:
            found.add((before.state.phase, type(event).__name__, after.state.phase))
    return found


def mermaid(found: set[Edge]) -> str:
    """
    A state diagram; the labels are the events that move the phase: from an end all of them, which revive it.
    """
    by_pair: dict[tuple[Phase, Phase], list[str]] = defaultdict(list)
    # The walks' policies select everything; this edge is `why_not_selected`, see the playbook.
    for before, event, after in sorted({*found, (Phase.NEW, "RecordingDone", Phase.SKIPPED)}):
        by_pair[before, after].append(event)
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> new"]
    for (before, after), names in by_pair.items():
        is_short = before in ENDS or len(names) <= 4
        label = ", ".join(names) if is_short else ", ".join(names[:3]) + f" and {len(names) - 3} more"
        lines.append(f"    {before.value} --> {after.value}: {label}")
    lines += [f"    {phase} --> [*]" for phase in ("stored", "failed", "skipped")]
    return "\n".join([*lines, "```"])


def drawn(text: str, picture: str) -> str:
    """The README with its picture replaced."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    return pattern.sub(lambda _: f"{BEGIN}\n{picture}\n{END}", text)


if __name__ == "__main__":
    README.write_text(drawn(README.read_text("utf-8"), mermaid(edges())), "utf-8")
