"""
The one effect that costs money. Time-line of a create, and what a crash leaves behind:

    claim and stamp committed ──── POST ──── the send's outcome committed ──── event committed
                              └──────┴──┬─────────────────────────────────┘
                         a crash here: the attempt is found `sending`, and looked up at Recall

The stamp is the `Send`'s row: key, bytes, fingerprint of the API key, and when. After the claim the attempt's
line stands at `sending`; `claimed` is a line that may be sent again, after a refusal or a 429.

The claim is a compare-and-set, so one worker of all passes it. `sending` found under a fresh lease
means that another died between stamp and event. What must change together: this file and
`core/rules_create.py`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from app.core import events
from app.core.commands import CreateTranscript
from app.core.cost import DAY_S
from app.core.events import Refusal
from app.core.policy import ProviderChoice
from app.core.rules_create import why_not_send
from app.core.state import Attempt, AttemptStatus
from app.core.wanted import is_wanted
from app.errors import BudgetExceeded
from app.orchestrator.command_context import CommandContext
from app.orchestrator.effects import forms
from app.orchestrator.effects.create_refusal import Fault, why_refused
from app.orchestrator.outcome import Happened, Later, NotWanted, Outcome, Unanswered
from app.orchestrator.planning import is_length_wanted
from app.orchestrator.records import Send, SendOutcome
from app.recall.types import CreateAnswer, CreateOrder

_KEYS = uuid.UUID("6d1c1f6e-64a5-5e0c-9d0a-1f2f3ad8a1c7")  # the namespace of our Idempotency-Keys


def create(context: CommandContext) -> Outcome:
    """Claim, stamp, POST once, note how the request ended, and say what came of it."""
    command = context.leased.command
    assert isinstance(command, CreateTranscript)
    line = context.state.attempt_of(ordinal=command.ordinal)
    if line is not None and line.status is AttemptStatus.SENDING:
        return Happened(events.CreateUnknown(context.now(), command.ordinal, "no_word_after_the_stamp"))
    plan = _planned(context, command, line)
    if isinstance(plan, Outcome):
        return plan
    # Read before the key's age is asked and before the commit: a process that is stopped in between finds its
    # stamp older than it is, never younger.
    stamped_at = context.clock.boottime()
    if line is not None and _is_too_late_to_repeat(context, command):
        return Happened(events.CreateUnknown(context.now(), command.ordinal, "too_late_to_repeat"))
    body = _body(context, command, plan)
    claim: int | Outcome | None = None
    try:
        claim = _claim(context, command, plan, body)
    finally:
        is_probe = line is None and command.provider in context.tripped
        if is_probe and not isinstance(claim, int):  # nothing was tried: another may be the probe
            context.store.release_probe(context.workspace.name, command.provider)
    if not isinstance(claim, int):
        return claim
    limit_s = context.policy.durations.stamp_max_age_s
    answer = context.recall.create(
        _order(context, command, plan.choice),
        body,
        is_still_fresh=lambda: (
            context.clock.boottime() - stamped_at <= limit_s and not context.renewer.is_lost
        ),
    )
    # First, so that two recordings refused at the same moment see each other (`create_refusal`).
    context.store.record_send_outcome(claim, outcome=SendOutcome(answer.kind, answer.status))
    is_fresh = line is None or not line.is_doubtful
    if is_fresh and forms.is_said_otherwise(context, plan.choice, answer):
        return _refused(context, command, answer, Fault(Refusal.FORM))
    return _concluded(context, command, answer)


# -- before the claim ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Plan:
    """What this send is to say, by the policy of now; a repetition under the same key says what was said."""

    choice: ProviderChoice
    duration_s: float | None  # of the recording, where it is known


def _planned(context: CommandContext, command: CreateTranscript, line: Attempt | None) -> _Plan | Outcome:
    """
    Before every send under a fresh key: does the policy of now want this recording, with this provider, and
    can the provider do it? And before the first claim of an attempt: is it up?
    """
    duration_s, policy = context.state.duration_s, context.policy
    is_repeated = line is not None and line.is_doubtful
    unwanted = why_not_send(context.state, command.ordinal, command.provider, policy)
    if unwanted is None and not is_repeated and duration_s is None and _is_length_wanted(context, command):
        facts = context.read("retrieve", lambda: context.recall.recording(context.recording_id))
        if isinstance(facts, Unanswered):
            return facts
        duration_s, policy = facts.duration_s, context.policy_at(facts.duration_s)
        unwanted = why_not_send(context.state, command.ordinal, command.provider, policy)
    minimum_s = _minimum_s(context, command)
    if unwanted is None and not is_repeated and duration_s is not None and duration_s < minimum_s:
        why = f"shorter than {minimum_s:g} seconds"
        unwanted = events.NoLongerWanted(0.0, command.ordinal, "deselected", why)
    if unwanted is not None:
        return Happened(replace(unwanted, at=context.now(), duration_s=duration_s))
    waits = None if is_repeated else forms.why_wait(context, command.provider)
    if waits is not None:
        return waits
    choice = next((one for one in policy.providers if one.key == command.provider), None)
    return _why_down(context, command, line) or _Plan(choice or ProviderChoice(command.provider), duration_s)


def _is_length_wanted(context: CommandContext, command: CreateTranscript) -> bool:
    """Only where it changes whether or what is sent: else two calls stay two."""
    if _minimum_s(context, command) > 0 or context.policy.prices.daily_budget:
        return True
    policy, known = context.workspace.policy, context.before.forms
    return is_length_wanted(policy, context.state, command.provider, forms=known)


def _minimum_s(context: CommandContext, command: CreateTranscript) -> float:
    """What a recording must last, which is asked before anything was made."""
    state = context.state
    is_first = all(a.ordinal == command.ordinal for a in state.attempts)
    return context.policy.select.minimum_duration_s if is_first and not state.is_by_hand else 0.0


def _why_down(context: CommandContext, command: CreateTranscript, line: Attempt | None) -> Outcome | None:
    if line is not None or command.provider not in context.tripped:
        return None
    probe_s = context.policy.durations.provider_probe_at_most_s
    if context.store.allow_request(context.workspace.name, command.provider, probe_s=probe_s):
        return None
    at = context.now_excluding_pauses(context.state.provider_wait_since or context.now(), for_creates=True)
    return Happened(events.ProviderDown(at, command.ordinal, command.provider))


def _is_too_late_to_repeat(context: CommandContext, command: CreateTranscript) -> bool:
    """A key is safe to repeat for Recall's hour, and only under the API key it was first sent with."""
    times = context.store.send_times(
        context.workspace.name, context.recording_id, command.ordinal, key_serial=command.key_serial
    )
    if times.since_first_s is None:
        return False
    is_old = times.since_first_s >= context.policy.durations.resend_until_s
    return is_old or not times.has_body or not times.fingerprints <= {context.recall.fingerprint}


