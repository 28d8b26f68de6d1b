"""
Write the formats that a stored transcript lacks, from its bytes here: the policy names one more, an earlier
version did not know it, or the file is gone. Recall is not asked. The new files first, the manifest last; no
file that is there is written again.
"""

from __future__ import annotations

import shutil
from dataclasses import replace

from app.core import events
from app.core.commands import RenderTranscript
from app.errors import BlobsUnavailable, TranscriptUnreadable
from app.orchestrator.command_context import CommandContext
from app.orchestrator.effects.fetch_transcript import (
    artifact_row,
    described,
    manifest_stored,
    render_files,
    scratch_folder,
)
from app.orchestrator.outcome import Happened, NotWanted, Outcome
from app.orchestrator.stored_roster import stored_roster
from app.transcripts.formats import MEDIA_TYPES
from app.transcripts.manifest import Manifest, build_manifest
from app.transcripts.result_folder import MANIFEST, RAW, folder_of


def render(context: CommandContext) -> Outcome:
    """
    One transcript's missing formats. `NotWanted` where there is none, no manifest, or its bytes are not those
    of the manifest any more.

    Raises:
        BlobsUnavailable: The storage cannot be used.
    """
    command = context.leased.command
    assert isinstance(command, RenderTranscript)
    manifest = manifest_stored(context, command.transcript_id)
    if manifest is None or not manifest.summary.is_readable:
        return NotWanted()
    base = folder_of(context.workspace.name, context.recording_id, command.transcript_id)
    known = {file.name for file in manifest.files}
    wanted = context.policy.formats
    missing = [name for name in wanted if name not in known or not context.blobs.exists(f"{base}/{name}")]
    if not missing:
        return NotWanted()
    try:
        whole = _put(context, base, manifest, missing)
    except OSError as trouble:
        raise BlobsUnavailable(trouble.strerror or "I/O error") from trouble
    if whole is None:
        line = context.log.bind(recording=context.recording_id, transcript=command.transcript_id)
        line.error("stored_transcript_damaged")
        return NotWanted()
    return Happened(events.Rendered(context.now(), command.transcript_id), artifact_row(context, whole))


def _put(context: CommandContext, base: str, manifest: Manifest, missing: list[str]) -> Manifest | None:
    """The manifest that names them too, once all are in their place; None for damaged bytes."""
    with scratch_folder(context) as folder:
        raw = folder / RAW
        if not context.blobs.exists(f"{base}/{RAW}"):
            return None
        with context.blobs.open(f"{base}/{RAW}") as stream, raw.open("wb") as file:
            shutil.copyfileobj(stream, file)
        if described(raw) not in manifest.files:
            return None
        try:
            with raw.open("rb") as source:
                roster = stored_roster(context.blobs, base, source)
            render_files(raw, folder, missing, started_at=manifest.started_at, roster=roster)
        except TranscriptUnreadable:
            return None
        files = [described(folder / name) for name in missing]
        kept = (file for file in manifest.files if file.name not in missing)
        whole = replace(manifest, files=(*kept, *files))
        (folder / MANIFEST).write_bytes(build_manifest(whole))
        context.renewer.check()
        for file_ in files:
            context.blobs.put(f"{base}/{file_.name}", folder / file_.name, media_type=file_.media_type)
        context.renewer.check()
        context.blobs.put(f"{base}/{MANIFEST}", folder / MANIFEST, media_type=MEDIA_TYPES[MANIFEST])
    return whole
