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
    AwaitProvider,
    Command,
    CreateTranscript,
    FetchTranscript,
    LookUpTranscript,
    PruneTranscript,
)
from app.core.policy import CEILING, Policy
from app.core.state import ENDS, Fate, Goal, Transcription
from app.core.step import Step, complete_with_candidate, failed, ignore


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
        step = step.then(_unblock(step, pending, policy))
    asked = tuple(_after_a_look(step.state, c, policy) for c in step.commands)
    commands = tuple(c for c in _last_of_each_key(asked) if is_wanted(step.state, c))
    issued = {c.key for c in commands}
    dropped = tuple(c for c in pending if c.key not in issued and not is_wanted(step.state, c))
    return Decision(step.state, commands, dropped, step.ignored, step.alarm)


def is_wanted(t: Transcription, command: Command) -> bool:
    """Whether performing the command could still matter."""
    match command:
        case CreateTranscript(ordinal=ordinal, generation=generation):
            return _is_create_wanted(t, ordinal, generation)
        case LookUpTranscript(ordinal=0):
            return t.look_first and (t.planned is not None or _is_ready_to_send(t))
        case LookUpTranscript(ordinal=ordinal):
            line = t.attempt_of(ordinal=ordinal)
            return line is not None and line.fate is Fate.UNKNOWN
        case AskTranscript(transcript_id=transcript_id):
            line = t.attempt_of(transcript_id=transcript_id)
            return line is not None and line.fate is Fate.RUNNING
        case FetchTranscript(transcript_id=transcript_id):
            return t.unread_of(transcript_id) is not None
        case AskRecording() | PruneTranscript() | AwaitProvider():
            return _is_wait_wanted(t, command)


def _is_create_wanted(t: Transcription, ordinal: int, generation: int) -> bool:
    line = t.attempt_of(ordinal=ordinal)
    if line is not None and line.fate is Fate.SENDING:
        return True  # a request may be on the wire: its command is how its end is noticed
    if t.goal is not Goal.CREATING or t.unread or t.has_other_open(ordinal):
        return False
    if t.look_first:
        return False
    if line is None:
        return t.planned == ordinal
    return line.fate is Fate.CLAIMED and line.generation == generation


def _is_ready_to_send(t: Transcription) -> bool:
    """An attempt that has its ordinal, and nothing else to wait for in the transcription itself."""
    return t.goal is Goal.CREATING and not t.unread and _is_parked(t)


def _is_wait_wanted(t: Transcription, command: AskRecording | PruneTranscript | AwaitProvider) -> bool:
    match command:
        case AskRecording():
            return t.goal not in ENDS and (not t.is_heard or _is_parked(t))
        case PruneTranscript():
            return t.goal not in ENDS and _is_parked(t)
        case AwaitProvider():
            is_idle = t.open_attempt is None and t.planned is None and not t.unread
            return t.goal is Goal.CREATING and is_idle


def _is_parked(t: Transcription) -> bool:
    """An attempt has its ordinal and waits for something other than a provider."""
    line = t.open_attempt
    return line is not None and line.fate is Fate.CLAIMED


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


def _unblock(step: Step, pending: tuple[Command, ...], policy: Policy) -> Step:
    """A claimed attempt stood back for something that turned out not to be the result: it goes on."""
    t, line = step.state, step.state.open_attempt
    if line is None or not _is_ready_to_send(t):
        return Step(t)
    send = CreateTranscript(line.ordinal, line.provider, line.generation)
    moving = {_after_a_look(t, send, policy).key, f"prune:{line.ordinal}", "ask_recording"}
    if any(c.key in moving for c in (*pending, *(_after_a_look(t, c, policy) for c in step.commands))):
        return Step(t)
    return Step(t, (send,))


def _after_a_look(t: Transcription, command: Command, policy: Policy) -> Command:
    """
    Where Recall is to be looked at first, that takes a create's place; `on_listed` goes on from there. Not at
    once: what a database put back has forgotten may be too young for Recall's list.
    """
    if not isinstance(command, CreateTranscript) or not t.look_first:
        return command
    line = t.attempt_of(ordinal=command.ordinal)
    if line is not None and line.fate is Fate.SENDING:
        return command
    return LookUpTranscript(0, after_s=max(command.after_s, policy.durations.second_list_after_s))


def _next(t: Transcription, policy: Policy, *, at: float) -> Step:
    """Another paid attempt, or an end. Reached only when nothing is open and nothing unread."""
    if t.planned == t.next_ordinal:
        return Step(replace(t, goal=Goal.CREATING))
    if t.candidate is not None and _is_empty_final(t, policy):
        return Step(complete_with_candidate(t, at=at))
    last = max(t.attempts, key=lambda a: a.ordinal, default=None)
    is_silent = last is not None and last.fate is Fate.SILENT
    if is_silent and policy.on_silence == "fail" and not t.is_insisted:
        return failed(t, reasons.NO_ANSWER, None, at=at)
    provider = _unused_provider(t, policy)
    if provider is None and t.is_insisted:
        provider = policy.providers[0].key
    if provider is not None and provider in policy.shut and t.next_ordinal <= budget(t, policy):
        return _await_provider(t, provider, policy, at=at)
    if provider is None or t.next_ordinal > budget(t, policy):
        if t.candidate is not None:
            return Step(complete_with_candidate(t, at=at))
        why = "; ".join(
            f"{a.ordinal} {a.provider or 'unknown provider'}: {a.error or a.fate}" for a in t.attempts
        )
        return failed(t, reasons.ALL_PROVIDERS_FAILED, why or None, at=at)
    return _plan(t, provider)


