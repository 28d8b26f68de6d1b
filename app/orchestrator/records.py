"""
The records that cross the ports: deliveries, commands under a lease, sends. Frozen,
with a note where a field needs one. All times are seconds since the epoch by the database's clock,
unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from app.core.commands import Command
from app.core.policy import Processing
from app.core.state import Transcription
from app.orchestrator.provider_forms import Forms
from app.recall.types import Answer, CreateKind


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
class Closing:
    """A delivery that changes no transcription: of a `kind` without effect, or unreadable (no kind)."""

    delivery_id: int
    note: str
    kind: str | None = None
    recording_id: str | None = None  # that it is about, where it says


@dataclass(frozen=True, slots=True)
class Loaded:
    """A transcription as read; `version` 0 means that it does not exist yet."""

    transcription: Transcription
    version: int
    pending: tuple[Command, ...] = ()
    predates_downtime: bool = False  # last changed before a long silence: `Liveness.record_heartbeat`
    processing: Processing | None = None  # what was said of its workspace, above the policy
    forms: Forms = field(default_factory=dict)  # what is known of its workspace's providers


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in one of Recall's rates, to be used for that rate alone; `at` by the database's clock."""

    rate: str
    at: float


# Moments of a workspace, see `ports.Moments.mark`: a page of Recall's list was read; a recording on it was
# taken up that no webhook had told of.
LIST_READ, MADE_UP_FOR = "list_read:", "made_up_for:"


@dataclass(frozen=True, slots=True)
class Leased:
    """A command this worker alone may perform until its lease ends."""

    id: int
    workspace: str
    recording_id: str
    command: Command
    token: str
    tries: int  # this one included; only those that ended without a word count
    slot: Slot | None = None  # taken earlier, for the question it is about to ask
    wanted_since: float = 0.0  # when it first became due


@dataclass(frozen=True, slots=True)
class Begun:
    """A command under a lease, and what is to be known before it is performed, read under that lease."""

    leased: Leased
    before: Loaded
    at: float
    is_paused: bool = False  # the workspace is, for whatever cause
    keys: frozenset[str] = frozenset()  # fingerprints of the workspace's API keys that are in use
    tripped: frozenset[str] = frozenset()  # providers whose circuit breaker is not closed


@dataclass(frozen=True, slots=True)
class Received:
    """Deliveries to be applied now, and what is to be known before."""

    deliveries: list[Delivery]
    at: float
    away_until: float  # when the last long silence of this installation ended; 0.0 when there was none
    has_more: bool


@dataclass(frozen=True, slots=True)
class Source:
    """What an event came from; marked as done in the commit that applies it."""

    delivery_id: int | None = None
    command: Leased | None = None
    is_finished: bool = True  # False for a claim: the command is only fenced, and goes on to its POST
    is_last_word: bool = False  # the command ends with this event, even where it changes nothing
    answers: tuple[Answer, ...] = ()  # what Recall answered meanwhile
    by: str = ""  # for the history: "webhook", "worker", "person", ...


@dataclass(frozen=True, slots=True)
class Send:
    """A stamped POST. `key_serial` and the key belong together."""

    ordinal: int
    key_serial: int
    key: str
    fingerprint: str
    bot: str  # the bot, or the recording where there is none: what Recall's rate counts by
    body: bytes = field(default=b"", repr=False)  # what a repetition under the same key sends


@dataclass(frozen=True, slots=True)
class SendTimes:
    """
    Of one attempt: ages by the database's clock, in seconds; None before the first send. A request that
    certainly never left is none. All but `since_last_s` is about one Idempotency-Key.
    """

    since_first_s: float | None = None
    since_last_s: float | None = None  # of all the attempt's keys
    fingerprints: frozenset[str] = frozenset()
    has_body: bool = False  # what was sent first under this key is kept; not so by versions before 0003


