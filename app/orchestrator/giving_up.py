"""
A question to Recall that has gone unanswered for a day becomes an event, so that nothing waits for ever
and the person on call sees a name instead of silence.
"""

from __future__ import annotations

from app.core import events
from app.core.commands import (
    AskRecording,
    AskTranscript,
    CreateTranscript,
    FetchTranscript,
    LookUpTranscript,
    about,
)
from app.core.events import RecordingCondition
from app.orchestrator.command_context import CommandContext
from app.recall.limits import is_unexpected


def giving_up(context: CommandContext, cause: str) -> events.Event | None:
    """
    The event that ends the waiting, or None while there is patience left.

    Args:
        cause: What Recall or the way to it answers each time; a short code.
    """
    command, give_up_s = context.leased.command, context.policy.durations.give_up_s
    own = _by_its_own_name(context, cause)
    if own is not None and (not is_unexpected(cause) or isinstance(command, FetchTranscript)):
        return own
    since = context.leased.wanted_since
    waited_s = context.now_excluding_pauses(since, for_creates=isinstance(command, CreateTranscript)) - since
    if own is None and waited_s < give_up_s:
        return None
    is_odd = is_unexpected(cause)
    return events.WaitEnded(context.now(), cause=cause, is_unexpected=is_odd, **about(command))


def _by_its_own_name(context: CommandContext, cause: str) -> events.Event | None:
    state, command = context.state, context.leased.command
    at = context.now()
    since: float | None = None
    event: events.Event | None = None
    match command:
        case FetchTranscript(transcript_id=tid):
            finished = state.pending_transcript(tid)
            since = finished.since if finished else None
            event = events.FetchBlocked(at, tid, f"recall_{cause}", is_unexpected(cause))
        case AskTranscript(transcript_id=tid):
            line = state.attempt_of(transcript_id=tid)
            since, event = line.since if line else None, events.StillProcessing(at, tid)
        case LookUpTranscript(transcript_id=None, ordinal=ordinal):
            line = state.attempt_of(ordinal=ordinal)
            began = context.leased.wanted_since if state.extra is not None else state.first_heard_at
            since = line.since if line else began or None
            event = events.LookUpImpossible(at, ordinal)
        case AskRecording():
            since = state.recording_wait_since or None
            event = events.RecordingAsked(at, _last_heard(context), is_answer=False)
        case _:
            return None
    if since is None or context.now_excluding_pauses(since) - since < context.policy.durations.give_up_s:
        return None
    return event


def _last_heard(context: CommandContext) -> RecordingCondition:
    """What Recall said while it still answered."""
    line = context.state.open_attempt
    is_unknown = line is not None and line.is_recording_unknown
    return RecordingCondition.UNKNOWN if is_unknown else RecordingCondition.NOT_DONE
