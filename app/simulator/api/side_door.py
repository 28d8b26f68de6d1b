"""
/_sim: the way in for tests, demos and people. Not part of Recall; JSON, no key, loopback only.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request

from app.simulator.api.shapes import payload, stamp
from app.simulator.model.faults import parse_script
from app.simulator.model.lies import parse_lie
from app.simulator.model.lifecycle import Lifecycle, NotNow
from app.simulator.model.settings import Settings
from app.simulator.model.state import Recording, Transcript, World
from app.simulator.model.webhooks import TIMEOUT_S, Message, Webhooks

_RECORDING_FIELDS = {
    "script",
    "finish",
    "kind",
    "metadata",
    "bot",
    "desktop_sdk",
    "recording_id",
    "bot_id",
    "workspace",
}
_EMIT_FIELDS = {
    "event", "recording_id", "transcript_id", "sub_code", "times", "same_id", "webhook_id", "forged",
    "stale_s", "raw_body", "wait",
}  # fmt: skip
# Not null in the catalogue's schemas.
_SUB_CODES = {
    "bot.call_ended": "meeting_ended_by_host",
    "bot.fatal": "invalid_meeting_url",
    "bot.recording_permission_denied": "permission_denied_by_host",
}


class Refused(ValueError):
    """The request to the side door makes no sense; the message says why."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class SideDoor:
    """The routes of /_sim over one world."""

    def __init__(self, world: World, lifecycle: Lifecycle, webhooks: Webhooks, *, initial: Settings) -> None:
        self._world = world
        self._lifecycle = lifecycle
        self._webhooks = webhooks
        self._initial = initial

    def blueprint(self) -> Blueprint:
        """The routes."""
        door = Blueprint("side_door", __name__, url_prefix="/_sim")
        door.before_request(_only_from_here)
        # Also a bad script or setting, an unknown kind of meeting, a number that is none.
        door.register_error_handler(ValueError, _refusal)
        door.register_error_handler(NotNow, _refusal)
        routes: tuple[tuple[str, str, Callable[..., Any]], ...] = (
            ("POST", "/recordings", self._make_recording),
            ("POST", "/recordings/<id>/<verb>", self._recording),
            ("POST", "/transcripts/<id>/<verb>", self._transcript),
            ("POST", "/emit", self._emit),
            ("POST", "/settings", self._change_settings),
            ("GET", "/settings", lambda: self._world.settings.to_json()),  # noqa: PLW0108 - they are replaced
            ("GET", "/bill", self._world.bill_json),
            ("GET", "/deliveries", self._deliveries),
            ("POST", "/advance", self._advance),
            ("POST", "/lies", self._lie),
            ("GET", "/lies", self._lies),
            ("POST", "/lies/end", self._end_lies),
            ("POST", "/reset", self._reset),
        )
        for method, path, view in routes:
            door.add_url_rule(path, f"{method} {path}".replace(".", ""), _as_json(view), methods=[method])
        return door

    def _make_recording(self) -> dict[str, Any]:
        body = _body(_RECORDING_FIELDS)
        script = parse_script(body.get("script", {}))
        options = {name: body[name] for name in _RECORDING_FIELDS - {"script", "finish"} if name in body}
        recording = self._lifecycle.begin_recording(script, **options)
        if body.get("finish", True):
            self._lifecycle.finish_recording(recording)
        return {
            "recording_id": recording.id,
            "bot_id": recording.bot_id,
            "title": recording.meeting.title,
            "language": recording.meeting.language,
            "duration_s": recording.meeting.duration_s,
        }

    def _recording(self, id: str, verb: str) -> dict[str, Any]:
        recording = self._known_recording(id)
        verbs: Mapping[str, Callable[[Recording], None]] = {
            "finish": self._lifecycle.finish_recording,
            "fail": self._lifecycle.fail_recording,
            "delete": self._lifecycle.delete_recording,
        }
        _verb(verbs, verb)(recording)
        return {"recording_id": id, "status": recording.status.code}

    def _transcript(self, id: str, verb: str) -> dict[str, Any]:
        transcript = self._world.transcripts.get(id)
        if transcript is None:
            raise Refused("no such transcript", 404)
        body = _body({"sub_code"})
        verbs: Mapping[str, Callable[[Transcript], None]] = {
            "finish": self._lifecycle.finish_transcript,
            "fail": lambda t: self._lifecycle.fail_transcript(t, **body),
            "delete": self._lifecycle.delete_transcript,
        }
        _verb(verbs, verb)(transcript)
        return {"transcript_id": id, "status": transcript.status.code}

    def _emit(self) -> dict[str, Any]:
        body = _body(_EMIT_FIELDS)
        if not isinstance(body.get("event"), str):
            raise Refused("event must be named")
        times, same = int(body.get("times", 1)), bool(body.get("same_id", False))
        messages = [self._message(body) for _ in range(1 if same else times)]
        for message in messages:
            self._webhooks.send(message, copies=times if same else 1)
        if body.get("wait"):
            for message in messages:
                message.tried.wait(TIMEOUT_S)
        return {"webhook_ids": [message.webhook_id for message in messages]}

    def _message(self, body: Mapping[str, Any]) -> Message:
        event, recording_id = body["event"], body.get("recording_id")
        recording = self._world.recordings.get(recording_id or "")
        transcript_id = body.get("transcript_id") or self._last_transcript(recording)
        status = {
            "code": event.rpartition(".")[2],
            "sub_code": body.get("sub_code", _SUB_CODES.get(event)),
            "updated_at": stamp(
                self._world.wall(), recording.script.shape.timestamp_style if recording else "Z"
            ),
        }
        content = payload(
            event,
            status=status,
            recording=recording,
            recording_id=recording_id,
            transcript=self._world.transcripts.get(transcript_id or ""),
            transcript_id=transcript_id,
        )
        message = self._webhooks.new(event, content, recording_id=recording_id, transcript_id=transcript_id)
        message.by_hand = True
        message.webhook_id = body.get("webhook_id", message.webhook_id)
        message.forged = bool(body.get("forged", False))
        message.stale_s = float(body.get("stale_s", 0))
        message.body = str(body.get("raw_body", message.body))
        return message

    @staticmethod
    def _last_transcript(recording: Recording | None) -> str | None:
        return recording.transcripts[-1].id if recording and recording.transcripts else None

    def _change_settings(self) -> dict[str, Any]:
        with self._world.lock:
            self._world.settings = self._world.settings.change(_body(None))
            settings = self._world.settings
        if not settings.webhooks_paused:
            self._webhooks.resume()
        return settings.to_json()

    def _deliveries(self) -> dict[str, Any]:
        return {"deliveries": self._webhooks.listing(request.args.get("recording_id"))}

    def _lie(self) -> dict[str, Any]:
        lie = parse_lie(_body(None))
        with self._world.lock:
            return self._world.lies.add(lie).to_json()

    def _lies(self) -> dict[str, Any]:
        with self._world.lock:
            return {"lies": [lie.to_json() for lie in self._world.lies.lies]}

    def _end_lies(self) -> dict[str, Any]:
        with self._world.lock:
            return {"ended": self._world.lies.end(_body({"id"}).get("id"))}

    def _advance(self) -> dict[str, Any]:
        seconds = _body({"seconds"}).get("seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
            raise Refused("seconds must be a number that is not negative")
        self._world.clock.advance(seconds)
        return {"advanced_s": seconds}

    def _reset(self) -> dict[str, Any]:
        self._world.reset(self._initial)
        return {"reset": True}

    def _known_recording(self, id: str) -> Recording:
        recording = self._world.recordings.get(id)
        if recording is None:
            raise Refused("no such recording", 404)
        return recording


def _only_from_here() -> Response | None:
    if ipaddress.ip_address(request.remote_addr or "0.0.0.0").is_loopback:
        return None
    return _refusal(Refused("the side door opens from this machine only", 403))


def _refusal(problem: Exception) -> Response:
    response = jsonify({"error": str(problem)})
    response.status_code = 409 if isinstance(problem, NotNow) else getattr(problem, "status", 400)
    return response


def _as_json(view: Callable[..., Any]) -> Callable[..., Response]:
    return lambda **path: jsonify(view(**path))


def _verb(verbs: Mapping[str, Callable[..., None]], verb: str) -> Callable[..., None]:
    if verb not in verbs:
        raise Refused(f"unknown verb: {verb} (known: {', '.join(verbs)})", 404)
    return verbs[verb]


def _body(known: set[str] | None) -> dict[str, Any]:
    body = request.get_json(force=True, silent=True) if request.get_data() else {}
    if not isinstance(body, dict):
        raise Refused("the body must be a JSON object")
    unknown = sorted(set(body) - known) if known is not None else []
    if unknown:
        raise Refused(f"unknown: {', '.join(unknown)} (known: {', '.join(sorted(known or ()))})")
    return body
