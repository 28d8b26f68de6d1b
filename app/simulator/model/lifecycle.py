"""
How recordings and transcripts begin, run and end, and which webhooks that sends.

State changes under the world's lock; deliveries start after it is released.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.simulator.api.shapes import REALTIME_PROVIDERS, payload, stamp
from app.simulator.model.faults import Script, Word, nth
from app.simulator.model.state import MeetingLike, Recording, Status, Transcript, World
from app.simulator.model.webhooks import Message, Webhooks

# https://docs.recall.ai/docs/async-transcription: about a minute per recorded hour.
TRANSCRIBE_S_PER_S = 60 / 3600
SHORTEST_TRANSCRIBE_S = 2.0
# How long the API still says `processing` after a webhook that came too early.
API_LAGS_S = 20.0
USUAL_FAILURE = "provider_connection_failed"
CAPTIONS_FAILURE = "zoom_captions_failure"
_OK = Word("ok")


class NotNow(RuntimeError):
    """The object is not in a state from which this can happen."""


class Lifecycle:
    """The verbs of one simulator."""

    def __init__(self, world: World, webhooks: Webhooks) -> None:
        self._world = world
        self._webhooks = webhooks
        # What waits for a recording's first finished transcript (`recording_done: after_transcript_done`).
        self._waiting: dict[str, Message] = {}
        world.on_reset.append(self._waiting.clear)

    # -- recordings ------------------------------------------------------------------------------------------

    def begin_recording(
        self,
        script: Script,
        *,
        kind: str | None = None,
        metadata: dict[str, Any] | None = None,
        bot: bool = True,
        desktop_sdk: bool = False,
        recording_id: str | None = None,
        bot_id: str | None = None,
        workspace: str = "default",
    ) -> Recording:
        """Make a recording that is still running; its meeting depends on the seed alone."""
        world = self._world
        recording_id = recording_id or world.ids.uuid("recording")
        has_bot = (bot and not desktop_sdk) or bot_id is not None
        meeting: MeetingLike = world.make_meeting(world.ids.number("meeting", recording_id), kind=kind)
        with world.lock:
            if recording_id in world.recordings:
                raise NotNow("a recording with this id exists")
            recording = Recording(
                id=recording_id,
                seq=world.next_seq(),
                bot_id=(bot_id or world.ids.uuid("bot", recording_id)) if has_bot else None,
                sdk_upload_id=world.ids.uuid("sdk_upload", recording_id) if desktop_sdk else None,
                metadata=metadata or {},
                script=script,
                meeting=meeting,
                created_at=world.wall(),
                status=Status.begin("processing", world.wall()),
                workspace=workspace,
                made_at=world.clock.now(),
            )
            world.recordings[recording.id] = recording
            for lie in script.lies:
                world.lies.add(lie, recording_id=recording.id)
            if script.captions:
                self._begin_captions(recording)
        return recording

    def finish_recording(self, recording: Recording) -> None:
        """All media are there: `recording.done` (or what the script makes of it)."""
        state = recording.script.recording_state
        if state.name == "failed":
            self.fail_recording(recording)
            return
        with self._world.lock:
            if recording.status.code != "processing":
                raise NotNow(f"the recording is {recording.status.code}")
            recording.status.become("done", at=self._world.wall())
            if state.name == "processing":
                recording.ready_at = self._world.clock.now() + state.seconds
        self._announce_recording(recording)

    def _announce_recording(self, recording: Recording) -> None:
        message = self._recording_message("recording.done", recording)
        captions = recording.script.captions
        if captions and captions.name == "done_before_recording_done":
            # Not before the captions' webhook was answered: the order is the point.
            self._end_captions(recording, then=lambda: self._send_recording_done(recording, message))
            return
        self._send_recording_done(recording, message)
        if captions:
            self._end_captions(recording)

    def _send_recording_done(self, recording: Recording, message: Message) -> None:
        word = recording.script.recording_done
        match word.name:
            case "drop":
                self._webhooks.drop(message)
            case "duplicate":
                self._webhooks.send(message, copies=word.count)
            case "storm":
                self._webhooks.send(message, copies=max(1, word.count // 2))
                for _ in range(word.count - max(1, word.count // 2)):
                    self._webhooks.send(self._recording_message("recording.done", recording))
            case "after_transcript_done":
                self._hold_until_transcript(recording, message)
            case _:
                self._webhooks.send(message, after_s=word.seconds)

    def _hold_until_transcript(self, recording: Recording, message: Message) -> None:
        with self._world.lock:
            ended = any(t.status.code in ("done", "failed") for t in recording.transcripts)
            if not ended:
                self._waiting[recording.id] = message
        if ended:
            self._webhooks.send(message)

    def fail_recording(self, recording: Recording) -> None:
        """The recording failed: `recording.failed`, with the error object of the catalogue's example."""
        with self._world.lock:
            recording.status.become("failed", "internal_error", at=self._world.wall())
        self._webhooks.send(self._recording_message("recording.failed", recording))

    def delete_recording(self, recording: Recording) -> None:
        """Retention ended or it was deleted: its transcripts go too. Nothing happens the second time."""
        with self._world.lock:
            if recording.status.code == "deleted":
                return
            recording.status.become("deleted", at=self._world.wall())
            gone = [t for t in recording.transcripts if t.status.code != "deleted"]
        self._webhooks.send(self._recording_message("recording.deleted", recording))
        for transcript in gone:
            self.delete_transcript(transcript)

    # -- transcripts -----------------------------------------------------------------------------------------

    def begin_transcript(
        self,
        recording: Recording,
        *,
        provider: str,
        options: dict[str, Any],
        metadata: dict[str, Any],
        diarization: dict[str, Any] | None,
    ) -> Transcript:
        """Make and bill a paid transcript; call with the lock held, then `run_transcript` without it."""
        recording.made += 1
        number = recording.made
        transcript = self._new_transcript(recording, number, provider, nth_outcome(recording.script, number))
        transcript.options, transcript.metadata, transcript.diarization = options, metadata, diarization
        transcript.body = nth(recording.script.bodies, number, default="ok")
        self._world.bill.accept(recording.id, recording.meeting.duration_s)
        self._world.note_open(recording)
        return transcript

    def run_transcript(self, transcript: Transcript) -> None:
        """Announce that it runs, and let it end when its time has come."""
        recording = transcript.recording
        self._webhooks.send(self._transcript_message("transcript.processing", transcript))
        if transcript.outcome.name != "never":
            takes_s = recording.script.transcribe_s
            if takes_s is None:
                takes_s = max(SHORTEST_TRANSCRIBE_S, recording.meeting.duration_s * TRANSCRIBE_S_PER_S)
            self._world.timers.after(takes_s, lambda: self.end_by_script(transcript))

    def end_by_script(self, transcript: Transcript) -> Message | None:
        """
        End it now as scripted.

        Returns:
            Its message; None when it was ended or deleted by hand meanwhile.
        """
        code, sub_code = verdict_of(transcript.outcome)
        word = nth(transcript.recording.script.done_webhook, transcript.number, default="ok")
        if word.name == "before_processing_ends":
            return self._end_late(transcript, code, sub_code)
        try:
            return self._end(transcript, code, sub_code, word=word)
        except NotNow:
            return None

    def finish_transcript(self, transcript: Transcript) -> None:
        """Done, by hand, with an ordinary webhook."""
        self._end(transcript, "done", None)

    def fail_transcript(self, transcript: Transcript, sub_code: str | None = USUAL_FAILURE) -> None:
        """Failed, by hand, with an ordinary webhook."""
        self._end(transcript, "failed", sub_code)

    def delete_transcript(self, transcript: Transcript) -> None:
        """Deleted: `transcript.deleted`. Nothing happens the second time."""
        with self._world.lock:
            if transcript.status.code == "deleted":
                return
            transcript.status.become("deleted", at=self._world.wall())
        self._webhooks.send(self._transcript_message("transcript.deleted", transcript))

    def _new_transcript(self, recording: Recording, number: int, provider: str, outcome: Word) -> Transcript:
        world = self._world
        transcript = Transcript(
            id=world.ids.uuid("transcript", recording.id),
            seq=world.next_seq(),
            recording=recording,
            number=number,
            provider=provider,
            options={},
            metadata={},
            diarization=None,
            outcome=outcome,
            created_at=world.wall(),
            status=Status.begin("processing", world.wall()),
            made_at=world.clock.now(),
        )
        world.transcripts[transcript.id] = transcript
        recording.transcripts.append(transcript)
        return transcript

    def _end_late(self, transcript: Transcript, code: str, sub_code: str | None) -> Message:
        status = {"code": code, "sub_code": sub_code, "updated_at": stamp(self._world.wall())}
        message = self._transcript_message(f"transcript.{code}", transcript, status=status)
        self._webhooks.send(message)

        def catch_up() -> None:
            with self._world.lock:
                if transcript.status.code == "processing":
                    transcript.status.become(code, sub_code, at=self._world.wall())

        self._world.timers.after(API_LAGS_S, catch_up)
        return message

    def _end(
        self,
        transcript: Transcript,
        code: str,
        sub_code: str | None,
        *,
        word: Word = _OK,
        then: Callable[[], None] | None = None,
    ) -> Message:
        with self._world.lock:
            if transcript.status.code != "processing":
                raise NotNow(f"the transcript is {transcript.status.code}")
            transcript.status.become(code, sub_code, at=self._world.wall())
            waiting = self._waiting.pop(transcript.recording.id, None)
        message = self._transcript_message(f"transcript.{code}", transcript)

        def afterwards() -> None:
            if waiting:
                self._webhooks.send(waiting)
            if then:
                then()

        message.then = afterwards
        self._send_ended(message, transcript, word)
        return message

    def _send_ended(self, message: Message, transcript: Transcript, word: Word) -> None:
        match word.name:
            case "drop":
                self._webhooks.drop(message)
            case "duplicate":
                self._webhooks.send(message, copies=word.count)
            case "forged_too":
                forgery = self._transcript_message(message.event, transcript)
                forgery.forged = True
                self._webhooks.send(forgery)
                self._webhooks.send(message)
            case _:
                self._webhooks.send(message, after_s=word.seconds)

    # -- captions --------------------------------------------------------------------------------------------

    def _begin_captions(self, recording: Recording) -> None:
        number = self._world.ids.number("captions", recording.id)
        self._new_transcript(recording, 0, REALTIME_PROVIDERS[number % len(REALTIME_PROVIDERS)], Word("done"))

    def _end_captions(self, recording: Recording, then: Callable[[], None] | None = None) -> None:
        captions = next(t for t in recording.transcripts if t.number == 0)
        failed = recording.script.captions == Word("failed")
        self._end(captions, "failed" if failed else "done", CAPTIONS_FAILURE if failed else None, then=then)

    # -- messages --------------------------------------------------------------------------------------------

    def _recording_message(self, event: str, recording: Recording) -> Message:
        status = self._status_json(recording, recording.status)
        body = payload(
            event,
            status=status,
            recording=recording,
            recording_id=recording.id,
            transcript=None,
            transcript_id=None,
        )
        return self._webhooks.new(event, body, recording_id=recording.id)

    def _transcript_message(
        self, event: str, transcript: Transcript, *, status: dict[str, Any] | None = None
    ) -> Message:
        recording = transcript.recording
        body = payload(
            event,
            status=status or self._status_json(recording, transcript.status),
            recording=recording,
            recording_id=recording.id,
            transcript=transcript,
            transcript_id=transcript.id,
        )
        return self._webhooks.new(event, body, recording_id=recording.id, transcript_id=transcript.id)

    @staticmethod
    def _status_json(recording: Recording, status: Status) -> dict[str, Any]:
        style = recording.script.shape.timestamp_style
        return {"code": status.code, "sub_code": status.sub_code, "updated_at": stamp(status.at, style)}


def nth_outcome(script: Script, number: int) -> Word:
    """What becomes of the `number`-th paid transcript of a recording."""
    return nth(script.transcripts, number, default="done")


def verdict_of(outcome: Word) -> tuple[str, str | None]:
    """The final code and sub code of an outcome; `failed:null` is a failure without a sub code."""
    if outcome.name != "failed":
        return "done", None
    return "failed", None if outcome.argument == "null" else outcome.argument or USUAL_FAILURE
