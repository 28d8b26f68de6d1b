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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from app.core import events
from app.core.commands import FetchTranscript
from app.core.rules_results import NO_SUB_CODE
from app.errors import BlobsUnavailable, DownloadBlocked, TranscriptUnreadable
from app.orchestrator.command_context import Task
from app.orchestrator.records import ArtifactRow
from app.recall.types import Artifact
from app.results.result_folder import MANIFEST, PROVIDER_RAW, RAW, folder_of
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
from app.transcripts.model import UNREAD, Summary, Verdict
from app.transcripts.render import render

# After a slower first download there is no time for a second one within one job.
_LEAVES_TIME_S = 40.0


def fetch(task: Task) -> None:
    """One finished transcript, from Recall's word to the manifest; of an empty one all but the manifest."""
    command = task.leased.command
    assert isinstance(command, FetchTranscript)
    tid = command.transcript_id
    kept = _kept(task, tid)
    if kept is not None and kept.summary.is_readable:
        _finish(task, kept)
        return
    if kept is not None and not _has_bytes_of(task, kept):
        kept = None
    artifact: Artifact | None = None
    if kept is None:
        ask = partial(task.recall.retrieve, tid, recording_id=task.recording_id)
        artifact = task.read("retrieve", ask)
        event = _why_not(task, tid, artifact)
        if event is not None:
            task.happened(event)
            return
    try:
        with _scratch(task) as folder:
            _store(task, artifact, kept, folder)
    except DownloadBlocked as blocked:
        _blocked(task, command, blocked.cause)
    except (BlobsUnavailable, OSError) as trouble:
        task.log.error("storage_unavailable", recording=task.recording_id, cause=_plainly(trouble))
        _blocked(task, command, "storage_unavailable")


def _blocked(task: Task, command: FetchTranscript, cause: str) -> None:
    tid = command.transcript_id
    task.happened(events.FetchBlocked(_patient(task, tid), tid, cause))


def _patient(task: Task, transcript_id: str) -> float:
    waiting = task.state.unread_of(transcript_id)
    return task.patient_now(waiting.since if waiting is not None else task.now())


def _why_not(task: Task, tid: str, artifact: Artifact | None) -> events.Event | None:
    """The event that ends the fetch before its download, or None when there is something to download."""
    at = _patient(task, tid)
    if artifact is None:
        return events.TranscriptMissing(task.now(), tid, at, task.recall.fingerprint)
    if artifact.status in ("deleted", "failed"):
        sub_code = artifact.sub_code or NO_SUB_CODE
        return events.TranscriptGone(at, tid, sub_code if artifact.status == "failed" else None)
    is_ours = task.state.attempt_of(transcript_id=tid) is not None  # was ordered, whatever its answer lacks
    if artifact.is_realtime and not is_ours and not task.policy.want_realtime:
        return events.Unwanted(at, tid, artifact.provider or "unknown")
    if artifact.status != "done" or artifact.download_url is None:
        return events.NotYet(at, tid)
    return None


def _store(task: Task, artifact: Artifact | None, kept: Manifest | None, folder: Path) -> None:
    """
    Args:
        artifact: What Recall offers to download; None where `kept` says that its bytes are stored already
            and could not be read.
    """
    command = task.leased.command
    assert isinstance(command, FetchTranscript)
    raw, began_at = folder / RAW, task.clock.boottime()
    if artifact is None:
        key = f"{_folder(task, command.transcript_id)}/{RAW}"
        with task.blobs.open(key) as stream, raw.open("wb") as file:
            shutil.copyfileobj(stream, file)
    else:
        assert artifact.download_url is not None
        task.recall.download(artifact.download_url, raw, keep_going=task.keeper.go_on)
    try:
        summary = _render(raw, folder)
    except TranscriptUnreadable:
        _keep_unreadable(task, artifact, kept, folder)
        return
    if artifact is not None:
        _add_provider_data(task, artifact, folder, began_at=began_at)
    _finish(task, _put(task, artifact, kept, summary, folder))


def _keep_unreadable(task: Task, artifact: Artifact | None, kept: Manifest | None, folder: Path) -> None:
    """
    What is no transcript is stored as it is once three downloads were equal, a minute apart. What is stored
    already gets its row all the same: a worker may have ended between its manifest and its commit.
    """
    command = task.leased.command
    assert isinstance(command, FetchTranscript)
    tid, digest = command.transcript_id, _described(folder / RAW).sha256
    waiting, at = task.state.unread_of(tid), task.now()
    apart_s = task.policy.durations.unreadable_again_s / 2
    is_last = waiting is not None and waiting.unreadable(digest, at, apart_s=apart_s).is_unreadable
    if kept is None and is_last:
        for path in folder.iterdir():
            if path.name != RAW:
                path.unlink()
        kept = _put(task, artifact, None, UNREAD, folder)
    task.log.warning("transcript_unreadable", recording=task.recording_id, transcript=tid, sha256=digest)
    row = artifact_row(task, kept) if kept is not None else None
    task.happened(events.DownloadUnreadable(at, tid, digest, is_kept=kept is not None), artifact=row)


