"""
create_transcript: the one call that costs money, and what a script makes of its answer.

Order, after the gate: balance, existence, body, script, state of the recording, limit per recording.
Source: https://docs.recall.ai/docs/async-transcription; what Recall answers for a recording that is not
ready, expired or at its limit is not published: 400 here, 404 where it is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import g, request

from app.simulator.api import answers
from app.simulator.api.answers import Answer
from app.simulator.api.shapes import transcript_json
from app.simulator.api.validation import read_json, refuse_create
from app.simulator.model.faults import Word, nth
from app.simulator.model.lifecycle import Lifecycle
from app.simulator.model.state import Recording, Transcript, World
from app.simulator.model.webhooks import TIMEOUT_S

PER_RECORDING = 10
ATTEMPTS_PER_RECORDING = 100
NO_URLS = {"download_url": None, "provider_data_download_url": None}
# What a scripted 429 or 507 asks to wait, simulated.
SCRIPTED_WAIT_S = {429: 5.0, 507: 30.0}

_NOT_USABLE = {
    "expired": "The media of this recording has expired.",
    "no_audio": "This recording has no media artifact suitable for transcription.",
    "zdr": "This recording has no media: zero data retention.",
    "failed": "This recording failed.",
}


class Creates:
    """POST /api/v1/recording/{id}/create_transcript/ behind the gate."""

    def __init__(self, world: World, lifecycle: Lifecycle) -> None:
        self._world = world
        self._lifecycle = lifecycle
        # The accepted create is the same in each of these; only its answer differs.
        self._after: dict[str, Callable[[Word, Transcript], Answer]] = {
            "cut_after": lambda word, made: replace(self._made(made), cut=True),
            "timeout_after": lambda word, made: replace(self._made(made), late_s=word.seconds),
            "status_after": lambda word, made: self._status(word.count),
            "no_id": lambda word, made: answers.ok({"status": {"code": "processing", "sub_code": None}}),
            "html": lambda word, made: Answer(200, b"<html><body>OK</body></html>\n", "text/html"),
            "done_before_answer": self._done_before_answer,
        }

    def post(self, recording_id: str, raw: bytes, *, content_type: str | None) -> Answer:
        """Judge and perform one create that passed the Idempotency-Key and the rate."""
        settings = self._world.settings
        if not settings.balance:
            return answers.no_balance()
        recording = self._world.recordings.get(recording_id)
        if recording is None or not self._world.is_there(recording, g.workspace):
            return answers.not_found()
        body = read_json(raw, content_type)
        if isinstance(body, Answer):
            return body
        generation = settings.generation_of(g.workspace) if settings.closed_schemas else None
        refusal = refuse_create(body, generation=generation, stale=settings.stale_models)
        if refusal:
            with self._world.lock:
                self._world.bill.creates_refused += 1
            return refusal
        with self._world.lock:
            recording.creates_seen += 1
            word = nth(recording.script.creates, recording.creates_seen, default="ok")
        return self._before(word, body) or self._perform(recording, body, word)

    def _before(self, word: Word, body: dict[str, Any]) -> Answer | None:
        match word.name:
            case "cut_before":
                return answers.cut()
            case "status_before":
                return self._status(word.count)
            case "refuse":
                (provider,) = body["provider"]
                return answers.invalid(
                    {"transcript": f"Unable to get temporary credentials for {provider}. (simulated)"}
                )
            case "slow":
                self._world.clock.sleep(word.seconds)
        return None

    def _perform(self, recording: Recording, body: dict[str, Any], word: Word) -> Answer:
        with self._world.lock:
            refusal = self._why_not(recording)
            if refusal:
                return refusal
            ((provider, options),) = body["provider"].items()
            transcript = self._lifecycle.begin_transcript(
                recording,
                provider=provider,
                options=options,
                metadata=body.get("metadata", {}),
                diarization=_whole(body.get("diarization")),
            )
            transcript.key = request.headers.get("Idempotency-Key")
        if word.name != "done_before_answer":
            self._lifecycle.run_transcript(transcript)
        after = self._after.get(word.name)
        return after(word, transcript) if after else self._made(transcript)

    def _why_not(self, recording: Recording) -> Answer | None:
        state = recording.script.recording_state.name
        if recording.status.code == "deleted":
            return answers.not_found()
        if state in _NOT_USABLE:
            return answers.invalid({"non_field_errors": [_NOT_USABLE[state]]})
        if recording.status.code != "done" or recording.ready_at > self._world.clock.now():
            return answers.problem(400, "recording_not_ready", "This recording is not done.")
        return self._at_limit(recording)

    def _at_limit(self, recording: Recording) -> Answer | None:
        settings = self._world.settings
        there = [t for t in recording.transcripts if t.status.code != "deleted"]
        done = sum(1 for t in there if t.status.code == "done")
        full = {
            "any10": len(there) >= PER_RECORDING,
            "successful10": done >= PER_RECORDING,
            "successful10_attempts100": done >= PER_RECORDING or len(there) >= ATTEMPTS_PER_RECORDING,
        }[settings.limit_mode]
        if not full:
            return None
        detail = "Too many transcripts for this recording. Delete an existing transcript and try again."
        return answers.invalid(settings.limit_body or {"non_field_errors": [detail]})

    def _made(self, transcript: Transcript) -> Answer:
        # Always `processing`: what the artifact was when it was made, however long the answer took.
        form = self._world.settings.provider_form
        return answers.ok(
            transcript_json(
                transcript, transcript.recording, urls=NO_URLS, provider_form=form, processing=True
            )
        )

    def _status(self, status: int) -> Answer:
        wait_s = self._world.clock.retry_after_s(SCRIPTED_WAIT_S.get(status, 1.0))
        return answers.scripted(status, str(wait_s), self._world.settings.waf_style)

    def _done_before_answer(self, word: Word, transcript: Transcript) -> Answer:
        message = self._lifecycle.end_by_script(transcript)
        if message is not None:
            message.tried.wait(TIMEOUT_S)
        return self._made(transcript)


def _whole(diarization: dict[str, Any] | None) -> dict[str, Any] | None:
    """As the artifact shows it: with its default."""
    return None if diarization is None else {"use_separate_streams_when_available": False, **diarization}
