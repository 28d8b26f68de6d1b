"""
Does this API key see the recordings of this installation? A key of another workspace answers 404 and empty
lists to everything, which would be taken for "gone" and paid again.

A key is known by its fingerprint. One that was not used before is held against the newest recordings known
here, through the rate, each quarter minute until it sees one of them; from then on it is accepted. While it
sees none, nothing of the workspace is asked, taken up or paid. An installation without recordings has
nothing to hold a key against, and nothing to lose: its key is looked at when there is one.
"""

from __future__ import annotations

from typing import Protocol

from structlog.typing import FilteringBoundLogger

from app.core.events import RecordingCondition
from app.errors import AccountRefused, RecallBusy
from app.orchestrator.command_context import Workspace
from app.orchestrator.ports import AccountPauses, Clock, Moments, RateLimits
from app.orchestrator.ports_recall import ApiKeys, RecallAnswers
from app.orchestrator.rate_limits import await_slot
from app.orchestrator.records import (
    KEY_ACCEPTED,
    KEY_BY_HAND,
    KEY_FOREIGN,
    KEY_UNSEEING,
    KEYS_IN_USE,
    PauseSubject,
)
from app.recall.limits import FORBIDDEN

# Some of the newest may have been deleted at Recall since.
HELD_AGAINST = 10
_LONGEST_WAIT_S = 15.0  # for a slot
_MOST_BUSY = 3  # each may have waited for a time-out
REMEDY = (
    "RECALL_API_KEY is of another workspace than the recordings known here: put the right key back. If it "
    "is the right one, and those recordings were deleted at Recall, `./afterword reconcile` accepts it after "
    "a yes"
)
PASS_REMEDY = (
    "if RECALL_API_KEY is the right one, and those recordings were deleted at Recall, run `./afterword "
    "reconcile` by hand and say yes, once per key; else put the right key back"
)


class AccountStore(ApiKeys, RecallAnswers, AccountPauses, Moments, RateLimits, Protocol):
    """What keys see, what Recall answered, and the pause, the interval and the slots of asking."""


class KeySight:
    """Kept in the store, so that all workers of all machines share the answer."""

    def __init__(self, store: AccountStore, clock: Clock, log: FilteringBoundLogger) -> None:
        self._store, self._clock, self._log = store, clock, log
        self._accepted: set[tuple[str, str]] = set()  # which is for ever

    def is_accepted(self, workspace: Workspace) -> bool:
        """Whether it was seen to see; asks the store alone."""
        key = (workspace.name, workspace.recall.fingerprint)
        if key not in self._accepted and self._store.key_status(*key) in KEYS_IN_USE:
            self._accepted.add(key)
        return key in self._accepted

    def may_act(self, workspace: Workspace) -> bool:
        """
        False while nothing may be asked, concluded or paid under this key. One read at most, but for the one
        caller of all processes per quarter minute who holds a new key against what is known.

        Raises:
            AccountRefused: Recall refuses the key itself.
        """
        if self.is_accepted(workspace):
            return True
        name, fingerprint = workspace.name, workspace.recall.fingerprint
        known = self.held_against(workspace)
        if not known:
            return True
        every_s = workspace.policy.durations.account_probe_every_s
        if not self._store.claim_interval(f"key:{name}:{fingerprint}", every_s=every_s):
            return False
        sees = self.sees_one_of(workspace, known)
        if sees:
            self.accept(workspace)
        elif sees is False:
            self._refuse(workspace, len(known))
        return bool(sees)

    def held_against(self, workspace: Workspace) -> list[str]:
        """
        What this key should see. Where all that is known here is gone by now, a key in use has nothing to
        see; one not used before is held against that too, so that a person decides.
        """
        name = workspace.name
        known = self._store.newest_recordings(name, HELD_AGAINST)
        if known or self.is_accepted(workspace):
            return known
        return self._store.newest_recordings(name, HELD_AGAINST, gone_too=True)

    def sees_one_of(self, workspace: Workspace, recordings: list[str]) -> bool | None:
        """
        None: for some of them Recall is busy or silent, which decides nothing.

        Raises:
            AccountRefused: 401 or 402; or 403 for one of them, and none of the others is seen.
        """
        busy, refused = 0, None
        for recording_id in recordings:
            try:
                if self._sees(workspace, recording_id):
                    return True
            except RecallBusy as trouble:
                self._log.info("key_not_looked_at", workspace=workspace.name, cause=trouble.cause)
                busy += 1
                if busy == _MOST_BUSY:
                    break
            except AccountRefused as trouble:
                if trouble.status != FORBIDDEN:  # which may be about this one thing
                    raise
                refused = trouble
        if refused is not None:
            raise refused
        return None if busy else False

    def _sees(self, workspace: Workspace, recording_id: str) -> bool:
        policy = workspace.policy
        await_slot(self._store, self._clock, workspace.name, "retrieve", policy, at_most_s=_LONGEST_WAIT_S)
        return workspace.recall.recording(recording_id).condition is not RecordingCondition.UNKNOWN

    def vouches(self, workspace: Workspace) -> bool:
        """
        Whether what a list shows under this key is taken up: while it sees a recording known here, or none
        should be at Recall any more, or a person said so. What was seen is noted.

        Raises:
            AccountRefused, RecallBusy: It cannot be said now.
        """
        key = (workspace.name, workspace.recall.fingerprint)
        status = self._store.key_status(*key)
        known = [] if status == KEY_BY_HAND else self.held_against(workspace)
        sees = self.sees_one_of(workspace, known) if known else True
        if sees is None:
            every_s = workspace.policy.durations.reconcile_every_s
            raise RecallBusy("known_recordings_not_answered", retry_after_s=every_s)
        if sees and status == KEY_UNSEEING:
            self._store.set_key_status(*key, KEY_ACCEPTED)
        elif not sees and status == KEY_ACCEPTED:  # one not in use yet is judged by `may_act`
            self._store.set_key_status(*key, KEY_UNSEEING)
            self._log.error("pass_sees_nothing_known", workspace=key[0], key=key[1], remedy=PASS_REMEDY)
        return sees

    def is_by_hand(self, workspace: Workspace) -> bool:
        """A person said yes to this key."""
        return self._store.key_status(workspace.name, workspace.recall.fingerprint) == KEY_BY_HAND

    def accept(self, workspace: Workspace, *, by_hand: bool = False) -> None:
        """It sees a recording known here, or a person says that it may: then for good."""
        name, fingerprint = workspace.name, workspace.recall.fingerprint
        self._store.set_key_status(name, fingerprint, KEY_BY_HAND if by_hand else KEY_ACCEPTED)
        self._accepted.add((name, fingerprint))
        self._log.info("key_accepted", workspace=name, key=fingerprint)
        paused = self._store.paused(name)
        if paused is not None and paused.is_by_key:
            self._store.unpause(name)

    def _refuse(self, workspace: Workspace, number: int) -> None:
        name, fingerprint = workspace.name, workspace.recall.fingerprint
        if self._store.key_status(name, fingerprint) != KEY_FOREIGN:
            self._store.set_key_status(name, fingerprint, KEY_FOREIGN)
            self._log.error(
                "key_sees_nothing", workspace=name, key=fingerprint, held_against=number, remedy=REMEDY
            )
        probe_s = workspace.policy.durations.account_probe_every_s
        self._store.pause(name, PauseSubject.KEY, probe_after_s=probe_s)
