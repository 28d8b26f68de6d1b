"""
Rules about what Recall does not have: a transcript that a retrieve did not find, a create that no list
shows, a look before a create that found nothing.

An absence is a fact only when it lasted, when two full lists a minute apart agree, and when the recording
itself is seen under the same key before one more list and after it (`on_recording_asked`): a key of another
workspace is answered 404 and empty lists whatever it asks, and so is every key while Recall has lost sight of
a workspace. What another key did not see begins anew. Until then the question is
asked again, and after a day the wait ends by its own name. Each question is a command of its own, so that
each has its own slot in Recall's rates.
"""

from __future__ import annotations

from dataclasses import replace

from app.core import events, reasons
from app.core.absence import Absence, lasting
from app.core.commands import (
    AskRecording,
    AskTranscript,
    Command,
    CreateTranscript,
    FetchTranscript,
    LookUpTranscript,
)
from app.core.durations import growing
from app.core.events import RecordingCondition
from app.core.policy import Policy
from app.core.rules_results import DELETED, gone, has_waited_enough, stop_waiting, tried
from app.core.seen import TranscriptStatus
from app.core.state import (
    ENDS,
    OPEN,
    Attempt,
    AttemptStatus,
    PendingTranscript,
    Transcription,
)
from app.core.step import Step, ignore

# How often a transcript that is missing is asked for while its absence lasts.
_SAMPLES = 4


def on_transcript_missing(t: Transcription, e: events.TranscriptMissing, p: Policy) -> Step:
    """404. It may be a moment's, or this key's: the absence itself has to last."""
    waiting = t.pending_transcript(e.transcript_id)
    line = t.attempt_of(transcript_id=e.transcript_id)
    if waiting is not None:
        return _finished_one_missing(t, waiting, e, p)
    if line is None or line.status is not AttemptStatus.RUNNING:
        return ignore(t, "nothing waits for this transcript")
    absence = lasting(line.absence, at=e.at, key=e.key)
    line = replace(line, tries=line.tries + 1, absence=absence)
    if has_waited_enough(line, e.at_excluding_pauses, p):
        return Step(t.with_attempt(replace(line, status=AttemptStatus.SILENT, error="no_answer")))
    return Step(t.with_attempt(line), (_next_look(absence, AskTranscript(e.transcript_id), line, e.at, p),))


def _finished_one_missing(
    t: Transcription, waiting: PendingTranscript, e: events.TranscriptMissing, p: Policy
) -> Step:
    absence = lasting(waiting.absence, at=e.at, key=e.key)
    t = tried(t, replace(waiting, absence=absence))
    if has_waited_enough(waiting, e.at_excluding_pauses, p):
        return stop_waiting(t, waiting, reasons.NEVER_READABLE, p, at=e.at)
    line = t.attempt_of(transcript_id=e.transcript_id)
    look = _next_look(absence, FetchTranscript(e.transcript_id), line, e.at, p)
    if isinstance(look, FetchTranscript):
        # A transcript that was announced a moment ago is there in a moment.
        soon_s = growing(p.durations.not_yet_first_s, waiting.tries, p.durations.not_yet_at_most_every_s)
        look = replace(look, after_s=min(look.after_s, soon_s))
    return Step(t, (look,))


def _next_look(
    absence: Absence,
    retrieve: AskTranscript | FetchTranscript,
    line: Attempt | None,
    at: float,
    p: Policy,
) -> Command:
    """The same question again while the absence is young, then the list, then the recording itself."""
    d = p.durations
    left_s = absence.since + d.gone_after_s - at
    if left_s > 0:
        return replace(retrieve, after_s=min(left_s, d.gone_after_s / _SAMPLES))
    if absence.is_for_the_recording:
        return AskRecording()
    apart_s = absence.listed_at + d.second_list_after_s - at  # long ago, where there was none
    ordinal = line.ordinal if line is not None else 0
    return LookUpTranscript(ordinal, retrieve.transcript_id, after_s=max(apart_s, 0.0))


def after_list(t: Transcription, e: events.Listed, p: Policy) -> Step:
    """The list was read for a transcript that a retrieve did not find."""
    tid = e.transcript_id
    assert tid is not None
    is_listed = any(
        seen.transcript_id == tid and seen.status is not TranscriptStatus.DELETED for seen in e.seen
    )
    waiting, line = t.pending_transcript(tid), t.attempt_of(transcript_id=tid)
    retrieve: AskTranscript | FetchTranscript
    if waiting is not None:
        absence, retrieve = waiting.absence, FetchTranscript(tid)
    elif line is not None and line.status is AttemptStatus.RUNNING:
        absence, retrieve = line.absence, AskTranscript(tid)
    else:
        return Step(t)
    if absence is None or is_listed:
        again_s = p.durations.not_yet_at_most_every_s if waiting is not None else p.durations.first_ask_s
        return Step(_with_absence(t, tid, None), (replace(retrieve, after_s=again_s),))
    absence = lasting(absence, at=e.at, key=e.key).listed(e.at, apart_s=p.durations.second_list_after_s)
    t = _with_absence(t, tid, absence)
    if absence.is_for_the_recording:
        return Step(t, (AskRecording(),))
    return Step(t, (replace(retrieve, after_s=p.durations.second_list_after_s),))


def _with_absence(t: Transcription, transcript_id: str, absence: Absence | None) -> Transcription:
    waiting, line = t.pending_transcript(transcript_id), t.attempt_of(transcript_id=transcript_id)
    if waiting is not None:
        return t.with_pending(replace(waiting, absence=absence))
    assert line is not None  # one of the two was looked for
    return t.with_attempt(replace(line, absence=absence))


