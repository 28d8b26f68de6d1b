"""
What came of one command: the values that an effect returns. `command_runner` alone applies them.

An expected outcome is never an exception. What remains raised means "cannot go on here": the lease is lost,
the store is away.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.core import events
from app.orchestrator.records import ArtifactRow, Slot


@dataclass(frozen=True, slots=True)
class Happened:
    """The command ends in the commit that applies the event; `artifact` is the row of a stored result."""

    event: events.Event
    artifact: ArtifactRow | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """The command comes back."""

    after_s: float  # more where the command is wanted for long already
    cause: str  # a short code for people
    slot: Slot | None = None  # a place in a rate that is taken: the command comes back for it, no later
    # What is waited for ends by itself (a pause of the account, a bot's rate): the wait does not grow, and is
    # never given up.
    ends_by_itself: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Recall refuses the account: 401, 402 or 403."""

    status: int
    creates_only: bool = False  # every other question goes on
    # What it means for a create whose request was refused so; it is known then that the account is meant.
    # None: a question was answered so, and the command is put off.
    event: events.CreateRefused | None = None


@dataclass(frozen=True, slots=True)
class NotWanted:
    """The state has moved on: the command ends, and nothing changes."""


Outcome = Happened | Later | Refused | NotWanted
# What a question to Recall comes to where there is no answer.
Unanswered = Later | Refused
