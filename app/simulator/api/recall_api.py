"""
/api/v1 as Recall answers it: the routes and what each reads or changes. Who may pass is decided in gate.

Source: https://docs.recall.ai/reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, g, request

from app.simulator.api import answers, listing, shapes
from app.simulator.api.answers import Answer
from app.simulator.api.bots import Bots
from app.simulator.api.creates import Creates
from app.simulator.api.downloads import Downloads
from app.simulator.api.gate import PREFIX, Gate, View
from app.simulator.api.lying import Lying
from app.simulator.api.validation import read_json, why_metadata
from app.simulator.model.lifecycle import Lifecycle
from app.simulator.model.state import Recording, Transcript, World
from app.simulator.model.webhooks import Webhooks

_TRANSCRIPT_CODES = ("processing", "done", "failed")
_RECORDING_CODES = (*_TRANSCRIPT_CODES, "paused")


class RecallApi:
    """Recall's HTTP API over one world."""

    def __init__(self, world: World, lifecycle: Lifecycle, webhooks: Webhooks, downloads: Downloads) -> None:
        self._world = world
        self._lifecycle = lifecycle
        self._downloads = downloads
        self._creates = Creates(world, lifecycle)
        self._bots = Bots(world, lifecycle, webhooks, show_recording=self._recording_json)
        lying = Lying(world, show_transcript=self._transcript_json, show_recording=self._recording_json)
        self._lying = lying
        self._gate = Gate(world, lying)

    def attach(self, app: Flask) -> None:
        """Add the routes, behind the gate."""
        self._gate.attach(app)
        # An endpoint is named `kind:class of rate`: the bill counts by the first, the gate by the second.
        routes: tuple[tuple[str, str, str, View], ...] = (
            ("POST", "recording/<id>/create_transcript/", "create:create", self._create),
            ("GET", "transcript/", "list:list", self._list_transcripts),
            ("GET", "transcript/<id>/", "retrieve:other", self._retrieve),
            ("PATCH", "transcript/<id>/", "update:other", self._patch_transcript),
            ("DELETE", "transcript/<id>/", "delete:other", self._delete_transcript),
            ("GET", "recording/", "recording_list:list", self._list_recordings),
            ("GET", "recording/<id>/", "recording:other", self._recording),
            ("PATCH", "recording/<id>/", "recording_update:other", self._patch_recording),
            ("DELETE", "recording/<id>/", "recording_delete:other", self._delete_recording),
            *self._bots.routes(),
            ("GET", "billing/usage/", "usage:usage", self._usage),
        )
        for method, path, endpoint, view in routes:
            app.add_url_rule(PREFIX + path, endpoint, self._gate.respond(view), methods=[method])

    # -- transcripts -----------------------------------------------------------------------------------------

    def _create(self, id: str) -> Answer:
        return self._creates.post(id, request.get_data(), content_type=request.content_type)

    def _transcript_json(self, transcript: Transcript, *, urls: bool = True) -> dict[str, Any]:
        nothing = {"download_url": None, "provider_data_download_url": None}
        form = self._world.settings.provider_form
        addresses = self._downloads.urls(transcript) if urls else nothing
        return shapes.transcript_json(transcript, transcript.recording, urls=addresses, provider_form=form)

    def _seen_transcript(self, id: str) -> Transcript | None:
        """None where it is another workspace's."""
        transcript = self._world.transcripts.get(id)
        return transcript if transcript and transcript.recording.workspace == g.workspace else None

    def _find_transcript(self, id: str) -> Transcript | None:
        transcript = self._seen_transcript(id)
        gone = transcript is not None and transcript.status.code == "deleted"
        return None if gone and self._world.settings.deleted_retrieve == "404" else transcript

    def _retrieve(self, id: str) -> Answer:
        with self._world.lock:
            transcript = self._find_transcript(id)
            if transcript is None:
                return answers.not_found()
            self._world.bill.of(transcript.recording.id).retrieves += 1
            return answers.ok(self._transcript_json(transcript))

    def _list_transcripts(self) -> Answer:
        query = request.args.to_dict()
        bad = listing.why_bad_query(query, uuids=("recording_id",), codes=_TRANSCRIPT_CODES)
        if bad:
            return bad
        with self._world.lock:
            if "recording_id" in query:
                self._world.bill.of(query["recording_id"]).lists += 1
            wanted = [t for t in self._world.transcripts.values() if self._is_listed(t, query)]
            return self._page("transcript/", wanted, query, self._transcript_json)

    def _is_listed(self, transcript: Transcript, query: Mapping[str, str]) -> bool:
        code = transcript.status.code
        if transcript.recording.workspace != g.workspace:
            return False
        if code == "deleted" and not self._world.settings.list_shows_deleted:
            return False
        if query.get("recording_id", transcript.recording.id) != transcript.recording.id:
            return False
        return query.get("status_code", code) == code and listing.in_period(transcript, query)

    def _page(
        self,
        path: str,
        items: list[listing.T],
        query: dict[str, str],
        render: Callable[[listing.T], dict[str, Any]],
    ) -> Answer:
        settings = self._world.settings
        url = listing.address(f"{self._world.api_url}{PREFIX}{path}", settings.next_address)
        size = self._lying.page_size(g.question, settings.page_size)
        return listing.page(items, query, url=url, order=settings.list_order, size=size, render=render)

    def _patch_transcript(self, id: str) -> Answer:
        metadata = _read_metadata()
        with self._world.lock:
            transcript = self._find_transcript(id)
            if transcript is None:
                return answers.not_found()
            if isinstance(metadata, Answer):
                return metadata
            transcript.metadata = metadata
            return answers.ok(self._transcript_json(transcript))

    def _delete_transcript(self, id: str) -> Answer:
        transcript = self._seen_transcript(id)
        if transcript is None or transcript.status.code == "deleted":
            return answers.not_found()
        self._lifecycle.delete_transcript(transcript)
        return Answer(204)

    # -- recordings, usage -----------------------------------------------------------------------------------

    def _recording_json(self, recording: Recording) -> dict[str, Any]:
        first = next((t for t in recording.transcripts if t.status.code != "deleted"), None)
        shortcut = self._transcript_json(first) if first else None
        if shortcut:
            shortcut.pop("recording")
        lagging = recording.ready_at > self._world.clock.now()
        urls = self._downloads.media_urls(recording)
        return shapes.recording_json(recording, transcript=shortcut, processing=lagging, urls=urls)

    def _find_recording(self, id: str) -> Recording | None:
        recording = self._world.recordings.get(id)
        if not self._world.is_there(recording, g.workspace):
            return None
        gone = recording is not None and recording.status.code == "deleted"
        return None if gone and self._world.settings.deleted_retrieve == "404" else recording

    def _recording(self, id: str) -> Answer:
        with self._world.lock:
            recording = self._find_recording(id)
            return answers.ok(self._recording_json(recording)) if recording else answers.not_found()

    def _list_recordings(self) -> Answer:
        query = request.args.to_dict()
        bad = listing.why_bad_query(query, uuids=("bot_id", "desktop_sdk_upload_id"), codes=_RECORDING_CODES)
        if bad:
            return bad
        with self._world.lock:
            wanted = [r for r in self._world.recordings.values() if self._is_recording_listed(r, query)]
            return self._page("recording/", wanted, query, self._recording_json)

    def _is_recording_listed(self, recording: Recording, query: Mapping[str, str]) -> bool:
        if not self._world.is_there(recording, g.workspace) or not listing.in_period(recording, query):
            return False
        code = recording.status.code
        if code == "deleted" and not self._world.settings.list_shows_deleted:
            return False
        prefix = "metadata__"
        pairs = {name[len(prefix) :]: value for name, value in query.items() if name.startswith(prefix)}
        return (
            query.get("status_code", code) == code
            and query.get("bot_id", recording.bot_id) == recording.bot_id
            and query.get("desktop_sdk_upload_id", recording.sdk_upload_id) == recording.sdk_upload_id
            and all(recording.metadata.get(name) == value for name, value in pairs.items())
        )

    def _patch_recording(self, id: str) -> Answer:
        metadata = _read_metadata()
        with self._world.lock:
            recording = self._find_recording(id)
            if recording is None:
                return answers.not_found()
            if isinstance(metadata, Answer):
                return metadata
            recording.metadata = metadata
            return answers.ok(self._recording_json(recording))

    def _delete_recording(self, id: str) -> Answer:
        recording = self._find_recording(id)
        if recording is None or recording.status.code == "deleted":
            return answers.not_found()
        self._lifecycle.delete_recording(recording)
        return Answer(204)

    def _usage(self) -> Answer:
        with self._world.lock:
            seconds = sum(
                r.meeting.duration_s
                for r in self._world.recordings.values()
                if r.bot_id and r.workspace == g.workspace
            )
        return answers.ok({"bot_total": round(seconds)})


def _read_metadata() -> dict[str, Any] | Answer:
    body = read_json(request.get_data(), request.content_type)
    if isinstance(body, Answer):
        return body
    metadata = body.get("metadata", {})
    why = why_metadata(metadata)
    return answers.invalid(why) if why or not isinstance(metadata, dict) else metadata
