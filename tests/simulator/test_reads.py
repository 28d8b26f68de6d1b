"""Lists, single objects, changes and deletions."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.simulator.conftest import Recall


def walk(recall: Recall, path: str, **query: str) -> list[dict[str, Any]]:
    """All pages of a list, following `next` as it is."""
    found: list[dict[str, Any]] = []
    page = recall.call("GET", path, params=query).json()
    while True:
        found += page["results"]
        if page["next"] is None:
            return found
        assert page["next"].startswith(recall.url)
        page = recall.call("GET", page["next"]).json()


@pytest.mark.parametrize("order", ["newest", "oldest", "mixed"])
def test_a_list_is_paged_by_an_absolute_next_and_names_each_row_once(recall: Recall, order: str) -> None:
    recall.sim("settings", {"list_order": order, "page_size": 2})
    rid, other = recall.recording(), recall.recording()
    made = {recall.created(rid) for _ in range(5)}
    recall.created(other)
    found = [row["id"] for row in walk(recall, "transcript/", recording_id=rid)]
    assert (len(found), set(found)) == (5, made)


def test_the_newest_come_first_unless_the_oldest_are_asked_for(recall: Recall) -> None:
    rid = recall.recording()
    made = [recall.created(rid) for _ in range(3)]
    assert [row["id"] for row in walk(recall, "transcript/")] == made[::-1]
    recall.sim("settings", {"list_order": "oldest"})
    assert [row["id"] for row in walk(recall, "transcript/")] == made


def test_a_row_added_while_paging_shifts_nothing(recall: Recall) -> None:
    recall.sim("settings", {"page_size": 2})
    rid = recall.recording()
    made = {recall.created(rid) for _ in range(4)}
    page = recall.call("GET", "transcript/", params={"recording_id": rid}).json()
    recall.created(rid)
    rest = recall.call("GET", page["next"]).json()
    assert {row["id"] for row in page["results"] + rest["results"]} == made


def test_lists_filter_by_state_and_by_time(recall: Recall) -> None:
    rid = recall.recording(transcripts=["never", "failed"])
    running, failed = recall.created(rid), recall.done(rid)["id"]
    assert [row["id"] for row in walk(recall, "transcript/", status_code="failed")] == [failed]
    assert [row["id"] for row in walk(recall, "transcript/", status_code="processing")] == [running]
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert walk(recall, "transcript/", created_at_after=later) == []
    assert len(walk(recall, "transcript/", created_at_before=later)) == 2


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("recording_id", "7", 400),
        ("created_at_after", "yesterday", 400),
        ("status_code", "deleted", 400),
        ("cursor", "###", 404),
    ],
)
def test_a_filter_that_cannot_be_is_refused(recall: Recall, name: str, value: str, status: int) -> None:
    assert recall.call("GET", "transcript/", params={name: value}).status_code == status


def test_a_deleted_transcript_is_204_then_listed_as_deleted_or_hidden(recall: Recall) -> None:
    rid = recall.recording()
    tid = recall.done(rid)["id"]
    gone = recall.call("DELETE", f"transcript/{tid}/")
    assert (gone.status_code, gone.content) == (204, b"")
    assert recall.call("DELETE", f"transcript/{tid}/").status_code == 404
    shown = recall.transcript(tid)
    assert (shown["status"]["code"], shown["data"]["download_url"]) == ("deleted", None)
    assert [row["status"]["code"] for row in walk(recall, "transcript/", recording_id=rid)] == ["deleted"]
    recall.sim("settings", {"list_shows_deleted": False, "deleted_retrieve": "404"})
    assert walk(recall, "transcript/", recording_id=rid) == []
    assert recall.call("GET", f"transcript/{tid}/").status_code == 404


def test_metadata_can_be_patched_and_nothing_else(recall: Recall) -> None:
    rid = recall.recording()
    tid = recall.created(rid)
    changed = recall.call("PATCH", f"transcript/{tid}/", json={"metadata": {"a": "b"}, "provider": {}})
    assert (changed.status_code, changed.json()["metadata"]) == (200, {"a": "b"})
    assert "recallai_async" in changed.json()["provider"]
    recording = recall.call("PATCH", f"recording/{rid}/", json={"metadata": {"c": "d"}})
    assert recording.json()["metadata"] == {"c": "d"}
    too_long = {"metadata": {"a": "x" * 501}}
    assert recall.call("PATCH", f"transcript/{tid}/", json=too_long).status_code == 400


def test_provider_comes_in_both_documented_forms(recall: Recall) -> None:
    tid = recall.created(recall.recording())
    recall.sim("settings", {"provider_form": "single"})
    assert list(recall.transcript(tid)["provider"]) == ["recallai_async"]
    recall.sim("settings", {"provider_form": "all_keys"})
    provider = recall.transcript(tid)["provider"]
    assert [name for name, options in provider.items() if options is not None] == ["recallai_async"]
    assert len(provider) == 6


@pytest.mark.slow
def test_alternate_shows_both_forms_but_one_transcript_always_alike(recall: Recall) -> None:
    tids = [recall.created(recall.recording()) for _ in range(12)]
    sizes = [len(recall.transcript(tid)["provider"]) for tid in tids]
    assert set(sizes) == {1, 6}
    assert [len(recall.transcript(tid)["provider"]) for tid in tids] == sizes


# -- recordings and bots -------------------------------------------------------------------------------------


def test_a_recording_shows_its_media_and_its_first_transcript(recall: Recall) -> None:
    rid = recall.recording()
    before = recall.call("GET", f"recording/{rid}/").json()
    assert before["media_shortcuts"]["transcript"] is None
    assert (before["expires_at"], before["bot"]["id"]) == (None, before["bot_id"])
    tid = recall.created(rid)
    shortcut = recall.call("GET", f"recording/{rid}/").json()["media_shortcuts"]["transcript"]
    assert shortcut["id"] == tid
    assert "recording" not in shortcut


def test_a_desktop_recording_has_an_upload_instead_of_a_bot(recall: Recall) -> None:
    rid = recall.sim("recordings", {"desktop_sdk": True})["recording_id"]
    shown = recall.call("GET", f"recording/{rid}/").json()
    assert shown["bot"] is None
    assert str(uuid.UUID(shown["desktop_sdk_upload"]["id"])) == shown["desktop_sdk_upload"]["id"]


@pytest.mark.parametrize("state", ["expired", "zdr"])
def test_a_recording_without_media_says_so(recall: Recall, state: str) -> None:
    shown = recall.call("GET", f"recording/{recall.recording(recording_state=state)}/").json()
    assert set(shown["media_shortcuts"].values()) == {None}
    assert (shown["expires_at"] is None) == (state == "zdr")


def test_recordings_are_listed_by_bot_and_by_metadata(recall: Recall) -> None:
    made = recall.sim("recordings", {"metadata": {"team": "blue"}})
    recall.sim("recordings", {"metadata": {"team": "red"}})
    assert [r["id"] for r in walk(recall, "recording/", bot_id=made["bot_id"])] == [made["recording_id"]]
    assert [r["id"] for r in walk(recall, "recording/", metadata__team="blue")] == [made["recording_id"]]
    assert len(walk(recall, "recording/", status_code="done")) == 2


def test_deleting_a_recording_takes_its_transcripts_along(recall: Recall) -> None:
    rid = recall.recording()
    tid = recall.created(rid)
    assert recall.call("DELETE", f"recording/{rid}/").status_code == 204
    assert recall.status(tid) == "deleted"
    assert recall.create(rid).status_code == 404


def test_a_bot_has_no_status_but_a_last_status_change(recall: Recall) -> None:
    made = recall.sim("recordings", {})
    bot = recall.call("GET", f"bot/{made['bot_id']}/").json()
    assert bot["status_changes"][-1]["code"] == "done"
    assert [r["id"] for r in bot["recordings"]] == [made["recording_id"]]


def test_captions_are_a_real_time_transcript_beside_ours(recall: Recall) -> None:
    rid = recall.recording(captions="done")
    (captions,) = walk(recall, "transcript/", recording_id=rid)
    (provider,) = [name for name, options in captions["provider"].items() if options is not None]
    assert provider == "meeting_captions" or provider.endswith("_streaming")
    assert captions["status"]["code"] == "done"
    assert recall.sim("bill")["creates_accepted"] == 0


def test_extra_fields_and_the_other_timestamp_style_can_be_asked_for(recall: Recall) -> None:
    rid = recall.recording(shape={"extra_fields": True, "timestamp_style": "offset"})
    shown = recall.call("GET", f"recording/{rid}/").json()
    assert "simulated_extra" in shown
    assert shown["created_at"].endswith("+00:00")
