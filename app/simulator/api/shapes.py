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
    return {"id": recording.bot_id, "metadata": recording.bot_metadata} if recording.bot_id else None


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
        return {
            "id": _id_of(f"{recording.id}/{kind}"),
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

    Source: the event catalogue. `bot` is an object there, null or missing: by the shape of the recording, and
    by turns where no bot made it (Recall's documents disagree).
    """
    family, _, what = event.partition(".")
    made_up = _id_of(event)
    if what in ("status_change", "log", "output_log") and family == "bot":
        return {"event": event, "data": _older_bot_data(what, status, recording, recording_id or made_up)}
    data: Json = {"data": status}
    if event == "recording.failed":
        told = {"code": "INTERNAL_ERROR", "message": "Internal server error during recording"}
        data["data"] = {**status, "error": told}
    if family not in ("recording", "bot", "sdk_upload"):
        id = transcript_id if family == "transcript" else _id_of(f"{recording_id}/{family}")
        data[family] = {"id": id or made_up, "metadata": transcript.metadata if transcript else {}}
    if family != "bot":
        about = recording.metadata if recording else {}
        data["recording"] = {"id": recording_id or made_up, "metadata": about}
    if family == "sdk_upload":
        upload = recording.sdk_upload_id if recording else None
        data["sdk_upload"] = {"id": upload or made_up, "metadata": {}}
        # The upload failed before there was a recording, as in the catalogue's example.
        return {"event": event, "data": data | ({"recording": None} if what == "failed" else {})}
    shape = recording.script.shape if recording else None
    data |= _bot_data(event, recording) if family != "bot" else {"bot": _some_bot(recording, made_up)}
    if shape and shape.extra_fields:
        data.update(_EXTRA)
    return {"event": event, "data": data}


def _id_of(what: str) -> str:
    """The id of a thing that is known by its name alone: the same each time."""
    return str(uuid.UUID(int=_chance(what).getrandbits(128), version=4))


def _some_bot(recording: Recording | None, made_up: str) -> Json:
    return (bot_json(recording) if recording else None) or {"id": made_up, "metadata": {}}


def _bot_data(event: str, recording: Recording | None) -> Json:
    if recording is None:
        return {"bot": _some_bot(None, _id_of(event))}
    form = recording.script.shape.bot
    if form is None:
        turn = _chance(f"{recording.id}/{event}").choice(("object", "null", "missing"))
        form = "object" if recording.bot_id else turn
    if form == "missing":
        return {}
    return {"bot": None if form == "null" else _some_bot(recording, _id_of(recording.id))}


def _older_bot_data(what: str, status: Json, recording: Recording | None, recording_id: str) -> Json:
    """`bot.status_change` of older workspaces, and logs."""
    bot_id = _some_bot(recording, _id_of(recording_id))["id"]
    at = {"created_at": status["updated_at"], "message": None}
    if what == "status_change":
        told = {**at, "code": "done", "sub_code": status["sub_code"], "recording_id": recording_id}
        return {"bot_id": bot_id, "status": told}
    return {"bot_id": bot_id, "log": {**at, "level": "info", "message": "(simulated)", "output_id": None}}
