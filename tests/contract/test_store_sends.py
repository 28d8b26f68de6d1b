"""Which sends count: all but those that certainly never left, whatever was answered."""

from __future__ import annotations

from typing import Any

import pytest

from app.orchestrator.records import SendOutcome
from tests.contract.conftest import AnyStore
from tests.contract.store_builders import RECORDING, WORKSPACE, begin, claim


@pytest.mark.parametrize(
    "outcome",
    [
        SendOutcome("created", 201),
        SendOutcome("refused", 429),
        SendOutcome("unknown"),
        SendOutcome("unknown", 503),
        SendOutcome("unknown", 409),
    ],
)
def test_answered_send_has_its_age_and_counts_against_the_bots_rate(
    store: AnyStore, outcome: SendOutcome
) -> None:
    begin(store)
    limit: dict[str, Any] = {"budget": 3, "bot_limit": (1, 60.0)}
    send_id = claim(store, **limit).send_id
    assert send_id is not None
    store.record_send_outcome(send_id, outcome=outcome)
    store.clock_offset_s += 10
    times = store.send_times(WORKSPACE, RECORDING, 1, key_serial=0)
    assert times.since_first_s == times.since_last_s == pytest.approx(10, abs=2)
    assert claim(store, **limit).wait_s == pytest.approx(50, abs=2)
