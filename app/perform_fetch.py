"""
Fetch a finished transcript and store it: retrieve, download to a scratch file, render in one pass,
put every file in place, the manifest last. Whoever finds the manifest finds everything whole.

Trouble on this road never leads to another paid attempt: only Recall's API can say that a transcript
is gone. The lease is asked for again before the first file is put in place, before the manifest, and
by the commit itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from app.core import events
from app.core.commands import FetchTranscript
from app.core.state import Goal
from app.errors import BlobsUnavailable, DownloadBlocked, TranscriptUnreadable
from app.perform_reads import list_all
from app.ports import Artifact, ArtifactRow
from app.task import Task
from app.transcripts.formats import FORMATS, MEDIA_TYPES
from app.transcripts.manifest import (
    MAX_BYTES,
    AttemptLine,
    Manifest,
    ManifestUnreadable,
    StoredFile,
    build_manifest,
    parse_manifest,
)
from app.transcripts.model import Summary, Verdict
from app.transcripts.render import render

RAW = "transcript.json"
PROVIDER_RAW = "provider.json"
# After a slower first download there is no time for a second one within one job.
_LEAVES_TIME_S = 40.0


def fetch(task: Task) -> None:
    """One finished transcript, from Recall's word to our manifest."""
    command = task.leased.command
    assert isinstance(command, FetchTranscript)
    try:
        kept = _already_stored(task, command.transcript_id)
    except BlobsUnavailable:
        kept = None
    if kept is not None:
        _finish(task, kept)
        return
    ask = partial(task.recall.retrieve, command.transcript_id, recording_id=task.recording_id)
    artifact = task.read("retrieve", ask)
    event = _why_not(task, command, artifact)
    if event is not None:
        task.happened(event)
        return
    assert artifact is not None
    try:
        with _scratch(task) as folder:
            manifest = _store(task, artifact, folder)
    except DownloadBlocked as blocked:
        _blocked(task, command, blocked.cause)
    except TranscriptUnreadable:
        _blocked(task, command, "transcript_unreadable")
    except (BlobsUnavailable, OSError) as trouble:
        task.log.error("storage_unavailable", recording=task.recording_id, cause=_plainly(trouble))
        _blocked(task, command, "storage_unavailable")
    else:
        _finish(task, manifest)


def _blocked(task: Task, command: FetchTranscript, cause: str) -> None:
    tid = command.transcript_id
    task.happened(events.FetchBlocked(_patient(task, tid), tid, cause))


def _patient(task: Task, transcript_id: str) -> float:
    waiting = task.state.unread_of(transcript_id)
    return task.patient_now(waiting.since if waiting is not None else task.now())


def folder_of(workspace: str, recording_id: str, transcript_id: str) -> str:
    """Where a stored transcript lives. The ids are UUIDs by the time they come here."""
    return f"{workspace}/{recording_id}/{transcript_id}"


def _why_not(task: Task, command: FetchTranscript, artifact: Artifact | None) -> events.Event | None:
    """The event that ends the fetch before its download, or None when there is something to download."""
    at, tid = _patient(task, command.transcript_id), command.transcript_id
    if artifact is None:
        if command.is_last_look and tid not in {a.transcript_id for a in list_all(task)}:
            return events.TranscriptGone(at, tid)
        return events.NotYet(at, tid, is_missing=True)
    if artifact.status in ("deleted", "failed"):
        return events.TranscriptGone(at, tid)
    if artifact.is_realtime and not task.policy.want_realtime:
        return events.Unwanted(at, tid, artifact.provider or "unknown")
    if artifact.status != "done" or artifact.download_url is None:
        return events.NotYet(at, tid)
    return None


def _store(task: Task, artifact: Artifact, folder: Path) -> Manifest:
    assert artifact.download_url is not None
    raw, began_at = folder / RAW, task.clock.boottime()
    task.recall.download(artifact.download_url, raw, keep_going=task.keeper.go_on)
    summary = _render(raw, folder)
    _add_provider_data(task, artifact, folder, began_at=began_at)
    base = folder_of(task.workspace.name, task.recording_id, artifact.transcript_id)
    files = [_described(path) for path in sorted(folder.iterdir())]
    task.keeper.check()
    for file in files:
        task.blobs.put(f"{base}/{file.name}", folder / file.name)
    manifest = _manifest(task, artifact, summary, files)
    path = folder / "manifest.json"
    path.write_bytes(build_manifest(manifest))
    task.keeper.check()
    task.blobs.put(f"{base}/manifest.json", path)
    return manifest


