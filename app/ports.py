"""
What the service needs from the world, as protocols: Recall, Store, Queue, Blobs, Clock. Each
promise in a docstring here is a test in `tests/contract/`, run against every implementation.

All times are seconds since the epoch by the database's clock, unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from app.core import events
from app.core.commands import Command
from app.core.machine import Decision
from app.core.state import Transcription


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A verified POST from Recall, before it is stored."""

    workspace: str
    webhook_id: str
    received_at_s: float
    sent_at_s: int
    secret_label: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """A stored delivery that has not been applied yet. `tries` counts this time too."""

    id: int
    workspace: str
    webhook_id: str
    received_at: float
    body: bytes
    tries: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """A transcription as read; `version` 0 means that it does not exist yet."""

    transcription: Transcription
    version: int
    pending: tuple[Command, ...] = ()


@dataclass(frozen=True, slots=True)
class Leased:
    """A command this worker alone may perform until its lease ends."""

    id: int
    workspace: str
    recording_id: str
    command: Command
    token: str
    tries: int  # this one included; only those that ended without a word count
    slot_at: float | None = None  # a place in a rate's row, taken earlier


@dataclass(frozen=True, slots=True)
class Source:
    """What an event came from; marked as done in the commit that applies it."""

    delivery_id: int | None = None
    command: Leased | None = None
    is_finished: bool = True  # False for a claim: the command is only fenced, and goes on to its POST
    by: str = ""  # for the history: "webhook", "worker", "person", ...


@dataclass(frozen=True, slots=True)
class Send:
    """A stamped POST. `generation` and the key belong together."""

    ordinal: int
    generation: int
    key: str
    fingerprint: str
    bot: str  # the bot, or the recording where there is none: what Recall's rate counts by


@dataclass(frozen=True, slots=True)
class SendTimes:
    """
    Of one attempt: ages by the database's clock, in seconds; None before the first send.

    `since_first_s` and `fingerprints` are about one generation (one Idempotency-Key),
    `since_last_s` about all of the attempt's.
    """

    since_first_s: float | None = None
    since_last_s: float | None = None
    fingerprints: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Offerable:
    """Something due: a command id with the sentence shown to operators."""

    id: int
    description: str


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit left to do: commands due now; or the wait for the bot's rate, nothing written."""

    offerable: tuple[Offerable, ...] = ()
    wait_s: float | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """A workspace whose account refuses us."""

    workspace: str
    cause: str
    since: float
    probe_at: float


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """A stored result."""

    workspace: str
    recording_id: str
    transcript_id: str
    ordinal: int | None
    provider: str
    verdict: str
    language: str | None
    folder: str
    files: tuple[str, ...] = ()


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch, for logs and signatures; never for decisions about money."""
        ...

    def sleep(self, seconds: float) -> None: ...

    def boottime(self) -> float:
        """Seconds that also pass while the machine sleeps or the process is stopped."""
        ...


class Store(Protocol):
    """The record. Every method is one transaction; raises `StoreUnavailable` when it cannot be used."""

    def now(self) -> float:
        """The database's clock."""
        ...

    # -- inbox -----------------------------------------------------------------------------------
    def add_deliveries(self, rows: Sequence[NewDelivery]) -> None:
        """All rows or none, durably. A known (workspace, webhook id) is kept as it is, no error."""
        ...

    def take_deliveries(self, limit: int) -> list[Delivery]:
        """Unapplied deliveries, oldest first; counts one try for each."""
        ...

    def close_delivery(self, delivery_id: int, *, note: str, kind: str | None = None) -> None:
        """Applied without a transcription: an unknown kind, or unreadable. Kept; visible."""
        ...

    def count_rejected(self, kind: str, number: int) -> None:
        """Adds to the counters of refused deliveries."""
        ...

    # -- the transcription ---------------------------------------------------------------------
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
        offer_now: bool = True,
    ) -> Committed:
        """
        State, commands, the source's mark, one history line, and a send's stamp: all or nothing.

        Compare-and-set on `before.version`; the source's command must still bear its token and be
        unexpired or at least not taken by another, the delivery must be unapplied. Commands in
        `decision.commands` replace pending ones of the same key (due = now + after_s, lease and tries
        reset); pending ones in `decision.dropped` are removed.

        Args:
            bot_limit: (most sends, per window seconds) for `send.bot`; checked in this transaction.
            budget: The policy's attempts per recording; written beside a claimed attempt and held
                against its ordinal by a constraint.
            offer_now: The caller hands the due commands to the queue at once; they are marked as
                offered. False leaves them to the dispatcher.

        Returns:
            What to offer now; or, with `wait_s`, that the bot's rate is used up (nothing is written).

        Raises:
            Stale: The version moved, or the delivery has been applied. Nothing is written.
            LeaseLost: The command belongs to another worker. Nothing is written.
            BudgetExceeded: The claimed ordinal is above the budget. Nothing is written.
        """
        ...

    # -- the outbox ------------------------------------------------------------------------------
    def take(self, command_id: int, *, lease_s: float) -> Leased | None:
        """The command with a new token, when it is due, unfinished and not leased; else None."""
        ...

    def renew(self, leased: Leased, *, lease_s: float) -> bool:
        """False when the lease went to another."""
        ...

    def defer(self, leased: Leased, *, after_s: float, slot_at: float | None = None) -> None:
        """Due again later; the try is not counted. Raises `LeaseLost`."""
        ...

    def drop(self, leased: Leased) -> None:
        """Finished without a change of state."""
        ...

    def due(self, limit: int, *, offer_again_s: float) -> list[Offerable]:
        """Due commands neither leased nor offered within `offer_again_s`. Reads only."""
        ...

    def mark_offered(self, command_ids: Iterable[int]) -> None: ...

    def has_unapplied(self) -> bool: ...

    # -- money and rates ---------------------------------------------------------------------------
    def send_times(
        self, workspace: str, recording_id: str, ordinal: int, *, generation: int
    ) -> SendTimes: ...

    def settle_send(self, workspace: str, recording_id: str, ordinal: int, *, outcome: str) -> None:
        """Notes how the latest send of the attempt ended, for people."""
        ...

    def reserve(self, workspace: str, rate: str, *, gap_s: float) -> float:
        """Takes the next slot of a rate; returns its time. One row for all workers of all machines."""
        ...

    def push_rate(self, workspace: str, rate: str, *, after_s: float) -> None:
        """Nobody gets a slot before now + after_s."""
        ...

    # -- whose fault -----------------------------------------------------------------------------
    def pause(self, workspace: str, cause: str, *, probe_after_s: float) -> None: ...

    def unpause(self, workspace: str) -> None:
        """Also makes the workspace's waiting commands due now."""
        ...

    def paused(self, workspace: str) -> Pause | None: ...

    def take_probe(self, workspace: str, *, every_s: float) -> bool:
        """True for one caller per `every_s`: that one may ask Recall."""
        ...

    # -- for people ------------------------------------------------------------------------------
    def beat(self, name: str, *, detail: str = "") -> None:
        """A sign of life of a process."""
        ...

    def history(self, workspace: str, recording_id: str) -> list[Mapping[str, Any]]: ...