@dataclass(frozen=True, slots=True)
class Offerable:
    """Something due: a command id with the sentence shown to operators."""

    id: int
    description: str


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit left to do: commands due now; or why nothing was written."""

    offerable: tuple[Offerable, ...] = ()
    wait_s: float | None = None  # for the bot's rate
    is_over_daily_budget: bool = False
    send_id: int | None = None  # of the stamp: what becomes of that one request is noted by it
    announcements: tuple[AnnouncementOffer, ...] = ()

    @property
    def is_written(self) -> bool:
        return self.wait_s is None and not self.is_over_daily_budget


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """How a stamped request ended. `status`: of a complete answer."""

    kind: CreateKind
    status: int | None = None

    @property
    def stored(self) -> str:
        """As it is stored, and shown to people."""
        return self.kind if self.status is None else f"{self.kind} {self.status}"


NOT_SENT = SendOutcome("not_sent")

# In the log of pauses: patience stood still in all of them.
EVERY_WORKSPACE = ""


@dataclass(frozen=True, slots=True)
class BootClock:
    """A machine's seconds since its start, which nothing sets: what a database's clock is held against."""

    boot_id: str  # names this start of this machine, the same for all of its processes
    now_s: Callable[[], float]  # see `app.orchestrator.ports.Clock.boottime`

    def distance_of(self, database_now: float, *, begun_s: float) -> float | None:
        """
        How far the database's clock is ahead of this one, seconds; None when it was not read in one moment.

        Args:
            begun_s: This clock before the other was read. A process that stands still in between measures
                its own stop.
        """
        ended_s = self.now_s()
        return database_now - ended_s if ended_s - begun_s <= 2.0 else None


class PauseSubject(StrEnum):
    """What a pause is about; the values are, or with the status begin, a cause as it is stored and shown."""

    ACCOUNT = "recall_answers_"  # nothing is asked
    CREATES = "creates_refused_"  # every other question goes on
    KEY = "key_sees_no_known_recording"  # all other pauses end in what Recall answers
    WORKSPACE_UNKNOWN = "workspace_unknown"  # not in the settings (any more): its recordings stand still
    LOST_TIME = "lost_time"  # of no account, in the log alone: nothing worked, or the clock jumped


@dataclass(frozen=True, slots=True)
class Presence:
    """What is said before any work: see `ports.Liveness.record_heartbeat`."""

    quiet_s: float
    boot: BootClock | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """A workspace whose account refuses us. `status`: what Recall answers; None where it was not asked."""

    workspace: str
    subject: PauseSubject
    status: int | None
    since: float
    probe_at: float

    @classmethod
    def read(cls, workspace: str, cause: str, since: float, probe_at: float) -> Self:
        """From a stored `cause`; one that is not known is the account's."""
        subject = next((s for s in PauseSubject if cause.startswith(s)), PauseSubject.ACCOUNT)
        status = cause.removeprefix(subject)
        return cls(workspace, subject, int(status) if status.isdecimal() else None, since, probe_at)

    @property
    def cause(self) -> str:
        """As it is stored, and shown to people and programs."""
        return pause_cause(self.subject, self.status)

    @property
    def is_about_creates(self) -> bool:
        """Every other question goes on."""
        return self.subject is PauseSubject.CREATES

    @property
    def is_by_key(self) -> bool:
        """The key sees none of the recordings known here."""
        return self.subject is PauseSubject.KEY


def pause_cause(subject: PauseSubject, status: int | None) -> str:
    """See `Pause.cause`."""
    return f"{subject}{'' if status is None else status}"


# Of an API key: it was seen to see this workspace's recordings; it sees none of those known here.
KEY_ACCEPTED, KEY_FOREIGN = "accepted", "foreign"
# Accepted, and a pass over the list saw none of the recordings known here since; accepted by a person's yes.
KEY_UNSEEING, KEY_BY_HAND = "unseeing", "by_hand"
KEYS_IN_USE = frozenset({KEY_ACCEPTED, KEY_UNSEEING, KEY_BY_HAND})


@dataclass(frozen=True, slots=True)
class HeldPass:
    """A pass over Recall's list that this worker alone may go on with until its lease ends."""

    workspace: str
    name: str
    token: str
    progress: str | None  # JSON, the caller's own; None: at its beginning


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
    draft: str | None = None  # the manifest, not written yet: the other files are whole


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """Of a stored file. `etag`: in quotes, strong (RFC 9110, 8.8.3): another version has another."""

    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class Announcement:
    """What one endpoint is told of a change, written in the commit of that change."""

    webhook_id: str  # the same whenever the same is said to the same endpoint
    endpoint: str  # its name
    event: str
    transcript_id: str | None  # whose stored files are read when it is sent
    facts: str = field(repr=False)  # JSON: the transcription as of the commit


@dataclass(frozen=True, slots=True)
class AnnouncementOffer:
    """An announcement that is due: its number, and the endpoint that it is for."""

    id: int
    endpoint: str


@dataclass(frozen=True, slots=True)
class TakenAnnouncement:
    """One that this process alone may send until its lease ends."""

    id: int
    webhook_id: str
    endpoint: str
    event: str
    workspace: str
    recording_id: str
    transcript_id: str | None
    created_at: float
    tries: int  # this one included
    token: str
    facts: str = field(repr=False)
    body: str | None = field(default=None, repr=False)  # what the first try sent


Announce = Callable[[Transcription, Transcription], tuple[Announcement, ...]]
"""What is announced of a change, from the states before and after it."""


def announce_nothing(_before: Transcription, _after: Transcription) -> tuple[Announcement, ...]:
    """Where there are no endpoints."""
    return ()