def _await_provider(t: Transcription, provider: str, policy: Policy, *, at: float) -> Step:
    """All that are left are down. Skipped is not used: after a day of it a retry begins where this ended."""
    since = t.waiting_since or at
    if at - since >= policy.durations.give_up_s:
        return failed(t, reasons.PROVIDERS_DOWN, provider, at=at)
    waiting = replace(t, goal=Goal.CREATING, waiting_since=since)
    return Step(waiting, (AwaitProvider(after_s=policy.durations.provider_shut_s),))


def _plan(t: Transcription, provider: str) -> Step:
    planned = replace(
        t, goal=Goal.CREATING, planned=t.next_ordinal, reason=None, detail=None, completed_at=None
    )
    return Step(planned, (CreateTranscript(t.next_ordinal, provider),))


def _is_empty_final(t: Transcription, policy: Policy) -> bool:
    return t.is_short or not policy.fallback_on_empty or len(t.attempts) > t.attempts_at_candidate


def _unused_provider(t: Transcription, policy: Policy) -> str | None:
    """The first that is up; when all that are left are down, the first of those."""
    used = {a.provider for a in t.attempts}
    left = [choice.key for choice in policy.providers if choice.key not in used]
    return next((key for key in left if key not in policy.shut), left[0] if left else None)


def _on_retry_asked(t: Transcription, e: events.RetryAsked, policy: Policy) -> Step:
    """
    A person's decision. What costs nothing is tried first: fetch, look up, ask. Where there is such a thing,
    a paid attempt follows only as it would have without the person, or when they named a budget.
    """
    if t.goal is Goal.STORED and t.unread:
        return Step(t, tuple(FetchTranscript(u.transcript_id) for u in t.unread))
    if t.goal not in (Goal.FAILED, Goal.SKIPPED):
        return ignore(t, f"nothing to retry: the transcription is {t.goal.value}")
    t = replace(
        t,
        budget=max(t.budget, e.budget),
        is_heard=True,
        is_insisted=True,
        waiting_since=0.0,
        waits=0,
        is_recording_gone=False,
        planned=None,
    )
    is_more = e.budget >= t.next_ordinal  # the person wants another one paid
    t = _without_what_is_not_wanted(t, policy, is_more=is_more)
    free = _resume(t, policy, at=e.at)
    if free.commands:
        return replace(free, state=replace(free.state, is_insisted=is_more))
    if t.next_ordinal > budget(t, policy):
        why = f"all {budget(t, policy)} paid attempts are used"
        return ignore(t, f"{why}; --budget raises the number, up to {CEILING}")
    return Step(replace(t, goal=Goal.NEW, reason=None, detail=None, completed_at=None))


def _without_what_is_not_wanted(t: Transcription, policy: Policy, *, is_more: bool) -> Transcription:
    """
    An attempt that was set aside is given up where its provider has left the policy, or where the person
    names a budget for more. Nothing was made under it, for sure: what was sent has had its definite answer.
    """
    keys = {choice.key for choice in policy.providers}
    for line in t.attempts:
        is_set_aside = line.fate is Fate.CLAIMED and not line.is_doubtful
        if is_set_aside and (is_more or line.provider not in keys):
            t = t.with_attempt(replace(line, fate=Fate.REFUSED))
    return t


def _resume(t: Transcription, policy: Policy, *, at: float) -> Step:
    """Whatever was unread or open when the transcription failed goes on where it stopped."""
    unread = tuple(replace(u, since=at, tries=0) for u in t.unread)
    commands: list[Command] = [FetchTranscript(u.transcript_id) for u in unread]
    t = replace(t, unread=unread, reason=None, detail=None, completed_at=None, goal=Goal.NEW)
    for line in t.attempts:
        if line.fate in (Fate.RUNNING, Fate.SILENT) and line.transcript_id:
            # One question is free. An attempt that was silent for a day gets no second day.
            was_silent = line.fate is Fate.SILENT
            since = at - policy.durations.give_up_s if was_silent else at
            tries = results.TRIES_BEFORE_GIVING_UP if was_silent else 0
            t = t.with_attempt(replace(line, fate=Fate.RUNNING, since=since, tries=tries))
            commands.append(AskTranscript(line.transcript_id))
        elif line.fate is Fate.CLAIMED:
            t = t.with_attempt(replace(line, since=at, tries=0, blocked=0))
            commands.append(CreateTranscript(line.ordinal, line.provider, line.generation))
        elif line.fate in (Fate.SENDING, Fate.UNKNOWN):
            # Nobody knows what became of its request: a new key may not be taken lightly.
            unknown = replace(line, fate=Fate.UNKNOWN, is_doubtful=True, since=at, empty_lists=0)
            t = t.with_attempt(unknown)
            commands.append(LookUpTranscript(line.ordinal))
    return Step(t, tuple(commands))


def _on_command_failed(t: Transcription, e: events.CommandFailed, policy: Policy) -> Step:
    """Our own fault. What is open stays open and what is unread unread: a retry looks before it pays."""
    if t.goal in ENDS:
        return ignore(t, "the transcription ended without this command", alarm="command_failed")
    is_foreign = e.transcript_id is not None and t.attempt_of(transcript_id=e.transcript_id) is None
    if is_foreign and e.transcript_id is not None and t.unread_of(e.transcript_id):
        return Step(t.without_unread(e.transcript_id), alarm="command_failed")
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
    events.ProviderDown: create.on_provider_down,
    events.ProviderAwaited: create.on_provider_awaited,
    events.Pruned: create.on_pruned,
    events.BudgetSpent: create.on_budget_spent,
    events.LookUpImpossible: create.on_look_up_impossible,
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
    events.LongSilence: create.on_long_silence,
    events.CommandFailed: _on_command_failed,
}

assert set(RULES) == set(events.Event.__args__), "every event has a rule"
