"""
The transcription as the outside sees it: bota.dev's object, and what operators need beside it.

Shape: https://docs.bota.dev/api-reference/transcriptions/get-transcription
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from app.adapters.blobs import BlobMissing, LocalBlobs
from app.adapters.sql_people import Listed, Shown
from app.core.reasons import next_step
from app.core.state import Goal, Transcription
from app.result_folder import folder_of
from app.transcripts.manifest import Manifest, ManifestUnreadable, parse_manifest

_STATUS = {
    Goal.NEW: "pending",
    Goal.CREATING: "processing",
    Goal.TRANSCRIBING: "processing",
    Goal.FETCHING: "processing",
    Goal.STORED: "completed",
    Goal.FAILED: "failed",
    Goal.SKIPPED: "failed",
    Goal.ERASED: "failed",
}


def transcription_object(listed: Listed) -> dict[str, Any]:
    """Without the words; times ISO 8601 in UTC, durations in milliseconds."""
    state = listed.state
    return {
        "id": listed.id,
        "recording_id": state.recording_id,
        "status": _STATUS[state.goal],
        "language": state.language,
        "provider": state.provider,
        "duration_ms": None,
        "segments": None,
        "text": None,
        "error": state.reason,
        "created_at": _iso(listed.first_heard_at),
        "completed_at": _iso(listed.completed_at),
        "workspace": state.workspace,
        "phase": state.goal.value,
        "reason": state.reason,
        "next_step": next_step(state.reason),
        "attempts": [
            {
                "ordinal": a.ordinal,
                "provider": a.provider,
                "state": a.fate.value,
                "transcript_id": a.transcript_id,
                "error": a.error,
            }
            for a in state.attempts
        ],
    }


def full_object(shown: Shown, blobs: LocalBlobs) -> dict[str, Any]:
    """With the words, where they are stored, and the files."""
    state = shown.transcription.state
    whole = transcription_object(shown.transcription)
    manifest = current_manifest(state, blobs)
    whole["files"] = files_of(state, manifest)
    if manifest is not None and state.current is not None:
        folder = folder_of(state.workspace, state.recording_id, state.current)
        with suppress(BlobMissing), blobs.open(f"{folder}/sentences.json") as stream:
            whole["segments"] = json.load(stream)
        with suppress(BlobMissing), blobs.open(f"{folder}/transcript.txt") as stream:
            whole["text"] = stream.read().decode("utf-8")
        whole["duration_ms"] = manifest.summary.duration_ms
    return whole


def current_manifest(state: Transcription, blobs: LocalBlobs) -> Manifest | None:
    """The manifest of the transcript that readers should take, if there is one."""
    if state.current is None:
        return None
    folder = folder_of(state.workspace, state.recording_id, state.current)
    try:
        with blobs.open(f"{folder}/manifest.json") as stream:
            return parse_manifest(stream.read())
    except (BlobMissing, ManifestUnreadable):
        return None


def files_of(state: Transcription, manifest: Manifest | None) -> list[str]:
    """Keys below the storage's root."""
    if manifest is None or state.current is None:
        return []
    folder = folder_of(state.workspace, state.recording_id, state.current)
    return [f"{folder}/{name}" for name in (*(f.name for f in manifest.files), "manifest.json")]


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
