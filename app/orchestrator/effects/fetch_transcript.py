"""
Fetch a finished transcript and store it: retrieve, download to a scratch file, render, put every file in
place, the manifest last: where it is found, everything is whole and final. An empty transcript may yet be
followed by another provider's: its manifest is kept as a draft until `publish_transcript`.

Trouble on this road never leads to another paid attempt: only Recall's API can say that a transcript
is gone. The lease is asked for again before the first file is put in place, before the manifest, and
by the commit itself.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from app.core import events
from app.core.commands import FetchTranscript
from app.core.rules_results import NO_SUB_CODE
from app.core.seen import TranscriptStatus
from app.core.state import Attempt
from app.errors import BlobsUnavailable, DownloadBlocked, TranscriptUnreadable
from app.orchestrator.command_context import CommandContext
from app.orchestrator.effects.participants import add_participants, ask_recording
from app.orchestrator.effects.speaker_names import name_speakers
from app.orchestrator.outcome import Happened, Later, Outcome, Refused, Unanswered
from app.orchestrator.records import ArtifactRow
from app.recall.types import Artifact, RecordingFacts
from app.transcripts.formats import MEDIA_TYPES
from app.transcripts.manifest import (
    MAX_BYTES,
    AttemptLine,
    Manifest,
    ManifestUnreadable,
    StoredFile,
    build_manifest,
    parse_manifest,
)
from app.transcripts.model import UNREAD, Summary, Verdict
from app.transcripts.render import render
from app.transcripts.result_folder import MANIFEST, PROVIDER_RAW, RAW, folder_of
from app.transcripts.roster import Roster

# After a slower first download there is no time for a second one within one job.
_LEAVES_TIME_S = 40.0


def fetch(context: CommandContext) -> Outcome:
    """One finished transcript, from Recall's word to the manifest; of an empty one all but the manifest."""
    command = context.leased.command
    assert isinstance(command, FetchTranscript)
    tid = command.transcript_id
    kept = _kept(context, tid)
    if kept is not None and kept.summary.is_readable:
        return _finished(context, kept)
    if kept is not None and not _has_bytes_of(context, kept):
        kept = None
    offered = _ask(context, tid) if kept is None else None
    if isinstance(offered, Outcome):
        return offered
    try:
        with scratch_folder(context) as folder:
            return _store(context, offered, kept, folder)
    except DownloadBlocked as blocked:
        return _blocked(context, command, blocked.cause)
    except (BlobsUnavailable, OSError) as trouble:
        context.log.error("storage_unavailable", recording=context.recording_id, cause=_plainly(trouble))
        return _blocked(context, command, "storage_unavailable")


@dataclass(frozen=True, slots=True)
class _Offered:
    """What Recall has to download. `recording`: where its participants are wanted."""

    artifact: Artifact
    recording: RecordingFacts | None


def _ask(context: CommandContext, tid: str) -> _Offered | Outcome:
    ask = partial(context.recall.retrieve, tid, recording_id=context.recording_id)
    artifact = context.read("retrieve", ask)
    if isinstance(artifact, Unanswered):
        return artifact
    event = _why_not(context, tid, artifact)
    if event is not None:
        return Happened(event)
    assert artifact is not None
    recording = ask_recording(context)
    return recording if isinstance(recording, Unanswered) else _Offered(artifact, recording)


def _blocked(context: CommandContext, command: FetchTranscript, cause: str) -> Outcome:
    tid = command.transcript_id
    return Happened(events.FetchBlocked(_at_excluding_pauses(context, tid), tid, cause))


def _at_excluding_pauses(context: CommandContext, transcript_id: str) -> float:
    waiting = context.state.pending_transcript(transcript_id)
    return context.now_excluding_pauses(waiting.since if waiting is not None else context.now())


def _why_not(context: CommandContext, tid: str, artifact: Artifact | None) -> events.Event | None:
    """The event that ends the fetch before its download, or None when there is something to download."""
    # Was ordered, whatever its answer lacks.
    is_ours = context.state.attempt_of(transcript_id=tid) is not None
    is_wanted = artifact is not None and (is_ours or not artifact.is_realtime or context.policy.want_realtime)
    is_done = artifact is not None and artifact.status is TranscriptStatus.DONE
    if artifact is not None and is_wanted and is_done and artifact.download_url is not None:
        return None
    at = _at_excluding_pauses(context, tid)
    if artifact is None:
        return events.TranscriptMissing(context.now(), tid, at, context.recall.fingerprint)
    if artifact.status is TranscriptStatus.FAILED:
        return events.TranscriptGone(at, tid, artifact.sub_code or NO_SUB_CODE, artifact.failure)
    if artifact.status is TranscriptStatus.DELETED:
        return events.TranscriptGone(at, tid)
    if not is_wanted:
        return events.Unwanted(at, tid, artifact.provider or "unknown")
    return events.NotYet(at, tid)


