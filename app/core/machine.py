"""
The centre: `decide(transcription, event, policy) -> Decision`, total and pure.

Theory of operation. An event first changes *facts* by its rule (the table below): what Recall told
us about the recording, about one attempt, about one transcript. Then `_settle` looks at all facts
together and draws the one conclusion: what is the phase now, and may another paid attempt be planned?
It may only when no attempt is claimed, sending, unknown or running and no finished transcript is
unread. A paid attempt is planned nowhere else; it is paid for in `effects/create_transcript`.

Timers are commands with a due time whose answers are events. From every state that is not an end
some wanted command leads on, so that nothing waits for ever. `core/README.md` has the diagram,
generated from this table; `tests/core/test_playbook.py` reads as a dialogue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from app.core import events, reasons
from app.core import rules_absence as absence
from app.core import rules_cost as cost
from app.core import rules_create as create
from app.core import rules_erasure as erasure
from app.core import rules_extra as extra
from app.core import rules_recording as recording
from app.core import rules_recovery as recovery
from app.core import rules_results as results
from app.core.commands import (
    AskRecording,
    AwaitProvider,
    Command,
    CreateTranscript,
    LookUpTranscript,
)
from app.core.policy import Policy
from app.core.quality import WITHOUT_WORDS
from app.core.state import ENDS, AttemptStatus, Phase, Transcription
from app.core.step import Step, budget, complete_with_candidate, failed
from app.core.wanted import is_wanted


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from an event."""

    state: Transcription  # afterwards
    commands: tuple[Command, ...] = ()  # each replaces a pending one of the same key
    dropped: tuple[Command, ...] = ()  # pending ones that are no longer wanted
    ignored: str | None = None  # why nothing follows, for the history; None when something did
    alarm: str | None = None  # a name for something a person must see


def decide(
    t: Transcription, event: events.Event, policy: Policy, *, pending: tuple[Command, ...] = ()
) -> Decision:
    """
    What follows from `event`. Never raises; an event that changes nothing is ignored with a reason. Of
    `pending`, the transcription's commands in the outbox, those no longer wanted are dropped.
    """
    if t.phase is Phase.ERASED and not isinstance(event, erasure.TAKEN_UP):
        return Decision(t, ignored="erased: nothing about this recording is taken up again")
    step = RULES[type(event)](t, event, policy.intended(t.intent))
    policy = policy.intended(step.state.intent)
    if step.ignored is None:
        step = step.then(_settle(step.state, policy, at=event.at))
        step = extra.ended(step.then(_unblock(step, pending, policy)))
        step = step.then(extra.following(t, step.state, policy, pending))
        step = step.then(erasure.deletion(step.state, event, pending, policy))
    after = cost.priced(t, step.state, policy, at=event.at)
    asked = tuple(_after_a_look(after, c, policy) for c in step.commands)
    issued = {key: c for key, c in _last_of_each_key(asked).items() if is_wanted(after, c)}
    dropped = tuple(c for c in pending if not is_wanted(after, c) and c.key not in issued)
    return Decision(after, tuple(issued.values()), dropped, step.ignored, step.alarm)


