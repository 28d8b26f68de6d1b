"""
What Recall's bill says after each thing that can happen to a recording, on both databases. All of them
happened at once.
"""

from __future__ import annotations

import warnings

import pytest

from tests.flow.programme import Programme
from tests.flow.scenes import ODD_ANSWERS, ODD_DOWNLOADS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("programme"), pytest.mark.timeout(400)]

HAPPY = ("happy 1", "happy 2", "happy 3", "50 times recording.done", "done before its create is answered")


@pytest.fixture(params=["programme", "programme_on_postgresql"], ids=["sqlite", "postgresql"])
def programme(request: pytest.FixtureRequest) -> Programme:
    """The shared one, and the same on the other database."""
    played: Programme = request.getfixturevalue(request.param)
    return played


@pytest.mark.parametrize("scene", HAPPY)
def test_a_happy_recording_costs_one_create_one_retrieve_and_one_download(
    programme: Programme, scene: str
) -> None:
    programme.assert_stored_whole(scene, paid=1)
    bill = programme.bill(scene)
    for _ in range(2):
        if bill["retrieves"] + bill["downloads"] == 2:
            break
        # A machine that stood still longer than a lease does both again; they are free. Once more, alone.
        assert bill["create_posts"] == 1
        warnings.warn(f"{scene}: {bill['retrieves']} retrieves, {bill['downloads']} downloads", stacklevel=1)
        bill = programme.played_again(scene)
    calls = {name: bill[name] for name in ("create_posts", "retrieves", "lists", "downloads")}
    assert calls == {"create_posts": 1, "retrieves": 1, "lists": 0, "downloads": 1}


@pytest.mark.parametrize("scene", ["50 times recording.done", "heard_fifty_times_more"])
def test_recording_done_fifty_times_is_one_create(programme: Programme, scene: str) -> None:
    deliveries = programme.place.recall.deliveries(programme.ids[scene])
    heard = [d for d in deliveries if d["event"] == "recording.done"]
    assert sum(len(d["attempts"]) for d in heard) >= 50, "the storm itself did not happen"
    assert all(a["status"] == 202 for d in heard for a in d["attempts"])
    assert programme.bill(scene)["create_posts"] == 1
    programme.assert_stored_whole(scene, paid=1)


def test_one_failure_told_fifty_times_is_one_further_attempt(programme: Programme) -> None:
    programme.assert_stored_whole("failed_fifty_times", paid=2)
    assert programme.bill("failed_fifty_times")["create_posts"] == 2


def test_captions_that_fail_during_our_attempt_cost_nothing(programme: Programme) -> None:
    programme.assert_stored_whole("captions_fail_during_our_attempt", paid=1)


@pytest.mark.parametrize("scene", [f"captions {when} recording.done" for when in ("before", "after")])
def test_captions_that_are_done_do_not_stand_for_our_transcript(programme: Programme, scene: str) -> None:
    programme.assert_stored_whole(scene, paid=1)
    transcript_id, _ = programme.the_stored(scene)
    by_id = {t["id"]: t for t in programme.transcripts(scene)}
    assert by_id[transcript_id]["marker"] == f"{programme.ids[scene]}/1"


def test_captions_whose_recording_done_is_lost_still_lead_to_our_transcript(programme: Programme) -> None:
    programme.assert_stored_whole("recording.done never comes, captions do", paid=1)


@pytest.mark.parametrize(
    "scene",
    [
        "done comes five times",
        "done comes before the API agrees",
        "done never comes",
        "a forged done beside it",
        "done_again_under_new_ids",
    ],
)
def test_however_the_news_of_the_transcript_comes_it_is_stored_once(programme: Programme, scene: str) -> None:
    assert programme.bill(scene)["create_posts"] == 1
    programme.assert_stored_whole(scene, paid=1)


def test_a_forged_delivery_is_refused(programme: Programme) -> None:
    deliveries = programme.place.recall.deliveries(programme.ids["a forged done beside it"])
    forged = [a["status"] for d in deliveries if d["forged"] for a in d["attempts"]]
    assert forged == [401]


@pytest.mark.parametrize("scene", ["anothers_done_before_recording_done", "ours_done_before_recording_done"])
def test_a_transcript_that_was_done_before_recording_done_is_stored_and_none_is_created(
    programme: Programme, scene: str
) -> None:
    assert programme.bill(scene)["create_posts"] == 1, "somebody else's; none of ours"
    programme.assert_stored_whole(scene, paid=1)


