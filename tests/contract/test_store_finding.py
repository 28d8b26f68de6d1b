"""Which recording an id means, and which ones a list holds: by index, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from app.adapters.sql.finding import Filters
from app.adapters.sql.store import SqlStore
from app.adapters.sql.tables import transcription_id
from app.core.commands import AskTranscript
from app.core.machine import Decision
from app.core.state import Attempt, AttemptStatus, Phase
from app.orchestrator.records import ArtifactRow
from tests.contract.store_builders import DONE, HAND, WORKSPACE, begin

ONE, OTHER = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
BOT, OURS, THEIRS = "c0ffee00-bot", "dddd0000-transcript", "eeee0000-transcript"


def known(store: SqlStore, recording: str, **changes: Any) -> None:
    """A recording whose state is so."""
    begin(store, recording_id=recording)
    before = store.load(WORKSPACE, recording)
    state = replace(before.transcription, **changes)
    row = ArtifactRow(WORKSPACE, recording, state.current or "none", None, "p", "spoken", None, "f", ())
    artifact = row if state.current else None
    store.commit(before, Decision(state), event=DONE, source=HAND, artifact=artifact)


@pytest.fixture
def two(sql_store: SqlStore) -> SqlStore:
    """Two recordings of one bot, one of them stored from another party's transcript."""
    ours = Attempt(1, "deepgram_async", AttemptStatus.FAILED, transcript_id=OURS)
    pairs = (("team", "sales"), ("title", "Weekly: 50 % \u2019off\u2019"))
    known(sql_store, ONE, bot_id=BOT, attempts=(ours,), metadata=pairs, phase=Phase.FAILED)
    known(
        sql_store,
        OTHER,
        bot_id=BOT,
        current=THEIRS,
        phase=Phase.STORED,
        verdict="empty",
        provider="rev_async",
        metadata=(("sales", "team"),),
    )
    return sql_store


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (ONE, [ONE]),
        ("aaaa", [ONE]),
        (BOT, [ONE, OTHER]),
        ("c0ffee", [ONE, OTHER]),
        (OURS, [ONE]),
        ("dddd", [ONE]),
        (THEIRS, [OTHER]),
        ("eeee", [OTHER]),
        (transcription_id(WORKSPACE, ONE)[:12], [ONE]),
        ("C0FFEE", []),
        ("%", []),
        ("_", []),
        ("f", []),
    ],
)
def test_a_recording_is_found_by_any_of_its_ids_and_their_beginnings(
    two: SqlStore, text: str, found: list[str]
) -> None:
    assert two.find_recording(text) == [(WORKSPACE, recording) for recording in found]


def test_a_whole_id_is_not_the_beginning_of_another(two: SqlStore) -> None:
    known(two, "cccccccc-0000-4000-8000-000000000003", bot_id=f"{BOT}-of-another")
    assert [recording for _, recording in two.find_recording(BOT)] == [ONE, OTHER]
    assert len(two.find_recording(BOT[:-1])) == 3


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (Filters(), {ONE, OTHER}),
        (Filters(bot_id=BOT), {ONE, OTHER}),
        (Filters(bot_id="c0"), {ONE, OTHER}),
        (Filters(bot_id="x"), set()),
        (Filters(phase=Phase.FAILED), {ONE}),
        (Filters(provider="rev_async"), {OTHER}),
        (Filters(provider="deepgram_async"), {ONE}),
        (Filters(verdict="empty"), {OTHER}),
        (Filters(metadata=(("team", "sales"),)), {ONE}),
        (Filters(metadata=(("sales", "team"),)), {OTHER}),
        (Filters(metadata=(("team", "sales"), ("title", "Weekly: 50 % \u2019off\u2019"))), {ONE}),
        (Filters(metadata=(("team", "sales"), ("title", "Weekly"))), set()),
        (Filters(metadata=(("team", "' OR 1=1 --"),)), set()),
        (Filters(since=1e12), set()),
        (Filters(bot_id=BOT, phase=Phase.STORED, verdict="empty", since=0.0), {OTHER}),
    ],
)
def test_a_list_holds_what_all_filters_let_through(two: SqlStore, filters: Filters, found: set[str]) -> None:
    assert {row.state.recording_id for row in two.list_transcriptions(filters)} == found


def plans(store: SqlStore, ask: Callable[[], object]) -> list[str]:
    """How the database goes about each statement of a question."""
    statements: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        statements.append((statement, parameters))

    sa.event.listen(store.engine, "before_cursor_execute", note)
    ask()
    sa.event.remove(store.engine, "before_cursor_execute", note)
    told = []
    for statement, parameters in statements:
        if statement.lstrip().startswith("SELECT") and "FROM" in statement:
            with store.reading() as connection:
                if not store.is_sqlite:
                    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
                explain = "EXPLAIN QUERY PLAN" if store.is_sqlite else "EXPLAIN"
                told.append(str(connection.exec_driver_sql(f"{explain} {statement}", parameters).all()))
    return told


INDEXES = (
    "ix_transcriptions_recording",
    "ix_transcriptions_bot",
    "ix_attempts_transcript",
    "ix_artifacts_transcript",
)


def test_an_id_is_looked_for_by_four_indexes_whole_and_by_its_beginning(sql_store: SqlStore) -> None:
    told = plans(sql_store, lambda: sql_store.find_recording("5f0e"))
    assert len(told) == 2 * len(INDEXES)
    for plan, index in zip(told, 2 * INDEXES, strict=True):
        assert index in plan, plan
    for plan in told[len(INDEXES) :]:
        # A range of the index, not a walk through all of it.
        assert ">" in plan, plan


def test_a_list_of_a_bot_is_read_by_its_index(sql_store: SqlStore) -> None:
    (plan,) = plans(sql_store, lambda: sql_store.list_transcriptions(Filters(bot_id=BOT)))
    assert "ix_transcriptions_bot" in plan, plan


def test_what_waits_is_read_by_the_index_of_the_outbox(two: SqlStore) -> None:
    begin(two, AskTranscript("t9", after_s=600), AskTranscript("t8", after_s=60), recording_id="waiting")
    rows = two.list_transcriptions()
    pending = two.pending(rows)
    (waiting,) = [row for row in rows if row.state.recording_id == "waiting"]
    assert pending.keys() == {waiting.id}
    assert pending[waiting.id].kind == "ask_transcript"
    assert pending[waiting.id].due_at == pytest.approx(two.now() + 60, abs=5)
    assert two.pending([]) == {}
    for plan in plans(two, lambda: two.pending(rows)):
        assert "workspace" in plan
        assert "SCAN commands" not in plan
