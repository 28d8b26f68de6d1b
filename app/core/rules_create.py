"""
Rules about the recording and about paid attempts: hearing of it, claiming, sending, what came back.

The three long numbers of the create protocol live in `durations`; the protocol itself here, in
`on_listed`. What must change together: this file and `app/orchestrator/effects/create_transcript.py`, which
performs it.
"""

from __future__ import annotations

from dataclasses import replace

from app.core import events, reasons
from app.core import rules_absence as absence
from app.core.absence import lasting
from app.core.commands import (
    AskRecording,
    AskTranscript,
    CreateTranscript,
    LookUpTranscript,
    PruneTranscript,
)
from app.core.durations import growing
from app.core.events import Refusal
from app.core.policy import Policy, why_not_selected
from app.core.rules_recording import refused_for_good, suspend, wait_for_recording
from app.core.rules_results import DELETED, transcript_done, transcript_failed
from app.core.seen import FailureCause, Seen, TranscriptStatus
from app.core.state import ENDS, Attempt, AttemptStatus, Phase, Transcription
from app.core.step import Step, budget, failed, ignore

_REASONS = {
    Refusal.RECORDING_GONE: reasons.RECORDING_GONE,
    Refusal.NO_AUDIO: reasons.NO_AUDIO,
    Refusal.RECORDING_UNKNOWN: reasons.RECORDING_UNKNOWN,
    Refusal.RECORDING_NOT_DONE: reasons.RECORDING_NEVER_DONE,
    Refusal.PAYLOAD: reasons.PAYLOAD_REFUSED,
    Refusal.UNEXPLAINED: reasons.REQUEST_REFUSED,
}
# How often old news waits for another party's transcript that is being made, ten minutes each.
_LOOKS_FOR_OTHERS = 6
_STANDING_STILL = (AttemptStatus.CLAIMED, AttemptStatus.UNKNOWN)
# What is refused for this request alone; three refusals of the same one are an answer.
_ABOUT_THE_REQUEST = (Refusal.PAYLOAD, Refusal.UNEXPLAINED)
_REQUEST_TRIES = 3


def why_not_send(t: Transcription, ordinal: int, provider: str, p: Policy) -> events.NoLongerWanted | None:
    """
    Whether the policy of now still wants this send; its `at` is the caller's to set.

    Only a repetition under the same key is not asked again: its first request may have been heard.
    """
    line = t.attempt_of(ordinal=ordinal)
    if line is not None and line.is_doubtful:
        return None
    why = None if t.is_by_hand else why_not_selected(p.select, dict(t.metadata))
    if why is not None:
        return events.NoLongerWanted(0.0, ordinal, "deselected", why)
    if provider not in {choice.key for choice in p.providers}:
        return events.NoLongerWanted(0.0, ordinal, "provider_left", provider)
    if (why := why_no_further(t, ordinal, p)) is not None:
        return events.NoLongerWanted(0.0, ordinal, "no_further_attempt", why)
    return None


def why_no_further(t: Transcription, ordinal: int, p: Policy) -> str | None:
    """The setting because of which this policy makes no attempt `ordinal`, unless a person ordered it."""
    if ordinal > budget(t, p):
        return "attempts"
    if t.retry_requested or ordinal <= t.budget:
        return None
    paid = [a for a in t.attempts if a.ordinal < ordinal and a.status is not AttemptStatus.REFUSED]
    if p.on_silence == "fail" and paid and paid[-1].status is AttemptStatus.SILENT:
        return "on_silence"
    is_enough = t.candidate is not None and not p.quality.calls_for_another(t.candidate_verdict)
    return f"quality.{t.candidate_verdict}" if is_enough else None


