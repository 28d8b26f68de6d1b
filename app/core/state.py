"""
The state of one transcription: three facts, not one phase. The goal; one line per paid attempt; and
the finished transcripts that are known but not yet looked at.

Everything is frozen. The questions asked here (`open_attempt`, `attempt_of`) have no opinion about
what should happen; opinions live in the rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any


class Goal(StrEnum):
    NEW = "new"
    CREATING = "creating"
    TRANSCRIBING = "transcribing"
    FETCHING = "fetching"
    STORED = "stored"
    FAILED = "failed"
    SKIPPED = "skipped"
    ERASED = "erased"


ENDS = frozenset({Goal.STORED, Goal.FAILED, Goal.SKIPPED, Goal.ERASED})


class Fate(StrEnum):
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


OPEN = frozenset({Fate.CLAIMED, Fate.SENDING, Fate.UNKNOWN, Fate.RUNNING})


@dataclass(frozen=True, slots=True)
class Attempt:
    ordinal: int
    provider: str
    fate: Fate
    generation: int = 0
    transcript_id: str | None = None
    error: str | None = None
    since: float = 0.0  # when it was claimed; once running, when that began
    blocked: int = 0  # refusals by Recall's firewall
    tries: int = 0  # asks, look-ups or waits in its present fate
    is_doubtful: bool = False  # an earlier request with this generation's key has no known end
    empty_lists: int = 0  # full lists without it, taken after the last send's hour


@dataclass(frozen=True, slots=True)
class Unread:
    """A finished transcript nobody has looked at yet."""

    transcript_id: str
    since: float
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Transcription:
    workspace: str
    recording_id: str
    goal: Goal = Goal.NEW
    is_heard: bool = False  # recording.done, in whatever way we learned it
    look_first: bool = False
    planned: int | None = None  # the ordinal whose create is waiting to be claimed
    bot_id: str | None = None
    metadata: tuple[tuple[str, str | None], ...] = ()
    attempts: tuple[Attempt, ...] = ()
    unread: tuple[Unread, ...] = ()
    looked_at: tuple[str, ...] = ()  # transcripts that need no second look
    current: str | None = None  # the stored transcript readers should take
    candidate: str | None = None  # an empty one, kept while another provider is tried
    attempts_at_candidate: int = 0
    is_short: bool = False
    is_recording_gone: bool = False
    verdict: str | None = None  # spoken, empty
    language: str | None = None
    provider: str | None = None  # of the current transcript
    reason: str | None = None  # why failed or skipped: a key of `reasons.NEXT_STEPS`
    detail: str | None = None
    budget: int = 0  # raised by hand; the policy's own budget counts as well
    is_insisted: bool = False  # a person wants another attempt; until one is claimed
    waiting_since: float = 0.0
    waits: int = 0
    first_heard_at: float = 0.0
    completed_at: float | None = None

    @property
    def open_attempt(self) -> Attempt | None:
        """The one to wait for: a running one before one that is not sent yet."""
        is_open = [a for a in self.attempts if a.fate in OPEN]
        return next((a for a in is_open if a.fate is not Fate.CLAIMED), is_open[0] if is_open else None)

    def has_other_open(self, ordinal: int) -> bool:
        """Whether an attempt other than this one may still bring a transcript."""
        return any(a.fate in OPEN and a.ordinal != ordinal for a in self.attempts)

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

    def with_attempt(self, attempt: Attempt) -> Transcription:
        """The same with this line put in, or put in place of the one with its ordinal."""
        others = [a for a in self.attempts if a.ordinal != attempt.ordinal]
        lines = sorted([*others, attempt], key=lambda a: a.ordinal)
        return replace(self, attempts=tuple(lines))

    def unread_of(self, transcript_id: str) -> Unread | None:
        return next((u for u in self.unread if u.transcript_id == transcript_id), None)

    def without_unread(self, transcript_id: str) -> Transcription:
        """The transcript has been looked at, whatever came of it."""
        rest = tuple(u for u in self.unread if u.transcript_id != transcript_id)
        return replace(self, unread=rest, looked_at=(*self.looked_at, transcript_id))


def to_record(transcription: Transcription) -> dict[str, Any]:
    """A JSON-ready record."""
    return asdict(transcription)


def from_record(record: Mapping[str, Any]) -> Transcription:
    """The reverse of `to_record`; tolerates fields a later version left out."""
    known = dict(record)
    known["goal"] = Goal(known["goal"])
    known["attempts"] = tuple(
        Attempt(**{**line, "fate": Fate(line["fate"])}) for line in known.get("attempts", ())
    )
    known["unread"] = tuple(Unread(**line) for line in known.get("unread", ()))
    known["metadata"] = tuple((k, v) for k, v in known.get("metadata", ()))
    known["looked_at"] = tuple(known.get("looked_at", ()))
    return Transcription(**known)
