"""
The records about Recall's things: a transcript, a recording, what a create says and what came of it, how a
request ended. Frozen. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.core.events import RecordingCondition
from app.core.seen import FailureCause, TranscriptStatus
from app.recall.limits import CREATE_FAULTS, CreateFault, failure_cause
from app.recall.translation.outcome import Generation


@dataclass(frozen=True, slots=True)
class Answer:
    """How one request to Recall ended, for the counts."""

    endpoint: str
    # "2xx", "4xx", "5xx", "http_401", "http_402", "http_403", "http_429", "unreadable", or "silence" (no
    # complete answer).
    outcome: str


# Outcomes by which Recall counts as well: an answer to what was asked, be it "there is none".
GOOD_OUTCOMES = frozenset({"2xx", "4xx"})


@dataclass(frozen=True, slots=True)
class CreateOrder:
    """Everything a create POST says."""

    recording_id: str
    provider: str
    options: Mapping[str, Any]
    separate_streams: bool
    marker: str
    idempotency_key: str
    form: Generation = "vendor"
    model: str | None = None  # that the options name, where the table pinned it


# "refused" is a definite 4xx; "not_sent" certainly never left this machine.
CreateKind = Literal["created", "refused", "not_sent", "unknown"]


@dataclass(frozen=True, slots=True)
class CreateAnswer:
    """What came of a POST."""

    kind: CreateKind
    transcript_id: str | None = None
    provider: str | None = None
    status: int | None = None
    code: str = ""  # Recall's machine-readable code or the field names of a 400; never prose
    names_provider: bool = False  # a 400 that is about the provider or its options
    names_model: bool = False  # a 400 that names the model
    retry_after_s: float | None = None
    detail: str = ""

    @property
    def fault(self) -> CreateFault:
        """Of a refused one."""
        fault = CREATE_FAULTS.get(self.status, CreateFault.ON_THE_WAY)
        is_of_provider = fault is CreateFault.REQUEST and self.names_provider
        return CreateFault.PROVIDER if is_of_provider else fault


@dataclass(frozen=True, slots=True)
class Artifact:
    """Recall's transcript as retrieved."""

    transcript_id: str
    status: TranscriptStatus
    sub_code: str | None  # for people: `failure` is what it means
    provider: str | None  # the first of `providers`
    ordinal: int | None
    is_realtime: bool
    download_url: str | None = field(default=None, repr=False)  # a secret: never logged, never stored
    provider_data_url: str | None = field(default=None, repr=False)
    recording_id: str | None = None  # that was asked about; the answer has been held against it
    providers: tuple[str, ...] = ()  # the keys that Recall's answer has filled: one as a rule

    @property
    def failure(self) -> FailureCause:
        """Of a failed one: what made it fail."""
        return failure_cause(self.sub_code)

    def provider_for(self, ordered: str | None) -> str | None:
        """`ordered` where the answer has it filled, else the first provider."""
        return ordered if ordered in self.providers else self.provider


@dataclass(frozen=True, slots=True)
class RecordingFacts:
    """Recall's recording as retrieved. Its URLs are secrets, as `Artifact.download_url` is."""

    condition: RecordingCondition
    bot_id: str | None = None
    metadata: tuple[tuple[str, str | None], ...] = ()  # https://docs.recall.ai/docs/custom-metadata
    duration_s: float | None = None  # None: Recall does not say
    has_media: bool = True
    started_at: float | None = None  # seconds since the epoch
    participants_url: str | None = field(default=None, repr=False)
    timeline_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RecordingSeen:
    """A recording in Recall's list, in any state. Times are seconds since the epoch, None when not said."""

    recording_id: str
    facts: RecordingFacts
    created_at: float | None = None
    finished_at: float | None = None