def on_no_longer_wanted(t: Transcription, e: events.NoLongerWanted, p: Policy) -> Step:
    """Nothing was made under this attempt, for sure: it ends unpaid, or goes to a provider of the policy."""
    line = t.attempt_of(ordinal=e.ordinal)
    is_waiting = line.is_unsent if line is not None else t.planned == e.ordinal
    if t.phase is not Phase.CREATING or not is_waiting:
        return ignore(t, "this attempt is not waiting to be sent")
    t = replace(t, planned=None, duration_s=e.duration_s or t.duration_s)
    if e.why == "deselected":
        if line is not None:
            t = t.with_attempt(replace(line, status=AttemptStatus.REFUSED, error=e.why))
        why = reasons.NOT_SELECTED
        return Step(replace(t, phase=Phase.SKIPPED, reason=why, detail=e.detail, completed_at=e.at))
    if line is None:
        return Step(t)  # `_next` plans it with another, or ends
    is_any = t.extra is None or t.intent.provider is None  # an extra goes to no other than was ordered
    provider = unused_provider(t, p) if e.why == "provider_left" and is_any else None
    if provider is None:
        return Step(t.with_attempt(replace(line, status=AttemptStatus.REFUSED, error=e.why)))
    other = replace(line, provider=provider, tries=0, blocked=0)
    return Step(t.with_attempt(other), (CreateTranscript(line.ordinal, provider, line.key_serial),))


def unused_provider(t: Transcription, policy: Policy) -> str | None:
    """The first that is up; when all that are left are down, the first of those."""
    used: set[str | None] = {a.provider for a in t.attempts}
    if t.is_adopted(t.candidate):
        used.add(t.provider)  # heard nothing, whichever party paid
    left = [choice.key for choice in policy.providers if choice.key not in used]
    return next((key for key in left if key not in policy.tripped_providers), left[0] if left else None)


def next_provider(t: Transcription, policy: Policy) -> str | None:
    """Whose turn it is: an extra's is the one it was ordered of, and one that was used may be tried again."""
    first = policy.providers[0].key if policy.providers else None
    if t.extra is not None:
        return first if t.intent.provider in (None, first) else None
    unused = unused_provider(t, policy)
    return first if unused is None and t.retry_requested else unused


def on_sending(t: Transcription, e: events.Sending, p: Policy) -> Step:
    """The claim. Compare-and-set on the version makes it count once."""
    line = t.attempt_of(ordinal=e.ordinal)
    if t.phase is not Phase.CREATING or t.pending_transcripts or t.has_other_open(e.ordinal):
        return ignore(t, "a create is not wanted any more")
    if t.lookup_required:
        return ignore(t, "Recall is to be looked at first")
    unwanted = why_not_send(t, e.ordinal, e.provider, p)
    if unwanted is not None:
        return ignore(t, f"the policy does not want this send: {unwanted.why}")
    known = replace(t, duration_s=e.duration_s or t.duration_s, retry_requested=False)
    if line is None and t.planned == e.ordinal == t.next_ordinal:
        claimed = Attempt(e.ordinal, e.provider, AttemptStatus.SENDING, e.key_serial, since=e.at)
        return Step(known.with_attempt(_told(claimed, e)).without_waits())
    if line is not None and line.status is AttemptStatus.CLAIMED and line.key_serial == e.key_serial:
        sending = replace(line, status=AttemptStatus.SENDING, is_recording_unknown=False)
        told = sending if line.is_doubtful else _told(sending, e)
        return Step(replace(known.with_attempt(told), daily_budget_wait_since=0.0))
    return ignore(t, "this attempt is not waiting to be sent")


def _told(line: Attempt, e: events.Sending) -> Attempt:
    """With what became of the intent. Under a key that was sent before, the first request's bytes go out."""
    return replace(line, left_out=e.left_out, changed=e.changed)


def on_created(t: Transcription, e: events.Created, p: Policy) -> Step:
    if any(a.transcript_id == e.transcript_id and a.ordinal != e.ordinal for a in t.attempts):
        # The answer to an earlier request: what became of this one, only the list can tell.
        return on_create_unknown(t, events.CreateUnknown(e.at, e.ordinal, "another_attempts"), p)
    line = t.attempt_of(ordinal=e.ordinal) or Attempt(e.ordinal, "", AttemptStatus.CLAIMED, since=e.at)
    if line.transcript_id == e.transcript_id:
        return ignore(t, "this transcript is known as the attempt's")
    alarm = "two_transcripts_with_one_marker" if line.transcript_id is not None else None
    if alarm and line.status not in (AttemptStatus.FAILED, AttemptStatus.REFUSED):
        return ignore(t, "the attempt has another transcript", alarm=alarm)
    line = replace(line, transcript_id=e.transcript_id, provider=line.provider or e.provider or "")
    # An absence was of a create that no list showed: it is none of its transcript.
    line = replace(line, tries=0, absence=None)
    if t.pending_transcript(e.transcript_id) or e.transcript_id in t.processed_transcripts:
        return Step(t.with_attempt(replace(line, status=AttemptStatus.DONE)), alarm=alarm)
    running = t.with_attempt(replace(line, status=AttemptStatus.RUNNING, since=e.at))
    ask = AskTranscript(e.transcript_id, after_s=p.durations.first_ask_s)
    return Step(running.without_waits(), (ask,), alarm=alarm)


