"""What Recall says that is not so: it forgets, speaks of another thing, answers any status, lists late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.simulator.conftest import Recall
from tests.simulator.test_reads import walk


def lie(recall: Recall, way: str, **more: Any) -> Any:
    """Tell it from now on."""
    return recall.sim("lies", {"way": way, **more})


def marked(recall: Recall, rid: str, ordinal: int = 1) -> Any:
    """A finished transcript of ours."""
    marker = {"afterword": f"{rid}/{ordinal}"}
    return recall.done(rid, json={"provider": {"recallai_async": {}}, "metadata": marker})


def listed(recall: Recall, rid: str) -> list[str]:
    return [row["id"] for row in walk(recall, "transcript/", recording_id=rid)]


# -- forgetting ----------------------------------------------------------------------------------------------


def test_a_forgotten_recording_takes_its_transcripts_along_and_all_come_back(recall: Recall) -> None:
    rid, other = recall.recording(), recall.recording()
    mine, others = marked(recall, rid)["id"], marked(recall, other)["id"]
    lie(recall, "forget", recording_id=rid, for_s=540)
    assert recall.call("GET", f"recording/{rid}/").status_code == 404
    assert recall.call("GET", f"transcript/{mine}/").status_code == 404
    assert listed(recall, rid) == []
    assert [row["id"] for row in walk(recall, "recording/")] == [other]
    assert recall.create(rid).status_code == 404
    assert listed(recall, other) == [others]
    recall.sim("advance", {"seconds": 541})
    assert recall.call("GET", f"recording/{rid}/").status_code == 200
    assert recall.transcript(mine)["id"] == mine
    assert listed(recall, rid) == [mine]


def test_a_transcript_can_be_forgotten_while_its_recording_is_known(recall: Recall) -> None:
    rid = recall.recording()
    one, two = marked(recall, rid)["id"], marked(recall, rid, 2)["id"]
    lie(recall, "forget", transcript_id=one, times=2)
    assert recall.call("GET", f"transcript/{one}/").status_code == 404
    assert recall.call("GET", f"recording/{rid}/").status_code == 200
    assert listed(recall, rid) == [two]
    assert set(listed(recall, rid)) == {one, two}, "told twice, and no more"


def test_the_time_of_a_lie_begins_when_it_is_first_told(recall: Recall) -> None:
    rid = recall.recording()
    lie(recall, "forget", recording_id=rid, routes=["recording"], for_s=60)
    recall.sim("advance", {"seconds": 1000})
    assert recall.call("GET", f"recording/{rid}/").status_code == 404
    recall.sim("advance", {"seconds": 61})
    assert recall.call("GET", f"recording/{rid}/").status_code == 200


def test_a_forgotten_create_is_not_made_and_its_key_is_not_used_up(recall: Recall) -> None:
    rid = recall.recording(lies=[{"way": "forget", "routes": ["create"], "times": 1}])
    key = {"Idempotency-Key": "k"}
    assert recall.create(rid, headers=key).status_code == 404
    assert recall.create(rid, headers=key).status_code == 200
    assert recall.sim("bill")["creates_accepted"] == 1


# -- another thing -------------------------------------------------------------------------------------------


def test_a_retrieve_answers_with_another_recordings_transcript(recall: Recall) -> None:
    rid, other = recall.recording(), recall.recording()
    one, two = marked(recall, rid)["id"], marked(recall, other)["id"]
    lie(recall, "another", recording_id=rid, routes=["retrieve"], times=1)
    said = recall.transcript(one)
    assert (said["id"], said["recording"]["id"]) == (two, other)
    assert said["metadata"]["afterword"] == f"{other}/1"
    assert requests.get(said["data"]["download_url"], timeout=9).status_code == 200
    assert recall.transcript(one)["id"] == one


def test_another_recordings_transcript_can_bear_the_marker_that_was_asked_for(recall: Recall) -> None:
    rid, other = recall.recording(), recall.recording()
    one, two = marked(recall, rid)["id"], marked(recall, other)["id"]
    lie(recall, "another:marked", transcript_id=one, routes=["retrieve"])
    said = recall.transcript(one)
    assert (said["id"], said["metadata"]["afterword"]) == (two, f"{rid}/1")


@pytest.mark.parametrize(
    ("kind", "is_id_right", "is_recording_right"),
    [("sibling", False, True), ("recording", True, False), ("id", False, True), ("made_up", False, False)],
)
def test_every_part_of_an_identity_can_be_wrong_alone(
    recall: Recall, kind: str, is_id_right: bool, is_recording_right: bool
) -> None:
    rid = recall.recording()
    one = marked(recall, rid)["id"]
    marked(recall, rid, 2)
    lie(recall, f"another:{kind}", transcript_id=one, routes=["retrieve"])
    said = recall.transcript(one)
    assert (said["id"] == one, said["recording"]["id"] == rid) == (is_id_right, is_recording_right)


def test_a_create_answers_with_another_recordings_transcript_and_is_billed(recall: Recall) -> None:
    other = recall.recording()
    theirs = marked(recall, other)["id"]
    rid = recall.recording(lies=[{"way": "another", "routes": ["create"], "times": 1}])
    key = {"Idempotency-Key": "k"}
    assert recall.create(rid, headers=key).json()["id"] == theirs
    bill = recall.sim("bill")
    assert bill["per_recording"][rid]["billed"] == 1
    (made,) = bill["per_recording"][rid]["transcripts"]
    assert recall.create(rid, headers=key).json()["id"] == made["id"], "the key brings the true answer back"
    assert recall.sim("bill")["per_recording"][rid]["billed"] == 1


def test_a_list_and_a_recording_answer_about_another_recording(recall: Recall) -> None:
    rid, other = recall.recording(), recall.recording()
    marked(recall, rid)
    theirs = marked(recall, other)["id"]
    lie(recall, "another", recording_id=rid, routes=["list", "recording"])
    assert listed(recall, rid) == [theirs]
    assert recall.call("GET", f"recording/{rid}/").json()["id"] == other


def test_another_thing_is_made_up_where_there_is_none(recall: Recall) -> None:
    rid = recall.recording()
    one = marked(recall, rid)["id"]
    lie(recall, "another", recording_id=rid, routes=["retrieve", "recording"])
    assert recall.transcript(one)["id"] != one
    assert recall.call("GET", f"recording/{rid}/").json()["id"] != rid


@pytest.mark.parametrize("way", ["html:200", "blank:200", "status:200"])
def test_an_odd_answer_is_not_made_another_or_shorter(recall: Recall, way: str) -> None:
    rid = recall.recording()
    marked(recall, rid)
    for told in ("forget", "another"):
        lie(recall, told, recording_id=rid, routes=["list"])
    lie(recall, way, recording_id=rid, routes=["list"])
    said = recall.call("GET", "transcript/", params={"recording_id": rid})
    assert said.status_code == 200
    assert "results" not in said.text


@pytest.mark.parametrize("word", ["html", "no_id"])
def test_an_odd_answer_to_a_create_is_not_made_another(recall: Recall, word: str) -> None:
    marked(recall, recall.recording())
    rid = recall.recording(creates=[word], lies=[{"way": "another", "routes": ["create"]}])
    said = recall.create(rid)
    assert said.status_code == 200
    assert '"id"' not in said.text


# -- any status on any route ---------------------------------------------------------------------------------

ROUTES: dict[str, tuple[str, str]] = {
    "create": ("POST", "recording/{rid}/create_transcript/"),
    "list": ("GET", "transcript/?recording_id={rid}"),
    "retrieve": ("GET", "transcript/{tid}/"),
    "update": ("PATCH", "transcript/{tid}/"),
    "delete": ("DELETE", "transcript/{tid}/"),
    "recording": ("GET", "recording/{rid}/"),
    "recording_update": ("PATCH", "recording/{rid}/"),
    "recording_delete": ("DELETE", "recording/{rid}/"),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("way", ["status:418", "html:400", "blank:410", "status:503", "html:200"])
def test_any_route_answers_any_status_and_changes_nothing(recall: Recall, route: str, way: str) -> None:
    rid = recall.recording()
    tid = marked(recall, rid)["id"]
    method, path = ROUTES[route]
    before = recall.sim("bill")["creates_accepted"]
    lie(recall, way, recording_id=rid, routes=route, times=1)
    said = recall.call(method, path.format(rid=rid, tid=tid), json=None, allow_redirects=False)
    assert said.status_code == int(way.partition(":")[2])
    assert ("<html>" in said.text) == way.startswith("html")
    assert (said.text == "") == way.startswith("blank")
    assert recall.transcript(tid)["status"]["code"] == "done"
    assert recall.sim("bill")["creates_accepted"] == before


def test_lists_of_recordings_and_all_routes_at_once_can_be_refused(recall: Recall) -> None:
    rid = recall.recording()
    told = lie(recall, "status:403")
    for path in ("recording/", f"recording/{rid}/", "transcript/", "billing/usage/"):
        assert recall.call("GET", path).status_code == 403
    assert recall.sim("lies/end", {"id": told["id"]}) == {"ended": 1}
    assert recall.call("GET", "recording/").status_code == 200


def test_a_redirect_has_an_address_unless_another_is_scripted(recall: Recall) -> None:
    rid = recall.recording()
    lie(recall, "status:302", recording_id=rid, times=1)
    lie(recall, "html:307", recording_id=rid, headers={"Location": "https://elsewhere.invalid/"})
    path = f"recording/{rid}/"
    first, second = (recall.call("GET", path, allow_redirects=False) for _ in range(2))
    assert first.headers["Location"].endswith("/elsewhere/")
    assert second.headers["Location"] == "https://elsewhere.invalid/"


def test_a_lie_after_some_truth_and_one_that_ends(recall: Recall) -> None:
    rid = recall.recording()
    lie(recall, "status:410", recording_id=rid, routes="recording", after=1, times=2)
    statuses = [recall.call("GET", f"recording/{rid}/").status_code for _ in range(4)]
    assert statuses == [200, 410, 410, 200]
    assert recall.sim("bill")["lies_told"] == {"status": 2}


def test_a_429_comes_with_or_without_its_header_and_counts_in_the_rate(start: Callable[..., Recall]) -> None:
    recall = start(limits="on", time_scale=1.0)
    rid = recall.recording()
    path = f"recording/{rid}/"
    lie(recall, "status:429", recording_id=rid, headers={"Retry-After": "7"}, times=1)
    lie(recall, "status:429", recording_id=rid, times=1)
    assert [recall.call("GET", path).headers.get("Retry-After") for _ in range(2)] == ["7", None]
    assert recall.sim("bill")["busiest_minute"]["other"] == 2


def test_a_download_answers_any_status(recall: Recall) -> None:
    rid = recall.recording()
    url = marked(recall, rid)["data"]["download_url"]
    lie(recall, "status:418", recording_id=rid, routes="download", times=1)
    lie(recall, "html:200", recording_id=rid, routes="download", times=1)
    first, second, third = (requests.get(url, timeout=9) for _ in range(3))
    assert (first.status_code, second.text[:6], third.json()[0]["words"][0]["text"]) == (418, "<html>", "Hi")


@pytest.mark.slow
def test_a_slow_answer_is_the_true_one_and_late(recall: Recall) -> None:
    rid = recall.recording()
    lie(recall, "slow:30", recording_id=rid, routes="recording")
    assert recall.call("GET", f"recording/{rid}/").elapsed.total_seconds() >= 0.3


def test_a_cut_connection_on_any_route(recall: Recall) -> None:
    rid = recall.recording()
    lie(recall, "cut", recording_id=rid, times=1)
    with pytest.raises(requests.RequestException):
        recall.call("GET", f"recording/{rid}/")
    assert recall.call("GET", f"recording/{rid}/").status_code == 200


# -- lists ---------------------------------------------------------------------------------------------------


def test_a_list_is_late_and_a_retrieve_is_not(recall: Recall) -> None:
    rid = recall.recording(lies=["late:3600"])
    one = marked(recall, rid)["id"]
    assert listed(recall, rid) == []
    assert recall.transcript(one)["id"] == one
    recall.sim("advance", {"seconds": 3601})
    assert listed(recall, rid) == [one]


def test_a_list_of_recordings_can_be_late_too(recall: Recall) -> None:
    lie(recall, "late:600", routes="recording_list")
    rid = recall.recording()
    assert walk(recall, "recording/") == []
    recall.sim("advance", {"seconds": 601})
    assert [row["id"] for row in walk(recall, "recording/")] == [rid]


def test_one_recordings_list_has_pages_of_one(recall: Recall) -> None:
    rid, other = recall.recording(lies=["pages:1"]), recall.recording()
    made = {recall.created(rid) for _ in range(3)}
    for _ in range(3):
        recall.created(other)
    page = recall.call("GET", "transcript/", params={"recording_id": rid}).json()
    assert (len(page["results"]), page["next"] is None) == (1, False)
    assert set(listed(recall, rid)) == made
    assert len(recall.call("GET", "transcript/", params={"recording_id": other}).json()["results"]) == 3


@pytest.mark.parametrize("status", [400, 404])
def test_a_cursor_is_refused_while_the_list_itself_is_well(recall: Recall, status: int) -> None:
    recall.sim("settings", {"page_size": 1})
    rid = recall.recording()
    for _ in range(2):
        recall.created(rid)
    lie(recall, f"status:{status}", routes=["list"], cursor=True, times=1)
    page = recall.call("GET", "transcript/", params={"recording_id": rid})
    assert page.status_code == 200
    assert recall.call("GET", page.json()["next"]).status_code == status
    assert recall.call("GET", page.json()["next"]).status_code == 200


@pytest.mark.parametrize(
    ("form", "begins"),
    [
        ("https", "https://127.0.0.1:"),
        ("recall", "https://us-east-1.api.recall.ai/api/v1/transcript/?"),
        ("path", "/api/v1/transcript/?"),
    ],
)
def test_the_next_page_can_have_another_address(recall: Recall, form: str, begins: str) -> None:
    recall.sim("settings", {"page_size": 1, "next_address": form})
    rid = recall.recording()
    made = {recall.created(rid) for _ in range(2)}
    first = recall.call("GET", "transcript/", params={"recording_id": rid}).json()
    assert first["next"].startswith(begins)
    query = first["next"].partition("?")[2]
    rest = recall.call("GET", f"transcript/?{query}").json()
    assert {row["id"] for row in first["results"] + rest["results"]} == made


def test_the_provider_ordered_can_stand_between_others_that_are_filled(recall: Recall) -> None:
    rid = recall.recording(shape={"provider": "several"})
    said = recall.done(rid, json={"provider": {"deepgram_async": {"language": "en"}}})["provider"]
    assert said["deepgram_async"] == {"language": "en"}
    assert next(iter(said)) != "deepgram_async"
    assert sum(options is not None for options in said.values()) > 1


# -- the side door -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"way": "explode"}, "explode"),
        ({"way": "status"}, "status"),
        ({"way": "status:42"}, "status"),
        ({"way": "forget:3"}, "forget"),
        ({"way": "another:cousin"}, "another"),
        ({"way": "late:60", "routes": ["retrieve"]}, "routes"),
        ({"way": "forget", "rout": "list"}, "rout"),
        ({"way": "forget", "times": -1}, "times"),
        ({"way": "forget", "cursor": 1}, "cursor"),
        ({"way": "forget", "recording_id": 7}, "recording_id"),
        ({"way": "status:400", "headers": []}, "headers"),
    ],
)
def test_a_lie_that_does_not_exist_is_refused_by_name(recall: Recall, told: Any, named: str) -> None:
    assert named in recall.sim("lies", told, expect=400)["error"]
    assert recall.sim("lies")["lies"] == []
    assert named in recall.sim("recordings", {"script": {"lies": [told]}}, expect=400)["error"]


def test_lies_are_shown_with_how_often_they_were_told_and_end_with_a_reset(recall: Recall) -> None:
    rid = recall.recording(lies=["forget"])
    recall.call("GET", f"recording/{rid}/")
    (shown,) = recall.sim("lies")["lies"]
    assert (shown["way"], shown["recording_id"], shown["told"]) == ("forget", rid, 1)
    recall.sim("reset", {})
    assert recall.sim("lies")["lies"] == []
