"""Bots as Recall's clients use them, and the webhooks that a bot, an upload or a person's hand sends."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.simulator.conftest import Recall, Receiver, until
from tests.simulator.test_downloads import get

MEET = "https://meet.google.com/abc-defg-hij"


def bot_of(recall: Recall, bot_id: str) -> Any:
    """Retrieve it."""
    return recall.call("GET", f"bot/{bot_id}/").json()


def test_a_bot_joins_records_and_leaves_and_says_so(hooked: Recall, receiver: Receiver) -> None:
    told = ["bot.joining_call", "bot.in_call_recording", "bot.call_ended", "bot.done", "recording.done"]
    hooked.sim("settings", {"events": told})
    body = {"meeting_url": MEET, "metadata": {"team": "blue"}, "recording_config": {"metadata": {"of": "us"}}}
    made = hooked.call("POST", "bot/", json=body)
    assert made.status_code == 201
    bot = bot_of(hooked, made.json()["id"])
    assert bot["meeting_url"] == {"meeting_id": "abc-defg-hij", "platform": "google_meet"}
    assert [change["code"] for change in bot["status_changes"]] == ["joining_call", "in_call_recording"]
    assert [r["status"]["code"] for r in bot["recordings"]] == ["processing"]
    hooked.sim("advance", {"seconds": 120})
    until(lambda: set(receiver.events()) == set(told))
    bot = bot_of(hooked, bot["id"])
    assert bot["status_changes"][-1]["code"] == "done"
    (recording,) = bot["recordings"]
    assert (recording["status"]["code"], recording["metadata"]) == ("done", {"of": "us"})
    (done,) = [json.loads(one.body)["data"] for one in receiver.got if "recording.done" in one.body]
    assert done["bot"] == {"id": bot["id"], "metadata": {"team": "blue"}}


def test_a_scheduled_bot_may_be_changed_and_deleted_and_a_joined_one_not(recall: Recall) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    bot_id = recall.call("POST", "bot/", json={"meeting_url": MEET, "join_at": later}).json()["id"]
    assert bot_of(recall, bot_id)["recordings"] == bot_of(recall, bot_id)["status_changes"] == []
    changed = recall.call("PATCH", f"bot/{bot_id}/", json={"bot_name": "Ana's"})
    assert (changed.status_code, changed.json()["bot_name"]) == (200, "Ana's")
    assert recall.call("DELETE", f"bot/{bot_id}/").status_code == 204
    assert recall.call("GET", f"bot/{bot_id}/").status_code == 404
    recall.sim("advance", {"seconds": 3700})
    assert recall.call("GET", "recording/").json()["results"] == []
    joined = recall.sim("recordings", {})["bot_id"]
    assert recall.call("PATCH", f"bot/{joined}/", json={}).json()["code"] == "update_bot_failed"
    assert recall.call("DELETE", f"bot/{joined}/").status_code == 405


def test_a_bots_media_are_deleted_and_the_answer_is_the_bot(recall: Recall) -> None:
    made = recall.sim("recordings", {})
    tid = recall.created(made["recording_id"])
    for _ in range(2):
        answer = recall.call("POST", f"bot/{made['bot_id']}/delete_media/")
        assert (answer.status_code, answer.json()["id"]) == (200, made["bot_id"])
    assert recall.status(tid) == "deleted"
    shown = recall.call("GET", f"recording/{made['recording_id']}/").json()
    assert shown["status"]["code"] == "deleted"
    unknown = recall.call("POST", "bot/0d9a4a52-7c7e-4f9e-8a55-9a3d7f0f6c11/delete_media/")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")


def test_a_bots_recordings_have_their_addresses_and_their_transcript(recall: Recall) -> None:
    made = recall.sim("recordings", {})
    tid = recall.done(made["recording_id"])["id"]
    (recording,) = bot_of(recall, made["bot_id"])["recordings"]
    media = recording["media_shortcuts"]
    assert media["transcript"]["id"] == tid
    for url in (media["transcript"]["data"], media["video_mixed"]["data"], media["audio_mixed"]["data"]):
        assert get(url["download_url"]).status_code == 200
    assert all(media["participant_events"]["data"].values())


def test_bots_are_listed_by_page_with_their_count(recall: Recall) -> None:
    recall.sim("settings", {"page_size": 2})
    made = [recall.sim("recordings", {})["bot_id"] for _ in range(3)]
    marked = recall.call("POST", "bot/", json={"meeting_url": MEET, "metadata": {"team": "red"}}).json()["id"]
    first = recall.call("GET", "bot/").json()
    second = recall.call("GET", first["next"]).json()
    assert (first["count"], first["previous"], second["next"]) == (4, None, None)
    assert {bot["id"] for bot in first["results"] + second["results"]} == {*made, marked}
    again = recall.call("GET", second["previous"]).json()
    assert [bot["id"] for bot in again["results"]] == [bot["id"] for bot in first["results"]]
    (only,) = recall.call("GET", "bot/?metadata__team=red").json()["results"]
    assert only["id"] == marked
    assert [recall.call("GET", f"bot/?page={n}").status_code for n in ("0", "3", "x")] == [404] * 3


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"meeting_url": "over there"},
        {"meeting_url": MEET, "colour": "red"},
        {"meeting_url": MEET, "metadata": {"k": 1}},
        {"meeting_url": MEET, "recording_config": {"transcript": {"provider": {"deepgram_async": {}}}}},
    ],
)
def test_a_bot_that_cannot_be_is_a_400(recall: Recall, body: dict[str, Any]) -> None:
    assert recall.call("POST", "bot/", json=body).status_code == 400
    assert recall.call("GET", "bot/").json()["count"] == 0


def test_without_a_bot_an_event_names_one_none_or_null_by_turns(hooked: Recall, receiver: Receiver) -> None:
    for _ in range(12):
        hooked.sim("recordings", {"desktop_sdk": True})
    until(lambda: len(receiver.got) == 12)
    told = [json.loads(one.body)["data"].get("bot", "missing") for one in receiver.got]
    assert {"object" if isinstance(bot, dict) else bot for bot in told} == {"object", None, "missing"}
    assert hooked.call("GET", f"recording/{hooked.recording()}/").json()["bot"] is not None


@pytest.mark.parametrize(
    ("event", "named"),
    [
        ("bot.done", {"bot", "data"}),
        ("bot.status_change", {"bot_id", "status"}),
        ("bot.log", {"bot_id", "log"}),
        ("sdk_upload.complete", {"data", "recording", "sdk_upload"}),
        ("sdk_upload.failed", {"data", "recording", "sdk_upload"}),
        ("recording.paused", {"bot", "data", "recording"}),
        ("transcript.processing", {"bot", "data", "recording", "transcript"}),
        ("audio_mixed.done", {"audio_mixed", "bot", "data", "recording"}),
    ],
)
def test_what_is_sent_by_hand_has_the_fields_of_the_catalogue(
    hooked: Recall, receiver: Receiver, event: str, named: set[str]
) -> None:
    hooked.sim("emit", {"event": event, "wait": True})
    (one,) = receiver.got
    data = json.loads(one.body)["data"]
    assert set(data) == named
    ids = [data[name]["id"] for name in named - {"data", "status", "log", "bot_id"} if data[name]]
    assert all(isinstance(id, str) and len(id) == 36 for id in ids)
