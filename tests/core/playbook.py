"""A dialogue with the machine: tell it what happened, read what it wants done."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.core import events as ev
from app.core.commands import Command
from app.core.machine import Decision, decide
from app.core.policy import Policy
from app.core.seen import FailureCause
from app.core.state import Phase, Transcription
from tests.policies import built_in

RECORDING = "03d06804-0cb2-42f8-a255-5b950dde7c57"
T1 = "7d7387b1-874f-4950-a5b9-1ba6660e2f95"
T2 = "5a1f6c4e-1111-4222-8333-944445555666"
T3 = "0c9e1ad0-aaaa-4bbb-8ccc-9ddddeeeefff"
CAPTIONS = "cafecafe-0000-4000-8000-000000000001"
HOUR = 3600.0


@dataclass
class Dialogue:
    """The state and the outbox, kept the way the store keeps them."""

    policy: Policy = field(default_factory=built_in)
    state: Transcription = field(default_factory=lambda: Transcription("default", RECORDING))
    outbox: dict[str, Command] = field(default_factory=dict)
    last: Decision | None = None

    def told(self, event: ev.Event) -> tuple[Command, ...]:
        """The commands that follow."""
        decision = decide(self.state, event, self.policy, pending=tuple(self.outbox.values()))
        self.state, self.last = decision.state, decision
        for gone in decision.dropped:
            self.outbox.pop(gone.key, None)
        for new in decision.commands:
            self.outbox[new.key] = new
        return decision.commands

    def attempt_runs(self, ordinal: int, transcript_id: str, *, at: float = 0.0) -> None:
        """Claimed, sent and created."""
        provider = self.policy.providers[(ordinal - 1) % len(self.policy.providers)].key
        self.told(ev.Sending(at, ordinal, provider, 0))
        self.told(ev.Created(at, ordinal, transcript_id, provider))

    def attempt_fails(self, ordinal: int, transcript_id: str) -> tuple[Command, ...]:
        self.attempt_runs(ordinal, transcript_id)
        code, cause = "provider_connection_failed", FailureCause.PROVIDER
        return self.told(ev.TranscriptFailed(0, transcript_id, ordinal, code, cause))

    @property
    def phase(self) -> Phase:
        return self.state.phase

    @property
    def ignored(self) -> str | None:
        assert self.last is not None
        return self.last.ignored

    def statuses(self) -> list[str]:
        return [a.status.value for a in self.state.attempts]


def stored(at: float, transcript_id: str, *, is_empty: bool = False) -> ev.Stored:
    return ev.Stored(at, transcript_id, built_in().providers[0].key, "en", is_empty=is_empty)


def published(at: float, transcript_id: str) -> ev.Published:
    return ev.Published(at, transcript_id, built_in().providers[0].key, "en")


def long_meeting(at: float) -> ev.RecordingAsked:
    return ev.RecordingAsked(at, ev.RecordingCondition.DONE, duration_s=3600)


def silent() -> Dialogue:
    """The first provider heard nothing in an hour; the second is to be asked."""
    d = Dialogue()
    d.told(ev.RecordingDone(0))
    d.attempt_runs(1, T1)
    d.told(ev.TranscriptDone(1, T1, 1))
    d.told(stored(2, T1, is_empty=True))
    d.told(long_meeting(3))
    return d


def silent_then_asked_again() -> Dialogue:
    """The first provider heard nothing in an hour; the second is at it."""
    d = silent()
    d.attempt_runs(2, T2)
    return d
