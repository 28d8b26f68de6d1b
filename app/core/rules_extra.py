"""
Rules about an extra: a further paid attempt that was ordered beside a result. While it is under way the
transcription is as any other, with one attempt to spend; the result stays where readers find it. It ends with
words, which become the result unless they are only to compare with, or without, and everything is as before.

Further ones wait: one is under way at a time. By policy a share of the recordings gets some beside the first
result (`[shadow]`). What another party had made and paid for is no occasion to pay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from app.core import events
from app.core.commands import BeginExtra, Command, LookUpTranscript, PublishTranscript
from app.core.policy import CEILING, Policy
from app.core.quality import WITHOUT_WORDS, has_better_verdict
from app.core.state import ENDS, Attempt, AttemptStatus, Extra, Phase, Transcription, WaitingExtra
from app.core.step import Step, ignore


def on_extra_ordered(t: Transcription, e: events.ExtraOrdered, policy: Policy) -> Step:
    """One order is one attempt, however often it is told; Recall's list is read before it is paid for."""
    why = _why_not(t, e.order) or _why_other(t, e, policy)
    if why is not None:
        return ignore(t, why)
    wanted = WaitingExtra(e.order, e.intent, e.is_beside)
    noted = replace(t, orders=(*t.orders, e.order))
    if t.extra is None and not t.waiting_extras:
        return Step(_begun(noted, wanted))
    return Step(replace(noted, waiting_extras=(*t.waiting_extras, wanted)))


def _why_not(t: Transcription, order: str) -> str | None:
    if order in t.orders:
        return "this was ordered already"
    if t.outward.phase is not Phase.STORED:
        return f"an extra is ordered beside a result: it is {t.phase.value}"
    if not t.is_idle and t.extra is None:
        return "something of it is still under way"
    return _why_none(t, after=len(t.waiting_extras))


def _why_other(t: Transcription, e: events.ExtraOrdered, policy: Policy) -> str | None:
    """Whether its provider is able is asked when it begins: by its own order, and not by the one of now."""
    provider = e.intent.provider
    if provider is not None and policy.prices.lacks(provider):
        return f"the policy passes {provider} over: it has no price"
    if not e.is_beside:
        return None
    # Beside one that may become the result none is ordered.
    under_way = {t.intent} if t.extra is not None else set()
    waiting = {each.intent for each in t.waiting_extras if each.is_beside}
    return "the same is being made to compare with" if e.intent in under_way | waiting else None


def _why_none(t: Transcription, *, after: int = 0) -> str | None:
    """`after`: how many others come first, beside the one that is under way."""
    first = t.next_ordinal if t.extra is None else t.extra.ordinal + 1
    if t.is_recording_gone:
        return "the recording no longer exists at Recall"
    if first + after > CEILING:
        return f"all {CEILING} attempts that a recording may have are used"
    return None


def _begun(t: Transcription, wanted: WaitingExtra) -> Transcription:
    ordinal = t.next_ordinal
    return replace(
        t.without_waits(),
        phase=Phase.NEW,
        extra=Extra(ordinal, t.completed_at, t.candidate, t.intent, wanted.is_beside),
        intent=wanted.intent,
        budget=max(t.budget, ordinal),
        is_recording_done=True,
        is_by_hand=True,
        lookup_required=True,
        listed_empty_at=0.0,
        candidate=None,
        completed_at=None,
        exceeds_daily_budget=False,
    )


def on_extra_due(t: Transcription, e: events.ExtraDue, policy: Policy) -> Step:
    """Where none can be made any more, all that wait are given up, unpaid."""
    if not is_begin_wanted(t):
        return ignore(t, "no extra is to be begun now")
    if _why_none(t) is not None:
        return Step(replace(t, waiting_extras=()))
    return Step(_begun(replace(t, waiting_extras=t.waiting_extras[1:]), t.waiting_extras[0]))


def is_begin_wanted(t: Transcription) -> bool:
    """Whether it is the turn of one that waits."""
    return bool(t.waiting_extras) and t.is_idle


def becomes_result(t: Transcription, line: Attempt | None, verdict: str) -> bool:
    """Whether a transcript with words and this verdict becomes the result that readers should take."""
    if line is not None and t.is_beside(line):
        return False
    if t.extra is not None and t.verdict not in WITHOUT_WORDS:
        return line is not None and line.ordinal == t.extra.ordinal
    return t.phase is not Phase.STORED or has_better_verdict(verdict, before=t.verdict)


def ended(step: Step) -> Step:
    """An extra's end: with a new result, or all as before. What waits to be sent is given up, unpaid."""
    t = step.state
    if t.extra is None or t.phase not in ENDS:
        return step
    manifests = tuple(PublishTranscript(tid) for tid in t.superseded)
    lines = tuple(_ended_line(t, line) for line in t.attempts)
    unknown = (a.ordinal for a in lines if a.status is AttemptStatus.UNKNOWN)
    looks = tuple(LookUpTranscript(ordinal) for ordinal in unknown)
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
    return replace(step, state=over, commands=(*step.commands, *manifests, *looks))


def _ended_line(t: Transcription, line: Attempt) -> Attempt:
    status = AttemptStatus.REFUSED if line.is_unsent else line.status
    return replace(line, status=status, is_beside=t.is_beside(line))


def following(before: Transcription, t: Transcription, p: Policy, pending: tuple[Command, ...]) -> Step:
    """What the policy wants beside a first result; and the next extra, once nothing is under way."""
    if before.current is None and t.phase is Phase.STORED and before.phase is not Phase.STORED:
        shadows = tuple(_shadows(t, p))
        orders = (*t.orders, *(each.order for each in shadows))
        t = replace(t, waiting_extras=(*t.waiting_extras, *shadows), orders=orders)
    if any(isinstance(c, BeginExtra) for c in pending):
        return Step(t)
    return Step(t, (BeginExtra(),))  # where it is not wanted, `decide` leaves it out


def _shadows(t: Transcription, p: Policy) -> Iterator[WaitingExtra]:
    if t.verdict in WITHOUT_WORDS or t.is_adopted(t.current) or share_of(t.recording_id) >= p.shadow_percent:
        return
    tried = {line.provider for line in t.attempts}
    for provider in p.shadow_providers:
        if provider not in tried:
            yield WaitingExtra(f"shadow/{provider}", replace(t.intent, provider=provider), is_beside=True)


def share_of(recording_id: str) -> float:
    """From 0 to less than 100, the same for the same recording everywhere and always."""
    digest = hashlib.sha256(recording_id.encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 * 100
