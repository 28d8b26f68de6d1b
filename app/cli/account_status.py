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
from app.orchestrator.records import Pause, PauseSubject
from app.recall.limits import remedy_of
from app.results.transcription_object import iso
from app.settings.workspaces import WorkspaceSettings

TAKES = "after a change of `.env` it takes a restart, or SIGHUP to `up`"
_LONG_S = 3600.0
_SEES_NOTHING = "this API key sees none of the recordings known here: nothing is taken up, concluded or paid"
WHY_FOREIGN = f"{_SEES_NOTHING[0].upper()}{_SEES_NOTHING[1:]}. To mend: {KEY_REMEDY}."
WHY_UNSEEING = (
    "The reconcile pass found none of the newest recordings known here at Recall: lost webhooks are not "
    f"made up for meanwhile. To mend: {PASS_REMEDY}."
)


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one workspace. Its sentences have their remedies."""

    workspace: str
    facts: Facts
    is_known: bool = True  # to the settings

    def notes(self) -> Iterable[str]:
        """What is no trouble while others are asked instead: all that are passed over are a part's."""
        if down := sorted(self.facts.passed_over):
            yield (
                f"Passed over for now, after failing again and again: {', '.join(down)}. To mend: "
                "credentials and balance in Recall's dashboard; one attempt tries each again within a "
                "quarter of an hour."
            )

    def problems(self) -> Iterable[str]:
        """What holds up everything."""
        if not self.is_known:
            told = str(WorkspaceUnknown(self.workspace))
            yield f"{told[0].upper()}{told[1:]}."
        elif self.facts.pause is not None:
            yield why_paused(self.facts.pause)
        elif self.facts.is_key_foreign:
            yield WHY_FOREIGN
        if self.facts.is_key_unseeing:
            yield WHY_UNSEEING


class Standings(list[Standing]):
    """Of the workspaces of the settings, and of others in which something is undone; or of one."""

    def problems(self) -> list[str]:
        """What holds up everything in one of them."""
        return self._said(Standing.problems)

    def notes(self) -> list[str]:
        """What is no trouble while others are asked instead."""
        return self._said(Standing.notes)

    def _said(self, said: Callable[[Standing], Iterable[str]]) -> list[str]:
        is_named = len(self) > 1
        return [
            f"Workspace {one.workspace}: {sentence}" if is_named and one.is_known else sentence
            for one in self
            for sentence in said(one)
        ]

    def record(self) -> dict[str, Any]:
        """For programs: the pause that stands first, all providers that are down."""
        pause = next((one.facts.pause for one in self if one.facts.pause is not None), None)
        return {
            "paused": None if pause is None else {"cause": pause.cause, "since": iso(pause.since)},
            "providers_down": sorted({name for one in self for name in one.facts.passed_over}),
            "key_is_foreign": any(one.facts.is_key_foreign for one in self),
        }


def standings_of(
    store: Health, workspaces: Mapping[str, WorkspaceSettings], *, of: str | None = None
) -> Standings:
    """As of now; of all, or of the one of this name, which the settings may not have."""
    names = [of] if of is not None else [*workspaces, *sorted(store.undone_elsewhere(workspaces))]
    standings = Standings()
    for name in names:
        described = workspaces.get(name)
        facts = store.health(name, fingerprint=described.fingerprint if described else "")
        standings.append(Standing(name, facts, is_known=described is not None))
    return standings


def why_paused(pause: Pause) -> str:
    """Since when, what waits, and what to do."""
    since = f"Paused since {time_of(pause.since)}"
    if pause.subject is PauseSubject.WORKSPACE_UNKNOWN:
        return f"{since}: this workspace was not in the settings of the service. It is in these: {TAKES}."
    if pause.is_by_key:
        return f"{since}, {_SEES_NOTHING}. To mend: {KEY_REMEDY}; {TAKES}."
    waits = "no transcript is created" if pause.is_about_creates else "nothing is asked of Recall"
    remedy = remedy_of(pause.status or 0) or "look at the account in Recall's dashboard"
    then = "then it goes on by itself" + ("" if pause.is_about_creates else f"; {TAKES}")
    return f"{since}, Recall answers {pause.status}: {waits}. To mend: {remedy}; {then}."


def why_old(facts: Facts) -> str | None:
    """That something has waited for long, and where to look; None when nothing has."""
    age_s, recording = facts.oldest_undone_s, facts.oldest_undone_of
    if age_s is None or age_s < _LONG_S:
        return None
    if recording is None:
        return f"A webhook has waited for {span(age_s)}: the log's lines delivery_failed may say for what."
    return f"A step has waited for {span(age_s)}: `./afterword show {recording}` says for what."
