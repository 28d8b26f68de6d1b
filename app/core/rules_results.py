"""
Rules about transcripts: announced, asked about, fetched, stored, gone.

A finished asynchronous transcript is stored whichever system asked for it and whenever it comes: it is
paid for. What is not known to be gone at Recall is never paid for again.
"""

from __future__ import annotations

from dataclasses import replace

from app.core import events, reasons
from app.core.commands import AskTranscript, FetchTranscript, PublishTranscript, RenderTranscript
from app.core.durations import growing
from app.core.policy import Policy
from app.core.quality import SILENT, is_better
from app.core.rules_extra import becomes_result
from app.core.seen import FailureCause
from app.core.state import ENDS, OPEN, Attempt, AttemptStatus, PendingTranscript, Phase, Transcription
from app.core.step import Step, failed, ignore

NO_SUB_CODE, DELETED = "no_sub_code", "deleted_at_recall"  # stored as an attempt's error
TRIES_BEFORE_GIVING_UP = 3
_CAUSES = {"storage_unavailable": reasons.STORAGE, "transcript_unreadable": reasons.RESULT_UNREADABLE}


def transcript_done(t: Transcription, transcript_id: str, ordinal: int | None, *, at: float) -> Step:
    """Takes a finished transcript in, to be looked at."""
    line = t.attempt_of(ordinal=ordinal, transcript_id=transcript_id)
    alarm = None
    if line is None and ordinal is not None:
        line = Attempt(ordinal, "", AttemptStatus.DONE, since=at)
    if line is not None and line.transcript_id not in (None, transcript_id):
        line, alarm = None, "two_transcripts_with_one_marker"
    waiting = t.pending_transcript(transcript_id)
    if waiting is not None and waiting.absence is not None:
        # Recall says that it exists: whatever was missing is missing no more.
        return Step(t.with_pending(replace(waiting, absence=None)), (FetchTranscript(transcript_id),))
    if waiting is not None and (t.phase in ENDS or t.publishing is not None):
        return Step(t, (FetchTranscript(transcript_id),))  # we had given up; looking again is free
    if transcript_id in t.processed_transcripts or t.pending_transcript(transcript_id):
        return ignore(t, "this transcript is known to be finished", alarm=alarm)
    if line is not None:
        t = t.with_attempt(replace(line, status=AttemptStatus.DONE, transcript_id=transcript_id, error=None))
    t = replace(t, pending_transcripts=(*t.pending_transcripts, PendingTranscript(transcript_id, since=at)))
    return Step(t, (FetchTranscript(transcript_id),), alarm=alarm)


def transcript_failed(
    t: Transcription,
    transcript_id: str,
    ordinal: int | None,
    *,
    error: str | None,
    failure: FailureCause = FailureCause.OTHER,
    at: float,
) -> Step:
    """
    A failure counts only against the attempt it names. One that no provider can cure is the end of all,
    unless another attempt or a finished transcript may still bring words.
    """
    line = t.attempt_of(ordinal=ordinal, transcript_id=transcript_id)
    if line is None and ordinal is None:
        return ignore(t, "not a transcript of ours")
    line = line or Attempt(ordinal or 0, "", AttemptStatus.RUNNING)
    if line.transcript_id not in (None, transcript_id):
        return ignore(t, "another transcript bears this marker", alarm="two_transcripts_with_one_marker")
    if line.status not in OPEN and line.status is not AttemptStatus.SILENT:
        return ignore(t, f"the attempt is {line.status.value} already")
    code = error or NO_SUB_CODE
    t = t.with_attempt(replace(line, status=AttemptStatus.FAILED, transcript_id=transcript_id, error=code))
    return _unless_incurable(t, code, failure, at=at)


def _unless_incurable(t: Transcription, code: str, failure: FailureCause, *, at: float) -> Step:
    if failure is FailureCause.PLATFORM and t.open_attempt is None and not t.pending_transcripts:
        return failed(t, reasons.PROVIDERS_CANNOT_CURE, code, at=at)
    return Step(t)


