"""
What holds up every recording: an account that Recall refuses, an API key that does not see the recordings
known here, providers that are down. Told wherever a person looks, because the recordings only look slow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.adapters.sql.health import Facts, Health
from app.cli.words import span, time_of
from app.errors import WorkspaceUnknown
from app.orchestrator.key_visibility import PASS_REMEDY
from app.orchestrator.key_visibility import REMEDY as KEY_REMEDY
from app.orchestrator.records import KEYS_IN_USE, Pause, PauseSubject
from app.recall.limits import UNAUTHORIZED, remedy_of
from app.results.transcription_object import iso
from app.settings.workspaces import WorkspaceSettings

_TAKES = "after a change of `.env` it takes a restart, or SIGHUP to `up`"
_LONG_S = 3600.0
_SEES_NOTHING = "this API key sees none of the recordings known here: nothing is taken up, concluded or paid"


@dataclass(frozen=True, slots=True)
class Standing:
    """
    Of one workspace.

    Attributes:
        unknown: Its name, when the settings do not have it.
        down: Providers that are passed over just now.
        is_key_foreign: The API key of the settings sees none of the recordings known here.
        is_key_accepted: It was seen to see one, or a person accepted it.
        is_key_unseeing: It was, and the latest pass over Recall's list saw none of them.
    """

    pause: Pause | None
    down: tuple[str, ...]
    is_key_foreign: bool = False
    is_key_accepted: bool = False
    is_key_unseeing: bool = False
    unknown: str | None = None

    def lines(self) -> Iterable[str]:
        """One sentence each, with its remedy; none when all is well."""
        yield from self.problems()
        if (note := self.note()) is not None:
            yield note

    def note(self) -> str | None:
        """What is no trouble while others are asked instead: all that are passed over are a part's."""
        return why_passed_over(self.down) if self.down else None

    def problems(self) -> Iterable[str]:
        """What holds up everything."""
        if self.unknown is not None:
            yield why_unknown(self.unknown)
        elif self.pause is not None:
            yield why_paused(self.pause)
        elif self.is_key_foreign:
            yield why_foreign()
        if self.is_key_unseeing:
            yield why_unseeing()

    def record(self) -> dict[str, Any]:
        """For programs."""
        pause = self.pause
        told = None if pause is None else {"cause": pause.cause, "since": iso(pause.since)}
        return {"paused": told, "providers_down": list(self.down), "key_is_foreign": self.is_key_foreign}


def standing_of(store: Health, workspace: str, described: WorkspaceSettings | None) -> Standing:
    """
    As of now.

    Args:
        described: The workspace as the settings have it; None where they do not.
    """
    facts = store.health(workspace, fingerprint=described.fingerprint if described else "")
    return Standing(
        facts.pause,
        tuple(sorted(facts.passed_over)),
        facts.is_key_foreign,
        is_key_accepted=facts.key_status in KEYS_IN_USE,
        is_key_unseeing=facts.is_key_unseeing,
        unknown=None if described else workspace,
    )


class Standings(dict[str, Standing]):
    """By workspace: those of the settings, and others in which something is undone."""

    def problems(self) -> Iterable[str]:
        """What holds up everything in one of them."""
        return self._said(lambda one: one.problems())

    def notes(self) -> Iterable[str]:
        """What is no trouble while others are asked instead."""
        return self._said(lambda one: filter(None, (one.note(),)))

    def _said(self, said: Callable[[Standing], Iterable[str]]) -> Iterable[str]:
        for name, standing in self.items():
            about = f"Workspace {name}: " if len(self) > 1 and standing.unknown is None else ""
            yield from (f"{about}{sentence}" for sentence in said(standing))

    def record(self) -> dict[str, Any]:
        """For programs: the pause that stands first, all providers that are down."""
        records = [standing.record() for standing in self.values()]
        return {
            "paused": next((r["paused"] for r in records if r["paused"] is not None), None),
            "providers_down": sorted({name for r in records for name in r["providers_down"]}),
            "key_is_foreign": any(r["key_is_foreign"] for r in records),
        }


def standings_of(store: Health, workspaces: Mapping[str, WorkspaceSettings]) -> Standings:
    """As of now."""
    names = [*workspaces, *sorted(store.undone_elsewhere(workspaces))]
    return Standings((name, standing_of(store, name, workspaces.get(name))) for name in names)


def is_mended(standing: Standing, *, has_recall_accepted: bool) -> bool:
    """
    Whether a pause stands only because the service has not tried the key of these settings yet.

    Args:
        has_recall_accepted: A harmless question with that key has just been answered.
    """
    pause = standing.pause
    if pause is None or not has_recall_accepted:
        return False
    if pause.is_by_key:
        return standing.is_key_accepted
    return pause.subject is PauseSubject.ACCOUNT and pause.status == UNAUTHORIZED


def why_mended(pause: Pause) -> str:
    """That the key of these settings is good, and what is left to do."""
    return (
        f"Since {time_of(pause.since)} work stood still for the API key; Recall accepts the one of these "
        f"settings. The service goes on within a minute, if it has this key: {_TAKES}."
    )


def why_unknown(workspace: str) -> str:
    """What stands still where the settings do not have the workspace of recordings that are here."""
    told = str(WorkspaceUnknown(workspace))
    return f"{told[0].upper()}{told[1:]}."


def why_foreign() -> str:
    """What to do about a key of another workspace."""
    return f"{_SEES_NOTHING[0].upper()}{_SEES_NOTHING[1:]}. To mend: {KEY_REMEDY}."


def why_unseeing() -> str:
    """What to do where the pass over Recall's list stands still."""
    return (
        "The reconcile pass found none of the newest recordings known here at Recall: lost webhooks are not "
        f"made up for meanwhile. To mend: {PASS_REMEDY}."
    )


def why_paused(pause: Pause) -> str:
    """Since when, what waits, and what to do."""
    since = f"Paused since {time_of(pause.since)}"
    if pause.subject is PauseSubject.WORKSPACE_UNKNOWN:
        return f"{since}: this workspace was not in the settings of the service. It is in these: {_TAKES}."
    if pause.is_by_key:
        return f"{since}, {_SEES_NOTHING}. To mend: {KEY_REMEDY}; {_TAKES}."
    waits = "no transcript is created" if pause.is_about_creates else "nothing is asked of Recall"
    remedy = remedy_of(pause.status or 0) or "look at the account in Recall's dashboard"
    then = "then it goes on by itself" + ("" if pause.is_about_creates else f"; {_TAKES}")
    return f"{since}, Recall answers {pause.status}: {waits}. To mend: {remedy}; {then}."


def why_passed_over(down: Iterable[str]) -> str:
    """Which providers, and what to do."""
    return (
        f"Passed over for now, after failing again and again: {', '.join(down)}. To mend: credentials and "
        "balance in Recall's dashboard; one attempt tries each again within a quarter of an hour."
    )


def why_old(facts: Facts) -> str | None:
    """That something has waited for long, and where to look; None when nothing has."""
    age_s, recording = facts.oldest_undone_s, facts.oldest_undone_of
    if age_s is None or age_s < _LONG_S:
        return None
    if recording is None:
        return f"A webhook has waited for {span(age_s)}: the log's lines delivery_failed may say for what."
    return f"A step has waited for {span(age_s)}: `./afterword show {recording}` says for what."
