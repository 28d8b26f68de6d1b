"""What an erasure leaves in the rows, on both databases: every column of every table is looked through."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.adapters.sql.announcements import Try
from app.adapters.sql.outgoing_tables import outgoing
from app.adapters.sql.store import SqlStore
from app.core import events
from app.core.machine import Decision, decide
from app.core.state import Phase
from app.errors import LeaseLost
from app.orchestrator.records import Announcement, ArtifactRow, Closing, Send, Source
from tests.contract.store_builders import DONE, HAND, RECORDING, WORKSPACE, begun, delivery
from tests.policies import built_in
from tests.taking import take, take_deliveries

PERSONAL = ("Ada Lovelace", "bot-1", "a-title")
OTHER = "77aa0b52-recording"
NEWS = Announcement("w-1", "crm", "transcription.completed", "t1", json.dumps({"metadata": PERSONAL}))
BODY = json.dumps({"recording": RECORDING, "names": PERSONAL}).encode()
RESULT = ArtifactRow(
    WORKSPACE, RECORDING, "t1", 1, "deepgram_async", "spoken", "en", "f", ("a",), draft="a-title"
)


def held(store: SqlStore, *, of: str | None = None) -> Iterator[str]:
    """Columns in which a person's data stand."""
    for table in t.metadata.sorted_tables:
        columns = [c for c in table.c if isinstance(c.type, sa.Text | sa.LargeBinary)]
        for column in columns:
            values = [value for (value,) in store.read_all(sa.select(column)) if value is not None]
            texts = [value.decode() if isinstance(value, bytes) else value for value in values]
            if any(word in text for text in texts for word in PERSONAL):
                yield f"{table.name}.{column.name}"


def full(store: SqlStore) -> None:
    """A recording with something personal in every place that there is."""
    leased = begun(store)
    before = store.load(WORKSPACE, RECORDING)
    named = replace(before.transcription, bot_id="bot-1", metadata=(("title", "a-title"),))
    send = Send(1, 0, "key-1", "f1", "bot-1", body=BODY)
    claimed = decide(named, events.Sending(2.0, 1, "recallai_async", 0), built_in())
    source = Source(command=leased, is_finished=False)
    store.commit(
        before,
        claimed,
        event=events.Sending(2.0, 1, "recallai_async", 0),
        source=source,
        send=send,
        artifact=RESULT,
        news=(NEWS,),
        budget=3,
    )
    store.add_deliveries([delivery("m1", body=BODY), delivery("m2", body=BODY), delivery("m3", body=BODY)])
    first, second, _ = take_deliveries(store, 3)
    known = store.load(WORKSPACE, RECORDING)
    store.commit(
        known,
        Decision(known.transcription, ignored="a-title"),
        event=DONE,
        source=Source(delivery_id=first.id),
    )
    store.close_deliveries([Closing(second.id, "nothing to do", "bot.done", RECORDING)])


def erase(store: SqlStore, event: events.Event | None = None) -> None:
    before = store.load(WORKSPACE, RECORDING)
    asked = event or events.EraseAsked(3.0)
    done = decide(before.transcription, asked, built_in(), pending=before.pending)
    store.commit(before, done, event=asked, source=HAND)


def test_no_column_of_any_table_holds_what_was_personal(sql_store: SqlStore) -> None:
    full(sql_store)
    assert {"transcriptions.state", "sends.body", "sends.bot", "history.summary", "history.ignored"} <= set(
        held(sql_store)
    )
    assert {"deliveries.body", "artifacts.draft", "outgoing.facts"} <= set(held(sql_store))
    erase(sql_store)
    assert set(held(sql_store)) == {"deliveries.body"}, "the third has not been applied yet"
    (waiting,) = sql_store.read_all(sa.select(t.deliveries.c.id).where(t.deliveries.c.applied_at.is_(None)))
    known = sql_store.load(WORKSPACE, RECORDING)
    ignored = decide(known.transcription, DONE, built_in())
    sql_store.commit(known, ignored, event=DONE, source=Source(delivery_id=waiting.id))
    assert set(held(sql_store)) == set()
    bill = sql_store.read_all(sa.select(t.attempts.c.ordinal, t.attempts.c.provider))
    assert [tuple(line) for line in bill] == [(1, "recallai_async")]


