"""What happens to the machine, scene by scene; `tests/core/dialogues.txt` has its answers."""

from __future__ import annotations

from tests.core.scenes import (
    absences,
    costs,
    creates,
    empties,
    erasures,
    extras,
    lookups,
    orders,
    planning,
    recordings,
    recovery,
    results,
    shortfalls,
)

SCENES = (
    *recordings.SCENES,
    *creates.SCENES,
    *lookups.SCENES,
    *planning.SCENES,
    *absences.SCENES,
    *results.SCENES,
    *empties.SCENES,
    *shortfalls.SCENES,
    *recovery.SCENES,
    *erasures.SCENES,
    *orders.SCENES,
    *extras.SCENES,
    *costs.SCENES,
)