class Queue(Protocol):
    """Carries ids to workers. Losing everything in it loses nothing."""

    def offer(self, items: Sequence[Offerable]) -> None:
        """Raises `QueueUnavailable`."""
        ...

    def wake_inbox(self) -> None:
        """At most one wake-up waits in the queue. Raises `QueueUnavailable`."""
        ...

    def room(self) -> int:
        """How many more commands the shallow queue takes now."""
        ...


class Blobs(Protocol):
    def put(self, key: str, source: Path) -> None:
        """Whole or not at all, durable. Raises `BlobsUnavailable`."""
        ...

    def open(self, key: str) -> BinaryIO: ...

    def exists(self, key: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class CreateOrder:
    """Everything a create POST says."""

    recording_id: str
    provider: str
    options: Mapping[str, Any]
    separate_streams: bool
    marker: str
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """Recall's transcript as retrieved. `download_url` is a secret: never logged, never stored."""

    transcript_id: str
    status: str
    sub_code: str | None
    provider: str | None
    ordinal: int | None
    is_realtime: bool
    download_url: str | None = field(default=None, repr=False)
    provider_data_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RecordingFacts:
    """Recall's recording as retrieved. `duration_s` is None when Recall does not say."""

    condition: events.RecordingCondition
    bot_id: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    duration_s: float | None = None
    has_media: bool = True


@dataclass(frozen=True, slots=True)
class CreateAnswer:
    """What came of a POST, before the machine hears of it.

    `kind`: "created", "refused" (a definite 4xx), "not_sent", or "unknown".
    """

    kind: str
    transcript_id: str | None = None
    provider: str | None = None
    status: int | None = None
    code: str = ""  # Recall's machine-readable code or the field names of a 400; never prose
    names_provider: bool = False  # a 400 that is about the provider or its options
    retry_after_s: float | None = None
    detail: str = ""


class Recall(Protocol):
    """One workspace of Recall. Raises `RecallBusy` (come back) and `AccountRefused` (everybody waits)."""

    @property
    def fingerprint(self) -> str:
        """Eight hex digits naming the API key without telling it."""
        ...

    def create(self, order: CreateOrder, *, is_still_fresh: Any) -> CreateAnswer:
        """
        One POST. Never raises for what Recall or the network does.

        Args:
            is_still_fresh: Called right before the request is written to the socket (again before
                each repetition of one that certainly did not happen); False means "not_sent".
        """
        ...

    def retrieve(self, transcript_id: str) -> Artifact | None:
        """None for 404."""
        ...

    def list_page(self, recording_id: str, cursor_url: str | None) -> tuple[list[Artifact], str | None]:
        """One page and the address of the next."""
        ...

    def recording(self, recording_id: str) -> RecordingFacts: ...

    def download(self, url: str, target: Path, *, keep_going: Any) -> None:
        """
        Streams to a file without our key. Raises `DownloadBlocked`.

        Args:
            keep_going: Called now and then; raising ends the download (a lost lease).
        """
        ...

    def probe(self) -> None:
        """A harmless GET. Returns when the account is accepted, else raises."""
        ...