def on_create_refused(t: Transcription, e: events.CreateRefused, p: Policy) -> Step:
    line = t.attempt_of(ordinal=e.ordinal)
    if line is None or line.status is not AttemptStatus.SENDING:
        return ignore(t, "no request of this attempt was under way")
    if line.is_doubtful:
        # Key, balance, firewall, rate and perhaps validation are judged before Recall looks at an
        # Idempotency-Key: a refusal of the repeated request says nothing sure about the first one.
        unknown = replace(line, status=AttemptStatus.UNKNOWN, error=e.detail)
        wait_s = max(e.wait_s, p.durations.first_look_up_s)
        return Step(t.with_attempt(unknown), (LookUpTranscript(line.ordinal, after_s=wait_s),))
    return _after_refusal(t, line, e, p)


def _after_refusal(t: Transcription, line: Attempt, e: events.CreateRefused, p: Policy) -> Step:
    """Nothing was made, for sure. The attempt ends, waits, or asks again."""
    # Recall replays a stored answer for an hour: after a definite one the next request has a new key.
    again = replace(
        line,
        status=AttemptStatus.CLAIMED,
        key_serial=line.key_serial + 1,
        tries=line.tries + 1,
        blocked=line.blocked + (e.refusal in _ABOUT_THE_REQUEST),
        error=e.detail,
        is_recording_unknown=e.refusal is Refusal.RECORDING_UNKNOWN,
    )
    is_over = (e.at_excluding_pauses or e.at) - line.since >= p.durations.give_up_s
    match e.refusal:
        case Refusal.PROVIDER:
            return Step(t.with_attempt(replace(line, status=AttemptStatus.REFUSED, error=e.detail)))
        case Refusal.LIMIT if p.at_limit == "prune" and not is_over:
            wait_s = growing(p.durations.not_sent_wait_s, line.tries, p.durations.put_off_at_most_s)
            return Step(
                t.with_attempt(again), (PruneTranscript(line.ordinal, after_s=wait_s if line.tries else 0.0),)
            )
        case Refusal.LIMIT:
            return suspend(t, again, reasons.RECALL_LIMIT, at=e.at)
        case Refusal.RECORDING_GONE | Refusal.NO_AUDIO:
            return refused_for_good(t, line, _REASONS[e.refusal], at=e.at, detail=e.detail)
        case Refusal.RECORDING_UNKNOWN | Refusal.RECORDING_NOT_DONE:
            return wait_for_recording(t.with_attempt(again), again, _REASONS[e.refusal], at=e.at, policy=p)
        case Refusal.PAYLOAD | Refusal.UNEXPLAINED if again.blocked >= _REQUEST_TRIES:
            return suspend(t, again, _REASONS[e.refusal], at=e.at)
        case _ if is_over:
            return suspend(t, again, reasons.CREATE_UNSETTLED, at=e.at)
        case _:
            create = CreateTranscript(line.ordinal, line.provider, again.key_serial, after_s=e.wait_s)
            return Step(t.with_attempt(again), (create,))


def on_create_not_sent(t: Transcription, e: events.CreateNotSent, p: Policy) -> Step:
    line = t.attempt_of(ordinal=e.ordinal)
    if line is None or line.status is not AttemptStatus.SENDING:
        return ignore(t, "no request of this attempt was under way")
    if e.at - line.since >= p.durations.give_up_s:
        claimed = replace(line, status=AttemptStatus.CLAIMED, error=e.detail)
        return suspend(t, claimed, reasons.CREATE_UNSETTLED, at=e.at)
    wait_s = growing(p.durations.not_sent_wait_s, line.tries, p.durations.blocked_at_most_every_s)
    again = replace(line, status=AttemptStatus.CLAIMED, tries=line.tries + 1, error=e.detail)
    return Step(
        t.with_attempt(again),
        (CreateTranscript(line.ordinal, line.provider, line.key_serial, after_s=wait_s),),
    )


