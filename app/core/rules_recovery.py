"""
Rules about going on after a stop: a person asks again, our own code failed, a wait did not end, a command
is missing. What is open stays open and what is unread unread, so that whatever follows looks before it pays.
"""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from app.core import events, reasons
from app.core import rules_cost as cost
from app.core import rules_erasure as erasure
from app.core import rules_results as results
from app.core.commands import (
    AskRecording,
    AskTranscript,
    AwaitProvider,
    Command,
    CreateTranscript,
    FetchTranscript,
    LookUpTranscript,
    PublishTranscript,
)
from app.core.policy import CEILING, Order, Policy
from app.core.state import ENDS, AttemptStatus, Phase, Transcription
from app.core.step import Step, budget, failed, ignore


def on_retry_asked(t: Transcription, e: events.RetryAsked, policy: Policy) -> Step:
    """
    A person's decision. What costs nothing is tried first: fetch, look up, ask. Where there is such a thing,
    a paid attempt follows only as it would have without the person, or when they named a budget.
    """
    if t.phase is Phase.STORED and (t.pending_transcripts or t.superseded):
        fetches = (FetchTranscript(u.transcript_id) for u in t.pending_transcripts)
        return Step(t, (*fetches, *(PublishTranscript(tid) for tid in t.superseded)))
    if e.over_budget and (now := cost.goes_over_budget(t)) is not None:
        return now
    if t.phase not in (Phase.FAILED, Phase.SKIPPED):
        return ignore(t, f"nothing to retry: the transcription is {t.phase.value}")
    t = replace(
        t.without_waits(),
        budget=max(t.budget, e.budget),
        is_recording_done=True,
        retry_requested=True,
        is_by_hand=True,
        is_recording_gone=False,
        exceeds_daily_budget=e.over_budget,
    )
    is_more = e.budget >= t.next_ordinal  # the person wants another one paid
    t = _taken_up_again(t, is_more=is_more, most=budget(t, policy))
    free = _resume(t, policy, at=e.at)
    if free.commands:
        return replace(free, state=replace(free.state, retry_requested=is_more))
    if t.next_ordinal > budget(t, policy):
        return ignore(t, _why_no_more(t, policy))
    return Step(replace(t, phase=Phase.NEW, reason=None, detail=None, completed_at=None))


def on_transcription_ordered(t: Transcription, e: events.TranscriptionOrdered, policy: Policy) -> Step:
    """
    One transcription per recording: what is under way or stored stays as it is, and one that failed or was
    skipped is tried again as by `RetryAsked`. A recording that is not known to be done is asked about. Before
    the first attempt Recall's list is read: the same may have been ordered elsewhere.
    """
    ordered = t if e.intent == Order() else replace(t, intent=e.intent)
    if not t.attempts:
        ordered = replace(ordered, lookup_required=True)
    if t.phase in (Phase.FAILED, Phase.SKIPPED):
        again = events.RetryAsked(e.at, budget=0)
        step = on_retry_asked(ordered, again, policy)
        return step if step.ignored is None else ignore(t, step.ignored)
    if t.phase is not Phase.NEW:
        return ignore(t, f"one transcription per recording: it is {t.phase.value}")
    heard = replace(
        ordered,
        is_by_hand=True,
        first_heard_at=t.first_heard_at or e.at,
        recording_asks=max(t.recording_asks, 1),
    )
    if t.is_by_hand and heard == t:
        return ignore(t, "it is ordered already")
    return Step(heard, (AskRecording(),))


def _why_no_more(t: Transcription, policy: Policy) -> str:
    if t.next_ordinal > CEILING:
        return f"all {CEILING} attempts that a recording may have are used"
    pays = f"`./afterword retry {t.recording_id} --budget {t.next_ordinal}` pays for another"
    return f"all {budget(t, policy)} attempts are used; {pays}"


def _taken_up_again(t: Transcription, *, is_more: bool, most: int) -> Transcription:
    """
    An attempt that the policy ended was never paid: the decision is about that one, and where its provider
    has left the policy the send plans another. One at a time: two that wait to be sent hold each other back.
    With a budget for more, what was set aside is given up: nothing was made under it, for sure, since what
    was sent has had its definite answer.
    """
    for line in reversed(t.attempts):
        if is_more and line.is_unsent:
            t = t.with_attempt(replace(line, status=AttemptStatus.REFUSED))
        elif is_more or t.open_attempt is not None or line.ordinal > most:
            continue
        elif line.error in get_args(events.WhyUnwanted):
            t = t.with_attempt(replace(line, status=AttemptStatus.CLAIMED, error=None))
    return t


