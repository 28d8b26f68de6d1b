"""
The bot routes: create, list by page, retrieve, update and delete while scheduled, delete_media.

A bot made here joins at its time (at once without one), and its meeting takes as long as it is. A recording
made through the side door has a bot that has left. Source: https://docs.recall.ai/reference/bot_retrieve.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import g, request

from app.simulator.api import answers, listing
from app.simulator.api.answers import Answer
from app.simulator.api.gate import PREFIX, View
from app.simulator.api.shapes import Json, payload, stamp
from app.simulator.api.validation import read_json, why_metadata
from app.simulator.model.faults import Script
from app.simulator.model.lifecycle import Lifecycle, NotNow
from app.simulator.model.state import Bot, Recording, World
from app.simulator.model.webhooks import Webhooks

_UNUSED = (
    "recording_config", "output_media", "automatic_video_output", "automatic_audio_output", "chat",
    "automatic_leave", "variant", "zoom", "google_meet", "breakout_room",
)  # fmt: skip
_SETTABLE = {"meeting_url", "bot_name", "join_at", "metadata", *_UNUSED}
_JOINING, _LEAVING = ("joining_call", "in_call_recording"), ("call_ended", "done")
_NAME = "Meeting Notetaker"
_MEETING = {"meeting_id": "simulated", "platform": "google_meet"}


class Bots:
    """The bots of one world. `show_recording`: the JSON of a recording, with the lock held."""

    def __init__(
        self,
        world: World,
        lifecycle: Lifecycle,
        webhooks: Webhooks,
        *,
        show_recording: Callable[[Recording], Json],
    ) -> None:
        self._world = world
        self._lifecycle = lifecycle
        self._webhooks = webhooks
        self._show_recording = show_recording

    def routes(self) -> tuple[tuple[str, str, str, View], ...]:
        """Method, path, endpoint and view of each."""
        return (
            ("GET", "bot/", "bot_list:list", self._list),
            ("POST", "bot/", "bot_create:other", self._create),
            ("GET", "bot/<id>/", "bot:other", self._retrieve),
            ("PATCH", "bot/<id>/", "bot_update:other", self._update),
            ("DELETE", "bot/<id>/", "bot_delete:other", self._delete),
            ("POST", "bot/<id>/delete_media/", "bot_delete_media:other", self._delete_media),
        )

    def _recordings(self, id: str) -> list[Recording]:
        there = self._world.recordings.values()
        return [r for r in there if r.bot_id == id and r.workspace == g.workspace]

    def _known(self, id: str) -> Bot | None:
        """None where there is no such bot in the workspace of the key."""
        bot = self._world.bots.get(id)
        if bot is None and (recordings := self._recordings(id)):
            bot = Bot(id, 0, min(r.created_at for r in recordings), g.workspace, has_joined=True)
        return bot if bot and bot.workspace == g.workspace else None

    def _retrieve(self, id: str) -> Answer:
        with self._world.lock:
            bot = self._known(id)
            return answers.ok(self._json(bot)) if bot else answers.not_found()

    def _list(self) -> Answer:
        query, size = request.args.to_dict(), self._world.settings.page_size
        number = query.get("page", "1")
        with self._world.lock:
            ids = [*self._world.bots, *(r.bot_id for r in self._world.recordings.values() if r.bot_id)]
            known = [bot for id in dict.fromkeys(ids) if (bot := self._known(id)) and _is_asked(bot, query)]
            begin = (int(number) - 1) * size if number.isdecimal() else -1
            if begin < 0 or (begin and begin >= len(known)):
                return answers.problem(404, "not_found", "Invalid page.")
            shown = [self._json(bot) for bot in known[::-1][begin : begin + size]]
        url = listing.address(f"{self._world.api_url}{PREFIX}bot/", self._world.settings.next_address)

        def page(at: int) -> str | None:
            is_there = 0 <= at * size < max(1, len(known))
            return f"{url}?{urlencode({**query, 'page': at + 1})}" if is_there else None

        at = begin // size
        return answers.ok(
            {"count": len(known), "next": page(at + 1), "previous": page(at - 1), "results": shown}
        )

    def _create(self) -> Answer:
        body = self._read()
        if isinstance(body, Answer):
            return body
        if "meeting_url" not in body:
            return answers.invalid({"meeting_url": ["This field is required."]})
        world = self._world
        with world.lock:
            id = world.ids.uuid("bot")
            bot = world.bots[id] = Bot(id, world.next_seq(), world.wall(), g.workspace, given=body)
        at = listing.parse_stamp(body.get("join_at") or "")
        wait_s = (at - world.wall()).total_seconds() if at else 0.0
        if wait_s > 0:
            world.timers.after(wait_s, lambda: self._join(bot))
        else:
            self._join(bot)
        with world.lock:
            return answers.ok(self._json(bot), 201)

    def _join(self, bot: Bot) -> None:
        if self._world.bots.get(bot.id) is not bot:
            return  # deleted meanwhile
        bot.has_joined = True
        config = bot.given.get("recording_config") or {}
        recording = self._lifecycle.begin_recording(
            Script(), metadata=config.get("metadata"), bot_id=bot.id, workspace=bot.workspace
        )
        recording.bot_metadata = bot.given.get("metadata") or {}
        self._tell(recording, _JOINING)
        self._world.timers.after(recording.meeting.duration_s, lambda: self._leave(recording))

    def _leave(self, recording: Recording) -> None:
        try:
            self._lifecycle.finish_recording(recording)
        except NotNow:
            return  # ended by hand
        self._tell(recording, _LEAVING)

    def _tell(self, recording: Recording, codes: tuple[str, ...]) -> None:
        for code in codes:
            sub_code = "meeting_ended_by_host" if code == "call_ended" else None
            status = {"code": code, "sub_code": sub_code, "updated_at": stamp(self._world.wall())}
            body = payload(
                f"bot.{code}",
                status=status,
                recording=recording,
                recording_id=recording.id,
                transcript=None,
                transcript_id=None,
            )
            self._webhooks.send(self._webhooks.new(f"bot.{code}", body, recording_id=recording.id))

    def _update(self, id: str) -> Answer:
        body = self._read()
        with self._world.lock:
            bot = self._known(id)
            if bot is None:
                return answers.not_found()
            if bot.has_joined:
                return answers.problem(400, "update_bot_failed", "Only a scheduled bot can be updated.")
            if isinstance(body, Answer):
                return body
            bot.given |= body
            return answers.ok(self._json(bot))

    def _delete(self, id: str) -> Answer:
        with self._world.lock:
            bot = self._known(id)
            if bot is None:
                return answers.not_found()
            if bot.has_joined:
                return answers.problem(405, "cannot_delete_bot", "Only a scheduled bot can be deleted.")
            del self._world.bots[id]
            return Answer(204)

    def _delete_media(self, id: str) -> Answer:
        """Irreversible, and the same the second time."""
        with self._world.lock:
            bot, recordings = self._known(id), self._recordings(id)
        if bot is None:
            return answers.not_found()
        for recording in recordings:
            self._lifecycle.delete_recording(recording)
        return self._retrieve(id)

    def _read(self) -> dict[str, Any] | Answer:
        body = read_json(request.get_data(), request.content_type)
        if isinstance(body, Answer):
            return body
        if unknown := sorted(set(body) - _SETTABLE):
            return answers.invalid({name: ["This field is not allowed."] for name in unknown})
        if "metadata" in body and (why := why_metadata(body["metadata"])):
            return answers.invalid(why)
        url = body.get("meeting_url", "https://zoom.us/j/1")
        if not isinstance(url, str) or not urlsplit(url).hostname:
            return answers.invalid({"meeting_url": ["Enter a valid URL."]})
        config = body.get("recording_config") or {}
        named = ((config.get("transcript") or {}).get("provider") or {}) if isinstance(config, dict) else {}
        # Asynchronous providers are for create_transcript: https://docs.recall.ai/docs/async-transcription
        refused = {name: ["This field is not allowed."] for name in named if name.endswith("_async")}
        return (
            answers.invalid({"recording_config": {"transcript": {"provider": refused}}}) if refused else body
        )

    def _json(self, bot: Bot) -> Json:
        """A Bot. There is no current status in it: the last of `status_changes` is."""
        recordings = self._recordings(bot.id)
        has_left = bot.has_joined and all(r.status.code != "processing" for r in recordings)
        codes = (*_JOINING, *(_LEAVING if has_left else ())) if bot.has_joined else ()
        given = bot.given
        return {
            "id": bot.id,
            "meeting_url": _meeting_of(given["meeting_url"]) if "meeting_url" in given else _MEETING,
            "bot_name": given.get("bot_name", _NAME),
            "join_at": None if bot.has_joined else given.get("join_at"),
            "metadata": given.get("metadata") or {},
            "status_changes": [
                {"code": code, "message": None, "sub_code": None, "created_at": stamp(bot.created_at)}
                for code in codes
            ],
            "recordings": [self._show_recording(recording) for recording in recordings],
            "calendar_meetings": [],
            "slack_team": None,
            **{name: given.get(name) for name in _UNUSED},
        }


def _is_asked(bot: Bot, query: Mapping[str, str]) -> bool:
    prefix = "metadata__"
    pairs = {name[len(prefix) :]: value for name, value in query.items() if name.startswith(prefix)}
    metadata = bot.given.get("metadata") or {}
    return all(metadata.get(name) == value for name, value in pairs.items())


def _meeting_of(url: str) -> Json:
    parts = urlsplit(url)
    meeting_id = parts.path.rstrip("/").rpartition("/")[2] or "simulated"
    if (parts.hostname or "").endswith("zoom.us"):
        return {"meeting_id": meeting_id, "meeting_password": None, "platform": "zoom"}
    return {"meeting_id": meeting_id, "platform": "google_meet"}
