"""
What Recall answers to a question: transcripts, recordings and pages of both. PURE.

Values that are not as documented become None, unless money hangs on them: then `Unreadable`. So is an answer
about another thing than was asked: a mixed-up cache or proxy must not decide about this recording.
Source: https://docs.recall.ai/reference/transcript_retrieve, https://docs.recall.ai/reference/recording_retrieve
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from app.core.events import RecordingCondition
from app.core.seen import TranscriptStatus
from app.recall import json_fields
from app.recall.json_fields import Unreadable
from app.recall.providers import is_realtime_provider
from app.recall.types import Artifact, RecordingFacts, RecordingSeen
from app.recall.webhook_events import ordinal_of

MAX_ANSWER_BYTES = 8 * 1024 * 1024
# One is filled as a rule; a list of thousands must not be carried along.
_MOST_PROVIDERS = 20


def read_artifact(body: bytes, *, transcript_id: str, recording_id: str) -> Artifact:
    """A transcript as retrieved. Raises `Unreadable`: no transcript, or not the one that was asked about."""
    artifact = _artifact(json_fields.json_object(body, at_most=MAX_ANSWER_BYTES), recording_id)
    if artifact.transcript_id != json_fields.canonical_id(transcript_id):
        raise Unreadable("answer about another transcript")
    return artifact


def read_list(body: bytes, *, recording_id: str) -> tuple[list[Artifact], str | None]:
    """
    A page of a recording's transcripts and the address of the next page, as Recall wrote it.

    Raises:
        Unreadable: Not a page, or an entry without an id or of another recording. "Not in the list" decides
            about money, so an entry is never skipped for being odd: a list that holds another recording's
            transcripts ignored our filter, and what it lacks proves nothing.
    """
    results, following = _page(body)
    return [_artifact(entry, recording_id) for entry in results], following


def read_probe(body: bytes) -> None:
    """Whether this is a page of a list at all. Raises `Unreadable`."""
    _page(body)


def read_deletion(body: bytes, *, own_id: str) -> None:
    """A 2xx to a DELETE: empty as documented, at most a word about what was deleted; else `Unreadable`."""
    if body.strip():
        said = json_fields.json_object(body, at_most=MAX_ANSWER_BYTES)
        if "id" in said and json_fields.canonical_id(said["id"]) != json_fields.canonical_id(own_id):
            raise Unreadable("answer about another one")


def read_recordings_list(body: bytes, *, now: float) -> tuple[list[RecordingSeen], str | None]:
    """A page of recordings and the address of the next. Raises `Unreadable` as `read_list` does."""
    results, following = _page(body)
    seen = []
    for entry in results:
        times = _time(entry, "created_at"), _time(entry, "completed_at")
        seen.append(RecordingSeen(_own_id(entry), _facts(entry, now), *times))
    return seen, following


def read_recording(status: int, body: bytes, *, recording_id: str, now: float) -> RecordingFacts:
    """
    A recording as retrieved: 404 (else 200) is the condition "unknown", an `expires_at` before `now` (seconds
    since the epoch) is "gone". Raises `Unreadable`: no recording, or not the one that was asked about.
    """
    if status == 404:
        return RecordingFacts(RecordingCondition.UNKNOWN, has_media=False)
    recording = json_fields.json_object(body, at_most=MAX_ANSWER_BYTES)
    if _own_id(recording) != json_fields.canonical_id(recording_id):
        raise Unreadable("answer about another recording")
    return _facts(recording, now)


def _page(body: bytes) -> tuple[list[Mapping[str, Any]], str | None]:
    page = json_fields.json_object(body, at_most=MAX_ANSWER_BYTES)
    results, following = page.get("results"), page.get("next")
    if not isinstance(results, list) or not all(isinstance(entry, dict) for entry in results):
        raise Unreadable("not a page of results")
    if following is not None and not isinstance(following, str):
        raise Unreadable("the next page has no address")
    return results, following or None


def _own_id(recording: Mapping[str, Any]) -> str:
    own_id = json_fields.canonical_id(recording.get("id"))
    if own_id is None:
        raise Unreadable("a recording without an id")
    return own_id


def _time(recording: Mapping[str, Any], name: str) -> float | None:
    return json_fields.seconds_since_epoch(recording.get(name))


def _artifact(artifact: Mapping[str, Any], asked_id: str) -> Artifact:
    transcript_id = json_fields.canonical_id(artifact.get("id"))
    status = json_fields.code(json_fields.at(artifact, "status", "code"))
    if transcript_id is None or status is None:
        raise Unreadable("a transcript without an id or a status")
    recording_id, providers = json_fields.canonical_id(asked_id), providers_of(artifact)
    ordinal = ordinal_of(json_fields.at(artifact, "metadata", json_fields.OUR_KEY), recording_id)
    if names_another_recording(artifact, recording_id):
        raise Unreadable("answer about another recording")
    # Recall's schema requires `recording`. Without it our marker says as much; a transcript with neither
    # may be of any recording. https://docs.recall.ai/reference/transcript_retrieve
    if recording_of(artifact) is None and ordinal is None:
        raise Unreadable("a transcript that names no recording")
    return Artifact(
        transcript_id=transcript_id,
        status=_STATUSES.get(status, TranscriptStatus.OTHER),
        sub_code=json_fields.code(json_fields.at(artifact, "status", "sub_code")),
        provider=next(iter(providers), None),
        ordinal=ordinal,
        # What bears our marker was ordered after the meeting, whatever its provider is called. Of several
        # providers one that is asynchronous is enough: in doubt it was paid for.
        is_realtime=ordinal is None and bool(providers) and all(map(is_realtime_provider, providers)),
        download_url=_text(json_fields.at(artifact, "data", "download_url")),
        provider_data_url=_text(json_fields.at(artifact, "data", "provider_data_download_url")),
        recording_id=recording_id,
        providers=providers,
    )


def recording_of(artifact: Mapping[str, Any]) -> str | None:
    """The id of the recording a transcript belongs to; None when it does not say."""
    return json_fields.canonical_id(_said_recording(artifact))


def names_another_recording(artifact: Mapping[str, Any], recording_id: str | None) -> bool:
    """True when the answer names a recording, in whatever shape, and it is not this one."""
    said = _said_recording(artifact)
    return said is not None and json_fields.canonical_id(said) != recording_id


def _said_recording(artifact: Mapping[str, Any]) -> Any:
    recording = artifact.get("recording")
    said = recording.get("id") if isinstance(recording, dict) else recording
    return artifact.get("recording_id") if said is None else said


def providers_of(artifact: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys with a value, in order: older schemas list all providers, the unused ones as null."""
    providers = artifact.get("provider")
    if not isinstance(providers, dict):
        return ()
    filled = (key for key, value in providers.items() if value is not None and json_fields.code(key))
    return tuple(islice(filled, _MOST_PROVIDERS))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


