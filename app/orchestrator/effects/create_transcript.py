"""
The one effect that costs money. Time-line of a create, and what a crash leaves behind:

    claim, stamp and key committed ──── POST ──── answer committed
      | crash: nothing was sent, or something was: the line says `sending`, so it is looked up
                                          | crash: the same

The claim is a compare-and-set, so one worker of all passes it. Whoever finds `sending` under its
lease knows that somebody died between stamp and answer. What must change together: this file and
`core/rules_create.py`.
"""

from __future__ import annotations

import uuid
from dataclasses import replace

from app.core import events
from app.core.commands import CreateTranscript
from app.core.events import RecordingCondition, Refusal
from app.core.machine import is_wanted
from app.core.policy import CEILING
from app.core.rules_create import why_not_send
from app.core.state import Fate
from app.errors import AccountRefused, BudgetExceeded, RecallBusy
from app.orchestrator.command_context import SlotLater, Task
from app.orchestrator.effects.queries import list_all
from app.orchestrator.records import Send, Source
from app.recall.types import CreateAnswer, CreateOrder

_KEYS = uuid.UUID("6d1c1f6e-64a5-5e0c-9d0a-1f2f3ad8a1c7")  # the namespace of our Idempotency-Keys
# Refusals that say nothing about the request: any other proves that the account is accepted.
_ABOUT_US = frozenset({Refusal.ACCOUNT, Refusal.PAYLOAD, Refusal.BUSY})


def create(task: Task) -> None:
    """Claim, stamp, POST once, and say what came of it."""
    command = task.leased.command
    assert isinstance(command, CreateTranscript)
    line = task.state.attempt_of(ordinal=command.ordinal)
    if line is not None and line.fate is Fate.SENDING:
        task.happened(events.CreateUnknown(task.now(), command.ordinal, "no_word_after_the_stamp"))
        return
    if not _is_still_wanted(task, command):
        return
    if line is None and not _may_begin(task, command):
        return
    # Before the key's age is asked and the stamp committed: neither is underestimated, however long we stop.
    stamped_at = task.clock.boottime()
    if _is_too_late_to_repeat(task, command):
        task.happened(events.CreateUnknown(task.now(), command.ordinal, "too_late_to_repeat"))
        return
    body = _body(task, command)
    send_id = None
    try:
        send_id = _claim(task, command, body)
    finally:
        if send_id is None and line is None:  # nothing was tried: another may be the provider's probe
            task.store.leave_provider(task.workspace.name, command.provider)
    if send_id is None:
        return
    limit_s = task.policy.durations.stamp_max_age_s
    answer = task.recall.create(
        _order(task, command),
        body,
        is_still_fresh=lambda: task.clock.boottime() - stamped_at <= limit_s and not task.keeper.is_lost,
    )
    # First, so that two recordings refused at the same moment see each other (`_whose_payload`).
    outcome = f"{answer.kind} {answer.status or ''}".strip()
    task.store.settle_send(send_id, outcome=outcome)
    event = _outcome(task, command, answer)
    task.happened(event)
    if isinstance(event, events.Created) or (
        isinstance(event, events.CreateRefused) and event.refusal not in _ABOUT_US
    ):
        task.accepted(task.workspace)


def _is_still_wanted(task: Task, command: CreateTranscript) -> bool:
    """Before every send under a fresh key: does the policy of now want this recording, with this provider?"""
    unwanted = why_not_send(task.state, command.ordinal, command.provider, task.policy)
    line = task.state.attempt_of(ordinal=command.ordinal)
    if unwanted is None and (line is None or not line.is_doubtful):
        unwanted = _why_too_short(task, command)
    if unwanted is not None:
        task.happened(replace(unwanted, at=task.now()))
    return unwanted is None


def _may_begin(task: Task, command: CreateTranscript) -> bool:
    """Before the first claim of an attempt: is its provider up?"""
    probe_s = task.policy.durations.provider_probe_at_most_s
    if task.store.enter_provider(task.workspace.name, command.provider, probe_s=probe_s):
        return True
    at = task.patient_now(task.state.waiting_since or task.now(), for_creates=True)
    task.happened(events.ProviderDown(at, command.ordinal, command.provider))
    return False


