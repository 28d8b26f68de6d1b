"""
Delete at Recall what the state says: what bears our marker in the recording's list, or the recording itself.
Of a stored recording only when what is stored here is whole, and everything of ours there is stored.
"""

from __future__ import annotations

from functools import partial

from app.core import events
from app.core.seen import TranscriptStatus
from app.core.state import AtRecall, Phase
from app.errors import BlobMissing
from app.orchestrator.command_context import CommandContext
from app.orchestrator.effects.fetch_transcript import manifest_stored
from app.orchestrator.effects.queries import list_all
from app.orchestrator.outcome import Happened, Later, Outcome, Unanswered
from app.recall.types import Artifact
from app.transcripts.result_folder import folder_of


def delete(context: CommandContext) -> Outcome:
    """Everything of ours that the list has. What cannot be deleted now is tried again."""
    state = context.state
    if state.phase is not Phase.ERASED and not _is_whole_here(context):
        return Later(context.policy.durations.blocked_at_most_every_s, "stored_result_not_whole")
    listed = list_all(context)
    if isinstance(listed, Unanswered):
        return listed
    known = {line.transcript_id for line in state.attempts if line.transcript_id is not None}
    ours = [a for a in listed if a.ordinal is not None or a.transcript_id in known]
    alive = [a for a in ours if a.status is not TranscriptStatus.DELETED]
    if state.phase is not Phase.ERASED and not all(_is_settled(context, a) for a in alive):
        return Later(context.policy.durations.blocked_at_most_every_s, "transcript_not_stored")
    for artifact in alive:
        context.renewer.check()
        unanswered = context.read(
            "retrieve", partial(context.recall.delete, artifact.transcript_id), may_defer=False
        )
        if isinstance(unanswered, Unanswered):
            return unanswered
    is_whole = state.to_delete is AtRecall.RECORDING
    if is_whole:
        context.renewer.check()
        delete_recording = partial(context.recall.delete_recording, context.recording_id)
        unanswered = context.read("retrieve", delete_recording, may_defer=False)
        if isinstance(unanswered, Unanswered):
            return unanswered
    line = context.log.bind(recording=context.recording_id, transcripts=len(alive))
    line.info("deleted_at_recall", is_recording_deleted=is_whole)
    return Happened(
        events.DeletedAtRecall(
            context.now(),
            tuple(a.transcript_id for a in alive),
            tuple(a.ordinal for a in alive if a.ordinal is not None),
            is_whole,
        )
    )


def _is_settled(context: CommandContext, artifact: Artifact) -> bool:
    """Failed, or finished and looked at here: nothing comes of it any more."""
    if artifact.status is TranscriptStatus.FAILED:
        return True
    is_done = artifact.status is TranscriptStatus.DONE
    return is_done and artifact.transcript_id in context.state.processed_transcripts


def _is_whole_here(context: CommandContext) -> bool:
    """Every file of the result is as its manifest says. Raises `BlobsUnavailable`."""
    tid = context.state.current
    manifest = manifest_stored(context, tid) if tid is not None else None
    if manifest is None:
        return False
    folder = folder_of(context.workspace.name, context.recording_id, manifest.transcript_id)
    try:
        return all(context.blobs.sha256(f"{folder}/{f.name}") == f.sha256 for f in manifest.files)
    except BlobMissing:
        return False
