"""
What holds up every recording: an account that Recall refuses, an API key that does not see the recordings
known here, providers that are down. Told wherever a person looks, because the recordings only look slow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from app.account import REMEDIES
from app.adapters.sql_store import SqlStore
from app.cli.words import iso, time_of
from app.ports import Pause
from app.records import CREATES_ONLY

_KEY_REFUSED = "recall_answers_401"
FOREIGN_KEY = (
    "The API key sees none of the recordings known here: it is of another workspace or region. Nothing is "
    "taken up, concluded or paid for. To mend: put the right RECALL_API_KEY and RECALL_REGION back; if this key is "
    "meant, `./afterword reconcile` asks once and takes it."
)


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one workspace; `down` are providers that are passed over just now."""

    pause: Pause | None
    down: tuple[str, ...]
    is_key_foreign: bool = False

    def lines(self) -> Iterable[str]:
        """One sentence each, with its remedy; none when all is well."""
        if self.pause is not None:
            yield why_paused(self.pause)
        if self.is_key_foreign:
            yield FOREIGN_KEY
        if self.down:
            yield why_passed_over(self.down)

    def record(self) -> dict[str, Any]:
        """For programs."""
        pause = self.pause
        told = None if pause is None else {"cause": pause.cause, "since": iso(pause.since)}
        return {"paused": told, "providers_down": list(self.down), "key_is_foreign": self.is_key_foreign}


def standing_of(store: SqlStore, workspace: str, *, api_key: str = "") -> Standing:
    """
    As of now.

    Args:
        api_key: Of the settings; without one it is not known whether it sees anything.
    """
    fingerprint = hashlib.sha256(api_key.encode()).hexdigest()[:8]  # as `RecallClient.fingerprint`
    facts = store.health(workspace, fingerprint=fingerprint)
    return Standing(facts.pause, tuple(sorted(facts.passed_over)), facts.is_key_foreign)


def is_about_key(pause: Pause) -> bool:
    """Whether another answer to the same key ends it, so that a harmless question shows that it is over."""
    return pause.cause == _KEY_REFUSED


def why_mended(pause: Pause) -> str:
    """That Recall has just accepted the key of these settings, and what is left to do."""
    return (
        f"Since {time_of(pause.since)} Recall refused the API key; it accepts the one of these settings. The "
        "service goes on within a minute, if it has this key: after a change of `.env` it takes a restart, "
        "or SIGHUP to `up`."
    )


def why_paused(pause: Pause) -> str:
    """Since when, what waits, and what to do."""
    status = pause.cause.rpartition("_")[2]
    is_about_creates = pause.cause.startswith(CREATES_ONLY)
    waits = "no transcript is created" if is_about_creates else "nothing is asked of Recall"
    number = int(status) if status.isdecimal() else 0
    remedy = REMEDIES.get(number, "look at the account in Recall's dashboard")
    then = "then it goes on by itself"
    if not is_about_creates:
        then += "; after a change of `.env` it takes a restart, or SIGHUP to `up`"
    return (
        f"Paused since {time_of(pause.since)}, Recall answers {status}: {waits}. To mend: {remedy}; {then}."
    )


def why_passed_over(down: Iterable[str]) -> str:
    """Which providers, and what to do."""
    return (
        f"Passed over for now, after failing again and again: {', '.join(down)}. To mend: credentials and "
        "balance in Recall's dashboard; one attempt tries each again within a quarter of an hour."
    )