_STATUSES = {status.value: status for status in TranscriptStatus}
# `paused`, `processing` and whatever comes next: not done, so asking again is right.
_CONDITIONS = {
    "done": RecordingCondition.DONE,
    "failed": RecordingCondition.FAILED,
    "deleted": RecordingCondition.GONE,
}


# https://docs.recall.ai/docs/meeting-participants-events
_BESIDE = ("media_shortcuts", "participant_events", "data")


def _facts(recording: Mapping[str, Any], now: float) -> RecordingFacts:
    status = json_fields.code(json_fields.at(recording, "status", "code"))
    condition = _CONDITIONS.get(status or "", RecordingCondition.NOT_DONE)
    expires_at = _time(recording, "expires_at")
    if expires_at is not None and expires_at <= now:
        condition = RecordingCondition.GONE
    return RecordingFacts(
        condition,
        *json_fields.bot_and_metadata(recording, recording),
        duration_s=_duration_s(recording),
        has_media=_has_media(recording.get("media_shortcuts")),
        started_at=_time(recording, "started_at"),
        participants_url=_text(json_fields.at(recording, *_BESIDE, "participants_download_url")),
        timeline_url=_text(json_fields.at(recording, *_BESIDE, "speaker_timeline_download_url")),
    )


def _duration_s(recording: Mapping[str, Any]) -> float | None:
    started, completed = _time(recording, "started_at"), _time(recording, "completed_at")
    if started is None or completed is None or completed <= started:
        return None
    return completed - started


def _has_media(shortcuts: Any) -> bool:
    """False only when Recall lists the media and none with sound is usable; silence is not a no."""
    if not isinstance(shortcuts, dict):
        return True
    sound = (value for key, value in shortcuts.items() if key.startswith(("audio_", "video_")))
    return any(
        value and json_fields.at(value, "status", "code") not in ("failed", "deleted") for value in sound
    )