def _store(context: CommandContext, offered: _Offered | None, kept: Manifest | None, folder: Path) -> Outcome:
    """
    Args:
        offered: None where `kept` says that its bytes are stored already and could not be read.
    """
    artifact = offered.artifact if offered is not None else None
    recording = offered.recording if offered is not None else None
    command = context.leased.command
    assert isinstance(command, FetchTranscript)
    raw, began_at = folder / RAW, context.clock.boottime()
    if artifact is None:
        key = f"{_folder(context, command.transcript_id)}/{RAW}"
        with context.blobs.open(key) as stream, raw.open("wb") as file:
            shutil.copyfileobj(stream, file)
    else:
        assert artifact.download_url is not None
        context.recall.download(artifact.download_url, raw, keep_going=context.renewer.raise_if_lost)
    started_at = _began(context, recording)
    try:
        roster = name_speakers(context, recording, folder)
        if isinstance(roster, Later | Refused):
            return roster
        summary = render_files(raw, folder, context.policy.formats, started_at=started_at, roster=roster)
    except TranscriptUnreadable:
        return _keep_unreadable(context, artifact, kept, folder)
    if artifact is not None:
        _add_provider_data(context, artifact, folder, began_at=began_at)
    if recording is not None:
        add_participants(context, recording, folder)
    return _finished(context, _put(context, artifact, kept, summary, folder, started_at=started_at))


def _began(context: CommandContext, recording: RecordingFacts | None) -> datetime | None:
    """When the recording started, where Recall was asked about it anyway."""
    began = (recording.started_at if recording is not None else None) or context.state.started_at
    return datetime.fromtimestamp(began, UTC) if began is not None else None


def _keep_unreadable(
    context: CommandContext, artifact: Artifact | None, kept: Manifest | None, folder: Path
) -> Outcome:
    """
    What is no transcript is stored as it is once three downloads were equal, a minute apart. What is stored
    already gets its row all the same: a worker may have ended between its manifest and its commit.
    """
    command = context.leased.command
    assert isinstance(command, FetchTranscript)
    tid, digest = command.transcript_id, described(folder / RAW).sha256
    waiting, at = context.state.pending_transcript(tid), context.now()
    apart_s = context.policy.durations.unreadable_again_s / 2
    is_last = waiting is not None and waiting.unreadable(digest, at, apart_s=apart_s).is_unreadable
    if kept is None and is_last:
        for path in folder.iterdir():
            if path.name != RAW:
                path.unlink()
        kept = _put(context, artifact, None, UNREAD, folder)
    line = context.log.bind(recording=context.recording_id, transcript=tid)
    line.warning("transcript_unreadable", sha256=digest)
    row = artifact_row(context, kept) if kept is not None else None
    return Happened(events.DownloadUnreadable(at, tid, digest, is_kept=kept is not None), row)


def _put(
    context: CommandContext,
    artifact: Artifact | None,
    kept: Manifest | None,
    summary: Summary,
    folder: Path,
    *,
    started_at: datetime | None = None,
) -> Manifest:
    """Every file in its place; the manifest last, unless nothing was said, which is provisional."""
    command = context.leased.command
    assert isinstance(command, FetchTranscript)
    base = _folder(context, command.transcript_id)
    files = [described(path) for path in sorted(folder.iterdir())]
    context.renewer.check()
    for file in files:
        context.blobs.put(f"{base}/{file.name}", folder / file.name, media_type=file.media_type)
    manifest = replace(_manifest(context, artifact, kept, summary, files), started_at=started_at)
    if manifest.summary.verdict is not Verdict.EMPTY:
        path = folder / MANIFEST
        path.write_bytes(build_manifest(manifest))
        context.renewer.check()
        context.blobs.put(f"{base}/{MANIFEST}", path, media_type=MEDIA_TYPES[MANIFEST])
    return manifest


def _add_provider_data(context: CommandContext, artifact: Artifact, folder: Path, *, began_at: float) -> None:
    """The provider's own answer, where Recall offers it: welcome, but never worth losing a result for."""
    is_late = context.clock.boottime() - began_at > _LEAVES_TIME_S
    if artifact.provider_data_url is None or is_late:
        return
    target, keep_going = folder / PROVIDER_RAW, context.renewer.raise_if_lost
    try:
        context.recall.download(artifact.provider_data_url, target, keep_going=keep_going)
    except DownloadBlocked as blocked:
        target.unlink(missing_ok=True)
        context.log.warning("provider_data_left_out", recording=context.recording_id, cause=blocked.cause)


def render_files(
    raw: Path,
    folder: Path,
    names: Iterable[str],
    *,
    started_at: datetime | None = None,
    roster: Roster | None = None,
) -> Summary:
    """These formats of a transcript, in a folder; see `render`. Raises `TranscriptUnreadable`."""
    with ExitStack() as opened:
        outputs = {
            name: opened.enter_context((folder / name).open("w", encoding="utf-8", newline="\n"))
            for name in names
        }
        source = opened.enter_context(raw.open("rb"))
        return render(source, outputs, started_at=started_at, roster=roster)


