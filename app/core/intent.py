"""
How a recording shall be transcribed, said once in the field's terms; `app.recall.translation` says it to each
provider in that provider's own options.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# How speakers are told apart.
Diarization = Literal["separate-streams", "speaker-timeline", "machine", "hybrid"]


@dataclass(frozen=True, slots=True)
class Intent:
    """What is wanted of a transcript, whichever provider makes it."""

    languages: tuple[str, ...] = ("auto",)  # BCP 47: one tag; several: one of these; "auto"
    code_switching: bool = False  # several languages within one recording
    diarization: Diarization = "separate-streams"
    speakers: int = 0  # 0: not known
    key_terms: tuple[str, ...] = ()
    spelling: tuple[tuple[str, str], ...] = ()  # as heard -> as to be written
    profanity_filter: bool = False
    redact: tuple[str, ...] = ()  # "pii", "pci", "phi", "numbers"
    punctuation: bool = True
    fillers: bool = False
    unsupported: Literal["strict", "best-effort"] = "best-effort"
