"""
The other port: pre-signed downloads, as an object store serves them.

No key is wanted here; one that arrives is a leak, refused and put on the bill. An address holds for six
hours and proves itself by its signature, so none is kept. Source: https://docs.recall.ai/docs/storage-and-playback.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import secrets
from collections.abc import Iterator
from typing import IO, Any

from flask import Flask, Response, request

from app.simulator.api import answers
from app.simulator.api.answers import Answer
from app.simulator.api.cut_response import to_response
from app.simulator.api.files import MEDIA, attended, huge_file, provider_data, render_transcript
from app.simulator.api.lying import instead_of
from app.simulator.model.faults import Word, nth
from app.simulator.model.lies import Question
from app.simulator.model.state import Recording, Transcript, World

URL_LIFE_S = 6 * 3600.0
_PIECES = 20
_CHUNK = 64 * 1024
_JSON = "application/json"
_ATTENDED = ("participant_events", "speaker_timeline", "participants")


def _refused(status: int, code: str, message: str) -> Answer:
    opening = '<?xml version="1.0" encoding="UTF-8"?>\n'
    body = f"{opening}<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(status, body.encode(), "application/xml")


def _gone() -> Answer:
    return _refused(404, "NoSuchKey", "The specified key does not exist.")


class Downloads:
    """Signs the addresses of `data` and serves what they name."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._key = secrets.token_bytes(32)
        self.app = Flask("app.simulator.api.downloads", static_folder=None)
        self.app.add_url_rule("/<kind>/<id>/<nonce>.<form>", view_func=self._serve, methods=["GET"])

    def urls(self, transcript: Transcript) -> dict[str, Any]:
        """The two addresses of a transcript: fresh each time, null until it is done."""
        if transcript.status.code != "done":
            return {"download_url": None, "provider_data_download_url": None}
        # No raw data from Recall's own provider, or per stream: https://docs.recall.ai/docs/async-transcription
        raw = transcript.provider != "recallai_async" and not transcript.separate_streams
        return {
            "download_url": self._sign("transcript", transcript.id),
            "provider_data_download_url": self._sign("provider_data", transcript.id) if raw else None,
        }

    def media_urls(self, recording: Recording) -> dict[str, str]:
        """Addresses of what a recording has besides transcripts, by the name of their field."""
        scripted = {
            "participants": recording.script.participants,
            "speaker_timeline": recording.script.timeline,
        }
        kinds = (kind for kind in _ATTENDED if kind not in scripted or scripted[kind].name != "none")
        urls = {f"{kind}_download_url": self._sign(kind, recording.id) for kind in kinds}
        media = {"video_mixed": "mp4", "audio_mixed": "mp3"}
        return urls | {kind: self._sign(kind, recording.id, form) for kind, form in media.items()}

    def _sign(self, kind: str, id: str, form: str = "json") -> str:
        path = f"/{kind}/{id}/{secrets.token_hex(8)}.{form}"
        expires = f"{self._world.clock.now() + URL_LIFE_S:.3f}"
        signature = self._signature(path, expires)
        return f"{self._world.download_url}{path}?Simulated-Expires={expires}&Simulated-Signature={signature}"

    def _signature(self, path: str, expires: str) -> str:
        return hmac.new(self._key, f"{path}?{expires}".encode(), hashlib.sha256).hexdigest()

    def _serve(self, kind: str, id: str, nonce: str, form: str) -> Response:
        refusal = self._why_not(kind)
        if refusal:
            return to_response(refusal)
        recording = self._world.recordings.get(id)
        if recording is not None:
            return to_response(self._of_recording(kind, recording))
        transcript = self._world.transcripts.get(id)
        if transcript is None or transcript.status.code == "deleted":
            return to_response(_gone())
        lie = self._lie(transcript)
        if lie is not None:
            return to_response(lie)
        if kind == "provider_data":
            with self._world.lock:
                self._world.bill.provider_data_downloads += 1
            return to_response(answers.ok(provider_data(transcript)))
        return self._serve_transcript(transcript)

    def _of_recording(self, kind: str, recording: Recording) -> Answer:
        with self._world.lock:
            self._world.bill.media_downloads[kind] += 1
            is_gone = recording.status.code == "deleted"
            body, form = MEDIA[kind] if kind in MEDIA else (attended(recording, kind), _JSON)
        return _gone() if is_gone or body is None else Answer(200, body, form)

    def _lie(self, transcript: Transcript) -> Answer | None:
        question = Question(
            "download", transcript.recording.id, transcript.id, workspace=transcript.recording.workspace
        )
        with self._world.lock:
            told = self._world.lies.due(
                question, now=self._world.clock.now(), ways=("status", "html", "blank", "cut", "slow")
            )
        if told is not None and told.way == "slow":
            self._world.clock.sleep(told.seconds)
            return None
        return instead_of(told) if told else None

    def _why_not(self, kind: str) -> Answer | None:
        settings = self._world.settings
        if "Authorization" in request.headers:
            with self._world.lock:
                self._world.bill.downloads_with_authorization += 1
            return _refused(400, "InvalidArgument", "Only one auth mechanism allowed.")
        if settings.downloads_blocked:
            return {
                "cut": answers.cut(),
                "503": _refused(503, "SlowDown", "Please reduce your request rate."),
                "403": _refused(403, "AccessDenied", "Access Denied"),
            }[settings.downloads_blocked_mode]
        expires = request.args.get("Simulated-Expires", "")
        given = request.args.get("Simulated-Signature", "")
        if not hmac.compare_digest(self._signature(request.path, expires).encode(), given.encode()):
            return _refused(403, "SignatureDoesNotMatch", "The request signature does not match.")
        return (
            _refused(403, "AccessDenied", "Request has expired")
            if float(expires) < self._world.clock.now()
            else None
        )

    def _serve_transcript(self, transcript: Transcript) -> Response:
        recording = transcript.recording
        with self._world.lock:
            self._world.bill.downloads += 1
            self._world.bill.of(recording.id).downloads += 1
            word = self._word(recording)
        match word.name:
            case "blocked":
                return to_response(answers.cut())
            case "expired":
                return to_response(_refused(403, "AccessDenied", "Request has expired"))
            case "404":
                return to_response(_gone())
        if transcript.outcome.name == "huge":
            return _stream_file(huge_file(transcript.recording, transcript.outcome.count))
        return self._send(render_transcript(transcript), word)

    def _word(self, recording: Recording) -> Word:
        """What the script says of this download. While the host is blocked no word is used up."""
        now = self._world.clock.now()
        if recording.blocked_until > now:
            return Word("blocked")
        recording.downloads_seen += 1
        word = nth(recording.script.download, recording.downloads_seen, default="ok")
        if word.name == "blocked":
            recording.blocked_until = now + word.seconds
        return word

    def _send(self, body: bytes, word: Word) -> Response:
        headers = {"Content-Length": str(len(body))}
        match word.name:
            case "gzip":
                packed = gzip.compress(body)
                headers = {"Content-Length": str(len(packed)), "Content-Encoding": "gzip"}
                return Response(packed, content_type=_JSON, headers=headers)
            case "truncated":
                return Response(iter([body[: len(body) // 2]]), content_type=_JSON, headers=headers)
            case "slow":
                return Response(self._drip(body, word.seconds), content_type=_JSON, headers=headers)
            case _:
                return Response(body, content_type=_JSON, headers=headers)

    def _drip(self, body: bytes, over_s: float) -> Iterator[bytes]:
        size = max(1, -(-len(body) // _PIECES))
        for start in range(0, len(body), size):
            self._world.clock.sleep(over_s / _PIECES)
            yield body[start : start + size]


def _stream_file(file: IO[bytes]) -> Response:
    size = file.tell()
    file.seek(0)

    def pieces() -> Iterator[bytes]:
        with file:
            while piece := file.read(_CHUNK):
                yield piece

    return Response(pieces(), content_type=_JSON, headers={"Content-Length": str(size)})
