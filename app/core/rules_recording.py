"""
Rules about the recording itself: hearing that it is done, failed or deleted, and what Recall says of it when
asked. `on_recording_asked` answers three kinds of waiting at once: for the recording, for a proof that
something does not exist (`rules_absence`), and for the length of a silent meeting.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from app.core import events, reasons
from app.core import rules_absence as absence
from app.core.commands import AskRecording, AskTranscript, Command, CreateTranscript
from app.core.durations import growing
from app.core.events import RecordingCondition
from app.core.policy import Policy, why_not_selected
from app.core.state import Attempt, Fate, Goal, Transcription
from app.core.step import Step, failed, ignore


def on_recording_done(t: Transcription, e: events.RecordingDone, p: Policy) -> Step:
    if t.is_heard:
        return ignore(t, "this recording is known to be done")
    heard = replace(
        t,
        is_heard=True,
        bot_id=e.bot_id or t.bot_id,
        metadata=e.metadata or t.metadata,
        look_first=t.look_first or e.look_first,
        first_heard_at=t.first_heard_at or e.at,
        is_recording_gone=False,
        waiting_since=0.0,
        waits=0,
    )
    was_about_recording = t.reason in (reasons.RECORDING_FAILED, reasons.RECORDING_NEVER_DONE)
    if t.goal is Goal.FAILED and was_about_recording and not t.unread and t.open_attempt is None:
        heard = replace(heard, goal=Goal.NEW, reason=None, detail=None, completed_at=None)
    if heard.goal in (Goal.STORED, Goal.FAILED):
        return Step(heard)
    why = why_not_selected(p.select, dict(heard.metadata))
    if why is not None and not heard.attempts:
        return Step(replace(heard, goal=Goal.SKIPPED, reason=reasons.NOT_SELECTED, detail=why))
    return Step(heard)


def on_recording_failed(t: Transcription, e: events.RecordingFailed, p: Policy) -> Step:
    if t.is_heard or t.goal is not Goal.NEW:
        return ignore(t, "the recording was done before it failed")
    return failed(t, reasons.RECORDING_FAILED, e.sub_code, at=e.at)


def on_recording_deleted(t: Transcription, e: events.RecordingDeleted, p: Policy) -> Step:
    if t.goal in (Goal.STORED, Goal.FAILED, Goal.SKIPPED):
        return ignore(replace(t, is_recording_gone=True), "nothing was waiting for it")
    gone = replace(t, is_recording_gone=True)
    line = gone.open_attempt
    if line is not None and line.fate is Fate.RUNNING and line.transcript_id:
        return Step(gone, (AskTranscript(line.transcript_id),))
    if line is None and not gone.unread:
        return failed(gone, reasons.RECORDING_GONE, None, at=e.at)
    if line is not None and line.fate is Fate.CLAIMED:
        return Step(gone, (AskRecording(),))
    return Step(gone)


def on_recording_asked(t: Transcription, e: events.RecordingAsked, p: Policy) -> Step:
    if e.condition is RecordingCondition.UNKNOWN or not e.is_answer:
        step = absence.recording_not_seen(t, p)
    else:
        step = absence.recording_seen(t, e, p)
    step = _with_length(step, e, p)
    is_moved = step.state != t
    line = step.state.open_attempt
    is_waiting = line is not None and line.fate is Fate.CLAIMED
    is_for_more = step.state.look_first or step.state.lacks_length
    if t.is_heard and not is_waiting and not is_for_more:
        return step if is_moved else ignore(t, "nothing waits for the recording any more")
    return step.then(_recording_answered(step.state, line if is_waiting else None, e, p))


def _with_length(step: Step, e: events.RecordingAsked, p: Policy) -> Step:
    """An empty transcript of a short recording is final; where Recall does not say, it is not short."""
    t = step.state
    is_known = e.condition in (RecordingCondition.DONE, RecordingCondition.GONE, RecordingCondition.FAILED)
    if not t.lacks_length or not is_known or not e.is_answer:
        return step
    is_short = e.duration_s is not None and e.duration_s < p.durations.short_recording_s
    return replace(step, state=replace(t, is_short=is_short))


def _recording_answered(t: Transcription, line: Attempt | None, e: events.RecordingAsked, p: Policy) -> Step:
    """For a create that waits for the recording, or for news of it that was lost."""
    at = e.at if e.patient_at is None else e.patient_at
    match e.condition:
        case RecordingCondition.DONE if not t.is_heard:
            news = events.RecordingDone(at=e.at, bot_id=e.bot_id, metadata=e.metadata, look_first=True)
            return on_recording_done(t, news, p)
        case RecordingCondition.DONE if line is not None:
            ready = replace(t, waiting_since=0.0, waits=0)
            return Step(ready, (CreateTranscript(line.ordinal, line.provider, line.generation),))
        case RecordingCondition.DONE:
            return Step(replace(t, waiting_since=0.0, waits=0))
        case RecordingCondition.GONE:
            return refused_for_good(t, line, reasons.RECORDING_GONE, at=e.at)
        case RecordingCondition.FAILED:
            return refused_for_good(t, line, reasons.RECORDING_FAILED, at=e.at)
        case RecordingCondition.UNKNOWN:
            return wait_for_recording(t, line, reasons.RECORDING_UNKNOWN, at=at, policy=p)
        case RecordingCondition.NOT_DONE:
            return wait_for_recording(t, line, reasons.RECORDING_NEVER_DONE, at=at, policy=p)
        case _:
            assert_never(e.condition)


def refused_for_good(
    t: Transcription, line: Attempt | None, reason: str, *, at: float, detail: str = ""
) -> Step:
    if line is not None:
        t = t.with_attempt(replace(line, fate=Fate.REFUSED, error=detail or reason))
    return failed(t, reason, detail or None, at=at)


def set_aside(t: Transcription, line: Attempt, reason: str, *, at: float) -> Step:
    """The end, and nothing against the provider: the attempt stays open, and a retry goes on with it."""
    return failed(t.with_attempt(line), reason, line.error or None, at=at)


def wait_for_recording(
    t: Transcription, line: Attempt | None, reason: str, *, at: float, policy: Policy
) -> Step:
    """Recall does not have the recording ready: ask for it, harmlessly, for a day."""
    if t.is_recording_gone and reason == reasons.RECORDING_UNKNOWN:
        return refused_for_good(t, line, reasons.RECORDING_GONE, at=at)
    since = t.waiting_since or at
    if at - since >= policy.durations.give_up_s:
        return failed(t, reason, None, at=at) if line is None else set_aside(t, line, reason, at=at)
    wait_s = growing(policy.durations.first_ask_s / 10, t.waits, policy.durations.recording_ask_every_s)
    commands: tuple[Command, ...] = (AskRecording(after_s=wait_s),)
    return Step(replace(t, waiting_since=since, waits=t.waits + 1), commands)