def on_transcript_done(t: Transcription, e: events.TranscriptDone, p: Policy) -> Step:
    return transcript_done(t, e.transcript_id, e.ordinal, at=e.at)


def on_transcript_failed(t: Transcription, e: events.TranscriptFailed, p: Policy) -> Step:
    return transcript_failed(t, e.transcript_id, e.ordinal, error=e.sub_code, failure=e.failure, at=e.at)


def on_transcript_deleted(t: Transcription, e: events.TranscriptDeleted, p: Policy) -> Step:
    """Recall's API is asked before a webhook's word is taken for a loss."""
    if t.pending_transcript(e.transcript_id):
        return Step(t, (FetchTranscript(e.transcript_id),))
    line = t.attempt_of(ordinal=e.ordinal, transcript_id=e.transcript_id)
    if line is not None and line.transcript_id is None and line.status in OPEN:
        line = replace(line, transcript_id=e.transcript_id, status=AttemptStatus.RUNNING)
        line = replace(line, since=e.at, tries=0, absence=None)
        t = t.with_attempt(line)
    if line is not None and line.status is AttemptStatus.RUNNING:
        return Step(t, (AskTranscript(e.transcript_id),))
    return ignore(t, "nothing waits for this transcript; a stored copy stays")


def on_still_processing(t: Transcription, e: events.StillProcessing, p: Policy) -> Step:
    line = t.attempt_of(transcript_id=e.transcript_id)
    if line is None or line.status is not AttemptStatus.RUNNING:
        return ignore(t, "nothing waits for this transcript")
    if has_waited_enough(line, e.at, p):
        return Step(t.with_attempt(replace(line, status=AttemptStatus.SILENT, error="no_answer")))
    # After 10, 20 and 40 minutes, then hourly.
    is_early = line.tries < 2
    wait_s = p.durations.first_ask_s * 2**line.tries if is_early else p.durations.ask_at_most_every_s
    ask = AskTranscript(e.transcript_id, after_s=wait_s)
    return Step(t.with_attempt(replace(line, tries=line.tries + 1, absence=None)), (ask,))


def on_not_yet(t: Transcription, e: events.NotYet, p: Policy) -> Step:
    waiting = t.pending_transcript(e.transcript_id)
    if waiting is None:
        return ignore(t, "nothing waits for this transcript")
    t = tried(t, replace(waiting, absence=None))
    if has_waited_enough(waiting, e.at, p):
        return stop_waiting(t, waiting, reasons.NEVER_READABLE, p, at=e.at)
    wait_s = growing(p.durations.not_yet_first_s, waiting.tries, p.durations.not_yet_at_most_every_s)
    return Step(t, (FetchTranscript(e.transcript_id, after_s=wait_s),))


def on_fetch_blocked(t: Transcription, e: events.FetchBlocked, p: Policy) -> Step:
    waiting = t.pending_transcript(e.transcript_id)
    if waiting is None:
        return ignore(t, "nothing waits for this transcript")
    t = tried(t, replace(waiting, absence=None))
    if has_waited_enough(waiting, e.at, p):
        other = reasons.UNEXPECTED_ANSWER if e.is_unexpected else reasons.DOWNLOAD_BLOCKED
        return stop_waiting(t, waiting, _CAUSES.get(e.cause, other), p, at=e.at, detail=e.cause)
    wait_s = growing(p.durations.blocked_first_s, waiting.tries, p.durations.blocked_at_most_every_s)
    return Step(t, (FetchTranscript(e.transcript_id, after_s=wait_s),))


def on_transcript_gone(t: Transcription, e: events.TranscriptGone, p: Policy) -> Step:
    step = gone(t, e.transcript_id, error=e.sub_code)
    if step.ignored or e.sub_code is None or t.attempt_of(transcript_id=e.transcript_id) is None:
        return step
    return _unless_incurable(step.state, e.sub_code, e.failure, at=e.at)


