"""
What the orchestrator needs of the world, as protocols: each caller names the one it uses, or its own sum of
some. Each promise here is a test in `tests/contract/`, run against every implementation. Those about Recall
are in `ports_recall`, those of the store of results in `ports_blobs`; questions for people are
`app.adapters.sql.queries`.

Each method of the record (all protocols but `Clock` and `Queue`) is one transaction and raises
`StoreUnavailable` when the record cannot be used. All times are seconds since the epoch by the database's
clock, unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from app.core import events
from app.core.machine import Decision
from app.core.state import Phase
from app.orchestrator.ports_recall import ApiKeys, ListPasses, RecallAnswers
from app.orchestrator.provider_forms import KnownForm
from app.orchestrator.records import (
    Announcement,
    AnnouncementOffer,
    ArtifactRow,
    Begun,
    BootClock,
    Closing,
    Committed,
    Leased,
    Loaded,
    Offerable,
    Pause,
    PauseSubject,
    Presence,
    Received,
    Send,
    SendOutcome,
    SendTimes,
    Slot,
    Source,
)
from app.recall.types import Answer


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch, for logs and signatures; never for decisions about money."""

    def sleep(self, seconds: float) -> None: ...

    def boottime(self) -> float:
        """Seconds that also pass while the machine sleeps or the process is stopped."""


class DatabaseClock(Protocol):
    def now(self) -> float: ...


class Liveness(DatabaseClock, Protocol):
    """Whether this installation ran, and its clock with it."""

    def record_heartbeat(self, *, quiet_s: float, boot: BootClock | None = None) -> float:
        """
        A heartbeat, before any work. When the last one is older than `quiet_s`, this installation was
        stopped, or its database is a backup that was put back: from now on every transcription last changed
        before counts as `Loaded.predates_downtime`. When the database's clock was set back, sends, slots and
        due times move with it, so that no age is underestimated and nothing waits; when it was set forward,
        patience stands still for as long; either way `SendTimes.since_last_s` counts from now. Without
        `boot`, and where this start of this machine signs for the first time, a gap longer than between two
        signs counts as a step. Returns when the last long silence ended; 0.0 when there was none.
        """

    def steady_since(self) -> float:
        """When the database's clock last stepped or may have (0.0: never): ages about money count from it."""

    def beat(self, name: str, *, detail: str = "") -> None:
        """A heartbeat of a process."""

    def first_start(self) -> float:
        """When this installation first started; nothing older is ever taken up by itself."""


class DeliveryInbox(DatabaseClock, Protocol):
    """Deliveries that are stored. They are added by `app.web.group_commit.InboxStore`."""

    def receive(self, limit: int, presence: Presence) -> Received:
        """
        `Liveness.record_heartbeat`, and unapplied deliveries, one try counted for each; as a rule in two
        transactions, of which one writes. Those never tried come first and together, oldest first (as they
        reached the database); one that was tried before comes alone: a bad one takes no neighbours with it.
        """

    def return_deliveries(self, delivery_ids: Sequence[int]) -> None:
        """Takes the tries of `receive` back."""

    def close_deliveries(self, closings: Sequence[Closing]) -> None:
        """Applied without effect: of another kind, or unreadable. Kept; visible."""

    def forget_bodies(self, *, older_than_s: float, limit: int) -> int:
        """
        Of at most `limit` deliveries applied more than `older_than_s` seconds ago; returns of how many.
        Unreadable ones keep theirs, and every row stays: a delivery is known for ever.
        """

    def has_unapplied(self) -> bool: ...


