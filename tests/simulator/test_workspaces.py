"""Keys of another workspace on the same server, and a clock of Recall's own that is off."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.simulator.conftest import Recall, until
from tests.simulator.test_lies import ROUTES, marked
from tests.simulator.test_reads import walk


def test_a_key_of_another_workspace_sees_nothing_of_this_one(hooked: Recall) -> None:
    recall = hooked
    rid = recall.recording()
    tid = marked(recall, rid)["id"]
    recall.sim("settings", {"workspaces": {"their-key": "theirs"}})
    theirs = recall.sim("recordings", {"workspace": "theirs"})["recording_id"]
    key = {"Authorization": "Token their-key"}
    assert [row["id"] for row in recall.call("GET", "recording/", headers=key).json()["results"]] == [theirs]
    assert recall.call("GET", "transcript/", headers=key).json()["results"] == []
    for method, path in ROUTES.values():
        if path.startswith(("recording/{rid}", "transcript/{tid}")):
            body: Any = {"provider": {"recallai_async": {}}} if method == "POST" else None
            said = recall.call(method, path.format(rid=rid, tid=tid), headers=key, json=body)
            assert said.status_code == 404, (method, path)
    assert recall.create(theirs, headers=key).status_code == 200
    assert recall.call("GET", f"recording/{theirs}/").status_code == 404
    assert [row["id"] for row in walk(recall, "recording/")] == [rid]
    sent = {d["recording_id"]: d["state"] for d in recall.deliveries("recording.done")}
    assert sent[theirs] == "no_endpoint"
    until(lambda: recall.deliveries("recording.done")[0]["state"] == "delivered")


def test_one_key_moves_to_another_workspace_and_back_while_running(recall: Recall) -> None:
    rid = recall.recording()
    key = recall.simulator.api_key
    recall.sim("settings", {"workspaces": {key: "theirs"}})
    assert recall.call("GET", f"recording/{rid}/").status_code == 404
    assert recall.call("GET", "recording/").json()["results"] == []
    recall.sim("settings", {"workspaces": {}})
    assert recall.call("GET", f"recording/{rid}/").status_code == 200


def test_workspaces_have_rates_of_their_own(start: Callable[..., Recall]) -> None:
    recall = start(limits="on", time_scale=1.0)
    recall.sim("settings", {"workspaces": {"their-key": "theirs"}})
    mine = [recall.call("GET", "recording/").status_code for _ in range(61)]
    assert (mine[-2], mine[-1]) == (200, 429)
    assert recall.call("GET", "recording/", headers={"Authorization": "their-key"}).status_code == 200


@pytest.mark.parametrize("off_s", [-4500, 4500])
def test_recalls_own_clock_can_be_off_and_signatures_are_not(
    hooked: Recall, receiver: Any, off_s: int
) -> None:
    right = hooked.call("GET", f"recording/{hooked.recording()}/").json()["created_at"]
    hooked.sim("settings", {"clock_off_s": off_s})
    rid = hooked.recording()
    stamped = hooked.call("GET", f"recording/{rid}/").json()["created_at"]
    assert (stamped < right) == (off_s < 0)
    until(lambda: len(receiver.got) == 2)
    first, second = (int(one.headers["webhook-timestamp"]) for one in receiver.got)
    assert abs(second - first) < 60
    assert json.loads(receiver.got[1].body)["data"]["data"]["updated_at"][:16] == stamped[:16]
