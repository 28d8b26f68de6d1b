"""
The centre: `decide(transcription, event, policy) -> Decision`, total and pure.

Theory of operation. An event first changes *facts* by its rule (the table below): what Recall told
us about the recording, about one attempt, about one transcript. Then `_settle` looks at all facts
together and draws the one conclusion: what is the goal now, and may another paid attempt be planned?
It may only when no attempt is claimed, sending, unknown or running and no finished transcript is
unread. Money is spent nowhere else.

Timers are commands with a due time whose answers are events. From every state that is not an end
some wanted command leads on, so that nothing waits for ever. `core/README.md` has the diagram,
generated from this table; `tests/core/test_playbook.py` reads as a dialogue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from app.core import events, reasons
from app.core import rules_create as create
from app.core import rules_results as results
from app.core.commands import (
    AskRecording,
    AskTranscript,
    Command,
    CreateTranscript,
    FetchTranscript,
    LookUpTranscript,
)
from app.core.policy import CEILING, Policy
from app.core.state import ENDS, Fate, Goal, Transcription
from app.core.step import Step, failed, ignore


@dataclass(frozen=True, slots=True)
class Decision:
    """
    What follows from an event.

    Attributes:
        state: The transcription afterwards.
        commands: To be done; each replaces a pending one of the same key.
        dropped: Pending commands that are no longer wanted.
        ignored: Why nothing follows, for the history; None when something did.
        alarm: A name for something a person must see.
    """

    state: Transcription
    commands: tuple[Command, ...] = ()
    dropped: tuple[Command, ...] = ()
    ignored: str | None = None
    alarm: str | None = None


def decide(
    t: Transcription, event: events.Event, policy: Policy, *, pending: tuple[Command, ...] = ()
) -> Decision:
    """
    What follows from `event`. Never raises; an event that changes nothing is ignored with a reason.

    Args:
        t: The transcription before.
        event: What happened.
        policy: What the operator wants.
        pending: The transcription's commands in the outbox; those no longer wanted are dropped.
    """
    if t.goal is Goal.ERASED:
        return Decision(t, ignored="erased: nothing about this recording is taken up again")
    step = RULES[type(event)](t, event, policy)
    if step.ignored is None:
        step = step.then(_settle(step.state, policy, at=event.at))
        step = step.then(_unblock(t, step.state))
    commands = tuple(c for c in _last_of_each_key(step.commands) if is_wanted(step.state, c))
    issued = {c.key for c in commands}
    dropped = tuple(c for c in pending if c.key not in issued and not is_wanted(step.state, c))
    return Decision(step.state, commands, dropped, step.ignored, step.alarm)


def is_wanted(t: Transcription, command: Command) -> bool:
    """Whether performing the command could still matter."""
    match command:
        case CreateTranscript(ordinal=ordinal, generation=generation):
            return _is_create_wanted(t, ordinal, generation)
        case LookUpTranscript(ordinal=0):
            return t.look_first and t.planned is not None
        case LookUpTranscript(ordinal=ordinal):
            line = t.attempt_of(ordinal=ordinal)
            return line is not None and line.fate is Fate.UNKNOWN
        case AskTranscript(transcript_id=transcript_id):
            line = t.attempt_of(transcript_id=transcript_id)
            return line is not None and line.fate is Fate.RUNNING
        case FetchTranscript(transcript_id=transcript_id):
            return t.unread_of(transcript_id) is not None
        case AskRecording():
            line = t.open_attempt
            is_parked = line is not None and line.fate is Fate.CLAIMED
            return t.goal not in ENDS and (not t.is_heard or is_parked)


def _is_create_wanted(t: Transcription, ordinal: int, generation: int) -> bool:
    line = t.attempt_of(ordinal=ordinal)
    if line is not None and line.fate is Fate.SENDING:
        return True  # a request may be on the wire: its command is how its end is noticed
    if t.goal is not Goal.CREATING or t.unread:
        return False
    if line is None:
        return t.planned == ordinal and not t.look_first
    return line.fate is Fate.CLAIMED and line.generation == generation


def budget(t: Transcription, policy: Policy) -> int:
    """How many paid attempts this recording may have in all."""
    return min(max(policy.attempts, t.budget), CEILING)


def _settle(t: Transcription, policy: Policy, *, at: float) -> Step:
    """The one place that draws conclusions from all facts together."""
    if t.goal in ENDS:
        return Step(t)
    line = t.open_attempt
    if line is not None:
        goal = Goal.TRANSCRIBING if line.fate is Fate.RUNNING else Goal.CREATING
        return Step(replace(t, goal=goal, planned=None))
    if t.unread:
        return Step(replace(t, goal=Goal.FETCHING, planned=None))
    if not t.is_heard:
        # Nothing is ours to do until the recording is done; if that news is lost, we ask.
        is_first = t.waits == 0
        ask = (AskRecording(after_s=policy.durations.first_ask_s),) if is_first else ()
        return Step(
            replace(t, goal=Goal.NEW, waits=max(t.waits, 1), waiting_since=t.waiting_since or at), ask
        )
    if t.is_recording_gone:
        return failed(t, reasons.RECORDING_GONE, None, at=at)
    return _next(t, policy, at=at)


def _unblock(before: Transcription, after: Transcription) -> Step:
    """A claimed attempt stood back for an unread transcript; that one was not the result after all."""
    line = after.open_attempt
    if before.unread and not after.unread and line is not None and line.fate is Fate.CLAIMED:
        return Step(after, (CreateTranscript(line.ordinal, line.provider, line.generation),))
    return Step(after)


def _next(t: Transcription, policy: Policy, *, at: float) -> Step:
    """Another paid attempt, or an end. Reached only when nothing is open and nothing unread."""
    if t.planned == t.next_ordinal:
        return Step(replace(t, goal=Goal.CREATING))
    if t.candidate is not None and _is_empty_final(t, policy):
        return Step(results.complete_with_candidate(t, at=at))
    last = max(t.attempts, key=lambda a: a.ordinal, default=None)
    if last is not None and last.fate is Fate.SILENT and policy.on_silence == "fail":
        return failed(t, reasons.NO_ANSWER, None, at=at)
    provider = _unused_provider(t, policy)
    if provider is None or t.next_ordinal > budget(t, policy):
        if t.candidate is not None:
            return Step(results.complete_with_candidate(t, at=at))
        why = "; ".join(
            f"{a.ordinal} {a.provider or 'unknown provider'}: {a.error or a.fate}" for a in t.attempts
        )
        return failed(t, reasons.ALL_PROVIDERS_FAILED, why or None, at=at)
    return _plan(t, provider)


def _plan(t: Transcription, provider: str) -> Step:
    planned = replace(
        t, goal=Goal.CREATING, planned=t.next_ordinal, reason=None, detail=None, completed_at=None
    )
    first: Command = CreateTranscript(t.next_ordinal, provider)
    if t.look_first:
        first = LookUpTranscript(0)
    return Step(planned, (first,))


def _is_empty_final(t: Transcription, policy: Policy) -> bool:
    return t.is_short or not policy.fallback_on_empty or len(t.attempts) > t.attempts_at_candidate


def _unused_provider(t: Transcription, policy: Policy) -> str | None:
    used = {a.provider for a in t.attempts}
    return next((choice.key for choice in policy.providers if choice.key not in used), None)


def _on_retry_asked(t: Transcription, e: events.RetryAsked, policy: Policy) -> Step:
    """A person's decision. What costs nothing is tried first: fetch, look up, ask; then one more attempt."""
    if t.goal not in (Goal.FAILED, Goal.SKIPPED):
        return ignore(t, f"nothing to retry: the transcription is {t.goal.value}")
    t = replace(
        t, budget=max(t.budget, e.budget), is_heard=True, waiting_since=0.0, waits=0, is_recording_gone=False
    )
    if t.unread:
        again = tuple(replace(u, since=e.at, tries=0) for u in t.unread)
        t = replace(t, goal=Goal.FETCHING, unread=again, reason=None, detail=None, completed_at=None)
        return Step(t, tuple(FetchTranscript(u.transcript_id) for u in again))
    resumed = _resume(t, at=e.at)
    if resumed is not None:
        return resumed
    if t.next_ordinal > budget(t, policy):
        return ignore(
            t, f"all {budget(t, policy)} paid attempts are used; --budget raises the number, up to {CEILING}"
        )
    provider = _unused_provider(t, policy) or policy.providers[0].key
    return _plan(replace(t, planned=None), provider)