def idempotency_key(workspace: str, recording_id: str, ordinal: int, key_serial: int) -> str:
    """The same for every repetition of this very request: a forgotten claim repeats itself harmlessly."""
    return str(uuid.uuid5(_KEYS, f"{workspace}/{recording_id}/{ordinal}/{key_serial}"))


def _body(context: CommandContext, command: CreateTranscript, plan: _Plan) -> bytes:
    """
    What was sent first under this key, or for a fresh one what the policy of now says. An attempt without a
    line has sent nothing: both are written in one commit.
    """
    kept = None
    if context.state.attempt_of(ordinal=command.ordinal) is not None:
        kept = context.store.send_body(
            context.workspace.name, context.recording_id, command.ordinal, key_serial=command.key_serial
        )
    return kept if kept is not None else context.recall.create_body(_order(context, command, plan.choice))


def _order(context: CommandContext, command: CreateTranscript, choice: ProviderChoice) -> CreateOrder:
    return CreateOrder(
        recording_id=context.recording_id,
        provider=command.provider,
        options=choice.options,
        separate_streams=choice.separate_streams,
        marker=f"{context.recording_id}/{command.ordinal}",
        idempotency_key=idempotency_key(
            context.workspace.name, context.recording_id, command.ordinal, command.key_serial
        ),
        form="recall" if choice.form == "recall" else "vendor",
        model=choice.model,
    )


def _claim(context: CommandContext, command: CreateTranscript, plan: _Plan, body: bytes) -> int | Outcome:
    """Commits claim, stamp, key and bytes at once; the stamp's id, or why nothing was committed."""
    order = _order(context, command, plan.choice)
    send = Send(
        ordinal=command.ordinal,
        key_serial=command.key_serial,
        key=order.idempotency_key,
        fingerprint=context.recall.fingerprint,
        # Recall counts creates per bot; a recording without a bot stands for itself.
        bot=context.state.bot_id or context.recording_id,
        body=body,
    )
    sending = events.Sending(
        context.now(),
        command.ordinal,
        command.provider,
        command.key_serial,
        plan.duration_s,
        plan.choice.left_out,
        plan.choice.changed,
    )
    try:
        decision, committed = context.claim(sending, send)
    except BudgetExceeded:
        return Happened(events.BudgetSpent(context.now(), command.ordinal))
    if decision.ignored and is_wanted(decision.state, command):
        return Later(context.policy.durations.put_off_first_s, "claim_refused")
    if decision.ignored:
        return NotWanted()
    if committed.wait_s is not None:
        return Later(committed.wait_s, "rate_of_the_bot", ends_by_itself=True)
    if committed.is_over_daily_budget:
        return _over_daily_budget(context, command, plan.duration_s)
    assert committed.send_id is not None
    return committed.send_id


def _over_daily_budget(
    context: CommandContext, command: CreateTranscript, duration_s: float | None
) -> Outcome:
    at = context.now_excluding_pauses(
        context.state.daily_budget_wait_since or context.now(), for_creates=True
    )
    left_s = DAY_S - context.now() % DAY_S + 1.0
    return Happened(events.DailyBudgetReached(at, command.ordinal, command.provider, left_s, duration_s))


# -- after the POST --------------------------------------------------------------------------------


def _concluded(context: CommandContext, command: CreateTranscript, answer: CreateAnswer) -> Outcome:
    ordinal = command.ordinal
    if answer.kind == "created" and answer.transcript_id is not None:
        return Happened(events.Created(context.now(), ordinal, answer.transcript_id, answer.provider))
    if answer.kind == "not_sent":
        return Happened(events.CreateNotSent(_at_excluding_pauses(context, ordinal), ordinal, answer.detail))
    if answer.kind == "unknown":
        detail = answer.detail or f"http_{answer.status}"
        return Happened(events.CreateUnknown(context.now(), ordinal, detail))
    return _refused(context, command, answer, why_refused(context, answer))


def _refused(
    context: CommandContext, command: CreateTranscript, answer: CreateAnswer, fault: Fault
) -> Outcome:
    at_excluding_pauses = _at_excluding_pauses(context, command.ordinal)
    detail = " ".join(filter(None, (f"http_{answer.status}", answer.code, fault.counted)))
    event = events.CreateRefused(
        context.now(), command.ordinal, fault.refusal, detail, fault.wait_s, at_excluding_pauses
    )
    return Happened(event) if fault.account is None else replace(fault.account, event=event)


def _at_excluding_pauses(context: CommandContext, ordinal: int) -> float:
    line = context.state.attempt_of(ordinal=ordinal)
    return context.now_excluding_pauses(line.since if line is not None else context.now(), for_creates=True)
