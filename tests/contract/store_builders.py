"""Short words for the store's tests: one recording, its events, its decisions."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.adapters.sql.store import SqlStore
from app.core import events
from app.core.commands import Command, CreateTranscript
from app.core.cost import Cost
from app.core.machine import Decision
from app.core.state import Attempt, AttemptStatus, Phase, Transcription
from app.orchestrator.ports import Store
from app.orchestrator.records import Committed, Leased, Loaded, NewDelivery, Send, Source
from tests.doubles.memory_store import MemoryStore
from tests.taking import take

WORKSPACE, RECORDING = "default", "5f0e1f2a-recording"
DONE = events.RecordingDone(at=1.0, bot_id="bot-1", metadata=(("name", "Ada Lovelace"),))
CREATE = CreateTranscript(1, "recallai_async")
HAND = Source(by="person")
S = TypeVar("S")
T = TypeVar("T")


def delivery(webhook_id: str, *, body: bytes = b"{}", workspace: str = WORKSPACE) -> NewDelivery:
    return NewDelivery(workspace, webhook_id, 1000.0, 1000, "label", body)


def creating(before: Loaded, *commands: Command, **changes: Any) -> Decision:
    """The recording is done: a create is planned."""
    state = replace(before.transcription, phase=Phase.CREATING, planned=1, is_recording_done=True, **changes)
    return Decision(state, commands)


def begin(
    store: Store, *commands: Command, recording_id: str = RECORDING, workspace: str = WORKSPACE
) -> Committed:
    """A transcription at version 1, with these commands."""
    before = store.load(workspace, recording_id)
    return store.commit(before, creating(before, *commands), event=DONE, source=HAND)


def begun(store: Store, command: Command = CREATE, *, recording_id: str = RECORDING) -> Leased:
    """A transcription whose command is taken by us."""
    (offer,) = begin(store, command, recording_id=recording_id).offerable
    leased = take(store, offer.id, lease_s=15)
    assert leased is not None
    return leased


def claim(
    store: Store,
    *,
    ordinal: int = 1,
    key_serial: int = 0,
    recording_id: str = RECORDING,
    source: Source = HAND,
    bot: str = "bot-1",
    fingerprint: str = "f1",
    cost: Cost | None = None,
    **limits: Any,
) -> Committed:
    """Attempt `ordinal` is claimed and its send stamped."""
    before = store.load(WORKSPACE, recording_id)
    line = Attempt(ordinal, "recallai_async", AttemptStatus.SENDING, key_serial, cost=cost)
    send = Send(ordinal, key_serial, f"key-{ordinal}-{key_serial}", fingerprint, bot)
    event = events.Sending(1.0, ordinal, line.provider, key_serial)
    # A repeated claim must differ from the state before, or the version would not move.
    state = replace(
        before.transcription.with_attempt(line), recording_asks=before.transcription.recording_asks + 1
    )
    return store.commit(before, Decision(state), event=event, source=source, send=send, **limits)


def state_of(store: Store, recording_id: str = RECORDING) -> Transcription:
    return store.load(WORKSPACE, recording_id).transcription


def at_once(work: Callable[[S], T], items: Sequence[S]) -> list[T | Exception]:
    """Does the work on each item in a thread of its own, started together; what each returned or raised."""
    gate = threading.Barrier(len(items))

    def run(item: S) -> T | Exception:
        gate.wait()
        try:
            return work(item)
        except Exception as error:  # the test judges it
            return error

    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(run, items))


def history_of(store: MemoryStore | SqlStore, recording_id: str = RECORDING) -> list[Mapping[str, Any]]:
    """One line per commit, oldest first."""
    if isinstance(store, MemoryStore):
        return store.history(WORKSPACE, recording_id)
    row = t.history
    lines = sa.select(row).where(row.c.workspace == WORKSPACE, row.c.recording_id == recording_id)
    with store.reading() as connection:
        found = connection.execute(lines.order_by(row.c.id)).mappings()
        return [
            {**line, "commands": json.loads(line["commands"]), "summary": json.loads(line["summary"])}
            for line in found
        ]