def idempotency_key(workspace: str, recording_id: str, ordinal: int, generation: int) -> str:
    """The same for whoever repeats this very request: a forgotten claim repeats itself harmlessly."""
    return str(uuid.uuid5(_KEYS, f"{workspace}/{recording_id}/{ordinal}/{generation}"))


def _body(task: Task, command: CreateTranscript) -> bytes:
    """What was sent first under this key, or for a fresh one what the policy of now says."""
    kept = task.store.send_body(
        task.workspace.name, task.recording_id, command.ordinal, generation=command.generation
    )
    return kept if kept is not None else task.recall.create_body(_order(task, command))


def _claim(task: Task, command: CreateTranscript, body: bytes) -> int | None:
    """Commits claim, stamp and key at once; the stamp's id. None: not wanted any more, or not this second."""
    key = idempotency_key(task.workspace.name, task.recording_id, command.ordinal, command.generation)
    send = Send(
        ordinal=command.ordinal,
        generation=command.generation,
        key=key,
        fingerprint=task.recall.fingerprint,
        # Recall counts creates per bot; a recording without a bot stands for itself.
        bot=task.state.bot_id or task.recording_id,
        body=body,
    )
    sending = events.Sending(task.now(), command.ordinal, command.provider, command.generation)
    source = Source(command=task.leased, by="worker", is_finished=False)
    try:
        decision, committed = task.advance(task.workspace.name, task.recording_id, sending, source, send=send)
    except BudgetExceeded:
        task.happened(events.BudgetSpent(task.now(), command.ordinal))
        return None
    if decision.ignored and is_wanted(decision.state, command):
        raise RecallBusy("claim_refused", retry_after_s=task.policy.durations.put_off_first_s)
    if decision.ignored:
        task.store.drop(task.leased)
        return None
    if committed.wait_s is not None:
        task.store.defer(task.leased, after_s=committed.wait_s, cause="rate_of_the_bot")
        return None
    return committed.send_id


def _order(task: Task, command: CreateTranscript) -> CreateOrder:
    return CreateOrder(
        recording_id=task.recording_id,
        provider=command.provider,
        options=task.policy.options_of(command.provider),
        separate_streams=task.policy.separate_streams,
        marker=f"{task.recording_id}/{command.ordinal}",
        idempotency_key=idempotency_key(
            task.workspace.name, task.recording_id, command.ordinal, command.generation
        ),
    )


def _is_too_late_to_repeat(task: Task, command: CreateTranscript) -> bool:
    """A key is safe to repeat for Recall's hour, and only under the API key it was first sent with."""
    times = task.store.send_times(
        task.workspace.name, task.recording_id, command.ordinal, generation=command.generation
    )
    if times.since_first_s is None:
        return False
    is_old = times.since_first_s >= task.policy.durations.resend_until_s
    return is_old or not times.has_body or not times.fingerprints <= {task.recall.fingerprint}


def _why_too_short(task: Task, command: CreateTranscript) -> events.NoLongerWanted | None:
    """Only asks Recall when the policy has a minimum duration, and before anything was made."""
    minimum_s, state = task.policy.select.minimum_duration_s, task.state
    is_first = all(a.ordinal == command.ordinal for a in state.attempts)
    if minimum_s <= 0 or not is_first or state.is_by_hand:
        return None
    facts = task.read("retrieve", lambda: task.recall.recording(task.recording_id))
    if facts.duration_s is None or facts.duration_s >= minimum_s:
        return None
    why = f"shorter than {minimum_s:g} seconds"
    return events.NoLongerWanted(task.now(), command.ordinal, "deselected", why)


