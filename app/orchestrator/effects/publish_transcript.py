"""
Write the manifest of a stored candidate, the one file it lacks: from then on a reader takes it for whole.

A transcript that falls short is held without a manifest while another provider is asked. It gets one when it
becomes the result, or after the result's, with `superseded_by`. What the manifest says is kept in the store
as a draft since the other files were put in place, so that nothing is downloaded again.

A manifest that is there already may be untrue: of bytes that could not be read before an update, or of a
result that words overtook before it was committed. Then it is written over.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from app.core import events
from app.core.commands import PublishTranscript
from app.errors import BlobsUnavailable
from app.orchestrator.command_context import CommandContext
from app.orchestrator.effects.fetch_transcript import artifact_row, attempt_line, drafted, manifest_stored
from app.orchestrator.effects.scratch import scratch_folder
from app.orchestrator.outcome import Happened, Outcome
from app.transcripts.formats import MEDIA_TYPES
from app.transcripts.manifest import Manifest, build_manifest
from app.transcripts.model import Verdict
from app.transcripts.result_folder import MANIFEST, folder_of


def publish(context: CommandContext) -> Outcome:
    """
    One manifest; harmless to repeat, since one that is true is left as it is.

    Raises:
        BlobsUnavailable: It is gone, or the storage cannot be used.
    """
    command = context.leased.command
    assert isinstance(command, PublishTranscript)
    tid = command.transcript_id
    written = manifest_stored(context, tid)
    known = drafted(context, tid) or written
    if known is None or not known.summary.is_readable:
        raise BlobsUnavailable(f"the manifest of {tid} is gone from the storage: put it back")
    manifest = _final(context, known)
    if written is not None and _is_true(written, manifest):
        manifest = written
    else:
        _put(context, manifest)
    published = events.Published(context.now(), tid, manifest.provider, manifest.summary.language)
    return Happened(published, artifact_row(context, manifest))


def _is_true(written: Manifest, final: Manifest) -> bool:
    """Whether a reader of it learns the same."""
    told = (written.summary, written.files, written.superseded_by, written.verdict)
    return told == (final.summary, final.files, final.superseded_by, final.verdict)


def _final(context: CommandContext, draft: Manifest) -> Manifest:
    """
    The draft as of now: what became of all attempts, which transcript is the result instead, and whether the
    recording of an empty one turned out to be silent.
    """
    state = context.state
    is_result = draft.transcript_id == state.publishing
    is_silent = is_result and state.candidate_verdict == Verdict.SILENT
    return replace(
        draft,
        finding=Verdict.SILENT if is_silent else draft.finding,
        attempts=tuple(attempt_line(a) for a in state.attempts),
        superseded_by=None if is_result else state.current,
        created_at=datetime.fromtimestamp(context.now(), UTC),
    )


def _put(context: CommandContext, manifest: Manifest) -> None:
    folder = folder_of(context.workspace.name, context.recording_id, manifest.transcript_id)
    with scratch_folder(context) as scratch:
        path = scratch / MANIFEST
        path.write_bytes(build_manifest(manifest))
        context.renewer.check()
        context.blobs.put(f"{folder}/{MANIFEST}", path, media_type=MEDIA_TYPES[MANIFEST])
