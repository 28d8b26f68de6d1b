"""
Make room at Recall's limit of transcripts, for an attempt that waits for it. Deletes one at most, of ours.
"""

from __future__ import annotations

from functools import partial

from app.core import events
from app.core.commands import PruneTranscript
from app.core.events import RecordingCondition
from app.core.policy import CEILING
from app.core.seen import TranscriptStatus
from app.orchestrator.command_context import CommandContext
from app.orchestrator.effects.queries import list_all
from app.orchestrator.outcome import Happened, Later, Outcome, Unanswered
from app.transcripts.result_folder import MANIFEST, folder_of


def prune(context: CommandContext) -> Outcome:
    """Make room at Recall's limit: a failed transcript of ours first, a stored one only by policy."""
    command = context.leased.command
    assert isinstance(command, PruneTranscript)
    listed = list_all(context)
    if isinstance(listed, Unanswered):
        return listed
    if not listed:  # at its limit, and nothing there? Then this key does not see it
        ask = partial(context.recall.recording, context.recording_id)
        facts = context.read("retrieve", ask, may_defer=False)
        if isinstance(facts, Unanswered):
            return facts
        if facts.condition is RecordingCondition.UNKNOWN:
            return Later(context.policy.durations.blocked_at_most_every_s, "recording_not_seen")
    alive = [a for a in listed if a.status is not TranscriptStatus.DELETED]
    ours = [a for a in alive if a.ordinal is not None]
    given_up = [a for a in ours if a.status is TranscriptStatus.FAILED]
    if not given_up and context.policy.prune_stored:
        done = [a for a in ours if a.status is TranscriptStatus.DONE]
        given_up = [a for a in done if _is_kept_here(context, a.transcript_id)]
    if len(alive) <= CEILING or not given_up:
        return Happened(events.Pruned(context.now(), command.ordinal, has_room=len(alive) <= CEILING))
    tid = given_up[0].transcript_id
    context.renewer.check()
    deleted = context.read("retrieve", partial(context.recall.delete, tid), may_defer=False)
    if isinstance(deleted, Unanswered):
        return deleted
    context.log.warning("transcript_pruned", recording=context.recording_id, transcript=tid)
    return Happened(events.Pruned(context.now(), command.ordinal, has_room=True, transcript_id=tid))


def _is_kept_here(context: CommandContext, transcript_id: str) -> bool:
    """Whole: its manifest is written, or held back as a draft."""
    folder = folder_of(context.workspace.name, context.recording_id, transcript_id)
    if context.blobs.exists(f"{folder}/{MANIFEST}"):
        return True
    return context.store.draft(context.workspace.name, context.recording_id, transcript_id) is not None
