"""
Recordings and transcripts as the simulated Recall holds them, under one lock.

Holds and looks up; how things change is in lifecycle, how they look in shapes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from app.simulator.model.bill import MARKER, Bill
from app.simulator.model.clock import SimClock, Timers, wall
from app.simulator.model.faults import Script, Word
from app.simulator.model.ids import Ids
from app.simulator.model.lies import LieBook
from app.simulator.model.settings import Settings


class MeetingLike(Protocol):
    """What was said: `turns` in exactly the JSON form of a downloaded transcript."""

    @property
    def turns(self) -> list[dict[str, Any]]: ...
    @property
    def language(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def duration_s(self) -> float: ...


class MeetingMaker(Protocol):
    """Makes the meeting that a seed stands for."""

    def __call__(self, seed: int, *, kind: str | None = None) -> MeetingLike: ...


@dataclass(slots=True)
class Status:
    """A code with its history; `at` is by Recall's own clock."""

    code: str
    sub_code: str | None
    at: datetime
    history: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def begin(cls, code: str, at: datetime) -> Status:
        """A first status."""
        status = cls(code, None, at)
        status.history.append({"code": code, "sub_code": None, "at": status.at.isoformat()})
        return status

    def become(self, code: str, sub_code: str | None = None, *, at: datetime) -> None:
        """Change."""
        self.code, self.sub_code, self.at = code, sub_code, at
        self.history.append({"code": code, "sub_code": sub_code, "at": self.at.isoformat()})


@dataclass(slots=True, eq=False)
class Transcript:
    """One artifact: an asynchronous one that was paid for, or a real-time one made during the call."""

    id: str
    seq: int
    recording: Recording
    number: int  # n-th paid one of its recording, from 1; 0 for a real-time one
    provider: str
    options: dict[str, Any]
    metadata: dict[str, Any]
    diarization: dict[str, Any] | None
    outcome: Word
    created_at: datetime
    status: Status
    made_at: float = 0.0  # simulated
    key: str | None = None  # the Idempotency-Key it was made under
    body: Word = Word("ok")  # of its file; see bodies

    @property
    def marker(self) -> str | None:
        """The product's mark, if this transcript is one of its own."""
        value = self.metadata.get(MARKER)
        return value if isinstance(value, str) else None

    @property
    def separate_streams(self) -> bool:
        """Whether one stream per participant was asked for."""
        return bool((self.diarization or {}).get("use_separate_streams_when_available"))


@dataclass(slots=True, eq=False)
class Recording:
    """One finished (or still running) recording of a meeting."""

    id: str
    seq: int
    bot_id: str | None
    sdk_upload_id: str | None
    metadata: dict[str, Any]
    script: Script
    meeting: MeetingLike
    created_at: datetime
    status: Status
    workspace: str = "default"
    bot_metadata: dict[str, Any] = field(default_factory=dict)
    made_at: float = 0.0  # simulated
    ready_at: float = 0.0  # simulated; until then the API says `processing` whatever the webhook said
    creates_seen: int = 0
    made: int = 0
    downloads_seen: int = 0
    blocked_until: float = 0.0  # simulated
    transcripts: list[Transcript] = field(default_factory=list)

    @property
    def started_at(self) -> datetime:
        """When the meeting began, real time."""
        return self.created_at - timedelta(seconds=self.meeting.duration_s)

    @property
    def rate_key(self) -> str:
        """Whose 5 creates a minute these are. Recall does not say what counts where there is no bot."""
        return self.bot_id or self.id


@dataclass(slots=True, eq=False)
class Bot:
    """A bot made through Recall's API; `given` is the body it was made of."""

    id: str
    seq: int
    created_at: datetime
    workspace: str
    given: dict[str, Any] = field(default_factory=dict)
    has_joined: bool = False


@dataclass
class World:
    """The state of one simulator. `lock` guards all of it; nothing slow is done while it is held."""

    clock: SimClock
    timers: Timers
    ids: Ids
    settings: Settings
    make_meeting: MeetingMaker
    api_url: str = ""
    download_url: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)
    recordings: dict[str, Recording] = field(default_factory=dict)
    transcripts: dict[str, Transcript] = field(default_factory=dict)
    bots: dict[str, Bot] = field(default_factory=dict)
    bill: Bill = field(default_factory=Bill)
    lies: LieBook = field(default_factory=LieBook)
    seq: int = 0
    # Called on reset, for what is kept elsewhere (rates, remembered answers, deliveries).
    on_reset: list[Callable[[], None]] = field(default_factory=list)

    def next_seq(self) -> int:
        """A number that grows with every object made; call with the lock held."""
        self.seq += 1
        return self.seq

    def wall(self) -> datetime:
        """Recall's own clock: the real time, as far off as it is set."""
        return wall() + timedelta(seconds=self.settings.clock_off_s)

    def is_there(self, recording: Recording | None, workspace: str = "default") -> bool:
        """Whether the API admits to this recording, to a key of this workspace."""
        if recording is None or recording.workspace != workspace:
            return False
        return recording.script.recording_state.name not in ("unknown", "deleted")

    def note_open(self, recording: Recording) -> None:
        """Remember how many of the product's own transcripts run at one time; call with the lock held."""
        running = sum(1 for t in recording.transcripts if t.marker and t.status.code == "processing")
        counts = self.bill.of(recording.id)
        counts.max_open = max(counts.max_open, running)

    def reset(self, settings: Settings) -> None:
        """Forget everything but the seed's position: ids of before never come again."""
        with self.lock:
            self.timers.clear()
            self.recordings.clear()
            self.transcripts.clear()
            self.bots.clear()
            self.bill = Bill()
            self.lies.forget()
            self.settings = settings
            for forget in self.on_reset:
                forget()

    def bill_json(self) -> dict[str, Any]:
        """The bill, with what became of each recording's transcripts."""
        with self.lock:
            per_recording = {rid: self._bill_of(rid) for rid in [*self.recordings, *self._strangers()]}
            lies = {"lies_told": dict(self.lies.counts)}
            return {**self.bill.to_json(), **lies, "per_recording": per_recording}

    def _strangers(self) -> list[str]:
        return [rid for rid in self.bill.recordings if rid not in self.recordings]

    def _bill_of(self, recording_id: str) -> dict[str, Any]:
        counts = self.bill.of(recording_id)
        recording = self.recordings.get(recording_id)
        return {
            "create_posts": counts.create_posts,
            "billed": counts.billed,
            "retrieves": counts.retrieves,
            "lists": counts.lists,
            "downloads": counts.downloads,
            "max_open": counts.max_open,
            "transcripts": [
                {
                    "id": t.id,
                    "status": t.status.code,
                    "sub_code": t.status.sub_code,
                    "provider": t.provider,
                    "options": t.options,
                    "marker": t.marker,
                    "idempotency_key": t.key,
                    "state_history": list(t.status.history),
                }
                for t in (recording.transcripts if recording else [])
            ],
        }