def test_a_transcript_that_is_done_after_every_attempt_failed_is_welcome(programme: Programme) -> None:
    scene = "done_after_every_attempt_failed"
    programme.assert_stored_whole(scene, paid=3)
    assert programme.bill(scene)["create_posts"] == 3
    assert programme.show(scene)["status"] == "completed"


@pytest.mark.parametrize("answer", ODD_ANSWERS)
def test_whatever_the_answer_to_the_create_one_is_paid_and_stored(programme: Programme, answer: str) -> None:
    programme.assert_stored_whole(f"create: {answer}", paid=1)
    markers = [t["marker"] for t in programme.transcripts(f"create: {answer}")]
    assert markers == [f"{programme.ids[f'create: {answer}']}/1"]


@pytest.mark.parametrize("trouble", ODD_DOWNLOADS)
def test_trouble_at_the_download_is_never_paid_for(programme: Programme, trouble: str) -> None:
    assert programme.bill(f"download: {trouble}")["create_posts"] == 1
    programme.assert_stored_whole(f"download: {trouble}", paid=1)


@pytest.mark.parametrize("scene", ["first provider fails", "first provider fails without a reason"])
def test_a_failed_attempt_is_followed_by_one_with_the_next_provider(programme: Programme, scene: str) -> None:
    programme.assert_stored_whole(scene, paid=2)
    assert [t["provider"] for t in programme.transcripts(scene)] == ["recallai_async", "assembly_ai_async"]
    assert programme.bill(scene)["max_open"] == 1, "never two of ours at a time"


def test_a_refused_create_moves_on_to_the_next_provider(programme: Programme) -> None:
    scene = "first provider is refused"
    programme.assert_stored_whole(scene, paid=1)
    shown = programme.show(scene)
    assert [a["state"] for a in shown["attempts"]] == ["refused", "done"]
    assert shown["provider"] == programme.transcripts(scene)[0]["provider"] == "assembly_ai_async"


def test_when_every_provider_fails_the_reasons_are_told(programme: Programme) -> None:
    scene = "every provider fails"
    assert programme.bill(scene)["billed"] == programme.bill(scene)["create_posts"] == 3
    assert programme.stored(scene) == {}
    shown = programme.show(scene)
    assert (shown["status"], shown["reason"]) == ("failed", "all_providers_failed")
    assert "afterword retry" in shown["next_step"]
    told = [(a["ordinal"], a["state"]) for a in shown["attempts"]]
    assert told == [(1, "failed"), (2, "failed"), (3, "failed")]
    assert shown["attempts"][0]["error"] == shown["attempts"][2]["error"] == "provider_connection_failed"
    assert len({a["provider"] for a in shown["attempts"]}) == 3


def test_when_every_provider_is_refused_nothing_is_paid_and_the_reasons_are_told(
    programme: Programme,
) -> None:
    scene = "every provider is refused"
    assert programme.bill(scene)["billed"] == 0
    shown = programme.show(scene)
    assert (shown["status"], shown["reason"]) == ("failed", "all_providers_failed")
    assert [a["state"] for a in shown["attempts"]] == ["refused"] * 3
    assert all("400" in a["error"] for a in shown["attempts"])


def test_an_empty_result_falls_back_once_and_completes_as_empty(programme: Programme) -> None:
    assert programme.bill("empty twice")["billed"] == programme.bill("empty twice")["create_posts"] == 2
    shown = programme.show("empty twice")
    assert (shown["status"], shown["text"], shown["segments"]) == ("completed", "", [])
    assert [a["state"] for a in shown["attempts"]] == ["empty", "empty"]


def test_a_silent_room_is_paid_for_once(programme: Programme) -> None:
    assert programme.bill("a silent room")["billed"] == programme.bill("a silent room")["create_posts"] == 1
    shown = programme.show("a silent room")
    assert (shown["status"], shown["verdict"], shown["text"]) == ("completed", "silent", "")


def test_an_empty_result_gives_way_to_a_spoken_one(programme: Programme) -> None:
    assert programme.bill("empty, then spoken")["billed"] == 2
    shown = programme.show("empty, then spoken")
    assert (shown["status"], shown["provider"]) == ("completed", "assembly_ai_async")
    assert shown["segments"]


def test_our_key_never_reaches_the_download_host(programme: Programme) -> None:
    assert programme.whole_bill["downloads_with_authorization"] == 0


def test_recalls_rates_are_kept(programme: Programme) -> None:
    scripted = 1  # the 429 of one scene
    assert programme.whole_bill["responses"].get("429", 0) <= scripted