def _add_provider_data(task: Task, artifact: Artifact, folder: Path, *, began_at: float) -> None:
    """The provider's own answer, where Recall offers it: welcome, but never worth losing a result for."""
    is_late = task.clock.boottime() - began_at > _LEAVES_TIME_S
    if artifact.provider_data_url is None or is_late:
        return
    try:
        task.recall.download(artifact.provider_data_url, folder / PROVIDER_RAW, keep_going=task.keeper.go_on)
    except DownloadBlocked as blocked:
        (folder / PROVIDER_RAW).unlink(missing_ok=True)
        task.log.warning("provider_data_left_out", recording=task.recording_id, cause=blocked.cause)


def _render(raw: Path, folder: Path) -> Summary:
    with ExitStack() as opened:
        outputs = {
            name: opened.enter_context((folder / name).open("w", encoding="utf-8", newline="\n"))
            for name in FORMATS
        }
        source = opened.enter_context(raw.open("rb"))
        return render(source, outputs)


def _manifest(task: Task, artifact: Artifact, summary: Summary, files: list[StoredFile]) -> Manifest:
    state = task.state
    line = state.attempt_of(transcript_id=artifact.transcript_id)
    ordered = line.provider if line is not None else None
    provider = artifact.provider_for(ordered) or ordered or "unknown"
    return Manifest(
        workspace=state.workspace,
        recording_id=state.recording_id,
        transcript_id=artifact.transcript_id,
        bot_id=state.bot_id,
        metadata=dict(state.metadata),
        provider=provider,
        attempts=tuple(AttemptLine(a.ordinal, a.provider, a.fate.value) for a in state.attempts),
        summary=summary,
        created_at=datetime.fromtimestamp(task.now(), UTC),
        files=tuple(files),
    )


def _already_stored(task: Task, transcript_id: str) -> Manifest | None:
    """A matching manifest means that a worker died after the last file and before its commit."""
    key = f"{folder_of(task.workspace.name, task.recording_id, transcript_id)}/manifest.json"
    if not task.blobs.exists(key):
        return None
    try:
        with task.blobs.open(key) as stream:
            manifest = parse_manifest(stream.read(MAX_BYTES + 1))
    except ManifestUnreadable:
        return None
    return manifest if manifest.is_about(task.recording_id, transcript_id) else None


def _finish(task: Task, manifest: Manifest) -> None:
    tid, summary = manifest.transcript_id, manifest.summary
    line = task.state.attempt_of(transcript_id=tid)
    row = ArtifactRow(
        workspace=task.workspace.name,
        recording_id=task.recording_id,
        transcript_id=tid,
        ordinal=line.ordinal if line is not None else None,
        provider=manifest.provider,
        verdict=summary.verdict.value,
        language=summary.language,
        folder=folder_of(task.workspace.name, task.recording_id, tid),
        files=(*(f.name for f in manifest.files), "manifest.json"),
    )
    stored = events.Stored(
        at=task.now(),
        transcript_id=tid,
        provider=manifest.provider,
        language=summary.language,
        is_empty=summary.verdict is Verdict.EMPTY,
        is_short=_is_short(task, manifest),
    )
    task.happened(stored, artifact=row)


def _is_short(task: Task, manifest: Manifest) -> bool:
    """
    Asked of Recall only when it matters: nothing was said, and another provider might be paid. When it
    cannot be asked now, the command comes back: the manifest is there, so that costs nothing.
    """
    is_open = task.state.goal not in (Goal.STORED, Goal.FAILED) and task.state.candidate is None
    if manifest.summary.verdict is not Verdict.EMPTY or not is_open or not task.policy.fallback_on_empty:
        return False
    facts = task.read("retrieve", lambda: task.recall.recording(task.recording_id))
    return facts.duration_s is not None and facts.duration_s < task.policy.durations.short_recording_s


def _described(path: Path) -> StoredFile:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return StoredFile(path.name, path.stat().st_size, MEDIA_TYPES[path.name], digest)


@contextmanager
def _scratch(task: Task) -> Iterator[Path]:
    task.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryDirectory(dir=task.scratch, prefix="fetch-") as folder:
        yield Path(folder)


def _plainly(trouble: Exception) -> str:
    """What to tell an operator: our own message, or the system's word without a path."""
    return trouble.strerror or "I/O error" if isinstance(trouble, OSError) else str(trouble)
