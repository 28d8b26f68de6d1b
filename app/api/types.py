"""
What `/v1` takes and gives, as types: they validate, and the OpenAPI document is made of them.

Shape: https://docs.bota.dev/api-reference/transcriptions/get-transcription
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from app.core.state import Phase

PHASES: dict[str, tuple[Phase, ...]] = {
    "pending": (Phase.NEW,),
    "processing": (Phase.CREATING, Phase.TRANSCRIBING, Phase.FETCHING),
    "completed": (Phase.STORED,),
    "failed": (Phase.FAILED, Phase.SKIPPED, Phase.ERASED),
}
Status = Literal["pending", "processing", "completed", "failed"]

UUID_PATTERN = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
# In lower case, as Recall writes them.
Uuid = Annotated[str, StringConstraints(pattern=UUID_PATTERN, to_lower=True)]
# No control characters: a database may refuse them.
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=500)]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+$", min_length=1, max_length=100)]


def _written_out(value: object) -> object:
    """Not the number of seconds, which pydantic would take for one."""
    if not isinstance(value, str) or "T" not in value.upper():
        raise ValueError("a date and a time with its zone, such as 2026-11-28T12:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]


class Given(BaseModel):
    """What is sent: an unknown name is refused, since a misspelt one would order or find something else."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Told(BaseModel):
    """What is answered. Names may be added."""


class TranscribeOrder(Given):
    model_config = ConfigDict(strict=True)

    language: Annotated[str, StringConstraints(max_length=35, min_length=1)] | None = Field(
        None, description="BCP 47 tag, `en_us` or `jpn` too; without it as the policy says", examples=["en"]
    )
    diarization: bool | None = Field(
        None, description="true: as the policy says; false: by the speaker timeline"
    )
    provider: Word | None = Field(
        None, description="the first provider; `whisper` means the policy's first", examples=["deepgram"]
    )
    force: bool = Field(False, description="a further paid transcript beside a completed one")


class ListQuery(Given):
    recording_id: Uuid | None = None
    bot_id: Uuid | None = None
    status: Status | None = None
    verdict: Word | None = None
    provider: Word | None = Field(None, description="Recall's key; of the result or of any attempt")
    created_after: Moment | None = None
    created_before: Moment | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Word | None = Field(None, description="`next_cursor` of the page before")


class SearchQuery(Given):
    q: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", min_length=1, max_length=500)] = (
        Field(description='words, "phrases"', examples=["budget"])
    )
    speaker: Text | None = None
    recording_id: Uuid | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Word | None = None


class NoQuery(Given):
    """No parameters."""


class AutoTranscription(Given):
    model_config = ConfigDict(strict=True)

    enabled: bool = Field(description="whether recordings that the selection does not name are transcribed")
    provider: Word | None = Field(None, description="the first provider; without it the policy's")


class ProcessingConfig(Given):
    model_config = ConfigDict(strict=True)

    auto_transcription: AutoTranscription


class Segment(Told):
    text: str
    speaker: str
    start: float | None = Field(description="seconds")
    end: float | None
    confidence: float | None


class TranscriptionError(Told):
    code: str
    message: str


class AttemptLine(Told):
    ordinal: int
    provider: str
    state: str
    transcript_id: str | None
    error: str | None
    is_paid: bool | None
    is_beside: bool = Field(description="made to compare with, and never the result")
    cost: float | None = Field(description="an estimate, in the currency of the whole")


class EstimatedCost(Told):
    """What the attempts are estimated at, by the policy's prices and the recording's length."""

    amount: float
    currency: str = Field(examples=["USD"])
    is_complete: bool = Field(description="false: an attempt that may be charged for is not in it")


class FileEntry(Told):
    name: str
    size_bytes: int
    media_type: str
    sha256: str
    url: str


class TranscriptionSummary(Told):
    """A transcription without its words."""

    id: str = Field(examples=["txn_0123456789abcdef0123456789abcdef"])
    recording_id: str
    status: Status
    language: str | None
    provider: str | None
    duration_ms: int | None
    error: TranscriptionError | None
    created_at: datetime | None
    completed_at: datetime | None
    workspace: str
    bot_id: str | None
    metadata: dict[str, str | None]
    verdict: str | None
    is_adopted: bool = Field(description="another system had the transcript made; nothing was paid for here")
    reason: str | None
    next_step: str | None
    cost: EstimatedCost | None
    attempts: list[AttemptLine]
    files: list[FileEntry]


class TranscriptionObject(TranscriptionSummary):
    segments: list[Segment] | None
    text: str | None


class TranscriptionPage(Told):
    data: list[TranscriptionSummary]
    next_cursor: str | None


class SearchHit(Told):
    recording_id: str
    transcription_id: str
    speaker: str
    start: float | None
    end: float | None
    text: str
    url: str | None


class SearchPage(Told):
    data: list[SearchHit]
    next_cursor: str | None


class ErrorDetail(Told):
    code: str
    message: str


class ErrorAnswer(Told):
    error: ErrorDetail
