"""
Rules about the recording itself: hearing that it is done, failed or deleted, and what Recall says of it when
asked. `on_recording_asked` answers three kinds of waiting at once: for the recording, for a proof that
something does not exist (`rules_absence`), and for what tells a silent meeting from an empty transcript.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from app.core import events, reasons
from app.core import rules_absence as absence
from app.core.commands import AskRecording, AskTranscript, CreateTranscript
from app.core.durations import growing
from app.core.events import RecordingCondition
from app.core.policy import Policy, why_not_selected
from app.core.quality import SILENT
from app.core.state import Attempt, AttemptStatus, Phase, Transcription
from app.core.step import Step, failed, ignore


def on_recording_done(t: Transcription, e: events.RecordingDone, p: Policy) -> Step:
    if t.is_recording_done:
        return ignore(t, "this recording is known to be done")
    heard = replace(
        t,
        is_recording_done=True,
        bot_id=e.bot_id or t.bot_id,
        metadata=e.metadata or t.metadata,
        started_at=e.started_at or t.started_at,
        duration_s=e.duration_s or t.duration_s,
        lookup_required=t.lookup_required or e.lookup_required,
        first_heard_at=t.first_heard_at or e.at,
        is_recording_gone=False,
    ).without_waits()
    was_about_recording = t.reason in (reasons.RECORDING_FAILED, reasons.RECORDING_NEVER_DONE)
    if (
        t.phase is Phase.FAILED
        and was_about_recording
        and not t.pending_transcripts
        and t.open_attempt is None
    ):
        heard = replace(heard, phase=Phase.NEW, reason=None, detail=None, completed_at=None)
    if heard.phase in (Phase.STORED, Phase.FAILED):
        return Step(heard)
    why = None if t.is_by_hand else why_not_selected(p.select, dict(heard.metadata))
    if why is not None and not heard.attempts:
        return Step(replace(heard, phase=Phase.SKIPPED, reason=reasons.NOT_SELECTED, detail=why))
    return Step(heard)


def on_recording_failed(t: Transcription, e: events.RecordingFailed, p: Policy) -> Step:
    if t.is_recording_done or t.phase is not Phase.NEW:
        return ignore(t, "the recording was done before it failed")
    return failed(t, reasons.RECORDING_FAILED, e.sub_code, at=e.at)


def on_recording_deleted(t: Transcription, e: events.RecordingDeleted, p: Policy) -> Step:
    if t.phase in (Phase.STORED, Phase.FAILED, Phase.SKIPPED):
        return ignore(replace(t, is_recording_gone=True), "nothing was waiting for it")
    gone = replace(t, is_recording_gone=True)
    line = gone.open_attempt
    if line is not None and line.status is AttemptStatus.RUNNING and line.transcript_id:
        return Step(gone, (AskTranscript(line.transcript_id),))
    if line is None and not gone.pending_transcripts:
        return failed(gone, reasons.RECORDING_GONE, None, at=e.at)
    if line is not None and line.status is AttemptStatus.CLAIMED:
        return Step(gone, (AskRecording(),))
    return Step(gone)


def on_recording_asked(t: Transcription, e: events.RecordingAsked, p: Policy) -> Step:
    t = replace(t, started_at=e.started_at or t.started_at, duration_s=e.duration_s or t.duration_s)
    if e.condition is RecordingCondition.UNKNOWN or not e.is_answer:
        step = absence.recording_not_seen(t, p)
    else:
        step = absence.recording_seen(t, e, p)
    step = _with_evidence(step, e, p)
    is_moved = step.state != t
    line = step.state.open_attempt
    is_waiting = line is not None and line.status is AttemptStatus.CLAIMED
    is_for_more = step.state.lookup_required or step.state.lacks_evidence
    if t.is_recording_done and not is_waiting and not is_for_more:
        return step if is_moved else ignore(t, "nothing waits for the recording any more")
    return step.then(_recording_answered(step.state, line if is_waiting else None, e, p))


def _with_evidence(step: Step, e: events.RecordingAsked, p: Policy) -> Step:
    """
    An empty transcript of a short recording is final; where Recall does not say, it is not short. One of a
    recording without speech is `silent`.
    """
    t = step.state
    is_known = e.condition in (RecordingCondition.DONE, RecordingCondition.GONE, RecordingCondition.FAILED)
    if not t.lacks_evidence or not is_known or not e.is_answer:
        return step
    is_short = e.duration_s is not None and e.duration_s < p.durations.short_recording_s
    verdict = SILENT if e.is_silent else t.candidate_verdict
    return replace(step, state=replace(t, is_short=is_short, candidate_verdict=verdict))


def _recording_answered(t: Transcription, line: Attempt | None, e: events.RecordingAsked, p: Policy) -> Step:
    """For a create that waits for the recording, or for news of it that was lost."""
    at = e.at if e.at_excluding_pauses is None else e.at_excluding_pauses
    match e.condition:
        case RecordingCondition.DONE if not t.is_recording_done:
            news = events.RecordingDone(at=e.at, bot_id=e.bot_id, metadata=e.metadata, lookup_required=True)
            return on_recording_done(t, news, p)
        case RecordingCondition.DONE if line is not None:
            ready = t.without_waits()
            return Step(ready, (CreateTranscript(line.ordinal, line.provider, line.key_serial),))
        case RecordingCondition.DONE:
            return Step(t.without_waits())
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
        t = t.with_attempt(replace(line, status=AttemptStatus.REFUSED, error=detail or reason))
    return failed(t, reason, detail or None, at=at)


def suspend(t: Transcription, line: Attempt, reason: str, *, at: float) -> Step:
    """The end, and nothing against the provider: the attempt stays open, and a retry goes on with it."""
    return failed(t.with_attempt(line), reason, line.error or None, at=at)


def wait_for_recording(
    t: Transcription, line: Attempt | None, reason: str, *, at: float, policy: Policy
) -> Step:
    """Recall does not have the recording ready: ask for it, harmlessly, for a day."""
    if t.is_recording_gone and reason == reasons.RECORDING_UNKNOWN:
        return refused_for_good(t, line, reasons.RECORDING_GONE, at=at)
    since = t.recording_wait_since or at
    if at - since >= policy.durations.give_up_s:
        return failed(t, reason, None, at=at) if line is None else suspend(t, line, reason, at=at)
    wait_s = growing(
        policy.durations.first_ask_s / 10, t.recording_asks, policy.durations.recording_ask_every_s
    )
    waiting = replace(t, recording_wait_since=since, recording_asks=t.recording_asks + 1)
    return Step(waiting, (AskRecording(after_s=wait_s),))
