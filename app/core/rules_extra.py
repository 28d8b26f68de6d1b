"""
Rules about an extra: a further paid attempt that was ordered beside a result. While it is under way the
transcription is as any other, with one attempt to spend; the result stays where readers find it. It ends with
words, which become the result, or without, and everything is as before.
"""

from __future__ import annotations

from dataclasses import replace

from app.core import events
from app.core.commands import PublishTranscript
from app.core.policy import CEILING, Policy
from app.core.quality import WITHOUT_WORDS, has_better_verdict
from app.core.state import ENDS, Attempt, AttemptStatus, Extra, Phase, Transcription
from app.core.step import Step, ignore


def on_extra_ordered(t: Transcription, e: events.ExtraOrdered, policy: Policy) -> Step:
    """One order is one attempt, however often it is told; Recall's list is read before it is paid for."""
    why = _why_not(t, e.order)
    if why is not None:
        return ignore(t, why)
    ordinal = t.next_ordinal
    kept = Extra(ordinal, t.completed_at, t.candidate, t.intent)
    begun = replace(
        t.without_waits(),
        phase=Phase.NEW,
        extra=kept,
        orders=(*t.orders, e.order),
        intent=e.intent,
        budget=max(t.budget, ordinal),
        is_recording_done=True,
        is_by_hand=True,
        lookup_required=True,
        listed_empty_at=0.0,
        candidate=None,
        completed_at=None,
    )
    return Step(begun)


def _why_not(t: Transcription, order: str) -> str | None:
    if order in t.orders:
        return "this was ordered already"
    if t.phase is not Phase.STORED:
        return f"an extra is ordered beside a result: it is {t.phase.value}"
    if t.open_attempt is not None or t.pending_transcripts or t.superseded:
        return "something of it is still under way"
    if t.is_recording_gone:
        return "the recording no longer exists at Recall"
    if t.next_ordinal > CEILING:
        return f"all {CEILING} attempts that a recording may have are used"
    return None


def becomes_result(t: Transcription, line: Attempt | None, verdict: str) -> bool:
    """Whether a transcript with words and this verdict becomes the result that readers should take."""
    if t.extra is not None and t.verdict not in WITHOUT_WORDS:
        return line is not None and line.ordinal == t.extra.ordinal
    return t.phase is not Phase.STORED or has_better_verdict(verdict, before=t.verdict)


def ended(step: Step) -> Step:
    """An extra's end: with a new result, or all as before. What waits to be sent is given up, unpaid."""
    t = step.state
    if t.extra is None or t.phase not in ENDS:
        return step
    lines = tuple(replace(a, status=AttemptStatus.REFUSED) if a.is_unsent else a for a in t.attempts)
    manifests = tuple(PublishTranscript(tid) for tid in t.superseded)
    over = replace(t, extra=None, attempts=lines, lookup_required=False)
    if t.phase is not Phase.STORED:
        over = replace(
            over,
            phase=Phase.STORED,
            reason=None,
            detail=None,
            completed_at=t.extra.completed_at,
            candidate=t.extra.candidate,
            intent=t.extra.intent,
        )
    return replace(step, state=over, commands=(*step.commands, *manifests))