class Transcriptions(DatabaseClock, Protocol):
    def load(self, workspace: str, recording_id: str) -> Loaded: ...

    def commit(
        self,
        before: Loaded,
        decision: Decision,
        *,
        event: events.Event,
        source: Source,
        send: Send | None = None,
        artifact: ArtifactRow | None = None,
        bot_limit: tuple[int, float] | None = None,
        budget: int | None = None,
        daily_budget: int = 0,
        offer_now: bool = True,
        put_off_s: float | None = None,
        answers: Sequence[Answer] = (),
        news: Sequence[Announcement] = (),
    ) -> Committed:
        """
        State, commands, the source's mark, one history line, a send's stamp, and what is announced: all or
        nothing.

        Compare-and-set on `before.version`; the source's command must still bear its token and be
        unexpired or at least not taken by another, the delivery must be unapplied. Commands in
        `decision.commands` replace pending ones of the same key (due = now + after_s, lease and tries
        reset); pending ones in `decision.dropped` are removed.

        Args:
            bot_limit: (most sends, per window seconds) for `send.bot`; used up, nothing is written, and
                `wait_s` returned.
            budget: Attempts per recording: beside a claimed attempt, a constraint on its ordinal.
            daily_budget: Of a claim, in millionths of its currency: beyond it with all that its UTC day has
                already, or where its cost is not known, nothing is written, and `is_over_daily_budget`
                returned. 0: none.
            put_off_s: The event was ignored while its command is still wanted: that is due again after this.
            answers: What Recall answered meanwhile, for the counts.
            news: What endpoints are told of this change; said again under an id it has, it is sent anew.
            offer_now: The caller hands the due commands to the queue at once: they are marked as offered.

        Raises:
            Stale: The version moved; or `send` is given, and by now the state is one of before a long
                silence, which `before` does not say.
            AlreadyApplied, LeaseLost, BudgetExceeded: The delivery has been applied, the command belongs to
                another worker, the claimed ordinal is above the budget. In all four nothing is written.
        """

    def without_command(self, *, older_than_s: float, limit: int) -> list[tuple[str, str]]:
        """
        Transcriptions (workspace, recording) that are not at an end, have no command, and were last changed
        more than `older_than_s` seconds ago. Reads only.
        """

    def forget_news(self, workspace: str, recording_id: str) -> None:
        """Bodies of applied deliveries about it, and what is to be sent about it; see `events.EraseAsked`."""

    def draft(self, workspace: str, recording_id: str, transcript_id: str) -> str | None:
        """The manifest of a stored candidate that is not written yet (JSON); see `ArtifactRow.draft`."""


class Retained(DatabaseClock, Protocol):
    """What is older than the policy keeps it. Reads only."""

    def ended_before(
        self, workspace: str, phases: Iterable[Phase], *, kept_s: float, limit: int
    ) -> list[str]:
        """Recordings that ended in one of these phases more than `kept_s` seconds ago; the oldest first."""

    def detailed_before(self, workspace: str, *, kept_s: float, heard_after: float, limit: int) -> list[str]:
        """Stored ones that did, were heard of after a moment, and still have a bot or metadata."""


class Outbox(Protocol):
    def due(self, limit: int, *, offer_again_s: float) -> list[Offerable]:
        """Due commands neither leased nor offered within `offer_again_s`. Reads only."""

    def mark_offered(self, command_ids: Iterable[int]) -> None: ...

    def has_create(self, workspace: str) -> bool:
        """Whether any create waits, now or later: a pause about creates is for those alone."""


class Leases(Protocol):
    def begin(self, command_id: int, presence: Presence, *, lease_s: float) -> Begun | None:
        """
        The command with a new token, when it is due, unfinished and not leased, then `record_heartbeat`, and
        what is to be known first; as a rule in two transactions, of which one writes. Else None.
        """

    def renew(self, leased: Leased, *, lease_s: float) -> bool:
        """False when the lease went to another."""

    def defer(
        self,
        leased: Leased,
        *,
        after_s: float,
        cause: str,  # a short code for people
        slot: Slot | None = None,
        answers: Sequence[Answer] = (),
    ) -> None:
        """Due again later, the try not counted, wanted since when it was. Raises `LeaseLost`."""

    def drop(self, leased: Leased, *, answers: Sequence[Answer] = ()) -> None:
        """Finished without a change of state."""


class Sends(Protocol):
    def send_times(
        self, workspace: str, recording_id: str, ordinal: int, *, key_serial: int
    ) -> SendTimes: ...

    def send_body(self, workspace: str, recording_id: str, ordinal: int, *, key_serial: int) -> bytes | None:
        """What was sent first under this key; None once the attempt is settled."""

    def record_send_outcome(self, send_id: int, *, outcome: SendOutcome) -> None:
        """Notes how this very request ended; `NOT_SENT` takes it out of `send_times` and the bot's rate."""

    def creates_refused_elsewhere(self, workspace: str, recording_id: str, *, within_s: float) -> bool:
        """Another recording's latest send of the last `within_s` was refused with 403, none created after."""


