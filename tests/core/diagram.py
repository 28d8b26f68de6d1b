"""
Draws the machine from what it does: every reachable transition, grouped by goal. Run
`python -m tests.core.diagram` to renew the picture in `app/core/README.md`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from app.core.state import Goal
from tests.core import walk

README = Path(__file__).resolve().parents[2] / "app/core/README.md"
BEGIN, END = "<!-- drawn by tests/core/diagram.py -->", "<!-- end of the drawing -->"
Edge = tuple[Goal, str, Goal]


def edges() -> set[Edge]:
    """(goal before, event, goal after) of everything reachable in any of the casts."""
    found: set[Edge] = set()
    for cast in walk.CASTS.values():
        found |= edges_of(
            (b.state.goal, type(e).__name__, a.state.goal) for b, e, _, a, _ in walk.reachable(cast)
        )
    # The walks' policies select everything; this edge is `why_not_selected`, see the playbook.
    found.add((Goal.NEW, "RecordingDone", Goal.SKIPPED))
    return found


def edges_of(transitions: Iterable[Edge]) -> set[Edge]:
    return {edge for edge in transitions if edge[0] is not edge[2]}


def mermaid(found: set[Edge]) -> str:
    """A state diagram; the labels are the events that move the goal."""
    by_pair: dict[tuple[Goal, Goal], list[str]] = defaultdict(list)
    for before, event, after in sorted(found):
        by_pair[before, after].append(event)
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> new"]
    for (before, after), names in by_pair.items():
        label = ", ".join(names) if len(names) <= 4 else ", ".join(names[:3]) + f" and {len(names) - 3} more"
        lines.append(f"    {before.value} --> {after.value}: {label}")
    lines += [f"    {goal} --> [*]" for goal in ("stored", "failed", "skipped")]
    return "\n".join([*lines, "```"])


def drawn(text: str, picture: str) -> str:
    """The README with its picture replaced."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    return pattern.sub(lambda _: f"{BEGIN}\n{picture}\n{END}", text)


if __name__ == "__main__":
    README.write_text(drawn(README.read_text("utf-8"), mermaid(edges())), "utf-8")
