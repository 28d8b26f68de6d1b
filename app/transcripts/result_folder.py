"""Where the files of a stored transcript lie, and what they are called. PURE."""

from __future__ import annotations

RAW = "transcript.json"  # Recall's bytes as they came
PROVIDER_RAW = "provider.json"
PARTICIPANTS = "participants.json"  # Recall's list, as it came
MANIFEST = "manifest.json"  # last: it stands for all the others


def folder_of(workspace: str, recording_id: str, transcript_id: str) -> str:
    """The folder below `STORAGE_URL`. The ids are UUIDs by the time they come here."""
    return f"{workspace}/{recording_id}/{transcript_id}"
