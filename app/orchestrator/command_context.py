"""One command being performed: what its effect may ask, use and commit on its way to an outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from structlog.typing import FilteringBoundLogger

from app.core import events
from app.core.machine import Decision
from app.core.policy import Policy
from app.core.state import Transcription
from app.errors import AccountRefused, RecallBusy
from app.orchestrator.database_time import DatabaseTime
from app.orchestrator.lease import LeaseRenewer
from app.orchestrator.outcome import Later, Refused, Unanswered
from app.orchestrator.planning import planned
from app.orchestrator.ports import AccountPauses, CircuitBreakers, Clock, ProviderForms, Sends, Transcriptions
from app.orchestrator.ports_blobs import Blobs
from app.orchestrator.ports_recall import Recall
from app.orchestrator.rate_limits import CommandRates
from app.orchestrator.records import Committed, Leased, Loaded, Send, Source
from app.orchestrator.transitions import Advancer
from app.recall.limits import RATE_LIMITED, Rate
from app.recall.types import Answer

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Workspace:
    """One Recall workspace: how to reach it and what is wanted there."""

    name: str
    recall: Recall
    policy: Policy


class EffectStore(Transcriptions, Sends, AccountPauses, CircuitBreakers, ProviderForms, Protocol):
    """What effects ask of the record."""


@dataclass(frozen=True, slots=True)
class CommandContext:
    workspace: Workspace
    leased: Leased
    before: Loaded  # when the command was begun
    tripped: frozenset[str]  # providers whose circuit breaker was not closed then
    time: DatabaseTime
    renewer: LeaseRenewer
    store: EffectStore
    blobs: Blobs
    clock: Clock
    scratch: Path
    log: FilteringBoundLogger
    rates: CommandRates
    transitions: Advancer  # for the one commit on the way: a create's claim
    probe: Callable[[Workspace], bool | None]  # see `Account.probe`
    forget_text: Callable[[str, str], None] = lambda workspace, recording_id: None  # `SearchUpkeep.forget`

    @property
    def recording_id(self) -> str:
        return self.leased.recording_id

    @property
    def recall(self) -> Recall:
        return self.workspace.recall

    @property
    def policy(self) -> Policy:
        """The workspace's, for this recording."""
        return self.policy_at(None)

    def policy_at(self, duration_s: float | None) -> Policy:
        """`policy` for a recording of this length; None: as far as the state knows it."""
        before = self.before
        return planned(
            self.workspace.policy,
            before.transcription,
            processing=before.processing,
            forms=before.forms,
            duration_s=duration_s,
        )

    @property
    def state(self) -> Transcription:
        return self.before.transcription

    def now(self) -> float:
        """The database's clock."""
        return self.time.now()

    def now_excluding_pauses(self, since: float, *, for_creates: bool = False) -> float:
        """Now, less the time since `since` in which the account was refused: patience stood still then."""
        return self.now() - self.store.paused_since(self.workspace.name, since, for_creates=for_creates)

    def answers(self) -> tuple[Answer, ...]:
        """What Recall answered since they were counted last."""
        return tuple(self.recall.answers())

    def claim(self, event: events.Sending, send: Send) -> tuple[Decision, Committed]:
        """
        Commits a create's claim with its stamp, key and bytes; the command goes on.

        Raises:
            BudgetExceeded, LeaseLost, Stale: Nothing was written.
        """
        source = Source(command=self.leased, by="worker", is_finished=False)
        return self.transitions.advance(
            self.workspace.name, self.recording_id, event, source, send=send, before=self.before
        )

    def read(self, rate: Rate, call: Callable[[], _T], *, may_defer: bool = True) -> _T | Unanswered:
        """
        One question to Recall inside its rate. What Recall's client raises becomes a value here.

        Args:
            rate: Which of Recall's.
            may_defer: False in the middle of a longer reading, which would be lost.
        """
        later = self.rates.wait_for(rate, may_defer=may_defer)
        if later is not None:
            return later
        try:
            return call()
        except RecallBusy as busy:
            if busy.cause == RATE_LIMITED:
                self.rates.push_back(rate, after_s=busy.retry_after_s)
            return Later(busy.retry_after_s, busy.cause)
        except AccountRefused as refused:
            return Refused(refused.status)
