"""What other versions of the program wrote is read, and what they read is written: pauses, ends of sends."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.adapters.sql.loading import read_state
from app.adapters.sql.store import SqlStore
from app.orchestrator.records import NOT_SENT, PauseSubject, SendOutcome
from tests.contract.store_builders import RECORDING, WORKSPACE, begin, claim

PAUSES = {
    "recall_answers_401": (PauseSubject.ACCOUNT, 401),
    "creates_refused_402": (PauseSubject.CREATES, 402),
    "creates_refused_403": (PauseSubject.CREATES, 403),
    "key_sees_no_known_recording": (PauseSubject.KEY, None),
}
OUTCOMES = {
    "created": SendOutcome("created"),
    "created 201": SendOutcome("created", 201),
    "refused 403": SendOutcome("refused", 403),
    "unknown 503": SendOutcome("unknown", 503),
    "not_sent": NOT_SENT,
}


@pytest.mark.parametrize("cause", PAUSES)
def test_a_stored_pause_is_read_by_its_subject_and_status_and_written_as_before(
    sql_store: SqlStore, cause: str
) -> None:
    subject, status = PAUSES[cause]
    sql_store.pause(WORKSPACE, subject, status, probe_after_s=15)
    with sql_store.reading() as connection:
        assert connection.execute(sa.select(t.pauses.c.cause)).scalar_one() == cause
    paused = sql_store.paused(WORKSPACE)
    assert paused is not None
    assert (paused.subject, paused.status, paused.cause) == (subject, status, cause)
    assert paused.is_about_creates == cause.startswith("creates_")


def test_a_pause_of_a_cause_that_is_not_known_is_the_accounts(sql_store: SqlStore) -> None:
    row = t.pauses.insert().values(workspace=WORKSPACE, cause="moon_is_full_7", since=1.0, probe_at=1.0)
    with sql_store.writing() as connection:
        connection.execute(row)
    paused = sql_store.paused(WORKSPACE)
    assert paused is not None
    assert (paused.subject, paused.status) == (PauseSubject.ACCOUNT, None)


@pytest.mark.parametrize("stored", OUTCOMES)
def test_the_end_of_a_send_is_written_as_before(sql_store: SqlStore, stored: str) -> None:
    begin(sql_store)
    send_id = claim(sql_store, budget=3).send_id
    assert send_id is not None
    sql_store.record_send_outcome(send_id, outcome=OUTCOMES[stored])
    with sql_store.reading() as connection:
        assert connection.execute(sa.select(t.sends.c.outcome)).scalar_one() == stored
    is_refused = sql_store.creates_refused_elsewhere(WORKSPACE, "another", within_s=60)
    assert is_refused == (stored == "refused 403")
    assert (sql_store.send_times(WORKSPACE, RECORDING, 1, key_serial=0).since_first_s is None) == (
        stored == "not_sent"
    )


@pytest.mark.parametrize(
    ("error", "is_unknown"), [("http_404 not_found", True), ("http_400", False), (None, False)]
)
def test_a_refusal_for_an_unknown_recording_is_read_from_the_text_of_version_1(
    error: str | None, is_unknown: bool
) -> None:
    record = {"ordinal": 1, "provider": "a_async", "fate": "claimed", "generation": 1, "error": error}
    read = read_state(
        json.dumps({"workspace": "default", "recording_id": "r-1", "goal": "creating", "attempts": [record]})
    )
    assert read.attempts[0].is_recording_unknown is is_unknown
