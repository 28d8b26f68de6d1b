"""The part of `check` about Recall: is each workspace's account accepted, does its key see what is here?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import structlog

from app import wiring
from app.adapters.sql.store import SqlStore
from app.cli import account_status as account
from app.cli.words import time_of
from app.clock import SystemClock
from app.errors import AccountRefused, RecallBusy
from app.orchestrator.key_visibility import KeySight
from app.orchestrator.records import KEY_ACCEPTED, KEY_FOREIGN, KEYS_IN_USE, Pause, PauseSubject
from app.recall.limits import RATE_LIMITED, READS_PER_MINUTE, STATUS_PAGE, UNAUTHORIZED
from app.settings.environment import Settings
from app.settings.workspaces import WorkspaceSettings, workspaces_of

_RECORDINGS_PER_S = READS_PER_MINUTE / 60  # each needs one of Recall's reads
# Of a worker's time, per recording: three connections to Recall (create, retrieve, download) and 60 ms of
# its own; half as much again, because answers do not come evenly. See docs/performance.md, "Drain".
_CALLS, _OWN_S, _RESERVE = 3, 0.06, 1.5


class Accounts:
    """
    One harmless question for each workspace of the settings or of `workspaces`, and what the database knows
    of it. `warn` gets what is no problem and may become one.
    """

    def __init__(
        self,
        settings: Settings,
        warn: Callable[[str], None],
        *,
        workspaces: Mapping[str, WorkspaceSettings] | None = None,
    ) -> None:
        self._settings, self._warn = settings, warn
        self._workspaces = workspaces_of(settings) if workspaces is None else workspaces
        self._accepted: set[str] = set()  # workspaces whose keys Recall has just taken

    def problems(self) -> list[str]:
        """Of the questions' answers."""
        answers = ((name, self._ask(described)) for name, described in self._workspaces.items())
        return [self._named(name, problem) for name, problem in answers if problem is not None]

    def problems_known(self, store: SqlStore) -> Iterator[str]:
        """Of what the database knows, whatever the questions were answered."""
        for found in account.standings_of(store, self._workspaces):
            if not found.is_known:
                yield from found.problems()
            elif (problem := self._known(store, found)) is not None:
                yield self._named(found.workspace, problem)

    def _named(self, workspace: str, sentence: str) -> str:
        return sentence if len(self._workspaces) == 1 else f"Workspace {workspace}: {sentence}"

    def _ask(self, described: WorkspaceSettings) -> str | None:
        recall = wiring.open_workspace(described, time_scale=self._settings.time_scale).recall
        began_at = time.monotonic()
        try:
            recall.probe()
        except AccountRefused as refused:
            if refused.status == UNAUTHORIZED:
                where = self._settings.region or described.api_base_url
                return f"Recall refuses the API key at {where}: wrong, revoked, or of another region."
            about = f"Recall answers {refused.status} to a harmless question"
            return f"{about}: look at the account in its dashboard."
        except RecallBusy as busy:
            return f"{described.api_base_url}: {why_busy(busy)}"
        self._accepted.add(described.name)
        note = why_few_workers(self._settings.workers, answer_s=time.monotonic() - began_at)
        if note is not None:
            self._warn(note)
        return None

    def _known(self, store: SqlStore, found: account.Standing) -> str | None:
        is_accepted, facts = found.workspace in self._accepted, found.facts
        if is_accepted and not facts.is_key_foreign and facts.key_status not in KEYS_IN_USE:
            facts = replace(facts, key_status=self._held_against_what_is_known(store, found.workspace))
        for note in found.notes():
            self._warn(note)
        pause = facts.pause
        is_mended = pause is not None and is_accepted and _is_mended(pause, facts.key_status)
        if facts.is_key_foreign and (pause is None or not pause.is_by_key):
            also = "" if pause is None or is_mended else f" {account.why_paused(pause)}"
            return f"{account.WHY_FOREIGN}{also}"
        if pause is None:
            return account.WHY_UNSEEING if facts.is_key_unseeing else None
        if not is_mended:
            return account.why_paused(pause)
        self._warn(
            f"Since {time_of(pause.since)} work stood still for the API key; Recall accepts the one of "
            f"these settings. The service goes on within a minute, if it has this key: {account.TAKES}."
        )
        return None

    def _held_against_what_is_known(self, store: SqlStore, name: str) -> str | None:
        """
        The status that the service will find for a key that it has not used yet. Nothing is noted: it asks
        for itself. Each question takes its turn in the rate that the service shares.
        """
        workspace = wiring.open_workspace(self._workspaces[name], time_scale=self._settings.time_scale)
        sight = KeySight(store, SystemClock(), structlog.get_logger())
        known = sight.held_against(workspace)
        sees = sight.sees_one_of(workspace, known) if known else None
        if known and sees is None:
            self._warn("Whether this API key sees the recordings known here is not known: Recall is busy.")
        return None if sees is None else KEY_ACCEPTED if sees else KEY_FOREIGN


def _is_mended(pause: Pause, key_status: str | None) -> bool:
    """Whether it stands only because the service has not tried the key yet that Recall has just accepted."""
    if pause.is_by_key:
        return key_status in KEYS_IN_USE
    return pause.subject is PauseSubject.ACCOUNT and pause.status == UNAUTHORIZED


def why_few_workers(workers: int, *, answer_s: float) -> str | None:
    """When they cannot use all of Recall's limit; `answer_s`: a question took, with its connection."""
    per_recording_s = _RESERVE * (_CALLS * answer_s + _OWN_S)
    needed = math.ceil(_RECORDINGS_PER_S * per_recording_s)
    if workers >= needed:
        return None
    return (
        f"AFTERWORD_WORKERS={workers} is enough for about {60 * workers / per_recording_s:.0f} recordings a "
        f"minute; Recall's limit allows {60 * _RECORDINGS_PER_S:.0f}. Where more end at once they "
        f"wait. Recall answers in {1000 * answer_s:.0f} ms from here: {needed} would do."
    )


def why_busy(busy: RecallBusy) -> str:
    """What a person can do about an answer, or none, that is no word about the account."""
    # Recall has no such answer to a list; 429 and 5xx are its own.
    if busy.cause.startswith(("http_3", "http_4", "unreadable")) and busy.cause != RATE_LIMITED:
        return (
            f"the answer to a harmless question is not Recall's ({busy.cause}): is this Recall's address? "
            "Mend RECALL_API_BASE_URL, or leave it out and set RECALL_REGION."
        )
    what = f"see {STATUS_PAGE}, or a proxy" if busy.cause.startswith("http_5") else "check the network"
    if busy.cause == RATE_LIMITED:
        what = "too many requests of this workspace; it passes"
    return f"Recall cannot be asked now ({busy.cause}): {what}."
