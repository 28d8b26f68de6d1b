"""
The JSON of Recall's objects: artifacts, recordings, bots, webhook payloads.

Pure functions of the state. Sources: https://docs.recall.ai/reference/transcript_retrieve,
https://docs.recall.ai/reference/recording_retrieve, https://docs.recall.ai/docs/recording-webhooks.
"""

from __future__ import annotations

import random
import uuid
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
        participants_url: Where the list of its participants can be downloaded.
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


def _media(recording: Recording, kind: str, *, data: Json, **more: str) -> Json:
    rng = _chance(f"{recording.id}/{kind}")
    return {
        "id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "created_at": stamp(recording.created_at),
        "status": status_json(recording.status),
        "metadata": {},
        "data": data,
        **more,
    }


def media_json(recording: Recording, transcript: Json | None, participants_url: str | None = None) -> Json:
    """`media_shortcuts`; all null where there is no medium (expired, zero data retention, no audio)."""
    if recording.script.recording_state.name in ("expired", "zdr"):
        return dict.fromkeys(
            ("video_mixed", "transcript", "participant_events", "meeting_metadata", "audio_mixed")
        )
    audio = recording.script.recording_state.name != "no_audio"
    events = {
        "participant_events_download_url": None,
        "speaker_timeline_download_url": None,
        "participants_download_url": participants_url,
    }
    about = {"title": recording.meeting.title}
    return {
        "video_mixed": _media(recording, "video_mixed", data={"download_url": None}, format="mp4")
        if audio
        else None,
        "transcript": transcript,
        "participant_events": _media(recording, "participant_events", data=events),
        "meeting_metadata": _media(recording, "meeting_metadata", data=about),
        "audio_mixed": _media(recording, "audio_mixed", data={"download_url": None}, format="mp3")
        if audio
        else None,
    }


def recording_json(
    recording: Recording, *, transcript: Json | None, processing: bool, participants_url: str | None = None
) -> Json:
    """
    A Recording, with the top-level `bot_id` that integrators saw in live answers.

    Args:
        transcript: For `media_shortcuts`: the first transcript of the recording, if any. Which one Recall
            shows when there are several is not documented.
        processing: Show it as still running, whatever its status.
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
        "media_shortcuts": media_json(recording, transcript, participants_url),
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
            recording_json(recording, transcript=None, processing=False) for recording in recordings
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
