"""
The JSON of Recall's objects: artifacts, recordings, bots, webhook payloads.

Pure functions of the state. Sources: https://docs.recall.ai/reference/transcript_retrieve,
https://docs.recall.ai/reference/recording_retrieve, https://docs.recall.ai/docs/recording-webhooks.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from app.simulator.model.state import Recording, Status, Transcript

Json = dict[str, Any]

ASYNC_PROVIDERS = (
    "recallai_async", "assembly_ai_async", "deepgram_async", "gladia_v2_async", "rev_async",
    "speechmatics_async", "elevenlabs_async", "aws_transcribe_async", "google_speech_v2_async",
)  # fmt: skip
# The reference marks the six oldest as required and nullable in answers.
_ALWAYS_IN_ANSWERS = ASYNC_PROVIDERS[:6]
REALTIME_PROVIDERS = (
    "meeting_captions",
    "recallai_streaming",
    "deepgram_streaming",
    "assembly_ai_v3_streaming",
)

_EXTRA = {"simulated_extra": {"seen_before": False, "list": [1, None, "two"]}}


def stamp(at: datetime, style: str = "Z") -> str:
    """A timestamp in one of the two styles Recall's own examples show."""
    text = at.isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z") if style == "Z" else text


def status_json(status: Status, style: str = "Z") -> Json:
    """`status` of any artifact."""
    return {"code": status.code, "sub_code": status.sub_code, "updated_at": stamp(status.at, style)}


def _chance(identity: str) -> random.Random:
    # By the object's own id: the same object looks the same every time, and different ones differ.
    return random.Random(identity)


def provider_json(transcript: Transcript, form: str) -> Json:
    """`provider`: the one key used, or the six oldest with it (null), or others filled and before it."""
    used: Json = {transcript.provider: transcript.options}
    if form == "alternate":
        form = _chance(transcript.id).choice(("single", "all_keys"))
    if form == "several":
        others = [name for name in _ALWAYS_IN_ANSWERS if name != transcript.provider]
        return {**{name: {} for name in others[:2]}, **used, others[2]: {}}
    return used if form == "single" else {**dict.fromkeys(_ALWAYS_IN_ANSWERS), **used}


def transcript_json(
    transcript: Transcript, recording: Recording, *, urls: Json, provider_form: str, processing: bool = False
) -> Json:
    """
    A TranscriptArtifact.

    Args:
        urls: The two pre-signed addresses (or nulls) of `data`.
        processing: Show it as still running, whatever its status.
        urls: Of its media, see `media_json`; filled where it is done.
    """
    style = recording.script.shape.timestamp_style
    status = Status("processing", None, transcript.created_at) if processing else transcript.status
    artifact: Json = {
        "id": transcript.id,
        "recording": {"id": recording.id, "metadata": recording.metadata},
        "created_at": stamp(transcript.created_at, style),
        "status": status_json(status, style),
        "metadata": transcript.metadata,
        "data": urls,
        "diarization": transcript.diarization,
        "provider": provider_json(transcript, recording.script.shape.provider or provider_form),
    }
    return {**artifact, **_EXTRA} if recording.script.shape.extra_fields else artifact


def bot_json(recording: Recording) -> Json | None:
    """The short form of a bot inside other objects."""
    return {"id": recording.bot_id, "metadata": {}} if recording.bot_id else None


def media_json(
    recording: Recording, transcript: Json | None, urls: Mapping[str, str], status: Status
) -> Json:
    """
    `media_shortcuts`; all null where there is no medium (expired, zero data retention, no audio).

    Args:
        urls: Addresses by the name of their field, and of `video_mixed` and `audio_mixed`; none is null.
        status: Of the recording as it is shown; its media have the same.
    """
    state = recording.script.recording_state.name
    if state in ("expired", "zdr"):
        return dict.fromkeys(
            ("video_mixed", "transcript", "participant_events", "meeting_metadata", "audio_mixed")
        )

    def media(kind: str, data: Json, **more: str) -> Json:
        rng = _chance(f"{recording.id}/{kind}")
        return {
            "id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            "created_at": stamp(recording.created_at),
            "status": status_json(status),
            "metadata": {},
            "data": data,
            **more,
        }

    def sound(kind: str, form: str) -> Json | None:
        return None if state == "no_audio" else media(kind, {"download_url": urls.get(kind)}, format=form)

    kinds = ("participant_events", "speaker_timeline", "participants")
    # Null where the meeting was not on Zoom.
    zoom = _chance(recording.id).choice((None, {"meeting_uuid": "c2ltdWxhdGVkIG1lZXRpbmc="}))
    return {
        "video_mixed": sound("video_mixed", "mp4"),
        "transcript": transcript,
        "participant_events": media(
            "participant_events",
            {name: urls.get(name) for name in (f"{kind}_download_url" for kind in kinds)},
        ),
        "meeting_metadata": media("meeting_metadata", {"title": recording.meeting.title, "zoom": zoom}),
        "audio_mixed": sound("audio_mixed", "mp3"),
    }