# -- the recording itself --------------------------------------------------------------------------


def recording_seen(t: Transcription, e: events.RecordingAsked, p: Policy) -> Step:
    """
    This key sees the recording: what a list did not show, read since it last saw it, does not exist. Where
    the lists are older, one more is read.
    """
    step = begun_anew(t, but=e.key)
    t = step.state
    for waiting in t.pending_transcripts:
        if waiting.absence is None or not waiting.absence.is_for_the_recording:
            continue
        if waiting.absence.is_recording_seen:
            step = step.then(gone(step.state, waiting.transcript_id))
            continue
        once_more = step.state.with_pending(replace(waiting, absence=waiting.absence.with_recording_seen()))
        attempt = t.attempt_of(transcript_id=waiting.transcript_id)
        ordinal = attempt.ordinal if attempt is not None else 0
        step = step.then(Step(once_more, (LookUpTranscript(ordinal, waiting.transcript_id),)))
    for line in t.attempts:
        if line.status not in OPEN or line.absence is None or not line.absence.is_for_the_recording:
            continue
        if line.absence.is_recording_seen:
            step = step.then(_attempt_absent(step.state, line, e))
            continue
        once_more = step.state.with_attempt(replace(line, absence=line.absence.with_recording_seen()))
        transcript_id = line.transcript_id if line.status is AttemptStatus.RUNNING else None
        step = step.then(Step(once_more, (LookUpTranscript(line.ordinal, transcript_id),)))
    return step.then(_look_was_clean(step.state, e, p))


def _attempt_absent(t: Transcription, line: Attempt, e: events.RecordingAsked) -> Step:
    line = replace(line, absence=None)
    if line.status is AttemptStatus.RUNNING:
        return Step(t.with_attempt(replace(line, status=AttemptStatus.FAILED, error=DELETED)))
    if e.condition in (RecordingCondition.GONE, RecordingCondition.FAILED):
        never = replace(line, status=AttemptStatus.REFUSED, error="it_did_not_happen", is_doubtful=False)
        return Step(t.with_attempt(never))
    fresh = replace(
        line, status=AttemptStatus.CLAIMED, key_serial=line.key_serial + 1, tries=0, is_doubtful=False
    )
    return Step(t.with_attempt(fresh), (CreateTranscript(line.ordinal, line.provider, fresh.key_serial),))


def _look_was_clean(t: Transcription, e: events.RecordingAsked, p: Policy) -> Step:
    """The list before a create was empty, and not because this key sees nothing."""
    if not t.lookup_required or not t.listed_empty_at:
        return Step(t)
    is_stale = not 0 <= e.at - t.listed_empty_at <= p.durations.gone_after_s or t.listed_empty_by != e.key
    if is_stale:
        return Step(replace(t, listed_empty_at=0.0), (LookUpTranscript(0),))
    return Step(replace(t, lookup_required=False, listed_empty_at=0.0, planned=None))


def recording_not_seen(t: Transcription, p: Policy) -> Step:
    """404 for the recording too: nothing is proven by what is not there. Asked again, hourly."""
    d = p.durations
    commands: list[Command] = []
    for waiting in t.pending_transcripts:
        if waiting.absence is not None and waiting.absence.is_for_the_recording:
            t = t.with_pending(replace(waiting, absence=None))
            commands.append(FetchTranscript(waiting.transcript_id, after_s=d.ask_at_most_every_s))
    for line in t.attempts:
        if line.status not in OPEN or line.absence is None or not line.absence.is_for_the_recording:
            continue
        t = t.with_attempt(replace(line, absence=None))
        if line.status is AttemptStatus.RUNNING and line.transcript_id:
            commands.append(AskTranscript(line.transcript_id, after_s=d.ask_at_most_every_s))
        elif line.status is AttemptStatus.UNKNOWN and t.phase not in ENDS:
            commands.append(LookUpTranscript(line.ordinal, after_s=d.ask_at_most_every_s))
    return Step(t, tuple(commands))


def on_clock_stepped(t: Transcription, e: events.ClockStepped, p: Policy) -> Step:
    return begun_anew(t)


def begun_anew(t: Transcription, *, but: str | None = None) -> Step:
    """
    After a long silence, or a step of the clock: an absence that began before is none.

    Args:
        but: Fingerprint of an API key whose own absences go on.
    """
    commands: list[Command] = []
    for waiting in t.pending_transcripts:
        if waiting.absence is not None and waiting.absence.key != but:
            t = t.with_pending(replace(waiting, absence=None))
            commands.append(FetchTranscript(waiting.transcript_id))
    for line in t.attempts:
        if line.absence is None or line.absence.key == but:
            continue
        t = t.with_attempt(replace(line, absence=None))
        if line.status is AttemptStatus.RUNNING and line.transcript_id:
            commands.append(AskTranscript(line.transcript_id))
        elif line.status is AttemptStatus.UNKNOWN:
            commands.append(LookUpTranscript(line.ordinal))
    return Step(t, tuple(commands))


def is_recording_awaited(t: Transcription) -> bool:
    """Whether an answer about the recording itself decides something about an absence, or a length."""
    is_look = t.lookup_required and bool(t.listed_empty_at)
    return t.lacks_evidence or is_look or any(a.is_for_the_recording for a in t.absences)
