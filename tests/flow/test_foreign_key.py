"""
The key of another workspace of the region, put in by mistake and taken back: nothing is taken up, concluded
or paid under it, and everything goes on under the right one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from app.orchestrator.records import KEY_FOREIGN
from tests.flow.programme import assert_each_is_paid_once_and_stored
from tests.flow.stage import Installation, installation, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_OTHER_KEY = "a-key-of-another-workspace"
_AN_HOUR_S = 3_600.0


def test_under_another_workspaces_key_nothing_happens_and_the_right_one_goes_on(tmp_path: Path) -> None:
    with installation(tmp_path, seed=61, time_scale=_AN_HOUR_S / 10, workers=2) as place:
        right_key = place.environment["RECALL_API_KEY"]
        place.recall.settings(workspaces={_OTHER_KEY: "theirs"})
        place.start()
        running = [
            place.recall.record(transcribe_s=2 * _AN_HOUR_S, done_webhook=["drop"] * 9) for _ in range(4)
        ]
        wait_until(lambda: paid(place, running) == 4, within_s=30, what="four attempts run")
        place.stop()

        theirs = theirs_recorded(place)
        place.environment["RECALL_API_KEY"] = _OTHER_KEY
        place.service = place.spawn("up")
        wait_until(lambda: is_paused(place), within_s=30, what="the key is held against what is known")
        heard_meanwhile = place.recall.record(transcribe_s=10)
        wait_until(
            lambda: place.store.load("default", heard_meanwhile).version > 0,
            within_s=30,
            what="it is heard of",
        )
        asked_by_hand(place)
        wait_until(lambda: has_waited(place, 8.0), within_s=30, what="most of an hour passes")
        assert place.store.load("default", theirs).version == 0, "it was taken up"
        assert paid(place, [heard_meanwhile]) == 0
        place.stop()

        place.environment["RECALL_API_KEY"] = right_key
        place.service = place.spawn("up")
        everything = [*running, heard_meanwhile]
        assert_each_is_paid_once_and_stored(place, everything, within_s=90)
        assert not is_paused(place)
        assert place.recall.bill(theirs)["create_posts"] == 0


def theirs_recorded(place: Installation) -> str:
    """A finished recording of the other workspace, of which nothing is told here."""
    told = place.recall.tell("recordings", workspace="theirs", script={"recording_done": "drop"}, finish=True)
    return str(told["recording_id"])


def asked_by_hand(place: Installation) -> None:
    """What a person is told."""
    (status,) = statuses(place)
    assert status == KEY_FOREIGN
    checked = place.afterword("check")
    assert checked.returncode == 1
    assert "sees none of the recordings known here" in checked.stdout
    for command in (("reconcile", "--dry-run"), ("backfill", "--since", "7d", "--yes")):
        said = place.afterword(*command)
        assert said.returncode == 1, said.stdout + said.stderr
        assert "another workspace" in said.stdout


def statuses(place: Installation) -> list[str]:
    from app.adapters.sql.tables import recall_keys

    with place.store.reading() as connection:
        return [row.status for row in connection.execute(recall_keys.select()) if row.status == KEY_FOREIGN]


def is_paused(place: Installation) -> bool:
    try:
        return bool(place.readyz()["parts"]["recall"] == "paused")
    except OSError:
        return False


def has_waited(place: Installation, seconds: float) -> bool:
    pause = place.store.paused("default")
    return pause is not None and place.store.now() - pause.since > seconds


def paid(place: Installation, recordings: list[str]) -> int:
    return sum(place.recall.bill(recording)["billed"] for recording in recordings)