def _resume(t: Transcription, policy: Policy, *, at: float) -> Step:
    """Whatever was unread or open when the transcription failed goes on where it stopped."""
    pending_transcripts = tuple(replace(u, since=at, tries=0, absence=None) for u in t.pending_transcripts)
    commands: list[Command] = [FetchTranscript(u.transcript_id) for u in pending_transcripts]
    if t.publishing is not None:
        commands.append(PublishTranscript(t.publishing))
    t = replace(
        t,
        pending_transcripts=pending_transcripts,
        reason=None,
        detail=None,
        completed_at=None,
        phase=Phase.NEW,
    )
    for line in t.attempts:
        if line.status in (AttemptStatus.RUNNING, AttemptStatus.SILENT) and line.transcript_id:
            # One question is free. An attempt that was silent for a day gets no second day.
            was_silent = line.status is AttemptStatus.SILENT
            since = at - policy.durations.give_up_s if was_silent else at
            tries = results.TRIES_BEFORE_GIVING_UP if was_silent else 0
            t = t.with_attempt(
                replace(line, status=AttemptStatus.RUNNING, since=since, tries=tries, absence=None)
            )
            commands.append(AskTranscript(line.transcript_id))
        elif line.status is AttemptStatus.CLAIMED:
            t = t.with_attempt(replace(line, since=at, tries=0, blocked=0))
            commands.append(CreateTranscript(line.ordinal, line.provider, line.key_serial))
        elif line.status in (AttemptStatus.SENDING, AttemptStatus.UNKNOWN):
            # What became of its request is not known: a new key may not be taken lightly.
            unknown = replace(line, status=AttemptStatus.UNKNOWN, is_doubtful=True, since=at, absence=None)
            t = t.with_attempt(unknown)
            commands.append(LookUpTranscript(line.ordinal))
    return Step(t, tuple(commands))


def on_command_failed(t: Transcription, e: events.CommandFailed, policy: Policy) -> Step:
    """Our own fault. What is open stays open and what is unread unread: a retry looks before it pays."""
    if e.command in erasure.NAMES:
        return erasure.not_erased(t, e, policy)
    if t.phase in ENDS:
        return ignore(t, "the transcription ended without this command", alarm="command_failed")
    if e.transcript_id is not None and e.transcript_id == t.publishing:
        ended = replace(t, phase=Phase.FAILED, reason=reasons.OUR_FAULT, detail=e.command, completed_at=e.at)
        return Step(ended, alarm="finished_transcript_not_stored")
    is_foreign = e.transcript_id is not None and t.attempt_of(transcript_id=e.transcript_id) is None
    if is_foreign and e.transcript_id is not None and t.pending_transcript(e.transcript_id):
        return Step(t.as_processed(e.transcript_id), alarm="command_failed")
    return failed(t, reasons.OUR_FAULT, e.command, at=e.at)


def on_wait_ended(t: Transcription, e: events.WaitEnded, policy: Policy) -> Step:
    """A day of the same wait; nothing is given up by it but the waiting."""
    if e.command in erasure.NAMES:
        return erasure.not_erased(t, e, policy)
    if t.phase in ENDS:
        return ignore(t, "the transcription ended without this command", alarm="command_given_up")
    if e.transcript_id is not None and e.transcript_id == t.publishing:
        ended = replace(t, phase=Phase.FAILED, reason=reasons.STORAGE, detail=e.cause, completed_at=e.at)
        return Step(ended, alarm="finished_transcript_not_stored")
    reason = reasons.UNEXPECTED_ANSWER if e.is_unexpected else reasons.NOT_SETTLED
    return failed(t, reason, f"{e.command}: {e.cause}", at=e.at)


def on_command_missing(t: Transcription, e: events.CommandMissing, policy: Policy) -> Step:
    """A fault of ours, mended with a look: what may have been sent is listed, what runs is asked for."""
    if t.phase in ENDS:
        return ignore(t, "the transcription has ended")
    commands: list[Command] = [FetchTranscript(u.transcript_id) for u in t.pending_transcripts]
    if t.publishing is not None:
        commands.append(PublishTranscript(t.publishing))
    for line in t.attempts:
        if line.status is AttemptStatus.RUNNING and line.transcript_id:
            commands.append(AskTranscript(line.transcript_id))
        elif line.status in (AttemptStatus.SENDING, AttemptStatus.UNKNOWN, AttemptStatus.RUNNING):
            t = t.with_attempt(replace(line, status=AttemptStatus.UNKNOWN, is_doubtful=True, absence=None))
            commands.append(LookUpTranscript(line.ordinal))
    if not commands and (not t.is_recording_done or t.lacks_evidence):
        commands.append(AskRecording())
    elif not commands:
        t = replace(t, lookup_required=True, listed_empty_at=0.0)
        commands = [LookUpTranscript(0), AwaitProvider()]  # the second only where all providers are down
    return Step(t, tuple(commands), alarm="stuck")
