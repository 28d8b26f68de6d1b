"""
What the operator wants, as data: which recordings, which providers in which order, how patient,
how much may be spent. No code, no secrets; built from `policy.toml` by `app.settings.policy_file`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from app.core.durations import Durations
from app.core.quality import Quality

# Paid attempts that a recording may have at most, whatever the policy: one below the platform's own number of
# transcripts per recording, which is left for a person's own use.
CEILING = 9

# Files that can be made of a transcript; `app.transcripts.formats` has how.
FORMATS = (
    *("sentences.json", "transcript.txt", "transcript.md", "transcript.srt", "transcript.vtt"),
    "segments.json",
)


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """A provider by the platform's key for it, and its options exactly as sent."""

    key: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which recordings are transcribed. `exclude` wins over `include`, both over `default`."""

    default: Literal["all", "none"] = "all"
    include: tuple[tuple[str, str], ...] = ()
    exclude: tuple[tuple[str, str], ...] = (("afterword", "skip"),)
    minimum_duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Processing:
    """What was said of a workspace while the service runs, above its policy."""

    is_enabled: bool  # whether what the selection does not name is transcribed
    provider: str | None = None  # the first one; None: the policy's
    by: str = ""  # the name of the key that said so
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Order:
    """What one recording's transcription was ordered with; it holds for its fallbacks, too."""

    language: str | None = None  # a BCP 47 tag, or "auto"; None: as the policy's options say
    separate_streams: bool | None = None  # None: as the policy says
    provider: str | None = None  # the first one, which the policy need not name
    able: tuple[str, ...] | None = None  # those of the policy that have the language; None: no matter


_NO_ORDER = Order()


@dataclass(frozen=True, slots=True)
class Policy:
    providers: tuple[ProviderChoice, ...]
    attempts: int  # the budget per recording, 1..CEILING
    on_silence: Literal["fail", "next"] = "fail"
    quality: Quality = Quality()
    separate_streams: bool = True
    want_realtime: bool = False
    poll_only: bool = False
    reconcile: bool = True  # now and then take up what Recall lists as done and nothing told us of
    at_limit: Literal["stop", "prune"] = "stop"
    formats: tuple[str, ...] = FORMATS
    participants: bool = False  # their list beside the transcript: one read and one download more
    prune_stored: bool = False  # pruning may also delete finished transcripts that are stored here
    search: bool = True  # keep an index of what was said
    results_kept_s: float = 0.0  # after the end; then it is erased. 0: for ever
    rows_kept_s: float = 0.0  # history, bodies, metadata; of what has no result: then it is erased
    delete_at_recall: Literal["never", "transcript", "recording"] = "never"  # once it is stored, whole
    tripped_providers: frozenset[str] = frozenset()  # providers that are down just now; put in by the service
    select: Selection = Selection()
    durations: Durations = Durations()

    def options_of(self, provider: str) -> Mapping[str, Any]:
        """Options for a provider key; empty when the policy no longer names it."""
        return next((choice.options for choice in self.providers if choice.key == provider), {})

    def processed(self, said: Processing | None) -> Policy:
        """With what was said of the workspace while the service runs."""
        if said is None:
            return self
        select = replace(self.select, default="all" if said.is_enabled else "none")
        return replace(self, select=select, providers=self._led_by(said.provider))

    def intended(self, intent: Order) -> Policy:
        """For a recording that was ordered with this intent."""
        if intent == _NO_ORDER:
            return self
        choices = self._led_by(intent.provider)
        if intent.able is not None:
            choices = tuple(c for c in choices if c.key == intent.provider or c.key in intent.able)
        is_separate = intent.separate_streams
        separate = self.separate_streams if is_separate is None else is_separate
        return replace(self, providers=choices, separate_streams=separate)

    def _led_by(self, provider: str | None) -> tuple[ProviderChoice, ...]:
        if provider is None:
            return self.providers
        first = next((c for c in self.providers if c.key == provider), ProviderChoice(provider))
        return (first, *(c for c in self.providers if c.key != provider))


def why_not_selected(selection: Selection, metadata: Mapping[str, str | None]) -> str | None:
    """The reason a recording with this metadata is passed by, or None when it is selected."""
    for key, value in selection.exclude:
        if metadata.get(key) == value:
            return f"excluded by metadata {key}"
    if selection.default == "all" or any(metadata.get(k) == v for k, v in selection.include):
        return None
    return "not selected by the policy"
