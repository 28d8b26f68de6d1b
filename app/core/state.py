"""
The state of one transcription: three facts. The phase; one line per paid attempt; and
the finished transcripts that are known and not yet processed.

Everything is frozen. The questions asked here (`open_attempt`, `attempt_of`) decide
nothing; decisions are in the rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any

from app.core.absence import Absence
from app.core.cost import Cost
from app.core.policy import Order
from app.core.quality import EMPTY


class Phase(StrEnum):
    NEW = "new"
    CREATING = "creating"
    TRANSCRIBING = "transcribing"
    FETCHING = "fetching"
    STORED = "stored"
    FAILED = "failed"
    SKIPPED = "skipped"
    ERASED = "erased"


ENDS = frozenset({Phase.STORED, Phase.FAILED, Phase.SKIPPED, Phase.ERASED})


class AtRecall(StrEnum):
    """What is deleted there: our transcripts, or the whole recording with its media."""

    TRANSCRIPT = "transcript"
    RECORDING = "recording"


class AttemptStatus(StrEnum):
    """What became of an attempt."""

    CLAIMED = "claimed"  # its ordinal is taken; no request is under way
    SENDING = "sending"  # stamped: a request may be on the wire
    UNKNOWN = "unknown"  # an answer was lost: look it up
    RUNNING = "running"
    DONE = "done"
    EMPTY = "empty"
    FAILED = "failed"
    REFUSED = "refused"
    SILENT = "silent"


OPEN = frozenset({AttemptStatus.CLAIMED, AttemptStatus.SENDING, AttemptStatus.UNKNOWN, AttemptStatus.RUNNING})


@dataclass(frozen=True, slots=True)
class Attempt:
    ordinal: int
    provider: str
    status: AttemptStatus
    key_serial: int = 0
    transcript_id: str | None = None
    error: str | None = None
    since: float = 0.0  # when it was claimed; once running, when that began
    blocked: int = 0  # refusals by Recall's firewall
    tries: int = 0  # asks, look-ups or waits in its present fate
    is_doubtful: bool = False  # an earlier request with this generation's key has no known end
    absence: Absence | None = None  # running: of its transcript; unknown: of one, after the last send's hour
    is_recording_unknown: bool = False  # why its latest request was refused
    is_beside: bool = False  # of an extra that ended: its transcript never becomes the result
    cost: Cost | None = None  # an estimate; None: nothing was made, or its price or the length is not known
    left_out: tuple[str, ...] = ()  # parts of the intent that its provider was not told
    changed: tuple[str, ...] = ()  # what it was told otherwise than it was wanted

    @property
    def is_unsent(self) -> bool:
        """Waits to be sent, and nothing was made under it: what was sent has had its definite answer."""
        return self.status is AttemptStatus.CLAIMED and not self.is_doubtful

    @property
    def is_unpaid(self) -> bool:
        """Nothing was made under it, for sure."""
        return self.is_unsent or (self.status is AttemptStatus.REFUSED and not self.is_doubtful)

    @property
    def may_be_repeated(self) -> bool:
        """Whether the request that was sent may have to be sent once more, with the same bytes."""
        return (
            self.status in (AttemptStatus.SENDING, AttemptStatus.UNKNOWN, AttemptStatus.CLAIMED)
            and not self.is_unsent
        )


@dataclass(frozen=True, slots=True)
class PendingTranscript:
    """A finished transcript that is not processed yet."""

    transcript_id: str
    since: float
    tries: int = 0
    absence: Absence | None = None
    digest: str | None = None  # SHA-256 of the last download that is no transcript
    digests: int = 0  # downloads in a row with this digest, a minute apart
    digest_at: float = 0.0

    def unreadable(self, digest: str, at: float, *, apart_s: float) -> PendingTranscript:
        """After one more download whose bytes are no transcript."""
        if digest != self.digest:
            return replace(self, digest=digest, digests=1, digest_at=at)
        if at - self.digest_at < apart_s:
            return self
        return replace(self, digests=self.digests + 1, digest_at=at)

    @property
    def is_unreadable(self) -> bool:
        """Three equal downloads: there is nothing else to be had."""
        return self.digests >= UNREADABLE_AFTER


UNREADABLE_AFTER = 3


@dataclass(frozen=True, slots=True)
class Extra:
    """
    A further attempt that was ordered beside a result, while it is under way; and what of the result is put
    back when it brings no words.
    """

    ordinal: int
    completed_at: float | None
    candidate: str | None = None
    intent: Order = Order()
    is_beside: bool = False  # to compare with: its transcript is stored, and never becomes the result


@dataclass(frozen=True, slots=True)
class WaitingExtra:
    """One that was ordered while another was under way, or by policy: it is begun when nothing is."""

    order: str
    intent: Order = Order()
    is_beside: bool = False


@dataclass(frozen=True, slots=True)
class Transcription:
    workspace: str
    recording_id: str
    phase: Phase = Phase.NEW
    is_recording_done: bool = False  # recording.done, in whatever way we learned it
    lookup_required: bool = False
    listed_empty_at: float = 0.0  # the look found nothing then; the recording itself is still to be seen
    listed_empty_by: str = ""  # fingerprint of the API key that read the list
    planned: int | None = None  # the ordinal whose create is waiting to be claimed
    bot_id: str | None = None
    metadata: tuple[tuple[str, str | None], ...] = ()
    attempts: tuple[Attempt, ...] = ()
    pending_transcripts: tuple[PendingTranscript, ...] = ()
    processed_transcripts: tuple[str, ...] = ()  # transcripts that need no second look
    current: str | None = None  # the stored transcript readers should take
    candidate: str | None = None  # one that falls short, kept while another provider is tried
    candidate_verdict: str = EMPTY
    candidate_words: int = 0
    attempts_at_candidate: int = 0
    publishing: str | None = None  # the candidate that becomes the result once its manifest is written
    superseded: tuple[str, ...] = ()  # candidates that did not; their manifests follow the result's
    started_at: float | None = None  # of the recording, where Recall was asked about it
    is_short: bool | None = None  # shorter than a minute; None: Recall has not been asked
    duration_s: float | None = None  # of the recording, or of its words while Recall was not asked
    is_recording_gone: bool = False
    verdict: str | None = None  # on the current transcript: one of `quality.RANKED`
    is_flagged: bool = False  # the policy wants a person to look at it
    language: str | None = None
    provider: str | None = None  # of the current transcript
    reason: str | None = None  # why failed or skipped: one of `reasons`
    detail: str | None = None
    budget: int = 0  # raised by hand; the policy's own budget counts as well
    retry_requested: bool = False  # a person wants another attempt; until one is claimed
    is_by_hand: bool = False  # a person asked for this recording: the selection is not asked again
    intent: Order = Order()  # what it was ordered with, where a program ordered it
    extra: Extra | None = None  # while one is under way; `current` and `verdict` are the result's before
    orders: tuple[str, ...] = ()  # of extras, by their ids: the same one given twice is one
    waiting_extras: tuple[WaitingExtra, ...] = ()  # one after the other
    recording_wait_since: float = 0.0  # the recording is not done, or the news of it was lost
    recording_asks: int = 0
    provider_wait_since: float = 0.0  # every provider that is left is passed over
    daily_budget_wait_since: float = 0.0  # the next attempt goes beyond what is left of the day
    exceeds_daily_budget: bool = False  # a person pays for this one all the same
    looks_for_others: int = 0  # at a list in which another party's transcript is being made
    first_heard_at: float = 0.0
    completed_at: float | None = None
    erased_at: float | None = None
    is_kept_here: bool = False  # erased, and its files may still be here
    to_delete: AtRecall | None = None  # at Recall, and not known to be gone

    @property
    def open_attempt(self) -> Attempt | None:
        """The one to wait for: a running one before one that is not sent yet."""
        is_open = [a for a in self.attempts if a.status in OPEN]
        return next(
            (a for a in is_open if a.status is not AttemptStatus.CLAIMED), is_open[0] if is_open else None
        )

    @property
    def outward(self) -> Transcription:
        """As others see it: while an extra is under way that never becomes the result, the result stands."""
        if self.extra is None or not self.extra.is_beside:
            return self
        return replace(self, phase=Phase.STORED, completed_at=self.extra.completed_at)

    @property
    def is_idle(self) -> bool:
        """It is stored, and nothing of it is under way or waits for its manifest."""
        is_open = self.open_attempt is not None or bool(self.pending_transcripts) or bool(self.superseded)
        return self.phase is Phase.STORED and not is_open

    def is_beside(self, line: Attempt) -> bool:
        """Whether the attempt's transcript is only to compare with."""
        is_extras = self.extra is not None and self.extra.ordinal == line.ordinal
        return line.is_beside or (is_extras and self.extra is not None and self.extra.is_beside)

    def is_adopted(self, transcript_id: str | None) -> bool:
        """Whether another party had it made: no attempt of ours did."""
        return transcript_id is not None and all(a.transcript_id != transcript_id for a in self.attempts)

    def has_other_open(self, ordinal: int) -> bool:
        """Whether an attempt other than this one may still bring a transcript."""
        return any(a.status in OPEN and a.ordinal != ordinal for a in self.attempts)

    @property
    def next_ordinal(self) -> int:
        return 1 + max((a.ordinal for a in self.attempts), default=0)

    def attempt_of(self, *, ordinal: int | None = None, transcript_id: str | None = None) -> Attempt | None:
        """The line an event is about: by transcript first, then by the marker's ordinal."""
        if transcript_id is not None:
            for attempt in self.attempts:
                if attempt.transcript_id == transcript_id:
                    return attempt
        return next((a for a in self.attempts if a.ordinal == ordinal), None)

    def without_waits(self) -> Transcription:
        """The same with each wait to begin anew: the recording is ready, or a create was sent or ordered."""
        return replace(
            self,
            recording_wait_since=0.0,
            recording_asks=0,
            provider_wait_since=0.0,
            daily_budget_wait_since=0.0,
            looks_for_others=0,
        )

    def with_attempt(self, attempt: Attempt) -> Transcription:
        """The same with this line put in, or put in place of the one with its ordinal."""
        others = [a for a in self.attempts if a.ordinal != attempt.ordinal]
        lines = sorted([*others, attempt], key=lambda a: a.ordinal)
        return replace(self, attempts=tuple(lines))

    def pending_transcript(self, transcript_id: str) -> PendingTranscript | None:
        return next((u for u in self.pending_transcripts if u.transcript_id == transcript_id), None)

    def with_pending(self, pending: PendingTranscript) -> Transcription:
        """The same with this line put in place of the one with its id."""
        return replace(
            self,
            pending_transcripts=tuple(
                pending if u.transcript_id == pending.transcript_id else u for u in self.pending_transcripts
            ),
        )

    @property
    def lacks_evidence(self) -> bool:
        """
        Nothing was said, and whether another provider is asked depends on the recording: on its length, and
        on whether there was speech.
        """
        is_undecided = self.phase not in ENDS and self.publishing is None and self.open_attempt is None
        is_empty = self.is_only_candidate and self.candidate_verdict == EMPTY
        return is_empty and is_undecided and self.is_short is None

    @property
    def is_only_candidate(self) -> bool:
        """A candidate is kept, and nothing that was sent or is unread may still bring a better one."""
        was_sent = any(a.status in OPEN and not a.is_unsent for a in self.attempts)
        return self.candidate is not None and not was_sent and not self.pending_transcripts

    @property
    def absences(self) -> tuple[Absence, ...]:
        """Of open attempts and finished transcripts."""
        lines = (a.absence for a in self.attempts if a.status in OPEN)
        return tuple(filter(None, (*lines, *(u.absence for u in self.pending_transcripts))))

    def has_absence_before(self, since: float, *, now: float) -> bool:
        """Whether an absence began before the clock stepped at `since` (0.0: never): its age is not known."""
        return since > 0 and any(not since <= absence.since <= now for absence in self.absences)

    def as_processed(self, transcript_id: str) -> Transcription:
        """The transcript has been looked at, whatever came of it."""
        rest = tuple(u for u in self.pending_transcripts if u.transcript_id != transcript_id)
        return replace(
            self, pending_transcripts=rest, processed_transcripts=(*self.processed_transcripts, transcript_id)
        )