class RateLimits(DatabaseClock, Protocol):
    """Recall's rates: one row each, for all workers of all machines."""

    def reserve(self, workspace: str, rate: str, *, gap_s: float) -> float:
        """Takes the next slot of a rate; returns its time."""

    def push_rate(self, workspace: str, rate: str, *, after_s: float) -> None:
        """No slot is given before now + after_s."""


class AccountPauses(Protocol):
    """Workspaces whose account refuses us."""

    def pause(
        self, workspace: str, subject: PauseSubject, status: int | None = None, *, probe_after_s: float
    ) -> None:
        """Nothing that it is about is offered but a probe now and then. One under way keeps its `since`."""

    def unpause(self, workspace: str) -> None:
        """Also makes the workspace's waiting commands due now."""

    def paused(self, workspace: str) -> Pause | None: ...

    def paused_since(self, workspace: str, at: float, *, for_creates: bool = True) -> float:
        """Seconds since `at` of its pauses: patience stands still. Without `for_creates`: of full pauses."""

    def take_probe(self, workspace: str, *, every_s: float) -> bool:
        """True for one caller per `every_s`: that one may ask Recall."""


class Moments(DatabaseClock, Protocol):
    """Moments noted by a name, for all processes."""

    def claim_interval(self, name: str, *, every_s: float) -> bool:
        """True for one caller of all processes per `every_s` seconds."""

    def mark(self, name: str) -> float | None:
        """A moment noted under this name, seconds since the epoch; None when never."""

    def set_mark(self, name: str, at: float) -> None:
        """Notes a moment, in place of the one before."""


class CircuitBreakers(Protocol):
    """Providers that are down."""

    def record_result(self, workspace: str, provider: str, *, worked: bool, open_s: float) -> None:
        """A transcript of it was finished, or failed by its fault: see `app.core.circuit_breaker`."""

    def tripped_providers(self, workspace: str) -> frozenset[str]:
        """Open now, and not yet due for a probe."""

    def allow_request(self, workspace: str, provider: str, *, probe_s: float) -> bool:
        """Before a claim: False when open; True for one caller, the probe, per `probe_s`, or when closed."""

    def release_probe(self, workspace: str, provider: str) -> None:
        """After `allow_request`, when nothing was tried after all: the place of the probe is free again."""


class ProviderForms(Protocol):
    """How a workspace's providers read their options, as far as it was learned."""

    def update_form(
        self, workspace: str, provider: str, change: Callable[[KnownForm, float], KnownForm]
    ) -> KnownForm:
        """
        Changes what is known, one caller at a time; `change` is told that and the database's time. What it is
        then; `Transcriptions.load` has it, too.
        """


class Store(
    DeliveryInbox,
    Transcriptions,
    Retained,
    Outbox,
    Leases,
    Sends,
    RateLimits,
    AccountPauses,
    Moments,
    CircuitBreakers,
    ProviderForms,
    ApiKeys,
    RecallAnswers,
    ListPasses,
    Liveness,
    Protocol,
):
    """The record: what a service hands on to its parts. No part asks for all of it."""


class Queue(Protocol):
    """Carries ids to workers. Losing everything in it loses nothing."""

    def offer(self, items: Sequence[Offerable]) -> None:
        """Raises `QueueUnavailable`."""

    def offer_announcements(self, items: Sequence[AnnouncementOffer]) -> None:
        """To the process that sends them, as many as there is room for. Raises `QueueUnavailable`."""

    def wake_inbox(self) -> None:
        """At most one wake-up waits in the queue. Raises `QueueUnavailable`."""

    def ask_reconcile(self) -> None:
        """A pass over Recall's list, done by a worker. Raises `QueueUnavailable`."""

    def room(self) -> int:
        """How many more commands the shallow queue takes now."""
