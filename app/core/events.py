"""
What happened, in the past tense. Each carries the identity of what it is about: an attempt's ordinal, or a
transcript's id with the marker that Recall echoes. Where an event came from is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from app.core.policy import Order
from app.core.quality import EMPTY, SPOKEN
from app.core.seen import FailureCause, Seen
from app.core.state import AtRecall

WhyUnwanted = Literal["deselected", "provider_left", "no_further_attempt"]


class Refusal(StrEnum):
    """Why Recall certainly did not create a transcript, once the cause has been looked into."""

    PROVIDER = "provider"  # the provider or its options: the next provider may do
    FORM = "form"  # the form of the options, or the model: the same attempt says it otherwise
    ACCOUNT = "account"  # 401, 402, or 403 for every request: nothing about this recording
    BUSY = "busy"  # 429 or another "later"
    PAYLOAD = "payload"  # 403 for this request alone: a firewall judged the payload
    RECORDING_UNKNOWN = "recording_unknown"
    RECORDING_NOT_DONE = "recording_not_done"
    RECORDING_GONE = "recording_gone"  # deleted or expired
    NO_AUDIO = "no_audio"
    LIMIT = "limit"  # Recall's own number of transcripts per recording
    UNEXPLAINED = "unexplained"  # names no provider, and nothing about the recording explains it


class RecordingCondition(StrEnum):
    """What Recall says of a recording when asked."""

    DONE = "done"
    NOT_DONE = "not_done"
    UNKNOWN = "unknown"
    GONE = "gone"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Event:
    at: float  # seconds since the epoch, by the database's clock


@dataclass(frozen=True, slots=True)
class TranscriptEvent(Event):
    transcript_id: str


@dataclass(frozen=True, slots=True)
class AttemptEvent(Event):
    ordinal: int


@dataclass(frozen=True, slots=True)
class RecordingDone(Event):
    bot_id: str | None = None
    metadata: tuple[tuple[str, str | None], ...] = ()
    lookup_required: bool = False  # old news, or news we fetched ourselves: list before creating
    started_at: float | None = None  # of the recording, seconds since the epoch, where Recall was asked
    duration_s: float | None = None  # likewise


@dataclass(frozen=True, slots=True)
class RecordingFailed(Event):
    sub_code: str | None = None


@dataclass(frozen=True, slots=True)
class RecordingDeleted(Event):
    """Its media is gone from Recall."""


@dataclass(frozen=True, slots=True)
class RecordingAsked(Event):
    """The answer to `AskRecording`. Any condition but "unknown" also says that the key sees the recording."""

    condition: RecordingCondition
    bot_id: str | None = None
    metadata: tuple[tuple[str, str | None], ...] = ()
    duration_s: float | None = None
    at_excluding_pauses: float | None = None  # `at`, less the time in which Recall refused the account
    key: str = ""  # fingerprint of the API key that was asked with
    started_at: float | None = None  # of the recording, seconds since the epoch
    is_silent: bool = False  # its own record of who spoke when says: no speech
    is_answer: bool = True  # False: a day without any; `condition` is what was heard last, and proves nothing


@dataclass(frozen=True, slots=True)
class TranscriptDone(TranscriptEvent):
    ordinal: int | None = None  # from our marker; None: not ours


@dataclass(frozen=True, slots=True)
class TranscriptFailed(TranscriptEvent):
    ordinal: int | None = None
    sub_code: str | None = None  # for people
    failure: FailureCause = FailureCause.OTHER


@dataclass(frozen=True, slots=True)
class TranscriptDeleted(TranscriptEvent):
    """A webhook says so. Recall's API is asked before it is believed."""

    ordinal: int | None = None


@dataclass(frozen=True, slots=True)
class Sending(AttemptEvent):
    """The claim: committed before the POST, together with its stamp and key."""

    provider: str
    key_serial: int
    duration_s: float | None = None  # of the recording, where Recall was asked
    left_out: tuple[str, ...] = ()  # parts of the intent that the provider is not told
    changed: tuple[str, ...] = ()  # what it is told otherwise than it was wanted