RECORD_VERSION = 3
# Names of fields in records of version 1, which have no version, and of version 2.
_RENAMED = {
    "goal": "phase",
    "is_heard": "is_recording_done",
    "look_first": "lookup_required",
    "unread": "pending_transcripts",
    "looked_at": "processed_transcripts",
    "empty_candidate": "candidate",
    "attempts_at_empty_candidate": "attempts_at_candidate",
    "is_insisted": "retry_requested",
    "fate": "status",
    "generation": "key_serial",
}


def to_record(transcription: Transcription) -> dict[str, Any]:
    """A JSON-ready record, always of `RECORD_VERSION`."""
    return {"version": RECORD_VERSION, **asdict(transcription)}


def from_record(record: Mapping[str, Any]) -> Transcription:
    """The reverse of `to_record`; reads earlier versions; tolerates fields that others have or lack."""
    known = _known(Transcription, record)
    if "version" not in record:
        known |= _waits_of_version_1(record)
    known["phase"] = Phase(known["phase"])
    if known.get("to_delete") is not None:
        known["to_delete"] = AtRecall(known["to_delete"])
    known["attempts"] = tuple(_attempt(line) for line in known.get("attempts", ()))
    pending = known.get("pending_transcripts", ())
    known["pending_transcripts"] = tuple(
        PendingTranscript(**_line(PendingTranscript, line)) for line in pending
    )
    known["metadata"] = tuple((k, v) for k, v in known.get("metadata", ()))
    for name in ("processed_transcripts", "superseded", "orders"):
        known[name] = tuple(known.get(name, ()))
    known["intent"] = _intent(record.get("intent", {}))
    if (extra := record.get("extra")) is not None:
        known["extra"] = _with_intent(Extra, extra)
    waiting = known.get("waiting_extras", ())
    known["waiting_extras"] = tuple(_with_intent(WaitingExtra, each) for each in waiting)
    return Transcription(**known)