def _settle(t: Transcription, policy: Policy, *, at: float) -> Step:
    """
    The one place that draws conclusions from all facts together. The first station that holds decides:

    1. failed or skipped, and a candidate is all there is: it becomes the result after all
    2. any other end: stays
    3. a candidate becomes the result: fetching, until its manifest is written
    4. an attempt is open: transcribing while it runs, else creating
    5. a finished transcript is unread: fetching
    6. the recording is not known to be done: new, and Recall is asked about it
    7. the recording is gone: failed
    8. nothing is under way: another paid attempt, a wait, or an end (`_next`)
    """
    if t.phase in (Phase.FAILED, Phase.SKIPPED) and t.is_only_candidate and t.publishing is None:
        return complete_with_candidate(t)
    if t.phase in ENDS:
        return Step(t)
    if t.publishing is not None:
        return Step(replace(t, phase=Phase.FETCHING))
    line = t.open_attempt
    if line is not None:
        phase = Phase.TRANSCRIBING if line.status is AttemptStatus.RUNNING else Phase.CREATING
        return Step(replace(t, phase=phase, planned=None))
    if t.pending_transcripts:
        return Step(replace(t, phase=Phase.FETCHING, planned=None))
    if not t.is_recording_done:
        # Nothing is ours to do until the recording is done; if that news is lost, we ask.
        is_first = t.recording_asks == 0
        ask = (AskRecording(after_s=policy.durations.first_ask_s),) if is_first else ()
        return Step(
            replace(
                t,
                phase=Phase.NEW,
                recording_asks=max(t.recording_asks, 1),
                recording_wait_since=t.recording_wait_since or at,
            ),
            ask,
        )
    if t.is_recording_gone:
        return failed(t, reasons.RECORDING_GONE, None, at=at)
    return _next(t, policy, at=at)


def _unblock(step: Step, pending: tuple[Command, ...], policy: Policy) -> Step:
    """
    Two commands that are only due now: an empty transcript is all there is, so the recording is asked whether
    it is short or silent; or a claimed attempt had stood back for a transcript that turned out not to be the
    result, and goes on.
    """
    t, line = step.state, step.state.open_attempt
    if t.lacks_evidence and not any(isinstance(c, AskRecording) for c in pending):
        return Step(t, (AskRecording(),))
    if line is None or line.status is not AttemptStatus.CLAIMED:
        return Step(t)
    send = CreateTranscript(line.ordinal, line.provider, line.key_serial)
    moving = {_after_a_look(t, send, policy).key, f"prune:{line.ordinal}", "ask_recording"}
    if any(c.key in moving for c in (*pending, *(_after_a_look(t, c, policy) for c in step.commands))):
        return Step(t)
    return Step(t, (send,))


def _after_a_look(t: Transcription, command: Command, policy: Policy) -> Command:
    """
    With `lookup_required`, a list of Recall's transcripts instead of a create; `on_listed` plans the create
    again. Not at once: what a database put back has forgotten may be too young for Recall's list.
    """
    if not isinstance(command, CreateTranscript) or not t.lookup_required:
        return command
    return LookUpTranscript(0, after_s=max(command.after_s, policy.durations.second_list_after_s))


def _next(t: Transcription, policy: Policy, *, at: float) -> Step:
    """
    Another paid attempt, a wait, or an end. Reached only when nothing is open and nothing unread. In order:
    the candidate is the result (a second opinion was heard, or none is wanted); what is planned stays
    planned; an attempt was silent and the policy pays no further; providers or budget are used up; the
    recording is being asked whether it is short or silent; all that are left are down; the next attempt is
    planned.
    """
    if t.candidate is not None and _is_final(t, policy):
        if t.lacks_evidence and policy.quality.tells_silence_apart:
            return Step(replace(t, phase=Phase.FETCHING))  # the recording is being asked for it
        return complete_with_candidate(t)
    if t.planned == t.next_ordinal:
        return Step(t)
    if create.why_no_further(t, t.next_ordinal, policy) == "on_silence":
        return failed(t, reasons.NO_ANSWER, None, at=at)
    provider = create.next_provider(t, policy)
    if provider is None or t.next_ordinal > budget(t, policy):
        return _all_used(t, policy, at=at)
    if t.lacks_evidence:
        return Step(replace(t, phase=Phase.FETCHING))  # as above
    if provider in policy.tripped_providers:
        return _await_provider(t, provider, policy, at=at)
    return _plan(t, provider)


def _all_used(t: Transcription, policy: Policy, *, at: float) -> Step:
    lines = (f"{a.ordinal} {a.provider or 'unknown provider'}: {a.error or a.status}" for a in t.attempts)
    why = "; ".join((*lines, *(f"{provider}: {reason}" for provider, reason in policy.passed_over)))
    is_able = bool(policy.providers) or not policy.passed_over
    reason = reasons.ALL_PROVIDERS_FAILED if is_able else reasons.NO_PROVIDER_ABLE
    return failed(t, reason, why or None, at=at)


