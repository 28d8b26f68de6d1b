"""What a translation comes to: the options of one provider, or why it has none for this recording. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# Recall's own older option objects, or the vendor's own, passed through by Recall:
# https://docs.recall.ai/reference/recording_create_transcript_create
Generation = Literal["recall", "vendor"]


@dataclass(frozen=True, slots=True)
class Translated:
    """An intent in one provider's words."""

    options: Mapping[str, Any]  # what stands below the provider's key in the request
    use_separate_streams: bool  # `diarization.use_separate_streams_when_available`
    left_out: tuple[str, ...] = ()  # intents not expressed; of one in parts, which: `redact: phi`
    changed: tuple[str, ...] = ()  # sentences: what is expressed otherwise than it was said
    model: str | None = None  # None: the provider is told none
    models: int = field(default=0)  # how many can make this recording; `model=` counts through them


@dataclass(frozen=True, slots=True)
class Ineligible:
    """Why a provider cannot make this recording's transcript."""

    intent: str  # what excludes it: "language", "length", "model", or another key of `[intent]`
    reason: str  # one sentence
