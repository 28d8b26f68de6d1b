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

from app.adapters.sql import tables
from app.core.state import Phase
from tests.flow.firewall import Firewall, standing
from tests.flow.programme import assert_each_is_paid_once_and_stored
from tests.flow.stage import Installation, installation, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("refusals"), pytest.mark.timeout(300)]

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
        wait_until(lambda: firewall.refused["GET"] >= 2, within_s=20, what="two probes")
        wait_until(lambda: place.readyz()["status"] == "degraded", within_s=15, what="readyz says degraded")
        passed_s = time.monotonic() - paused_at
        told: dict[str, Any] = {}

        def is_told() -> bool:
            """An answer may be a second old, and has no facts while the database is slow."""
            told.update(place.readyz().get("recall_paused", {}))
            return bool(told) and told["since_s"] >= passed_s

        wait_until(is_told, within_s=10, what="readyz says since when")
        assert told["cause"] == "recall_answers_403"
        assert told["since_s"] <= time.monotonic() - began_at
        assert firewall.refused["POST"] <= len(waiting), "creates are no probes"
        assert all(place.recall.bill(r)["create_posts"] == 0 for r in waiting)
        assert {phase_of(place, r) for r in waiting} <= {Phase.NEW, Phase.CREATING}
    finally:
        firewall.is_shut = False
    assert_each_is_paid_once_and_stored(place, [running, *waiting])
    place.wait_until_well()
    wait_until(lambda: "recall_paused" not in place.readyz(), within_s=5, what="no cause is told any more")
    assert [[t["marker"] for t in place.recall.paid(r)] for r in waiting] == [[f"{r}/1"] for r in waiting]
    assert [(a["provider"], a["state"]) for a in place.show(waiting[0])["attempts"]] == [(FIRST, "done")]


def test_a_provider_that_is_down_is_skipped_by_all_until_one_probe_finds_it_well(walled: Walled) -> None:
    place = walled.place
    burnt = [place.recall.record(transcripts=[_DOWN], transcribe_s=2) for _ in range(_FAILURE_THRESHOLD)]
    tripped = place.store.tripped_providers
    wait_until(lambda: FIRST in tripped("default"), within_s=20, what="tripped", every_s=0.05)
    shut(place, for_s=3600.0)  # however long the others take
    skipping = [place.recall.record(transcribe_s=2) for _ in range(3)]
    unlucky = place.recall.record(transcripts=["failed:null", "failed:null", "never"], transcribe_s=2)
    place.wait_for_ends(*burnt, *skipping, within_s=20)
    assert [providers(place, r) for r in burnt] == [[FIRST, SECOND]] * _FAILURE_THRESHOLD
    assert [providers(place, r) for r in skipping] == [[SECOND]] * 3
    assert [a["ordinal"] for a in place.show(skipping[0])["attempts"]] == [1], "skipped is not used"

    wait_until(lambda: _failed_twice(place, unlucky), within_s=20, what="two have failed it")
    shut(place, for_s=0.0)
    wait_until(lambda: len(providers(place, unlucky)) == 3, within_s=20, what="it tries the first one")
    assert providers(place, unlucky) == [SECOND, THIRD, FIRST], "it waits for the provider it has not used"
    # It tries it for all, and has no answer yet: the others do not wait for that.
    after = [place.recall.record(transcribe_s=2) for _ in range(4)]
    place.wait_for_ends(*after, within_s=30)
    assert [providers(place, r) for r in after] == [[SECOND]] * 4
    place.recall.tell(f"transcripts/{place.recall.paid(unlucky)[-1]['id']}/finish")
    place.wait_for_ends(unlucky, within_s=30)
    well = place.recall.record(transcribe_s=2)
    place.wait_for_ends(well, within_s=20)
    assert providers(place, well) == [FIRST], "one success opens it for all"
    assert all(place.recall.bill(r)["billed"] == 1 for r in [*skipping, *after, well])


def shut(place: Installation, *, for_s: float) -> None:
    """The first provider's time to come, and the waiting of those that wait for it, end then."""
    store, breaker = place.store, tables.breakers
    with store.writing() as connection:
        until = store.now_in(connection) + for_s
        connection.execute(breaker.update().where(breaker.c.provider == FIRST).values(open_until=until))
        if not for_s:
            connection.execute(tables.commands.update().values(due_at=until, offered_at=None))


def _failed_twice(place: Installation, recording: str) -> bool:
    attempts = place.store.load("default", recording).transcription.attempts
    return sum(line.error is not None for line in attempts) == 2


def providers(place: Installation, recording: str) -> list[Any]:
    """Those that were paid, in order, by Recall's bill."""
    return [t["provider"] for t in place.recall.paid(recording)]


def phase_of(place: Installation, recording: str) -> Phase:
    return place.store.load("default", recording).transcription.phase
