"""
Whose fault a definite 4xx of a create is: the account's, the provider's, this request's, this recording's.
Where the answer does not say, Recall is asked about the recording, and its transcripts are counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.core.events import RecordingCondition, Refusal
from app.core.policy import CEILING
from app.core.seen import TranscriptStatus
from app.orchestrator.command_context import CommandContext
from app.orchestrator.effects.queries import list_all
from app.orchestrator.outcome import Refused, Unanswered
from app.recall.limits import FORBIDDEN, CreateFault
from app.recall.types import CreateAnswer


@dataclass(frozen=True, slots=True)
class Fault:
    """And how long to wait where waiting helps."""

    refusal: Refusal
    wait_s: float = 0.0
    counted: str = ""  # at Recall, for people
    account: Refused | None = None  # where the account is meant


def why_refused(context: CommandContext, answer: CreateAnswer) -> Fault:
    durations = context.policy.durations
    match answer.fault:
        case CreateFault.KEY | CreateFault.BALANCE as fault:
            assert answer.status is not None
            return _of_account(context, answer.status, creates_only=fault is CreateFault.BALANCE)
        case CreateFault.FORBIDDEN:
            return _whose_403(context)
        case CreateFault.BUSY:
            return Fault(Refusal.BUSY, answer.retry_after_s or durations.blocked_first_s)
        case CreateFault.PROVIDER:
            return Fault(Refusal.PROVIDER)
        case CreateFault.REQUEST:
            return _look_into_recording(context)
        case CreateFault.ON_THE_WAY:
            return Fault(Refusal.BUSY, answer.retry_after_s or durations.account_probe_every_s)


def _of_account(context: CommandContext, status: int, *, creates_only: bool = False) -> Fault:
    probe_s = context.policy.durations.account_probe_every_s
    return Fault(Refusal.ACCOUNT, probe_s, account=Refused(status, creates_only=creates_only))


def _whose_403(context: CommandContext) -> Fault:
    """
    The account's, this payload's, or not known yet: then the same attempt asks again. Recall's firewall
    judges payloads: it is all of ours only when another recording is refused too.
    """
    durations = context.policy.durations
    is_accepted = context.probe(context.workspace)
    if is_accepted is None:
        return Fault(Refusal.BUSY, durations.account_probe_every_s)
    if not is_accepted:
        return _of_account(context, FORBIDDEN)
    workspace, within_s = context.workspace.name, durations.give_up_s / 24  # an hour of the default day
    if context.store.creates_refused_elsewhere(workspace, context.recording_id, within_s=within_s):
        return _of_account(context, FORBIDDEN, creates_only=True)
    return Fault(Refusal.PAYLOAD, durations.account_probe_every_s)


def _look_into_recording(context: CommandContext) -> Fault:
    """A refusal that names no provider: is it the recording, or Recall's limit?"""
    facts = context.read("retrieve", lambda: context.recall.recording(context.recording_id), may_defer=False)
    if isinstance(facts, Unanswered):
        return _cannot_look(context, facts)
    match facts.condition:
        case RecordingCondition.UNKNOWN:
            return Fault(Refusal.RECORDING_UNKNOWN)
        case RecordingCondition.NOT_DONE:
            return Fault(Refusal.RECORDING_NOT_DONE)
        case RecordingCondition.GONE | RecordingCondition.FAILED:
            return Fault(Refusal.RECORDING_GONE)
        case RecordingCondition.DONE if not facts.has_media:
            return Fault(Refusal.NO_AUDIO)
        case RecordingCondition.DONE:
            return _count_at_recall(context)


def _count_at_recall(context: CommandContext) -> Fault:
    listed = list_all(context)
    if isinstance(listed, Unanswered):
        return _cannot_look(context, listed)
    alive = [a for a in listed if a.status is not TranscriptStatus.DELETED]
    ours = sum(1 for a in alive if a.ordinal is not None)
    counted = f"({len(alive)} transcripts at Recall, {ours} of them ours)"
    if len(alive) > CEILING:
        return Fault(Refusal.LIMIT, counted=counted)
    return Fault(Refusal.UNEXPLAINED, context.policy.durations.unexplained_every_s, counted)


def _cannot_look(context: CommandContext, answer: Unanswered) -> Fault:
    """
    The cause cannot be looked into now. Nothing was made; the same attempt asks again later, unless the look
    was refused for the account's sake (a 403 may be about this recording alone).
    """
    if isinstance(answer, Refused) and (
        answer.status != FORBIDDEN or context.probe(context.workspace) is False
    ):
        return _of_account(context, answer.status)
    return Fault(Refusal.BUSY, context.policy.durations.blocked_at_most_every_s)