def _await_provider(t: Transcription, provider: str, policy: Policy, *, at: float) -> Step:
    """All that are left are down. Skipped is not used: after a day of it a retry begins where this ended."""
    since = t.provider_wait_since or at
    if at - since >= policy.durations.give_up_s:
        return failed(t, reasons.PROVIDERS_DOWN, provider, at=at)
    waiting = replace(t, phase=Phase.CREATING, provider_wait_since=since)
    return Step(waiting, (AwaitProvider(after_s=policy.durations.provider_open_s),))


def _plan(t: Transcription, provider: str) -> Step:
    # What a person allowed beyond the day's budget is the one attempt that they were told of.
    is_allowed = t.exceeds_daily_budget and (t.retry_requested or bool(t.daily_budget_wait_since))
    planned = replace(t, phase=Phase.CREATING, planned=t.next_ordinal, exceeds_daily_budget=is_allowed)
    return Step(planned, (CreateTranscript(t.next_ordinal, provider),))


def _is_final(t: Transcription, policy: Policy) -> bool:
    """Whether no further provider is asked because of the candidate: one is, at most."""
    is_second_opinion = len(t.attempts) > t.attempts_at_candidate or bool(t.superseded)
    is_short = t.candidate_verdict in WITHOUT_WORDS and bool(t.is_short)
    return is_short or is_second_opinion or not policy.quality.calls_for_another(t.candidate_verdict)


def _last_of_each_key(commands: tuple[Command, ...]) -> dict[str, Command]:
    return {c.key: c for c in commands}


Rule = Callable[[Transcription, Any, Policy], Step]

RULES: dict[type[events.Event], Rule] = {
    events.RecordingDone: recording.on_recording_done,
    events.RecordingFailed: recording.on_recording_failed,
    events.RecordingDeleted: recording.on_recording_deleted,
    events.RecordingAsked: recording.on_recording_asked,
    events.Sending: create.on_sending,
    events.Created: create.on_created,
    events.CreateRefused: create.on_create_refused,
    events.CreateNotSent: create.on_create_not_sent,
    events.CreateUnknown: create.on_create_unknown,
    events.ProviderDown: create.on_provider_down,
    events.DailyBudgetReached: cost.on_daily_budget_reached,
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
    events.TranscriptMissing: absence.on_transcript_missing,
    events.TranscriptGone: results.on_transcript_gone,
    events.FetchBlocked: results.on_fetch_blocked,
    events.Unwanted: results.on_unwanted,
    events.Stored: results.on_stored,
    events.Published: results.on_published,
    events.RenderAsked: results.on_render_asked,
    events.Rendered: results.on_rendered,
    events.DownloadUnreadable: results.on_download_unreadable,
    events.NoLongerWanted: create.on_no_longer_wanted,
    events.CommandMissing: recovery.on_command_missing,
    events.WaitEnded: recovery.on_wait_ended,
    events.RetryAsked: recovery.on_retry_asked,
    events.EraseAsked: erasure.on_erase_asked,
    events.ResultsErased: erasure.on_results_erased,
    events.DeletedAtRecall: erasure.on_deleted_at_recall,
    events.DetailsExpired: erasure.on_details_expired,
    events.TranscriptionOrdered: recovery.on_transcription_ordered,
    events.ExtraOrdered: extra.on_extra_ordered,
    events.ExtraDue: extra.on_extra_due,
    events.DowntimeDetected: create.on_downtime_detected,
    events.ClockStepped: absence.on_clock_stepped,
    events.CommandFailed: recovery.on_command_failed,
}

_KINDS = {kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.Event)}
assert set(RULES) == {kind for kind in _KINDS if not kind.__subclasses__()}, "every event has a rule"