def _resume(t: Transcription, *, at: float) -> Step | None:
    """An attempt that was open when the transcription failed goes on where it stopped."""
    line = t.open_attempt
    if line is None:
        return None
    t = replace(t, reason=None, detail=None, completed_at=None, goal=Goal.CREATING)
    if line.fate is Fate.RUNNING and line.transcript_id:
        t = replace(t.with_attempt(replace(line, since=at, tries=0)), goal=Goal.TRANSCRIBING)
        return Step(t, (AskTranscript(line.transcript_id),))
    if line.fate is Fate.CLAIMED:
        return Step(t, (CreateTranscript(line.ordinal, line.provider, line.generation),))
    return Step(t.with_attempt(replace(line, fate=Fate.UNKNOWN)), (LookUpTranscript(line.ordinal),))


def _on_command_failed(t: Transcription, e: events.CommandFailed, policy: Policy) -> Step:
    """Our own fault. Open attempts stay open, so that a retry looks before it pays."""
    if t.goal is Goal.STORED:
        if e.transcript_id and t.unread_of(e.transcript_id):
            return Step(t.without_unread(e.transcript_id))
        return ignore(t, "the goal was met without this command")
    return failed(t, reasons.OUR_FAULT, e.command, at=e.at)


def _last_of_each_key(commands: tuple[Command, ...]) -> tuple[Command, ...]:
    return tuple({c.key: c for c in commands}.values())


Rule = Callable[[Transcription, Any, Policy], Step]

RULES: dict[type[Any], Rule] = {
    events.RecordingDone: create.on_recording_done,
    events.RecordingNotSelected: create.on_recording_not_selected,
    events.RecordingFailed: create.on_recording_failed,
    events.RecordingDeleted: create.on_recording_deleted,
    events.RecordingAsked: create.on_recording_asked,
    events.Sending: create.on_sending,
    events.Created: create.on_created,
    events.CreateRefused: create.on_create_refused,
    events.CreateNotSent: create.on_create_not_sent,
    events.CreateUnknown: create.on_create_unknown,
    events.Listed: create.on_listed,
    events.TranscriptDone: results.on_transcript_done,
    events.TranscriptFailed: results.on_transcript_failed,
    events.TranscriptDeleted: results.on_transcript_deleted,
    events.StillProcessing: results.on_still_processing,
    events.NotYet: results.on_not_yet,
    events.TranscriptGone: results.on_transcript_gone,
    events.FetchBlocked: results.on_fetch_blocked,
    events.Unwanted: results.on_unwanted,
    events.Stored: results.on_stored,
    events.RetryAsked: _on_retry_asked,
    events.CommandFailed: _on_command_failed,
}

assert set(RULES) == set(events.Event.__args__), "every event has a rule"
