"""
What the downloads hold: a transcript, raw provider data, who took part, and two seconds of nothing as media.

Pure functions of the state.
"""

from __future__ import annotations

import copy
import json
import tempfile
from typing import IO, Any

from app.simulator.meetings import attendance, odd_files, poor_results
from app.simulator.model.faults import Word
from app.simulator.model.state import Recording, Transcript

# One frame of silence, MPEG 1 layer III, 128 kbit/s, 44.1 kHz; and the box a video file begins with.
_SILENT_FRAME = b"\xff\xfb\x90\xc4" + bytes(413)
MEDIA = {
    "audio_mixed": (_SILENT_FRAME * 76, "audio/mpeg"),
    "video_mixed": (b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp42\x00\x00\x00\x08mdat", "video/mp4"),
}


def render_transcript(transcript: Transcript) -> bytes:
    """
    The file of a transcript: the same bytes whichever provider made it, but for machine labels.

    Source: https://docs.recall.ai/docs/diarization (labels of the provider instead of names, without an id).
    """
    if transcript.outcome.name == "empty":
        return b"[]"
    turns, body = transcript.recording.meeting.turns, transcript.body
    if body.name in poor_results.KINDS:
        turns, body = poor_results.changed(turns, body.name, body.argument), Word("ok")
    if is_diarized(transcript.options):
        labels = (
            _hybrid_labels(turns, transcript) if transcript.separate_streams else _labels(turns, transcript)
        )
        turns = [_unnamed(turn, label) for turn, label in zip(turns, labels, strict=True)]
    return odd_files.render(turns, body.name, body.argument)


def is_diarized(options: Any) -> bool:
    """Whether the provider is asked to tell voices apart, in the words of any of them."""
    asked = [_at(options, name) for name in ("speaker_labels", "diarize", "diarize_model", "diarization")] + [
        _at(options, "transcription_config", "diarization"),
        _at(options, "Settings", "ShowSpeakerLabels"),
    ]
    by_presence = _at(options, "config", "features", "diarization_config")
    return by_presence is not None or any(word and word != "none" for word in asked)


def _at(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _hybrid_labels(turns: list[dict[str, Any]], transcript: Transcript) -> list[str]:
    """
    `200-0`: the participant's id and the label of a voice in that stream; one voice each, or as scripted.

    Source: https://docs.recall.ai/docs/diarization (separate streams and the provider's labels together).
    """
    voices = transcript.recording.script.hybrid
    many = voices.count if voices.name == "voices" else 1
    first = turns[0]["participant"].get("id") if turns else None
    heard: dict[Any, int] = {}
    labels = []
    for turn in turns:
        id = turn["participant"].get("id")
        number = heard[id] = heard.get(id, -1) + 1
        label = _label(number % many if id == first else 0, transcript)
        labels.append(label if id is None else f"{id}-{label}")
    return labels


def _label(number: int, transcript: Transcript) -> str:
    return chr(ord("A") + number % 26) if transcript.provider.startswith("assembly") else str(number)


def _labels(turns: list[dict[str, Any]], transcript: Transcript) -> list[str]:
    """A, B, … (AssemblyAI) or 0, 1, … in the order of first appearance."""
    speakers: dict[str, int] = {}
    numbers = [speakers.setdefault(json.dumps(turn["participant"]), len(speakers)) for turn in turns]
    return [_label(number, transcript) for number in numbers]


def _unnamed(turn: dict[str, Any], label: str) -> dict[str, Any]:
    blank = {"id": None, "name": label, "is_host": None, "platform": None, "extra_data": None, "email": None}
    return {**turn, "participant": blank}


def attended(recording: Recording, kind: str) -> bytes | None:
    """One of the three files about those who were there, as scripted; None where it is missing."""
    turns, script = recording.meeting.turns, recording.script
    word = script.participants if kind == "participants" else script.timeline
    if kind == "participant_events":
        return json.dumps(attendance.events(turns, started_at=recording.started_at)).encode()
    if word.name in ("missing", "garbage"):
        return None if word.name == "missing" else odd_files.render(turns, "garbage")
    if kind == "participants":
        people = attendance.participants(turns, word.name, int(word.argument or 0))
        return json.dumps(people, ensure_ascii=False).encode()
    at = recording.started_at
    told = attendance.timeline(turns, word.name, duration_s=recording.meeting.duration_s, started_at=at)
    return json.dumps(told, ensure_ascii=False).encode()


def provider_data(transcript: Transcript) -> dict[str, Any]:
    """Raw provider data in Recall's envelope. Source: https://docs.recall.ai/docs/download-urls."""
    part = {
        "id": transcript.id,
        "created_at": transcript.created_at.isoformat(),
        "source_audio": {"type": "mixed", "offset": 0.0, "participant": None},
        "type": "http_response",
        "data": {"url": "https://provider.invalid/v1/jobs", "status_code": 200, "body": {"simulated": True}},
    }
    return {"parts": [part]}


def huge_file(recording: Recording, megabytes: int) -> IO[bytes]:
    """A file of at least so many megabytes: the meeting over and over, later each time."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the response that streams it
    shift_s, opened = 0.0, b"["
    while file.tell() < megabytes * 1_000_000:
        block = json.dumps(
            _later(recording.meeting.turns, shift_s), ensure_ascii=False, separators=(",", ":")
        )
        file.write(opened + block[1:-1].encode())
        shift_s, opened = shift_s + recording.meeting.duration_s, b","
    file.write(b"]")
    return file


def _later(turns: list[dict[str, Any]], shift_s: float) -> list[dict[str, Any]]:
    shifted = copy.deepcopy(turns)
    for turn in shifted:
        for word in turn["words"]:
            for end in ("start_timestamp", "end_timestamp"):
                if word.get(end) and word[end].get("relative") is not None:
                    word[end]["relative"] = round(word[end]["relative"] + shift_s, 3)
    return shifted
