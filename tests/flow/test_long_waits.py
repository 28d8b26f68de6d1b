"""
What takes hours at Recall: where an hour passes in four seconds, and the policy gives up after three.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.flow.programme import assert_each_is_paid_once_and_stored
from tests.flow.stage import Installation, running

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("one up"), pytest.mark.timeout(300)]

_POLICY = "patience_s = 60\ngive_up_after_h = 3\n"


@dataclass(frozen=True, slots=True)
class Waited:
    """The installation after everything has been waited for."""

    place: Installation
    ids: Mapping[str, str]


@pytest.fixture(scope="module")
def waited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waited]:
    tmp: Path = tmp_path_factory.mktemp("hasty")
    (tmp / "policy.toml").write_text(_POLICY)
    policy = str(tmp / "policy.toml")
    with running(tmp, seed=21, time_scale=900.0, workers=2, AFTERWORD_POLICY=policy) as place:
        ids = {
            "500": place.recall.record(creates=["status_before:500"]),
            "blocked": place.recall.record(download=["blocked:13500"]),
            "never": place.recall.record(transcripts=["never"]),
            "not ready for long": place.recall.record(recording_state="processing:1200"),
        }
        place.wait_for_ends(*ids.values(), within_s=60)
        yield Waited(place, ids)


def test_a_500_that_recall_repeats_for_an_hour_is_outwaited_and_paid_once(waited: Waited) -> None:
    """Recall answers the same key with its stored 500; only after 70 minutes may there be another key."""
    assert_each_is_paid_once_and_stored(waited.place, [waited.ids["500"]])
    assert waited.place.recall.bill(waited.ids["500"])["create_posts"] >= 2
    assert [a["state"] for a in waited.place.show(waited.ids["500"])["attempts"]] == ["done"]


def test_a_recording_that_is_not_ready_is_waited_for(waited: Waited) -> None:
    assert_each_is_paid_once_and_stored(waited.place, [waited.ids["not ready for long"]])


def test_a_download_blocked_for_too_long_fails_by_name_and_its_retry_is_free(waited: Waited) -> None:
    place, recording = waited.place, waited.ids["blocked"]
    shown = place.show(recording)
    assert (shown["status"], shown["reason"]) == ("failed", "download_blocked")
    assert "costs nothing" in shown["next_step"]
    retried = place.afterword("retry", recording)
    assert retried.returncode == 0, retried.stdout + retried.stderr
    assert "It costs nothing" in retried.stdout
    # The host answers again 15 s after the first download; until then a retry may fail once more.
    place.wait_for_ends(recording, within_s=30)
    if place.show(recording)["status"] == "failed":
        assert place.afterword("retry", recording).returncode == 0
    assert_each_is_paid_once_and_stored(place, [recording])
    assert place.recall.bill(recording)["create_posts"] == 1


def test_a_transcript_that_never_ends_fails_by_name_and_nothing_else_is_paid(waited: Waited) -> None:
    shown = waited.place.show(waited.ids["never"])
    assert (shown["status"], shown["reason"]) == ("failed", "no_answer_from_recall")
    assert shown["next_step"]
    assert waited.place.recall.bill(waited.ids["never"])["billed"] == 1