def test_a_delivery_without_effect_that_comes_later_keeps_no_body(sql_store: SqlStore) -> None:
    full(sql_store)
    erase(sql_store)
    sql_store.add_deliveries([delivery("m4", body=BODY)])
    taken = [*take_deliveries(sql_store, 4), *take_deliveries(sql_store, 4)]  # one that was tried comes alone
    sql_store.close_deliveries([Closing(one.id, "nothing to do", "bot.done", RECORDING) for one in taken])
    assert set(held(sql_store)) == set()


def test_a_worker_at_it_has_lost_its_lease(sql_store: SqlStore) -> None:
    leased = begun(sql_store)
    erase(sql_store)
    assert not sql_store.renew(leased, lease_s=15)
    before = sql_store.load(WORKSPACE, RECORDING)
    stored = Decision(replace(before.transcription, phase=Phase.STORED, current="t1"))
    with pytest.raises(LeaseLost):
        sql_store.commit(before, stored, event=DONE, source=Source(command=leased), artifact=RESULT)
    assert sql_store.load(WORKSPACE, RECORDING).transcription.phase is Phase.ERASED
    assert sql_store.read_all(sa.select(t.artifacts.c.id)) == []


@pytest.mark.slow
def test_an_announcement_on_its_way_puts_nothing_back_and_is_sent_no_more(sql_store: SqlStore) -> None:
    full(sql_store)
    (number,) = [id_ for (id_,) in sql_store.read_all(sa.select(outgoing.c.id))]
    taken = sql_store.take_announcement(number, "crm", "digest", lease_s=30, probe_s=20)
    assert taken is not None
    erase(sql_store)
    sql_store.settle_announcement(
        taken, Try("500", 0.01, body="a-title"), digest="digest", next_after_s=5.0, open_s=60
    )
    assert sql_store.resend_announcement(number) is None
    assert not [column for column in held(sql_store) if column.startswith("outgoing")]
    assert sql_store.due_announcements({"crm": "digest"}, limit_each=50, offer_again_s=15) == []


def detailed(store: SqlStore) -> list[str]:
    return store.detailed_before(WORKSPACE, kept_s=60.0, heard_after=0.0, limit=9)


@pytest.mark.slow
def test_details_go_and_the_result_stays(sql_store: SqlStore) -> None:
    full(sql_store)
    before = sql_store.load(WORKSPACE, RECORDING)
    ended = replace(
        before.transcription, phase=Phase.STORED, current="t1", completed_at=5.0, first_heard_at=1.0
    )
    sql_store.commit(before, Decision(ended), event=DONE, source=HAND)
    sql_store.clock_offset_s = 100.0
    assert detailed(sql_store) == [RECORDING]
    erase(sql_store, events.DetailsExpired(9.0))
    assert set(held(sql_store)) == {"artifacts.draft", "deliveries.body"}
    assert detailed(sql_store) == []
    assert sql_store.ended_before(WORKSPACE, [Phase.STORED], kept_s=60.0, limit=9) == [RECORDING]
    assert sql_store.ended_before(WORKSPACE, [Phase.FAILED], kept_s=60.0, limit=9) == []
    assert sql_store.ended_before(OTHER, [Phase.STORED], kept_s=60.0, limit=9) == []


def test_bodies_that_name_an_id_are_dropped_wherever_they_belong(sql_store: SqlStore) -> None:
    sql_store.add_deliveries([delivery(f"m{n}", body=BODY if n % 2 else b"{}") for n in range(6)])
    taken = take_deliveries(sql_store, 6)
    assert sql_store.forget_bodies_naming({"bot-1"}) == 0, "not applied yet"
    sql_store.close_deliveries([Closing(one.id, "nothing to do", "bot.done") for one in taken])
    assert sql_store.forget_bodies_naming({"bot-1", "bot-2"}) == 3
    assert set(held(sql_store)) == set()


def test_the_commands_of_an_erasure_are_found_until_they_are_done(sql_store: SqlStore) -> None:
    full(sql_store)
    erase(sql_store)
    (left,) = sql_store.left_to_erase()
    assert (left.workspace, left.recording_id) == (WORKSPACE, RECORDING)
    leased = take(sql_store, left.command_id, lease_s=15)
    assert leased is not None
    sql_store.drop(leased)
    assert sql_store.left_to_erase() == []
    assert sql_store.truncate_log()
    assert list(sql_store.known_recordings()) == []
    assert sql_store.erased() == [(WORKSPACE, RECORDING)]
