"""
The questions to Recall that cost nothing: the list of a recording's transcripts, one transcript's
status, the recording itself. An answer is an event.
"""

from __future__ import annotations

from functools import partial

from app.core import events
from app.core.commands import AskTranscript, LookUpTranscript
from app.core.events import RecordingCondition
from app.core.seen import Seen, TranscriptStatus
from app.core.state import Transcription
from app.orchestrator.command_context import CommandContext
from app.orchestrator.effects.evidence import is_silent
from app.orchestrator.outcome import Happened, Later, Outcome, Unanswered
from app.recall.types import Artifact

# Ten transcripts per recording and Recall's own hundred attempts: more pages than this is a loop.
_MOST_PAGES = 50
_MOST_READINGS = 4


def look_up(context: CommandContext) -> Outcome:
    """List all pages; whatever bears our marker is ours."""
    command = context.leased.command
    assert isinstance(command, LookUpTranscript)
    artifacts = list_all(context)
    if isinstance(artifacts, Unanswered):
        return artifacts
    key_serial = 0
    line = context.state.attempt_of(ordinal=command.ordinal)
    if line is not None:
        key_serial = line.key_serial
    times = context.store.send_times(
        context.workspace.name, context.recording_id, command.ordinal, key_serial=key_serial
    )
    listed = events.Listed(
        at=context.now(),
        ordinal=command.ordinal,
        seen=tuple(_seen(a, context.state) for a in artifacts),
        since_first_send_s=times.since_first_s or 0.0,
        since_last_send_s=times.since_last_s or 0.0,
        # A key of another user makes the same Idempotency-Key new to Recall.
        is_resendable=times.has_body and times.fingerprints <= {context.recall.fingerprint},
        is_unsent=times.since_first_s is None,
        # Not the creates' pause: the list can be read meanwhile, and the pause may outlast the last create.
        at_excluding_pauses=context.now_excluding_pauses(line.since) if line is not None else None,
        transcript_id=command.transcript_id,
        key=context.recall.fingerprint,
    )
    return Happened(listed)


def list_all(context: CommandContext) -> list[Artifact] | Unanswered:
    """
    Every transcript Recall lists for the recording. Several pages are read again until that brings nothing
    new: meanwhile a transcript may move to a page that was read already.
    """
    found: dict[str, Artifact] = {}
    for reading in range(_MOST_READINGS):
        pages = _all_pages(context, is_first=reading == 0)
        if isinstance(pages, Unanswered):
            return pages
        number, artifacts = pages
        is_news = not artifacts.keys() <= found.keys()
        found |= artifacts
        if number == 1 or (reading and not is_news):
            return list(found.values())
    # What does not come to rest or to an end proves nothing, least of all that something is not in it.
    return Later(context.policy.durations.resend_at_most_every_s, "list_moves")


def _all_pages(context: CommandContext, *, is_first: bool) -> tuple[int, dict[str, Artifact]] | Unanswered:
    """How many pages there are, and what is on them. `is_first`: the command may as well come back later."""
    found: dict[str, Artifact] = {}
    cursor: str | None = None
    for page in range(_MOST_PAGES):
        ask = partial(context.recall.list_page, context.recording_id, cursor)
        is_first_page = is_first and page == 0
        answer = context.read("list" if is_first_page else "list_page", ask, may_defer=is_first_page)
        if isinstance(answer, Unanswered):
            return answer
        artifacts, cursor = answer
        found |= {artifact.transcript_id: artifact for artifact in artifacts}
        context.renewer.raise_if_lost()
        if cursor is None:
            return page + 1, found
    return Later(context.policy.durations.resend_at_most_every_s, "list_too_long")


def ask_transcript(context: CommandContext) -> Outcome:
    """Is it finished? Its webhook is late."""
    command = context.leased.command
    assert isinstance(command, AskTranscript)
    tid = command.transcript_id
    ask = partial(context.recall.retrieve, tid, recording_id=context.recording_id)
    artifact = context.read("retrieve", ask)
    if isinstance(artifact, Unanswered):
        return artifact
    if artifact is None:
        key = context.recall.fingerprint
        return Happened(events.TranscriptMissing(context.now(), tid, at_excluding_pauses(context, tid), key))
    return Happened(_status(context, tid, artifact))


def at_excluding_pauses(context: CommandContext, transcript_id: str) -> float:
    """Now, without the time in which the account was refused while this transcript was waited for."""
    line = context.state.attempt_of(transcript_id=transcript_id)
    return context.now_excluding_pauses(line.since if line is not None else context.now())


def _status(context: CommandContext, transcript_id: str, artifact: Artifact) -> events.Event:
    at = context.now()
    match artifact.status:
        case TranscriptStatus.DONE:
            return events.TranscriptDone(at, transcript_id)
        case TranscriptStatus.FAILED:
            code = artifact.sub_code
            return events.TranscriptFailed(at, transcript_id, sub_code=code, failure=artifact.failure)
        case TranscriptStatus.DELETED:
            return events.TranscriptGone(at, transcript_id)
        case TranscriptStatus.PROCESSING | TranscriptStatus.OTHER:
            return events.StillProcessing(at_excluding_pauses(context, transcript_id), transcript_id)


def ask_recording(context: CommandContext) -> Outcome:
    """Is the recording done? The news of it may be lost."""
    facts = context.read("retrieve", lambda: context.recall.recording(context.recording_id))
    if isinstance(facts, Unanswered):
        return facts
    silence: bool | Later = False
    if context.state.lacks_evidence and facts.condition is RecordingCondition.DONE:
        silence = is_silent(context, facts)
    if isinstance(silence, Later):
        return silence
    # Not the creates' pause: it may outlast the last create, and the recording can be asked for meanwhile.
    at_excluding_pauses = context.now_excluding_pauses(context.state.recording_wait_since or context.now())
    asked = events.RecordingAsked(
        context.now(),
        facts.condition,
        facts.bot_id,
        facts.metadata,
        facts.duration_s,
        at_excluding_pauses,
        key=context.recall.fingerprint,
        started_at=facts.started_at,
        is_silent=silence,
    )
    return Happened(asked)


def await_provider(context: CommandContext) -> Outcome:
    """The wait itself is the command's due time; who is still down is looked up by the decision."""
    at = context.now_excluding_pauses(context.state.provider_wait_since or context.now(), for_creates=True)
    return Happened(events.ProviderAwaited(at))


def begin_extra(context: CommandContext) -> Outcome:
    """It asks nothing: that an extra begins is a step of its own, which another event never hides."""
    return Happened(events.ExtraDue(context.now()))


def _seen(artifact: Artifact, state: Transcription) -> Seen:
    line = state.attempt_of(ordinal=artifact.ordinal, transcript_id=artifact.transcript_id)
    return Seen(
        transcript_id=artifact.transcript_id,
        status=artifact.status,
        ordinal=artifact.ordinal,
        provider=artifact.provider_for(line.provider if line is not None else None),
        sub_code=artifact.sub_code,
        is_realtime=artifact.is_realtime,
        failure=artifact.failure,
    )