def recording_json(
    recording: Recording, *, transcript: Json | None, processing: bool, urls: Mapping[str, str]
) -> Json:
    """
    A Recording, with the top-level `bot_id` that integrators saw in live answers.

    Args:
        transcript: For `media_shortcuts`: the first transcript of the recording, if any. Which one Recall
            shows when there are several is not documented.
        processing: Show it as still running, whatever its status.
        urls: Of its media, see `media_json`; filled where it is done.
    """
    style = recording.script.shape.timestamp_style
    status = Status("processing", None, recording.created_at) if processing else recording.status
    running = status.code in ("processing", "paused")
    expired = recording.script.recording_state.name == "expired"
    upload = {"id": recording.sdk_upload_id, "metadata": {}} if recording.sdk_upload_id else None
    answer: Json = {
        "id": recording.id,
        "created_at": stamp(recording.created_at, style),
        "started_at": stamp(recording.started_at, style),
        "completed_at": None if running else stamp(recording.created_at, style),
        "status": status_json(status, style),
        "expires_at": stamp(recording.created_at - timedelta(days=1), style) if expired else None,
        "metadata": recording.metadata,
        "bot": bot_json(recording),
        "bot_id": recording.bot_id,
        "desktop_sdk_upload": upload,
        "realtime_endpoints": [],
        "media_shortcuts": media_json(recording, transcript, urls if status.code == "done" else {}, status),
    }
    return {**answer, **_EXTRA} if recording.script.shape.extra_fields else answer


def full_bot_json(bot_id: str, recordings: list[Recording]) -> Json:
    """A Bot, small. There is no current status in it: the last of `status_changes` is."""
    ended = max(recording.created_at for recording in recordings)
    codes = ("joining_call", "in_call_recording", "call_ended", "done")
    return {
        "id": bot_id,
        "bot_name": "Notetaker",
        "meeting_url": None,
        "join_at": None,
        "metadata": {},
        "status_changes": [
            {"code": code, "message": None, "sub_code": None, "created_at": stamp(ended)} for code in codes
        ],
        "recordings": [
            recording_json(recording, transcript=None, processing=False, urls={}) for recording in recordings
        ],
    }


def payload(
    event: str,
    *,
    status: Json,
    recording: Recording | None,
    recording_id: str | None,
    transcript: Transcript | None,
    transcript_id: str | None,
) -> Json:
    """
    The body of a webhook. Ids that stand for no known object are allowed: forgeries and strangers need them.

    Source: the event catalogue; `bot` is an object, null or missing there, by the shape of the recording.
    """
    family = event.partition(".")[0]
    data: Json = {"data": status}
    if family not in ("recording", "bot", "sdk_upload"):
        metadata = transcript.metadata if transcript else {}
        data[family] = {"id": transcript_id, "metadata": metadata}
    if family != "bot":
        data["recording"] = {"id": recording_id, "metadata": recording.metadata if recording else {}}
    if family == "sdk_upload":
        data["sdk_upload"] = {"id": recording.sdk_upload_id if recording else None, "metadata": {}}
        return {"event": event, "data": data}
    bot = bot_json(recording) if recording else None
    shape = recording.script.shape if recording else None
    if shape is None or shape.bot != "missing":
        data["bot"] = None if shape and shape.bot == "null" else bot
    if shape and shape.extra_fields:
        data.update(_EXTRA)
    return {"event": event, "data": data}