def _manifest(
    context: CommandContext,
    artifact: Artifact | None,
    kept: Manifest | None,
    summary: Summary,
    files: list[StoredFile],
) -> Manifest:
    """About the transcript of the command: the answer has been held against it."""
    state, command = context.state, context.leased.command
    assert isinstance(command, FetchTranscript)
    line = state.attempt_of(transcript_id=command.transcript_id)
    ordered = line.provider if line is not None else None
    provider = artifact.provider_for(ordered) if artifact is not None else kept.provider if kept else None
    return Manifest(
        workspace=state.workspace,
        recording_id=state.recording_id,
        transcript_id=command.transcript_id,
        bot_id=state.bot_id,
        metadata=dict(state.metadata),
        provider=provider or ordered or "unknown",
        attempts=tuple(attempt_line(a) for a in state.attempts),
        summary=summary,
        created_at=datetime.fromtimestamp(context.now(), UTC),
        files=tuple(files),
    )


def _kept(context: CommandContext, transcript_id: str) -> Manifest | None:
    """
    The draft in the store of one whose manifest is held back. Or what a worker that died before its commit
    left whole: a manifest in the storage.
    """
    draft = drafted(context, transcript_id)
    if draft is not None:
        return draft
    with suppress(BlobsUnavailable):
        return manifest_stored(context, transcript_id)
    return None


def _has_bytes_of(context: CommandContext, manifest: Manifest) -> bool:
    """Whether the bytes that could not be read are still those of the manifest. Else: fetched anew."""
    key = f"{_folder(context, manifest.transcript_id)}/{RAW}"
    with suppress(BlobsUnavailable):
        return context.blobs.exists(key) and context.blobs.sha256(key) == manifest.files[0].sha256
    return False


def drafted(context: CommandContext, transcript_id: str) -> Manifest | None:
    """What the manifest of a candidate is to say, kept until it is written."""
    if transcript_id not in context.state.processed_transcripts:
        return None  # a draft is written in the commit that notes that it was looked at
    draft = context.store.draft(context.workspace.name, context.recording_id, transcript_id)
    return parse_manifest(draft.encode()) if draft is not None else None


def manifest_stored(context: CommandContext, transcript_id: str) -> Manifest | None:
    """The manifest in the storage, where it is one and about this transcript. Raises `BlobsUnavailable`."""
    key = f"{_folder(context, transcript_id)}/{MANIFEST}"
    if not context.blobs.exists(key):
        return None
    try:
        with context.blobs.open(key) as stream:
            manifest = parse_manifest(stream.read(MAX_BYTES + 1))
    except ManifestUnreadable:
        return None
    return manifest if manifest.is_about(context.recording_id, transcript_id) else None


def attempt_line(attempt: Attempt) -> AttemptLine:
    """As a manifest has it."""
    status = attempt.status.value
    return AttemptLine(attempt.ordinal, attempt.provider, status, attempt.left_out, attempt.changed)


def artifact_row(context: CommandContext, manifest: Manifest, *, draft: str | None = None) -> ArtifactRow:
    """The row about a stored transcript; with `draft`, its manifest is still to be written."""
    line = context.state.attempt_of(transcript_id=manifest.transcript_id)
    return ArtifactRow(
        workspace=context.workspace.name,
        recording_id=context.recording_id,
        transcript_id=manifest.transcript_id,
        ordinal=line.ordinal if line is not None else None,
        provider=manifest.provider,
        verdict=manifest.summary.verdict.value,
        language=manifest.summary.language,
        folder=_folder(context, manifest.transcript_id),
        files=(*(f.name for f in manifest.files), *(() if draft is not None else (MANIFEST,))),
        draft=draft,
    )


def _finished(context: CommandContext, manifest: Manifest) -> Outcome:
    is_empty = manifest.summary.verdict is Verdict.EMPTY
    stored = events.Stored(
        at=context.now(),
        transcript_id=manifest.transcript_id,
        provider=manifest.provider,
        language=manifest.summary.language,
        is_empty=is_empty,
    )
    draft = build_manifest(manifest).decode() if is_empty else None
    return Happened(stored, artifact_row(context, manifest, draft=draft))


def _folder(context: CommandContext, transcript_id: str) -> str:
    return folder_of(context.workspace.name, context.recording_id, transcript_id)


def described(path: Path) -> StoredFile:
    """As a manifest names it."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return StoredFile(path.name, path.stat().st_size, MEDIA_TYPES[path.name], digest)


@contextmanager
def scratch_folder(context: CommandContext) -> Iterator[Path]:
    """For files that are put in place or given up within this command."""
    context.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryDirectory(dir=context.scratch, prefix=f"fetch-{context.recording_id}-") as folder:
        yield Path(folder)


def _plainly(trouble: Exception) -> str:
    """What to tell an operator: our own message, or the system's word without a path."""
    return trouble.strerror or "I/O error" if isinstance(trouble, OSError) else str(trouble)