def gone(t: Transcription, transcript_id: str, *, error: str | None = None) -> Step:
    """It does not exist any more, or failed (`error`); an attempt that it was of has failed."""
    line = t.attempt_of(transcript_id=transcript_id)
    if t.pending_transcript(transcript_id):
        t = t.as_processed(transcript_id)
    elif line is None or line.status is not AttemptStatus.RUNNING:
        return ignore(t, "nothing waits for this transcript")
    if line is not None:
        t = t.with_attempt(replace(line, status=AttemptStatus.FAILED, error=error or DELETED))
    return Step(t)


def on_unwanted(t: Transcription, e: events.Unwanted, p: Policy) -> Step:
    if not t.pending_transcript(e.transcript_id):
        return ignore(t, "nothing waits for this transcript")
    return Step(t.as_processed(e.transcript_id))


def on_stored(t: Transcription, e: events.Stored, p: Policy) -> Step:
    if not t.pending_transcript(e.transcript_id):
        return ignore(t, "this transcript is stored already")
    t = replace(t.as_processed(e.transcript_id), duration_s=t.duration_s or e.duration_s)
    line = t.attempt_of(transcript_id=e.transcript_id)
    if line is not None:
        status = AttemptStatus.EMPTY if e.is_empty else AttemptStatus.DONE
        t = t.with_attempt(replace(line, status=status, provider=line.provider or e.provider))
    is_open = t.phase is not Phase.STORED and t.publishing is None and t.extra is None
    if is_open and (e.is_candidate or not _is_better(t, e)):
        return _with_candidate(t, e)
    if e.is_candidate:
        return _superseded(t, e.transcript_id)
    is_result = becomes_result(t, line, e.verdict)
    return _completed(t, e, e.verdict, p) if is_result else Step(t, _rest_of(t))


def _is_better(t: Transcription, e: events.Stored) -> bool:
    """Than the candidate; where there is none, than an empty one: no verdict is worse."""
    return is_better(e.verdict, e.words, verdict_before=t.candidate_verdict, words_before=t.candidate_words)


def _with_candidate(t: Transcription, e: events.Stored) -> Step:
    """
    Provisional: the better one of two becomes the result when nothing else may bring a better one; see
    `machine._settle`. What is not better than the candidate is superseded by it.
    """
    is_silent = t.candidate is not None and t.candidate_verdict == SILENT and e.is_empty
    verdict = SILENT if is_silent else e.verdict  # it is the recording that is
    if not is_silent and not _is_better(t, e):
        t = replace(t, superseded=(*t.superseded, e.transcript_id))
    else:
        earlier = (t.candidate,) if t.candidate is not None else ()
        t = replace(
            t,
            candidate=e.transcript_id,
            candidate_verdict=verdict,
            candidate_words=e.words,
            attempts_at_candidate=len(t.attempts),
            superseded=(*t.superseded, *earlier),
            language=e.language,
            provider=e.provider,
        )
    return Step(t, _rest_of(t) if t.phase in ENDS else ())


def _superseded(t: Transcription, transcript_id: str) -> Step:
    """A candidate beside a result, or beside one that is being published."""
    beside = replace(t, superseded=(*t.superseded, transcript_id))
    return Step(beside, (PublishTranscript(t.publishing or transcript_id), *_rest_of(t)))


def on_published(t: Transcription, e: events.Published, p: Policy) -> Step:
    if e.transcript_id in t.superseded:
        rest = tuple(tid for tid in t.superseded if tid != e.transcript_id)
        return Step(replace(t, superseded=rest))
    if e.transcript_id != t.publishing:
        return ignore(t, "this manifest is not awaited")
    return _completed(t, e, t.candidate_verdict, p)


def is_beside_result(t: Transcription, transcript_id: str) -> bool:
    """Whether it is a candidate that another one has superseded."""
    return transcript_id in t.superseded and t.phase is Phase.STORED


def is_rendered_here(t: Transcription, transcript_id: str) -> bool:
    """Whether it is one whose files may lie here, whole."""
    return t.phase is Phase.STORED and transcript_id in t.processed_transcripts