def on_provider_down(t: Transcription, e: events.ProviderDown, p: Policy) -> Step:
    """Skipped is not used: the provider stays on the list for later."""
    if t.planned != e.ordinal:
        return ignore(t, "this attempt was not waiting to be claimed")
    return Step(replace(t, planned=None))


def on_provider_awaited(t: Transcription, e: events.ProviderAwaited, p: Policy) -> Step:
    if t.phase is not Phase.CREATING or t.planned is not None or t.open_attempt is not None:
        return ignore(t, "nothing waits for a provider")
    return Step(t)


def on_budget_spent(t: Transcription, e: events.BudgetSpent, p: Policy) -> Step:
    if t.planned != e.ordinal:
        return ignore(t, "this attempt was not waiting to be claimed")
    return Step(replace(t, planned=None, retry_requested=False))


def on_pruned(t: Transcription, e: events.Pruned, p: Policy) -> Step:
    line = t.attempt_of(ordinal=e.ordinal)
    if line is None or line.status is not AttemptStatus.CLAIMED:
        return ignore(t, "no attempt waits for room")
    if not e.has_room:
        return suspend(t, line, reasons.RECALL_LIMIT, at=e.at)
    return Step(t, (CreateTranscript(line.ordinal, line.provider, line.key_serial),))


def on_create_unknown(t: Transcription, e: events.CreateUnknown, p: Policy) -> Step:
    line = t.attempt_of(ordinal=e.ordinal)
    if line is None or line.status not in (AttemptStatus.SENDING, AttemptStatus.CLAIMED):
        return ignore(t, "the attempt's fate is known by now")
    since = line.since if line.is_doubtful else e.at  # a day from the first request without an answer
    unknown = replace(line, status=AttemptStatus.UNKNOWN, error=e.detail, is_doubtful=True, since=since)
    look = LookUpTranscript(line.ordinal, after_s=p.durations.first_look_up_s)
    return Step(t.with_attempt(unknown), (look,))


def on_downtime_detected(t: Transcription, e: events.DowntimeDetected, p: Policy) -> Step:
    """Another installation, or this one since the backup was made, may have paid: look before sending."""
    # The day in which an open attempt is to settle, a transcript to be stored, or a provider to work again,
    # was lost by us.
    lines = tuple(replace(a, since=e.at) if a.status in _STANDING_STILL else a for a in t.attempts)
    pending_transcripts = tuple(replace(u, since=e.at) for u in t.pending_transcripts)
    t = replace(
        t,
        lookup_required=True,
        planned=None,
        attempts=lines,
        pending_transcripts=pending_transcripts,
        recording_wait_since=e.at if t.recording_wait_since else 0.0,
        provider_wait_since=0.0,  # where it goes on, it begins with this moment
        daily_budget_wait_since=e.at if t.daily_budget_wait_since else 0.0,
    )
    return absence.begun_anew(replace(t, listed_empty_at=0.0))


def on_listed(t: Transcription, e: events.Listed, p: Policy) -> Step:
    """Everything Recall has for the recording; whatever bears our marker is ours."""
    is_for_create = e.ordinal == 0 and e.transcript_id is None
    look = LookUpTranscript(0, after_s=p.durations.first_ask_s)
    is_patient = t.lookup_required and t.extra is None and t.looks_for_others < _LOOKS_FOR_OTHERS
    if is_for_create and is_patient and _is_made_by_others(e):
        return Step(replace(t, looks_for_others=t.looks_for_others + 1), (look,))
    # Whatever the list was read for: what is planned next is planned knowing it. An empty list says nothing
    # before the recording itself is seen under the same key.
    if e.seen or not t.lookup_required:
        step = Step(replace(t, lookup_required=False, planned=None, listed_empty_at=0.0))
    else:
        step = Step(replace(t, listed_empty_at=e.at, listed_empty_by=e.key), (AskRecording(),))
    # Failures last: one that no provider can cure ends nothing while another in the list runs or is done.
    for seen in sorted(e.seen, key=lambda seen: seen.status is TranscriptStatus.FAILED):
        step = step.then(_on_seen(step.state, seen, e, p))
    if e.transcript_id is not None:
        return step.then(absence.after_list(step.state, e, p))
    line = step.state.attempt_of(ordinal=e.ordinal)
    if line is not None and line.status is AttemptStatus.UNKNOWN:
        return step.then(_still_unknown(step.state, line, e, p))
    return step


