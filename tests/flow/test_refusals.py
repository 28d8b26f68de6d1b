"""
Who is to blame, with real processes: everything refused is the account's, one provider failing for many
recordings is the provider's. Neither burns the attempts of the recordings that are waiting.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from app.core.state import Phase
from tests.flow.firewall import Firewall, standing
from tests.flow.programme import assert_each_is_paid_once_and_stored
from tests.flow.stage import Installation, installation, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("refusals"), pytest.mark.timeout(150)]

# Two minutes, for which a provider is shut, are four seconds: long enough to look at.
_SCALE = 30.0
FIRST, SECOND, THIRD = "recallai_async", "assembly_ai_async", "deepgram_async"
_DOWN = "failed:provider_connection_failed"
_FAILURE_THRESHOLD = 5  # failures in a row


@dataclass(frozen=True, slots=True)
class Walled:
    place: Installation
    firewall: Firewall


@pytest.fixture(scope="module")
def walled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walled]:
    tmp = tmp_path_factory.mktemp("refusals")
    with (
        installation(tmp, seed=31, time_scale=_SCALE) as place,
        standing(place.environment["RECALL_API_BASE_URL"]) as firewall,
    ):
        place.environment["RECALL_API_BASE_URL"] = firewall.url
        place.start()
        yield Walled(place, firewall)
        place.stop()


def test_403_on_everything_pauses_everybody_says_since_when_and_mends_itself(walled: Walled) -> None:
    place, firewall = walled.place, walled.firewall
    running = place.recall.record(transcribe_s=40)
    wait_until(lambda: place.recall.paid(running) != [], within_s=20, what="a create before the firewall")
    firewall.is_shut = True
    began_at = time.monotonic()
    try:
        waiting = [place.recall.record(transcribe_s=2) for _ in range(4)]
        wait_until(
            lambda: place.readyz()["parts"]["recall"] == "paused", within_s=15, what="readyz says paused"
        )
        paused_at = time.monotonic()
        time.sleep(2.0)  # a minute of Recall's: four probes
        ready = place.readyz()
        assert ready["status"] == "degraded"
        assert ready["recall_paused"]["cause"] == "recall_answers_403"
        assert time.monotonic() - paused_at - 0.5 <= ready["recall_paused"]["since_s"]
        assert ready["recall_paused"]["since_s"] <= time.monotonic() - began_at
        assert firewall.refused["GET"] >= 2, "nobody probes"
        assert firewall.refused["POST"] <= len(waiting), "creates are no probes"
        assert all(place.recall.bill(r)["create_posts"] == 0 for r in waiting)
        assert {phase_of(place, r) for r in waiting} <= {Phase.NEW, Phase.CREATING}
    finally:
        firewall.is_shut = False
    assert_each_is_paid_once_and_stored(place, [running, *waiting])
    wait_until(lambda: place.readyz()["status"] == "ok", within_s=10, what="readyz says ok")
    assert "recall_paused" not in place.readyz()
    assert [[t["marker"] for t in place.recall.paid(r)] for r in waiting] == [[f"{r}/1"] for r in waiting]
    assert [(a["provider"], a["state"]) for a in place.show(waiting[0])["attempts"]] == [(FIRST, "done")]


def test_a_provider_that_is_down_is_skipped_by_all_until_one_probe_finds_it_well(walled: Walled) -> None:
    place = walled.place
    burnt = [place.recall.record(transcripts=[_DOWN], transcribe_s=2) for _ in range(_FAILURE_THRESHOLD)]
    tripped = place.store.tripped_providers
    wait_until(lambda: FIRST in tripped("default"), within_s=20, what="tripped", every_s=0.05)
    skipping = [place.recall.record(transcribe_s=2) for _ in range(3)]
    # Its two failures fit into the four seconds, and its probe is not over before the others have come.
    unlucky = place.recall.record(transcripts=["failed:null", "failed:null"], transcribe_s=25)
    place.wait_for_ends(*burnt, *skipping, within_s=20)
    assert [providers(place, r) for r in burnt] == [[FIRST, SECOND]] * _FAILURE_THRESHOLD
    assert [providers(place, r) for r in skipping] == [[SECOND]] * 3
    assert [a["ordinal"] for a in place.show(skipping[0])["attempts"]] == [1], "skipped is not used"

    wait_until(lambda: not place.store.tripped_providers("default"), within_s=20, what="due for a probe")
    # One tries it for all: the others do not wait for the outcome, which takes two seconds here.
    after = [place.recall.record(transcribe_s=60) for _ in range(4)]
    place.wait_for_ends(*after, unlucky, within_s=30)
    assert sum(providers(place, r) == [FIRST] for r in after) <= 1
    assert providers(place, unlucky) == [SECOND, THIRD, FIRST], "it waits for the provider it has not used"
    well = place.recall.record(transcribe_s=2)
    place.wait_for_ends(well, within_s=20)
    assert providers(place, well) == [FIRST], "one success opens it for all"
    assert all(place.recall.bill(r)["billed"] == 1 for r in [*skipping, *after, well])


def providers(place: Installation, recording: str) -> list[Any]:
    """Those that were paid, in order, by Recall's bill."""
    return [t["provider"] for t in place.recall.paid(recording)]


def phase_of(place: Installation, recording: str) -> Phase:
    return place.store.load("default", recording).transcription.phase