def on_render_asked(t: Transcription, e: events.RenderAsked, p: Policy) -> Step:
    """Bytes that could not be read are read again: a newer program may."""
    waiting = t.pending_transcript(e.transcript_id)
    if waiting is not None and waiting.is_unreadable:
        return Step(t, (FetchTranscript(e.transcript_id),))
    if not is_rendered_here(t, e.transcript_id):
        return ignore(t, "no such result is stored")
    return Step(t, (RenderTranscript(e.transcript_id),))


def on_rendered(t: Transcription, e: events.Rendered, p: Policy) -> Step:
    """Nothing but its line in the history."""
    return Step(t)


def on_download_unreadable(t: Transcription, e: events.DownloadUnreadable, p: Policy) -> Step:
    """Not at once: a gateway's page may stand in for a transcript for a moment."""
    waiting = t.pending_transcript(e.transcript_id)
    if waiting is None:
        return ignore(t, "nothing waits for this transcript")
    again_s = p.durations.unreadable_again_s
    waiting = replace(waiting, absence=None).unreadable(e.digest, e.at, apart_s=again_s / 2)
    t = tried(t, waiting)
    if not e.is_kept and not has_waited_enough(waiting, e.at, p):
        return Step(t, (FetchTranscript(e.transcript_id, after_s=again_s),))
    # It stays unread: `retry` reads the stored bytes again. Nothing further is paid for it.
    return stop_waiting(t, waiting, reasons.RESULT_UNREADABLE, p, at=e.at)


def _rest_of(t: Transcription) -> tuple[FetchTranscript, ...]:
    """Storing works again: what was given up before is fetched too, since it is paid for."""
    return tuple(FetchTranscript(u.transcript_id) for u in t.pending_transcripts if not u.is_unreadable)


def _completed(t: Transcription, e: events.Stored | events.Published, verdict: str, p: Policy) -> Step:
    is_new = t.candidate not in (None, e.transcript_id, t.current) and t.candidate not in t.superseded
    earlier = (t.candidate,) if is_new and t.candidate is not None else ()
    t = replace(
        t,
        phase=Phase.STORED,
        current=e.transcript_id,
        publishing=None,
        superseded=(*t.superseded, *earlier),
        verdict=verdict,
        is_flagged=p.quality.is_flagged(verdict),
        language=e.language,
        provider=e.provider,
        reason=None,
        detail=None,
        completed_at=e.at,
    )
    manifests = tuple(PublishTranscript(tid) for tid in t.superseded)
    return Step(t, (*_rest_of(t), *manifests))


def tried(t: Transcription, waiting: PendingTranscript) -> Transcription:
    """One more look at it."""
    return t.with_pending(replace(waiting, tries=waiting.tries + 1))


def has_waited_enough(waiting: PendingTranscript | Attempt, at: float, p: Policy) -> bool:
    """A day, and more than one look: a weekend's outage followed by one hiccup is no answer."""
    return at - waiting.since >= p.durations.give_up_s and waiting.tries >= TRIES_BEFORE_GIVING_UP


def stop_waiting(
    t: Transcription,
    waiting: PendingTranscript,
    reason: str,
    p: Policy,
    *,
    at: float,
    detail: str | None = None,
) -> Step:
    """
    Fails with a name, or stops at the end that is reached already; the transcript stays on the list, so
    that a retry fetches it and nothing further is paid. While an attempt is open, it is tried now and then.
    """
    alarm = "finished_transcript_not_stored"
    if t.phase is Phase.FAILED:  # for whatever reason: this one has a next step that costs nothing
        return Step(replace(t, reason=reason, detail=detail), alarm=alarm)
    if t.phase in ENDS:
        return Step(t, alarm=alarm)
    is_hope = any(a.status in OPEN and a.status is not AttemptStatus.CLAIMED for a in t.attempts)
    if not is_hope:
        return failed(t, reason, detail, at=at)
    return Step(t, (FetchTranscript(waiting.transcript_id, after_s=p.durations.ask_at_most_every_s),))
