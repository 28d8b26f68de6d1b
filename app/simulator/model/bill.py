"""
What the simulated Recall was asked, and what it would charge for.

Counts only, under the world's lock (see state). Tests and the demo judge the product by this,
never by the product's own records.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

# The product marks its transcripts in their metadata under this key; the simulator only reports it.
MARKER = "afterword"


@dataclass(slots=True)
class RecordingBill:
    """The counts of one recording, or of one id that no recording has."""

    create_posts: int = (
        0  # every POST of create_transcript that carried a valid key, replays and refusals too
    )
    billed: int = 0
    retrieves: int = 0
    lists: int = 0
    downloads: int = 0
    max_open: int = 0


@dataclass(slots=True)
class Bill:
    """Everything since the start or the last reset."""

    calls: Counter[str] = field(default_factory=Counter)
    responses: Counter[str] = field(default_factory=Counter)
    creates_accepted: int = 0
    creates_replayed: int = 0
    creates_refused: int = 0  # for their body
    seconds_billed: float = 0.0
    downloads: int = 0
    downloads_with_authorization: int = 0
    provider_data_downloads: int = 0
    # By what was downloaded: participants, speaker_timeline, participant_events, audio_mixed, video_mixed.
    media_downloads: Counter[str] = field(default_factory=Counter)
    # By class of rate: the most requests that any sliding minute of one bot or workspace let pass.
    busiest_minute: dict[str, int] = field(default_factory=dict)
    recordings: dict[str, RecordingBill] = field(default_factory=dict)

    def of(self, recording_id: str) -> RecordingBill:
        """The counts of one recording, begun on first use."""
        return self.recordings.setdefault(recording_id, RecordingBill())

    def accept(self, recording_id: str, duration_s: float) -> None:
        """A create was accepted: this is the moment that costs money."""
        self.creates_accepted += 1
        self.seconds_billed += duration_s
        self.of(recording_id).billed += 1

    def note_minute(self, kind: str, passed: int) -> None:
        """So many requests of a class passed in the minute that ends now."""
        self.busiest_minute[kind] = max(passed, self.busiest_minute.get(kind, 0))

    def to_json(self) -> dict[str, Any]:
        """The totals; state adds `per_recording`."""
        return {
            "calls": dict(self.calls),
            "responses": dict(self.responses),
            "creates_accepted": self.creates_accepted,
            "creates_replayed": self.creates_replayed,
            "creates_refused": self.creates_refused,
            "seconds_billed": round(self.seconds_billed, 3),
            "downloads": self.downloads,
            "downloads_with_authorization": self.downloads_with_authorization,
            "provider_data_downloads": self.provider_data_downloads,
            "media_downloads": dict(self.media_downloads),
            "busiest_minute": dict(self.busiest_minute),
        }
