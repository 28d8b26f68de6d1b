"""
Whether a command could still matter: asked before it is stored and performed, and of each that is pending.
"""

from __future__ import annotations

from typing import assert_never

from app.core import rules_absence as absence
from app.core import rules_erasure as erasure
from app.core import rules_extra as extra
from app.core import rules_results as results
from app.core.commands import (
    AskRecording,
    AskTranscript,
    AwaitProvider,
    BeginExtra,
    Command,
    CreateTranscript,
    DeleteAtRecall,
    EraseResults,
    FetchTranscript,
    LookUpTranscript,
    PruneTranscript,
    PublishTranscript,
    RenderTranscript,
)
from app.core.state import ENDS, OPEN, AttemptStatus, Phase, Transcription


def is_wanted(t: Transcription, command: Command) -> bool:
    """Whether performing the command could still matter."""
    if t.phase is Phase.ERASED:
        return erasure.is_wanted(t, command)
    match command:
        case CreateTranscript(ordinal=ordinal, key_serial=key_serial):
            return _is_create_wanted(t, ordinal, key_serial)
        case LookUpTranscript():
            return _is_look_wanted(t, command)
        case AskTranscript(transcript_id=transcript_id):
            line = t.attempt_of(transcript_id=transcript_id)
            return line is not None and line.status is AttemptStatus.RUNNING
        case FetchTranscript(transcript_id=transcript_id):
            return t.pending_transcript(transcript_id) is not None
        case PublishTranscript(transcript_id=transcript_id):
            return transcript_id == t.publishing or results.is_beside_result(t, transcript_id)
        case RenderTranscript(transcript_id=transcript_id):
            return results.is_rendered_here(t, transcript_id)
        case _:
            return _is_other_wanted(t, command)


def _is_look_wanted(t: Transcription, command: LookUpTranscript) -> bool:
    if command.transcript_id is not None:
        return _is_missing(t, command.transcript_id)
    if command.ordinal == 0:
        return (
            t.lookup_required
            and t.phase is Phase.CREATING
            and not t.pending_transcripts
            and _is_nothing_sent(t)
        )
    line = t.attempt_of(ordinal=command.ordinal)
    return line is not None and line.status is AttemptStatus.UNKNOWN


def _is_create_wanted(t: Transcription, ordinal: int, key_serial: int) -> bool:
    line = t.attempt_of(ordinal=ordinal)
    if line is not None and line.status is AttemptStatus.SENDING:
        return True  # a request may be on the wire: its command is how its end is noticed
    if t.phase is not Phase.CREATING or t.pending_transcripts or t.has_other_open(ordinal):
        return False
    if t.lookup_required:
        return False
    if line is None:
        return t.planned == ordinal
    return line.status is AttemptStatus.CLAIMED and line.key_serial == key_serial


def _is_missing(t: Transcription, transcript_id: str) -> bool:
    """A retrieve did not find it, and nothing else has been heard of it since."""
    waiting, line = t.pending_transcript(transcript_id), t.attempt_of(transcript_id=transcript_id)
    if waiting is not None:
        return waiting.absence is not None
    return line is not None and line.status is AttemptStatus.RUNNING and line.absence is not None


def _is_nothing_sent(t: Transcription) -> bool:
    return all(a.status is AttemptStatus.CLAIMED for a in t.attempts if a.status in OPEN)


def _is_other_wanted(
    t: Transcription,
    command: AskRecording | PruneTranscript | AwaitProvider | BeginExtra | EraseResults | DeleteAtRecall,
) -> bool:
    match command:
        case AskRecording():
            is_open = t.phase not in ENDS and (not t.is_recording_done or _is_parked(t))
            return is_open or absence.is_recording_awaited(t)
        case PruneTranscript():
            return t.phase not in ENDS and _is_parked(t)
        case AwaitProvider():
            is_idle = t.open_attempt is None and t.planned is None and not t.pending_transcripts
            return t.phase is Phase.CREATING and is_idle
        case BeginExtra():
            return extra.is_begin_wanted(t)
        case EraseResults() | DeleteAtRecall():
            return erasure.is_wanted(t, command)
        case _:
            assert_never(command)


def _is_parked(t: Transcription) -> bool:
    """An attempt has its ordinal and waits for something other than a provider."""
    line = t.open_attempt
    return line is not None and line.status is AttemptStatus.CLAIMED
