"""
One command being performed: what its effect may use, its lease, and its places in Recall's rates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Protocol, Self, TypeVar

from structlog.typing import FilteringBoundLogger

from app.core import events
from app.core.machine import Decision
from app.core.policy import Policy
from app.core.state import Transcription
from app.errors import LeaseLost, RecallBusy, StoreUnavailable
from app.orchestrator.ports import (
    AccountPauses,
    Blobs,
    CircuitBreakers,
    Clock,
    Leases,
    RateLimits,
    Sends,
    Transcriptions,
)
from app.orchestrator.ports_recall import Recall
from app.orchestrator.records import ArtifactRow, Committed, Leased, Send, Slot, Source
from app.recall.types import Answer

_T = TypeVar("_T")
# Windows of a rate that a command sleeps through rather than lose what it has read. Its lease is renewed.
_LONGEST_SLEEP = 2

# Recall allows 60 lists and 300 other reads a minute; two and seven are left for people. Further pages have
# a share of their own: behind all the first pages that are reserved, a list of several would never end.
# https://docs.recall.ai/reference/transcript_list, https://docs.recall.ai/reference/transcript_retrieve
READS_PER_WINDOW = {"list": 46, "list_page": 12, "retrieve": 293}
_TOGETHER = {"list": ("list", "list_page"), "list_page": ("list", "list_page")}  # one limit at Recall


@dataclass(frozen=True, slots=True)
class Workspace:
    """One Recall workspace: how to reach it and what is wanted there."""

    name: str
    recall: Recall
    policy: Policy


class SlotLater(Exception):
    """A rate's next slot is not worth sleeping for: the command comes back at that time and uses it."""

    def __init__(self, wait_s: float, slot: Slot) -> None:
        super().__init__(f"a slot in {wait_s:.1f} s")
        self.wait_s = wait_s
        self.slot = slot


class Keeper(Thread):
    """Renews one lease in the background; remembers when it went to another."""

    def __init__(self, store: Leases, leased: Leased, *, lease_s: float, every_s: float) -> None:
        super().__init__(name="lease", daemon=True)
        self._store, self._leased = store, leased
        self._lease_s, self._every_s = lease_s, every_s
        self._is_done, self._is_lost = Flag(), Flag()

    def run(self) -> None:
        while not self._is_done.wait(self._every_s):
            try:
                kept = self._store.renew(self._leased, lease_s=self._lease_s)
            except StoreUnavailable:
                continue  # the lease may run out; `check` and the commit will notice
            if not kept:
                self._is_lost.set()
                return

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *trouble: object) -> None:
        self._is_done.set()

    @property
    def is_lost(self) -> bool:
        """Known to be lost; costs nothing."""
        return self._is_lost.is_set()

    def go_on(self) -> None:
        """Raises `LeaseLost` when it is known to be lost; costs nothing."""
        if self._is_lost.is_set():
            raise LeaseLost(self._leased.command.key)

    def check(self) -> None:
        """Asks the database; before a file or a state is put in place."""
        self.go_on()
        if not self._store.renew(self._leased, lease_s=self._lease_s):
            raise LeaseLost(self._leased.command.key)


class EffectStore(Transcriptions, Leases, Sends, RateLimits, AccountPauses, CircuitBreakers, Protocol):
    """What effects ask of the record."""


class Advance(Protocol):
    """`Service.advance`."""

    def __call__(
        self,
        workspace: str,
        recording_id: str,
        event: events.Event,
        source: Source,
        *,
        send: Send | None = None,
        artifact: ArtifactRow | None = None,
    ) -> tuple[Decision, Committed]: ...


class Pause(Protocol):
    """`Account.refused`."""

    def __call__(self, workspace: Workspace, status: int, *, creates_only: bool = False) -> None: ...


@dataclass(slots=True)
class Task:
    """A command under way. Mutable in one thing: the slot it brought along is used once."""

    workspace: Workspace
    leased: Leased
    state: Transcription
    keeper: Keeper
    store: EffectStore
    blobs: Blobs
    clock: Clock
    scratch: Path
    log: FilteringBoundLogger
    advance: Advance
    pause: Pause
    accepted: Callable[[Workspace], None]  # a create was accepted: a pause about creates is over
    probe: Callable[[Workspace], bool | None]  # `Account.probe`
    _slot: Slot | None = field(default=None)

    @property
    def recording_id(self) -> str:
        return self.leased.recording_id

    @property
    def recall(self) -> Recall:
        return self.workspace.recall

    @property
    def policy(self) -> Policy:
        return self.workspace.policy

    def now(self) -> float:
        """The database's clock."""
        return self.store.now()

    def patient_now(self, since: float, *, for_creates: bool = False) -> float:
        """Now, less the time since `since` in which the account was refused: patience stood still then."""
        return self.now() - self.store.paused_since(self.workspace.name, since, for_creates=for_creates)

    def answers(self) -> tuple[Answer, ...]:
        """What Recall answered since they were counted last."""
        return tuple(self.recall.answers())

    def happened(self, event: events.Event, *, artifact: ArtifactRow | None = None) -> None:
        """The outcome: ends the command in the commit that applies the event."""
        source = Source(command=self.leased, by="worker", answers=self.answers())
        self.advance(self.workspace.name, self.recording_id, event, source, artifact=artifact)

    def read(self, rate: str, call: Callable[[], _T], *, may_defer: bool = True) -> _T:
        """
        One GET inside Recall's rate.

        Args:
            rate: A key of `READS_PER_WINDOW`.
            may_defer: False in the middle of a longer reading, which would be lost.

        Raises:
            SlotLater: The next slot is far; it is this command's and waits for it.
            RecallBusy: And no other command gets a slot before Recall's Retry-After.
        """
        self._await_slot(rate, may_defer=may_defer)
        try:
            return call()
        except RecallBusy as busy:
            if busy.cause == "http_429":
                for of_rate in _TOGETHER.get(rate, (rate,)):
                    self.store.push_rate(self.workspace.name, of_rate, after_s=busy.retry_after_s)
            raise

    def _await_slot(self, rate: str, *, may_defer: bool) -> None:
        durations = self.policy.durations
        slot, self._slot = self._slot, None
        # A slot of long ago is gone: using many of those at once would be a burst.
        is_late = slot is not None and slot.at < self.now() - durations.slot_late_at_most_s
        if slot is None or slot.rate != rate or is_late:
            gap_s = durations.rate_window_s / READS_PER_WINDOW[rate]
            slot = Slot(rate, self.store.reserve(self.workspace.name, rate, gap_s=gap_s))
        wait_s = slot.at - self.now()
        if wait_s > durations.slot_worth_sleeping_s and may_defer:
            raise SlotLater(wait_s, slot)
        if wait_s > _LONGEST_SLEEP * durations.rate_window_s:
            raise RecallBusy("rate", retry_after_s=wait_s)
        if wait_s > 0:
            self.clock.sleep(wait_s)