def _waits_of_version_1(record: Mapping[str, Any]) -> dict[str, Any]:
    """Its one pair of fields stood for each of the waits."""
    since, times = record.get("waiting_since", 0.0), record.get("waits", 0)
    return {
        "recording_wait_since": since,
        "recording_asks": times,
        "provider_wait_since": since,
        "looks_for_others": times,
    }


def _with_intent(of: type[Any], record: Mapping[str, Any]) -> Any:
    return of(**{**_known(of, record), "intent": _intent(record.get("intent", {}))})


def _intent(record: Mapping[str, Any]) -> Order:
    return Order(**_known(Order, record))  # once with `able`, which is worked out anew


def _attempt(record: Mapping[str, Any]) -> Attempt:
    known = _line(Attempt, record)
    for name in ("left_out", "changed"):
        known[name] = tuple(known.get(name, ()))
    return Attempt(**{**known, "status": AttemptStatus(known["status"])})


def _line(of: type[Any], record: Mapping[str, Any]) -> dict[str, Any]:
    known = _known(of, record)
    if known.get("absence") is not None:
        known["absence"] = Absence(**_known(Absence, known["absence"]))
    if known.get("cost") is not None:
        known["cost"] = Cost(**_known(Cost, known["cost"]))
    return known


def _known(of: type[Any], record: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(of)}
    renamed = ((name if name in names else _RENAMED.get(name), value) for name, value in record.items())
    return {name: value for name, value in renamed if name in names}