def _outcome(task: Task, command: CreateTranscript, answer: CreateAnswer) -> events.Event:
    ordinal = command.ordinal
    if answer.kind == "created" and answer.transcript_id is not None:
        return events.Created(task.now(), ordinal, answer.transcript_id, answer.provider)
    patient_at = _patient(task, ordinal)
    if answer.kind == "not_sent":
        return events.CreateNotSent(patient_at, ordinal, answer.detail)
    if answer.kind == "unknown":
        return events.CreateUnknown(task.now(), ordinal, answer.detail or f"http_{answer.status}")
    counted = ""
    try:
        refusal, wait_s, counted = _why_refused(task, answer)
    except (RecallBusy, SlotLater):
        # The cause cannot be looked into now. Nothing was made; the same attempt asks again later.
        refusal, wait_s = Refusal.BUSY, task.policy.durations.blocked_at_most_every_s
    except AccountRefused as refused:
        if refused.status == 403 and task.probe(task.workspace) is not False:  # about this recording
            refusal, wait_s = Refusal.BUSY, task.policy.durations.blocked_at_most_every_s
        else:
            task.pause(task.workspace, refused.status)
            refusal, wait_s = Refusal.ACCOUNT, task.policy.durations.account_probe_every_s
    detail = " ".join(filter(None, (f"http_{answer.status}", answer.code, counted)))
    return events.CreateRefused(task.now(), ordinal, refusal, detail, wait_s, patient_at)


def _patient(task: Task, ordinal: int) -> float:
    line = task.state.attempt_of(ordinal=ordinal)
    return task.patient_now(line.since if line is not None else task.now(), for_creates=True)


def _why_refused(task: Task, answer: CreateAnswer) -> tuple[Refusal, float, str]:
    """Whose fault a definite 4xx is, how long to wait where waiting helps, and what was counted at Recall."""
    probe_s = task.policy.durations.account_probe_every_s
    match answer.status:
        case 401 | 402:
            task.pause(task.workspace, answer.status, creates_only=answer.status == 402)
            return Refusal.ACCOUNT, probe_s, ""
        case 403:
            return _whose_403(task), probe_s, ""
        case 429 | 507:
            return Refusal.BUSY, answer.retry_after_s or task.policy.durations.blocked_first_s, ""
        case 400 | 404 | 422 if answer.names_provider:
            return Refusal.PROVIDER, 0.0, ""
        case 400 | 404 | 422:
            return _look_into_recording(task)
        case _:  # a proxy's or a firewall's word, not one about this provider
            return Refusal.BUSY, answer.retry_after_s or probe_s, ""


def _whose_403(task: Task) -> Refusal:
    """The account's, this payload's, or not known yet: then the same attempt asks again."""
    is_accepted = task.probe(task.workspace)
    if is_accepted is None:
        return Refusal.BUSY
    if is_accepted:
        return _whose_payload(task)
    task.pause(task.workspace, 403)
    return Refusal.ACCOUNT


def _whose_payload(task: Task) -> Refusal:
    """Recall's firewall judges payloads: it is all of us only when another recording is refused too."""
    within_s = task.policy.durations.give_up_s / 24
    if not task.store.creates_refused_elsewhere(task.workspace.name, task.recording_id, within_s=within_s):
        return Refusal.PAYLOAD
    task.pause(task.workspace, 403, creates_only=True)
    return Refusal.ACCOUNT


def _look_into_recording(task: Task) -> tuple[Refusal, float, str]:
    """A refusal that names no provider: is it the recording, or Recall's limit?"""
    facts = task.read("retrieve", lambda: task.recall.recording(task.recording_id), may_defer=False)
    match facts.condition:
        case RecordingCondition.UNKNOWN:
            return Refusal.RECORDING_UNKNOWN, 0.0, ""
        case RecordingCondition.NOT_DONE:
            return Refusal.RECORDING_NOT_DONE, 0.0, ""
        case RecordingCondition.GONE | RecordingCondition.FAILED:
            return Refusal.RECORDING_GONE, 0.0, ""
        case RecordingCondition.DONE if not facts.has_media:
            return Refusal.NO_AUDIO, 0.0, ""
        case RecordingCondition.DONE:
            alive = [a for a in list_all(task) if a.status != "deleted"]
            ours = sum(1 for a in alive if a.ordinal is not None)
            counted = f"({len(alive)} transcripts at Recall, {ours} of them ours)"
            if len(alive) > CEILING:
                return Refusal.LIMIT, 0.0, counted
            return Refusal.UNEXPLAINED, task.policy.durations.unexplained_every_s, counted