@dataclass(frozen=True, slots=True)
class Created(AttemptEvent):
    transcript_id: str
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class CreateRefused(AttemptEvent):
    refusal: Refusal
    detail: str = ""  # status and code only, never Recall's prose
    wait_s: float = 0.0
    at_excluding_pauses: float | None = None  # `at`, less the time in which all creates were refused


@dataclass(frozen=True, slots=True)
class CreateNotSent(AttemptEvent):
    """The request certainly never left: no connection, or its stamp was too old."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class ProviderDown(AttemptEvent):
    """Right before the claim: the provider's breaker is open, and this is not its probe."""

    provider: str


@dataclass(frozen=True, slots=True)
class DailyBudgetReached(AttemptEvent):
    """
    The claim would have gone beyond the budget of the day. `at` is less the time in which all creates were
    refused.
    """

    provider: str
    wait_s: float  # until the next UTC day
    duration_s: float | None = None  # of the recording, where Recall was asked


@dataclass(frozen=True, slots=True)
class ProviderAwaited(Event):
    """The wait for a provider is over; the policy says which are still down."""


@dataclass(frozen=True, slots=True)
class Pruned(AttemptEvent):
    """There is room at Recall's limit now; or not, since the policy gives nothing up."""

    has_room: bool
    transcript_id: str | None = None  # the one that was deleted for it


@dataclass(frozen=True, slots=True)
class BudgetSpent(AttemptEvent):
    """The database refused a claim above the budget: it was lowered meanwhile."""


@dataclass(frozen=True, slots=True)
class LookUpImpossible(AttemptEvent):
    """For a day Recall's list could not be read."""


@dataclass(frozen=True, slots=True)
class CreateUnknown(AttemptEvent):
    """The answer was lost, or is not one: a transcript may or may not exist."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class Listed(AttemptEvent):
    """All pages of Recall's transcripts of the recording, asked for attempt `ordinal` (0: before any)."""

    seen: tuple[Seen, ...] = ()
    since_first_send_s: float = 0.0
    since_last_send_s: float = 0.0
    is_resendable: bool = True  # what was sent first is kept, and the API key is still the one of then
    is_unsent: bool = False  # no request of this key may have left at all
    at_excluding_pauses: float | None = None  # `at`, less the time in which Recall refused the account
    transcript_id: str | None = None  # the one that a retrieve did not find, when it was listed for that
    key: str = ""  # fingerprint of the API key that read the list


@dataclass(frozen=True, slots=True)
class StillProcessing(TranscriptEvent):
    """Not finished yet."""


@dataclass(frozen=True, slots=True)
class NotYet(TranscriptEvent):
    """Recall has no download for a transcript that was announced as done."""


@dataclass(frozen=True, slots=True)
class TranscriptMissing(TranscriptEvent):
    """404: Recall does not have the transcript now, or this key may not see it."""

    at_excluding_pauses: float  # `at`, less the time in which Recall refused the account
    key: str = ""  # fingerprint of the API key that was asked with


@dataclass(frozen=True, slots=True)
class TranscriptGone(TranscriptEvent):
    """Recall's API says so: its status is deleted, or (for one that was done) failed."""

    sub_code: str | None = None  # why it failed; None: it was deleted
    failure: FailureCause = FailureCause.OTHER


@dataclass(frozen=True, slots=True)
class FetchBlocked(TranscriptEvent):
    """Trouble at the download or on our side. The transcript exists and is paid for."""

    cause: str
    is_unexpected: bool = False  # the question before the download had an answer of no known meaning


@dataclass(frozen=True, slots=True)
class Unwanted(TranscriptEvent):
    """A real-time transcript, and the policy does not ask for those."""

    provider: str


