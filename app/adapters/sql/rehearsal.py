"""
The statements of a recording without trouble, run once in a transaction that is rolled back: SQLAlchemy
compiles a statement when it first meets it, up to a millisecond each, within the transaction that holds
SQLite's write lock. Horses that are forked afterwards inherit what was compiled.
"""

from __future__ import annotations

import uuid

from app.adapters.sql.search_results import StoredResults
from app.adapters.sql.store import SqlStore
from app.clock import SystemClock, boot_id
from app.core import events
from app.core.machine import decide
from app.core.policy import Policy, ProviderChoice
from app.orchestrator.records import (
    Announcement,
    ArtifactRow,
    BootClock,
    Committed,
    Leased,
    Presence,
    Send,
    SendOutcome,
    Source,
)
from app.recall.limits import CREATES_PER_BOT
from app.recall.types import Answer

_WORKSPACE, _PROVIDER, _TRANSCRIPT = "", "rehearsed_async", "rehearsed"
_POLICY = Policy(providers=(ProviderChoice(_PROVIDER),), attempts=1)
_LEASE_S = 15.0


def rehearse(store: SqlStore) -> None:
    """Raises `StoreUnavailable`. Nothing of it is kept."""
    with store.rehearsal():
        _Rehearsal(store).play()


class _Rehearsal:
    def __init__(self, store: SqlStore) -> None:
        self._store, self._presence = store, Presence(600.0, BootClock(boot_id(), SystemClock().boottime))
        self._recording = str(uuid.uuid4())  # several workers rehearse at a time

    def play(self) -> None:
        store, provider, heard = self._store, _PROVIDER, Source(by="webhook")
        store.receive(1, self._presence)
        at = store.now()
        create = self._begun(self._step(events.RecordingDone(at), heard))
        claim = Source(command=create, is_finished=False, by="worker")
        send = Send(1, 0, key=self._recording, fingerprint="", bot=self._recording)
        stamped = self._step(events.Sending(at, 1, provider, 0), claim, send)
        assert stamped.send_id is not None
        store.record_send_outcome(stamped.send_id, outcome=SendOutcome("created", 201))
        done = Source(command=create, by="worker", answers=(Answer("create", "2xx"),))
        self._step(events.Created(at, 1, _TRANSCRIPT, provider), done)
        fetch = self._begun(self._step(events.TranscriptDone(at, _TRANSCRIPT, 1), heard))
        store.reserve(_WORKSPACE, "retrieve", gap_s=0.0)
        store.renew(fetch, lease_s=_LEASE_S)
        stored = events.Stored(at, _TRANSCRIPT, provider, None, is_empty=False)
        artifact = ArtifactRow(_WORKSPACE, self._recording, _TRANSCRIPT, 1, provider, "ok", None, folder="")
        self._step(stored, Source(command=fetch, by="worker"), artifact=artifact)
        store.record_result(_WORKSPACE, provider, worked=True, open_s=0.0)
        store.tripped_providers(_WORKSPACE)
        store.paused(_WORKSPACE)
        StoredResults(store).results_of(_WORKSPACE, [self._recording])
        store.due(1, offer_again_s=_LEASE_S)

    def _step(
        self,
        event: events.Event,
        source: Source,
        send: Send | None = None,
        artifact: ArtifactRow | None = None,
    ) -> Committed:
        before = self._store.load(_WORKSPACE, self._recording)
        decision = decide(before.transcription, event, _POLICY, pending=before.pending)
        limit = (CREATES_PER_BOT, 60.0) if send else None
        news = () if artifact is None else (Announcement(self._recording, "", "", None, facts="{}"),)
        return self._store.commit(
            before,
            decision,
            event=event,
            source=source,
            send=send,
            artifact=artifact,
            bot_limit=limit,
            budget=1,
            news=news,
        )

    def _begun(self, committed: Committed) -> Leased:
        """The first command that it left."""
        begun = self._store.begin(committed.offerable[0].id, self._presence, lease_s=_LEASE_S)
        assert begun is not None
        return begun.leased