def _put(
    task: Task, artifact: Artifact | None, kept: Manifest | None, summary: Summary, folder: Path
) -> Manifest:
    """Every file in its place; the manifest last, unless it is held back (`_is_held_back`)."""
    command = task.leased.command
    assert isinstance(command, FetchTranscript)
    base = _folder(task, command.transcript_id)
    files = [_described(path) for path in sorted(folder.iterdir())]
    task.keeper.check()
    for file in files:
        task.blobs.put(f"{base}/{file.name}", folder / file.name)
    manifest = _manifest(task, artifact, kept, summary, files)
    if not _is_held_back(manifest):
        path = folder / MANIFEST
        path.write_bytes(build_manifest(manifest))
        task.keeper.check()
        task.blobs.put(f"{base}/{MANIFEST}", path)
    return manifest


def _is_held_back(manifest: Manifest) -> bool:
    """Nothing was said: that is provisional until it is known that no other provider is asked."""
    return manifest.summary.verdict is Verdict.EMPTY


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


def _manifest(
    task: Task, artifact: Artifact | None, kept: Manifest | None, summary: Summary, files: list[StoredFile]
) -> Manifest:
    """About the transcript of the command: the answer has been held against it."""
    state, command = task.state, task.leased.command
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
        attempts=tuple(AttemptLine(a.ordinal, a.provider, a.fate.value) for a in state.attempts),
        summary=summary,
        created_at=datetime.fromtimestamp(task.now(), UTC),
        files=tuple(files),
    )


def _kept(task: Task, transcript_id: str) -> Manifest | None:
    """
    The draft in the store of one whose manifest is held back. Or what a worker that died before its commit
    left whole: a manifest in the storage.
    """
    draft = drafted(task, transcript_id)
    if draft is not None:
        return draft
    with suppress(BlobsUnavailable):
        return manifest_stored(task, transcript_id)
    return None


def _has_bytes_of(task: Task, manifest: Manifest) -> bool:
    """Whether the bytes that could not be read are still those of the manifest. Else: fetched anew."""
    key = f"{_folder(task, manifest.transcript_id)}/{RAW}"
    with suppress(BlobsUnavailable):
        return task.blobs.exists(key) and task.blobs.sha256(key) == manifest.files[0].sha256
    return False


def drafted(task: Task, transcript_id: str) -> Manifest | None:
    """What the manifest of a candidate is to say, kept until it is written."""
    draft = task.store.draft(task.workspace.name, task.recording_id, transcript_id)
    return parse_manifest(draft.encode()) if draft is not None else None


def manifest_stored(task: Task, transcript_id: str) -> Manifest | None:
    """The manifest in the storage, where it is one and about this transcript. Raises `BlobsUnavailable`."""
    key = f"{_folder(task, transcript_id)}/{MANIFEST}"
    if not task.blobs.exists(key):
        return None
    try:
        with task.blobs.open(key) as stream:
            manifest = parse_manifest(stream.read(MAX_BYTES + 1))
    except ManifestUnreadable:
        return None
    return manifest if manifest.is_about(task.recording_id, transcript_id) else None


def artifact_row(task: Task, manifest: Manifest, *, draft: str | None = None) -> ArtifactRow:
    """The row about a stored transcript; with `draft`, its manifest is still to be written."""
    line = task.state.attempt_of(transcript_id=manifest.transcript_id)
    return ArtifactRow(
        workspace=task.workspace.name,
        recording_id=task.recording_id,
        transcript_id=manifest.transcript_id,
        ordinal=line.ordinal if line is not None else None,
        provider=manifest.provider,
        verdict=manifest.summary.verdict.value,
        language=manifest.summary.language,
        folder=_folder(task, manifest.transcript_id),
        files=(*(f.name for f in manifest.files), *(() if draft is not None else (MANIFEST,))),
        draft=draft,
    )


def _finish(task: Task, manifest: Manifest) -> None:
    is_empty = manifest.summary.verdict is Verdict.EMPTY
    stored = events.Stored(
        at=task.now(),
        transcript_id=manifest.transcript_id,
        provider=manifest.provider,
        language=manifest.summary.language,
        is_empty=is_empty,
    )
    draft = build_manifest(manifest).decode() if is_empty else None
    task.happened(stored, artifact=artifact_row(task, manifest, draft=draft))


def _folder(task: Task, transcript_id: str) -> str:
    return folder_of(task.workspace.name, task.recording_id, transcript_id)


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
