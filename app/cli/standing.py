"""
What holds up every recording: an account that Recall refuses, providers that are down. Told wherever a
person looks, because the recordings themselves only look slow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from app.account import REMEDIES
from app.adapters.sql_store import SqlStore
from app.cli.words import iso, time_of
from app.ports import Pause
from app.records import CREATES_ONLY


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one workspace; `down` are providers that are passed over just now."""

    pause: Pause | None
    down: tuple[str, ...]

    def lines(self) -> Iterable[str]:
        """One sentence each, with its remedy; none when all is well."""
        if self.pause is not None:
            yield why_paused(self.pause)
        if self.down:
            yield why_passed_over(self.down)

    def record(self) -> dict[str, Any]:
        """For programs."""
        pause = self.pause
        told = None if pause is None else {"cause": pause.cause, "since": iso(pause.since)}
        return {"paused": told, "providers_down": list(self.down)}


def standing_of(store: SqlStore, workspace: str) -> Standing:
    """As of now."""
    return Standing(store.paused(workspace), tuple(sorted(store.shut_providers(workspace))))


def why_paused(pause: Pause) -> str:
    """Since when, what waits, and what to do."""
    status = pause.cause.rpartition("_")[2]
    is_about_creates = pause.cause.startswith(CREATES_ONLY)
    waits = "no transcript is created" if is_about_creates else "nothing is asked of Recall"
    number = int(status) if status.isdecimal() else 0
    remedy = REMEDIES.get(number, "look at the account in Recall's dashboard")
    return (
        f"Paused since {time_of(pause.since)}, Recall answers {status}: {waits}. To mend: {remedy}; "
        "then it goes on by itself."
    )


def why_passed_over(down: Iterable[str]) -> str:
    """Which providers, and what to do."""
    return (
        f"Passed over for now, after failing again and again: {', '.join(down)}. To mend: credentials and "
        "balance in Recall's dashboard; one attempt tries each again within a quarter of an hour."
    )
