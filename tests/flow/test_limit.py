"""
Recall's ten transcripts per recording, and a policy that makes room: failed ones of ours go first, finished
ones only when the policy names them, other people's never; the attempt that met the limit goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.flow.stage import Installation, installation

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("limit"), pytest.mark.timeout(240)]

_LIMIT = 10
_DOWN = "failed:provider_connection_failed"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """`up` whose policy makes room, but gives up nothing that was finished."""
    tmp: Path = tmp_path_factory.mktemp("limit")
    policy = tmp / "policy.toml"
    policy.write_text('at_limit = "prune"\n')
    with installation(tmp, seed=41, workers=2, AFTERWORD_POLICY=str(policy)) as place:
        # Somebody else makes many at once; and what is first in the list is not ours.
        place.recall.settings(limits="off", list_order="oldest")
        place.start()
        yield place


def test_at_the_limit_a_failed_transcript_of_ours_makes_room_and_the_same_attempt_goes_on(
    place: Installation,
) -> None:
    recording = crowded(place, ours=[_DOWN, "empty"])
    place.wait_for_ends(recording, within_s=30)
    failed, empty, third = ours(place, recording)
    assert [failed["status"], empty["status"], third["status"]] == ["deleted", "done", "done"]
    assert third["marker"] == f"{recording}/3", "the attempt that met the limit"
    assert_others_are_untouched(place, recording)
    shown = place.show(recording)
    assert (shown["status"], shown["provider"]) == ("completed", third["provider"])
    assert [a["state"] for a in shown["attempts"]] == ["failed", "empty", "done"]
    assert [line["transcript_id"] for line in told(shown, "pruned")] == [failed["id"]]
    (refused,) = told(shown, "create_refused")
    assert (refused["refusal"], refused["ordinal"]) == ("limit", 3)
    assert refused["detail"].startswith("http_400")
    assert "10 transcripts at Recall, 2 of them ours" in refused["detail"]
    lines = place.afterword("show", recording).stdout.splitlines()
    (line,) = [line for line in lines if "pruned (" in line]
    assert failed["id"] in line, "which one was given up is told"
    (line,) = [line for line in lines if "create_refused (" in line]
    assert "limit" in line
    assert refused["detail"] in line
    pruned = [line for line in place.log_lines() if line.get("event") == "transcript_pruned"]
    assert [line["transcript"] for line in pruned] == [failed["id"]]


def test_at_the_limit_a_finished_transcript_is_not_given_up_unless_the_policy_names_it(
    place: Installation,
) -> None:
    recording = crowded(place, ours=["empty"])
    place.wait_for_ends(recording, within_s=30)
    (empty,) = ours(place, recording)
    assert empty["status"] == "done"
    assert_others_are_untouched(place, recording)
    shown = place.show(recording)
    assert (shown["status"], shown["text"]) == ("completed", "")
    assert [a["transcript_id"] for a in shown["attempts"]] == [empty["id"], None]
    assert [line["refusal"] for line in told(shown, "create_refused")] == ["limit"]
    assert [line.get("transcript_id") for line in told(shown, "pruned")] == [None], "nothing was given up"


def test_a_policy_that_names_finished_ones_gives_up_those_too_when_none_failed_and_they_are_stored_here(
    place: Installation,
) -> None:
    place.stop()
    Path(place.environment["AFTERWORD_POLICY"]).write_text('at_limit = "prune"\nprune_stored = true\n')
    place.start()
    recording, with_a_failed_one = crowded(place, ours=["empty"]), crowded(place, ours=[_DOWN, "empty"])
    place.wait_for_ends(recording, with_a_failed_one, within_s=30)
    empty, second = ours(place, recording)
    assert [empty["status"], second["status"]] == ["deleted", "done"]
    assert second["marker"] == f"{recording}/2"
    left = [t["status"] for t in ours(place, with_a_failed_one)]
    assert left == ["deleted", "done", "done"], "failed first"
    assert_others_are_untouched(place, recording)
    assert set(place.stored(recording)) == {empty["id"], second["id"]}, "what is gone at Recall is kept here"


def crowded(place: Installation, *, ours: list[str]) -> str:
    """A recording with so many failed transcripts of others that `ours` are the last ones Recall takes."""
    others = ["failed:null"] * (_LIMIT - len(ours))
    recording = place.recall.record(transcripts=[*others, *ours], recording_done="drop", transcribe_s=2)
    for _ in others:
        place.recall.create(recording)
    place.recall.emit("recording.done", recording)
    return recording


def told(shown: Any, event: str) -> list[Any]:
    """What the history knows of each such event."""
    return [line["summary"] for line in shown["history"] if line["event"] == event]


def ours(place: Installation, recording: str) -> list[Any]:
    return [t for t in place.recall.paid(recording) if t["marker"]]


def assert_others_are_untouched(place: Installation, recording: str) -> None:
    others = [t for t in place.recall.paid(recording) if not t["marker"]]
    assert {t["status"] for t in others} == {"failed"}