@dataclass(frozen=True, slots=True)
class Stored(TranscriptEvent):
    """Files are in place, manifest last; of a candidate all but the manifest."""

    provider: str
    language: str | None
    is_empty: bool  # not one word: a candidate always
    finding: str | None = None  # in what it falls short beside that: one of `quality.RANKED`
    is_adopted: bool = False  # another party had it made
    duration_s: float | None = None  # up to the end of the last word
    is_provisional: bool = False  # has words, and is a candidate for its finding
    words: int = 0

    @property
    def is_candidate(self) -> bool:
        """Its manifest is held back."""
        return self.is_empty or self.is_provisional

    @property
    def verdict(self) -> str:
        """One of `quality.RANKED`."""
        return self.finding or (EMPTY if self.is_empty else SPOKEN)


@dataclass(frozen=True, slots=True)
class Published(TranscriptEvent):
    """The manifest of a candidate is in place."""

    provider: str
    language: str | None


@dataclass(frozen=True, slots=True)
class RenderAsked(TranscriptEvent):
    """A person wants the formats that a stored transcript lacks."""


@dataclass(frozen=True, slots=True)
class Rendered(TranscriptEvent):
    """They are in place, the manifest that names them last."""


@dataclass(frozen=True, slots=True)
class DownloadUnreadable(TranscriptEvent):
    """The downloaded bytes are no transcript."""

    digest: str  # SHA-256, hexadecimal
    is_kept: bool = False  # they are stored as they are, with a manifest that says so


@dataclass(frozen=True, slots=True)
class NoLongerWanted(AttemptEvent):
    """Right before a send under a fresh key: the policy of now does not want it any more."""

    why: WhyUnwanted
    detail: str = ""
    duration_s: float | None = None  # of the recording, where Recall was asked


@dataclass(frozen=True, slots=True)
class CommandMissing(Event):
    """The sweep found the transcription neither at an end nor with a command."""


@dataclass(frozen=True, slots=True)
class WaitEnded(Event):
    """A command was put off for a day, each time for a cause that no other event names."""

    command: str
    cause: str
    ordinal: int | None = None
    transcript_id: str | None = None
    is_unexpected: bool = False  # the cause is an answer of no known meaning


@dataclass(frozen=True, slots=True)
class RetryAsked(Event):
    """A person wants another try; may be paid, within `budget` attempts."""

    budget: int
    over_budget: bool = False  # also beyond the daily budget


@dataclass(frozen=True, slots=True)
class EraseAsked(Event):
    """By a person, or since the time is over for which the policy keeps it."""

    at_recall: AtRecall | None = AtRecall.TRANSCRIPT  # None: nothing is deleted there


@dataclass(frozen=True, slots=True)
class ResultsErased(Event):
    """No file of it is left here."""


@dataclass(frozen=True, slots=True)
class DeletedAtRecall(Event):
    """All that was listed of ours is deleted; with `is_whole` the recording too."""

    transcript_ids: tuple[str, ...] = ()
    ordinals: tuple[int, ...] = ()  # of those with our marker
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class DetailsExpired(Event):
    """The time is over for which the policy keeps what is known of it beside the result."""


@dataclass(frozen=True, slots=True)
class TranscriptionOrdered(Event):
    """A program wants this recording transcribed, whatever the selection says; may be paid."""

    intent: Order = Order()


@dataclass(frozen=True, slots=True)
class ExtraOrdered(Event):
    """A further paid transcript is wanted beside the result. `order` is the order's own id."""

    order: str
    intent: Order = Order()
    is_beside: bool = False  # to compare with: it never becomes the result


@dataclass(frozen=True, slots=True)
class ExtraDue(Event):
    """Nothing is under way: it is the turn of the extra that waits longest."""


@dataclass(frozen=True, slots=True)
class DowntimeDetected(Event):
    """We were away for long, or our database is a backup: Recall may know more about this recording."""


@dataclass(frozen=True, slots=True)
class ClockStepped(Event):
    """The database's clock was set since an absence began: how long it lasted is not known."""


@dataclass(frozen=True, slots=True)
class CommandFailed(Event):
    """Our own code failed eight times at one command."""

    command: str
    ordinal: int | None = None
    transcript_id: str | None = None