def on_look_up_impossible(t: Transcription, e: events.LookUpImpossible, p: Policy) -> Step:
    line = t.attempt_of(ordinal=e.ordinal)
    if t.phase in ENDS:
        return ignore(t, "the transcription has ended")
    return failed(t, reasons.CREATE_UNSETTLED, line.error if line is not None else None, at=e.at)


def _is_made_by_others(e: events.Listed) -> bool:
    """Another party's asynchronous transcript is being made; its result will be as welcome as ours."""
    is_ours = any(seen.ordinal is not None for seen in e.seen)
    others = (s for s in e.seen if s.ordinal is None and not s.is_realtime)
    return not is_ours and any(s.status is TranscriptStatus.PROCESSING for s in others)


def _on_seen(t: Transcription, seen: Seen, e: events.Listed, p: Policy) -> Step:
    line = t.attempt_of(transcript_id=seen.transcript_id)
    if seen.ordinal is None and (line is None or seen.is_realtime):
        is_wanted = p.want_realtime or not seen.is_realtime
        is_news = seen.status is TranscriptStatus.DONE and is_wanted
        return transcript_done(t, seen.transcript_id, None, at=e.at) if is_news else Step(t)
    ordinal = line.ordinal if line is not None else seen.ordinal
    assert ordinal is not None
    created = events.Created(e.at, ordinal, seen.transcript_id, seen.provider)
    step = Step(t).then(on_created(t, created, p))
    if seen.status is TranscriptStatus.DONE:
        return step.then(transcript_done(step.state, seen.transcript_id, ordinal, at=e.at))
    if seen.status is TranscriptStatus.FAILED:
        code, failure = seen.sub_code, seen.failure
    elif seen.status is TranscriptStatus.DELETED:  # it did happen, and it was paid for
        code, failure = DELETED, FailureCause.OTHER
    else:
        return step
    return step.then(
        transcript_failed(step.state, seen.transcript_id, ordinal, error=code, failure=failure, at=e.at)
    )


def _still_unknown(t: Transcription, line: Attempt, e: events.Listed, p: Policy) -> Step:
    """
    Not in the list. Until 50 minutes after the first send the same key is safe to repeat; "it did not
    happen" is said no earlier than 70 minutes after the last send, after two empty lists ten minutes apart,
    and when the recording itself is seen (`rules_absence`).
    """
    d = p.durations
    at_excluding_pauses = e.at if e.at_excluding_pauses is None else e.at_excluding_pauses
    if at_excluding_pauses - line.since >= d.give_up_s:
        return suspend(t, line, reasons.CREATE_UNSETTLED, at=e.at)
    is_over = t.phase in ENDS  # nothing more is sent
    if e.is_unsent:  # where it is sent at all, `machine._unblock` sends it
        status = AttemptStatus.REFUSED if is_over else AttemptStatus.CLAIMED
        return Step(t.with_attempt(replace(line, status=status, is_doubtful=False, absence=None)))
    if e.since_last_send_s >= d.never_happened_after_s:  # from then on an empty list says something
        # As far apart as Recall may forget a thing for, so that one of them would have shown it.
        missing = lasting(line.absence, at=e.at, key=e.key).listed(e.at, apart_s=d.gone_after_s)
        t = t.with_attempt(replace(line, absence=missing))
        if missing.is_for_the_recording:
            return Step(t, (AskRecording(),))
        return Step(t, (LookUpTranscript(line.ordinal, after_s=d.gone_after_s),))
    line = replace(line, absence=None)
    t = t.with_attempt(line)
    if e.is_resendable and e.since_first_send_s < d.resend_until_s and not is_over:
        wait_s = growing(d.resend_first_s, line.tries, d.resend_at_most_every_s)
        again_line = replace(line, status=AttemptStatus.CLAIMED, tries=line.tries + 1)
        create = CreateTranscript(line.ordinal, line.provider, line.key_serial, after_s=wait_s)
        return Step(t.with_attempt(again_line), (create,))
    wait_s = min(d.never_happened_after_s - e.since_last_send_s, d.resend_at_most_every_s)
    return Step(t, (LookUpTranscript(line.ordinal, after_s=wait_s),))
