"""
What a transcript is at the platform, in closed sets: the translation of its codes is `recall`'s. PURE.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TranscriptStatus(StrEnum):
    PROCESSING = "processing"
    DONE = "done"
    FAILED = "failed"
    DELETED = "deleted"
    OTHER = "other"  # asked about again


class FailureCause(StrEnum):
    """What made a transcript fail, as far as it decides what follows."""

    PROVIDER = "provider"  # counted against it
    PLATFORM = "platform"  # the meeting's platform: no other provider would do better
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Seen:
    """A transcript in the platform's list."""

    transcript_id: str
    status: TranscriptStatus
    ordinal: int | None  # from our marker
    provider: str | None
    sub_code: str | None = None  # why it failed, for people
    is_realtime: bool = False
    failure: FailureCause = FailureCause.OTHER
