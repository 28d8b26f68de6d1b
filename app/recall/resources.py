"""
Recall's things as we see them: transcripts, recordings and pages of both. PURE; part of `wire`,
which re-exports it.

Values that are not as documented become None, unless money hangs on them: then `Unreadable`.
Source: https://docs.recall.ai/reference/transcript_retrieve, https://docs.recall.ai/reference/recording_retrieve
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.events import RecordingCondition
from app.ports import Artifact, RecordingFacts, RecordingSeen
from app.recall import shapes
from app.recall.deliveries import ordinal_of
from app.recall.shapes import Unreadable

MAX_ANSWER_BYTES = 8 * 1024 * 1024


def read_artifact(body: bytes) -> Artifact:
    """
    A transcript as retrieved.

    Raises:
        Unreadable: Not a transcript; it has no id.
    """
    artifact = shapes.json_object(body, at_most=MAX_ANSWER_BYTES)
    return _artifact(artifact, recording_of(artifact))


def read_list(body: bytes, *, recording_id: str) -> tuple[list[Artifact], str | None]:
    """
    A page of a recording's transcripts and the address of the next page.

    Entries of another recording are left out: Recall would have ignored our filter.

    Raises:
        Unreadable: Not a page, or an entry without an id. "Not in the list" decides about money, so
            an entry is never skipped for being odd.
    """
    results, following = _page(body)
    mine = [entry for entry in results if recording_of(entry) in (None, recording_id)]
    return [_artifact(entry, recording_id) for entry in mine], following


def read_recordings_list(body: bytes, *, now: float) -> tuple[list[RecordingSeen], str | None]:
    """A page of recordings and the address of the next. Raises `Unreadable` as `read_list` does."""
    results, following = _page(body)
    seen = []
    for entry in results:
        recording_id = shapes.canonical_id(entry.get("id"))
        if recording_id is None:
            raise Unreadable("a recording without an id")
        created_at = shapes.seconds_since_epoch(entry.get("created_at"))
        finished_at = shapes.seconds_since_epoch(entry.get("completed_at"))
        seen.append(RecordingSeen(recording_id, _facts(entry, now), created_at, finished_at))
    return seen, following


def read_recording(status: int, body: bytes, *, now: float) -> RecordingFacts:
    """
    A recording as retrieved; 404 is the condition "unknown", 410 and a past `expires_at` are "gone".

    Args:
        status: 200, 404 or 410.
        now: Seconds since the epoch, compared with `expires_at`.

    Raises:
        Unreadable: A 200 that is not a recording.
    """
    if status == 404:
        return RecordingFacts(RecordingCondition.UNKNOWN, has_media=False)
    if status == 410:
        return RecordingFacts(RecordingCondition.GONE, has_media=False)
    recording = shapes.json_object(body, at_most=MAX_ANSWER_BYTES)
    if shapes.canonical_id(recording.get("id")) is None:
        raise Unreadable("a recording without an id")
    return _facts(recording, now)


def _page(body: bytes) -> tuple[list[Mapping[str, Any]], str | None]:
    page = shapes.json_object(body, at_most=MAX_ANSWER_BYTES)
    results, following = page.get("results"), page.get("next")
    if not isinstance(results, list) or not all(isinstance(entry, dict) for entry in results):
        raise Unreadable("not a page of results")
    if following is not None and not isinstance(following, str):
        raise Unreadable("the next page has no address")
    return results, following or None


def _artifact(artifact: Mapping[str, Any], recording_id: str | None) -> Artifact:
    transcript_id = shapes.canonical_id(artifact.get("id"))
    status = shapes.code(shapes.at(artifact, "status", "code"))
    if transcript_id is None or status is None:
        raise Unreadable("a transcript without an id or a status")
    provider = provider_of(artifact)
    ordinal = ordinal_of(shapes.at(artifact, "metadata", shapes.OUR_KEY), recording_id)
    return Artifact(
        transcript_id=transcript_id,
        status=status,
        sub_code=shapes.code(shapes.at(artifact, "status", "sub_code")),
        provider=provider,
        ordinal=ordinal,
        # What bears our marker was ordered after the meeting, whatever its provider is called.
        is_realtime=ordinal is None and is_realtime_provider(provider),
        download_url=_text(shapes.at(artifact, "data", "download_url")),
        provider_data_url=_text(shapes.at(artifact, "data", "provider_data_download_url")),
    )


def recording_of(artifact: Mapping[str, Any]) -> str | None:
    """The id of the recording a transcript belongs to; None when it does not say."""
    return shapes.canonical_id(shapes.at(artifact, "recording", "id"))


def provider_of(artifact: Mapping[str, Any]) -> str | None:
    """The first key with a value: older schemas list all providers, the unused ones as null."""
    providers = artifact.get("provider")
    if not isinstance(providers, dict):
        return None
    return next((shapes.code(key) for key, value in providers.items() if value is not None), None)


def is_realtime_provider(key: str | None) -> bool:
    """
    True for a provider that works during the meeting: `*_streaming`, `meeting_captions`, `zoom_rtms`,
    and any that does not say `_async` (once it did: `assembly_ai_async_chunked`).

    None, a transcript of unknown origin, is not real-time: in doubt it was paid for.
    """
    return key is not None and "_async" not in key


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


# `paused`, `processing` and whatever comes next: not done, so asking again is right.
_CONDITIONS = {
    "done": RecordingCondition.DONE,
    "failed": RecordingCondition.FAILED,
    "deleted": RecordingCondition.GONE,
}


def _facts(recording: Mapping[str, Any], now: float) -> RecordingFacts:
    status = shapes.code(shapes.at(recording, "status", "code"))
    condition = _CONDITIONS.get(status or "", RecordingCondition.NOT_DONE)
    expires_at = shapes.seconds_since_epoch(recording.get("expires_at"))
    if expires_at is not None and expires_at <= now:
        condition = RecordingCondition.GONE
    bot_id = shapes.at(recording, "bot", "id") or recording.get("bot_id")
    return RecordingFacts(
        condition=condition,
        bot_id=shapes.canonical_id(bot_id),
        metadata=shapes.metadata(shapes.at(recording, "bot", "metadata"), recording.get("metadata")),
        duration_s=_duration_s(recording),
        has_media=_has_media(recording.get("media_shortcuts")),
    )


def _duration_s(recording: Mapping[str, Any]) -> float | None:
    started = shapes.seconds_since_epoch(recording.get("started_at"))
    completed = shapes.seconds_since_epoch(recording.get("completed_at"))
    if started is None or completed is None or completed < started:
        return None
    return completed - started


def _has_media(shortcuts: Any) -> bool:
    """False only when Recall lists the media and none with sound is usable; silence is not a no."""
    if not isinstance(shortcuts, dict):
        return True
    sound = (value for key, value in shortcuts.items() if key.startswith(("audio_", "video_")))
    return any(value and shapes.at(value, "status", "code") not in ("failed", "deleted") for value in sound)
