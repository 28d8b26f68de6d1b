"""
Is the service ready, and if not, which part? Only the database decides about "unavailable": without it
a delivery cannot be kept. Everything else makes the service late, not deaf.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.adapters.blobs import LocalBlobs
from app.adapters.rq_queue import RqQueue
from app.adapters.sql_store import SqlStore
from app.errors import BlobsUnavailable, QueueUnavailable, StoreUnavailable

# Two missed signs of life of the dispatcher, which beats every few seconds.
_ALIVE_WITHIN_S = 30.0


class Readiness:
    """Asks every part; the caller caches the answer for a second."""

    def __init__(self, store: SqlStore, queue: RqQueue, blobs: LocalBlobs) -> None:
        self._store, self._queue, self._blobs = store, queue, blobs

    def ask(self) -> tuple[Mapping[str, object], bool]:
        """The body of `/readyz`, and whether a write to the inbox works."""
        database = _state(self._store.check_write, StoreUnavailable)
        parts = {
            "database": database,
            "queue": _state(self._queue.check_write, QueueUnavailable),
            "storage": _state(self._blobs.check, BlobsUnavailable),
            "workers": "unknown",
            "recall": "unknown",
        }
        body: dict[str, object] = {"parts": parts, "oldest_undone_s": None}
        if database == "ok":
            self._add_what_the_database_knows(parts, body)
        is_ready = parts["database"] == "ok"
        is_whole = all(state in ("ok", "unknown") for state in parts.values())
        body["status"] = "unavailable" if not is_ready else "ok" if is_whole else "degraded"
        return {"status": body.pop("status"), **body}, is_ready

    def _add_what_the_database_knows(self, parts: dict[str, str], body: dict[str, object]) -> None:
        try:
            undone_s, beats, now = self._store.oldest_undone_s(), self._store.heartbeats(), self._store.now()
            pause = self._store.paused("default")
        except StoreUnavailable:
            parts["database"] = "down"
            return
        body["oldest_undone_s"] = undone_s
        parts["workers"] = self._workers(beats)
        parts["recall"] = "ok" if pause is None else "paused"
        if pause is not None:
            body["recall_paused"] = {"cause": pause.cause, "since_s": round(now - pause.since, 1)}

    def _workers(self, beats: Mapping[str, tuple[float, str]]) -> str:
        beat = beats.get("dispatcher")
        if beat is None or beat[0] > _ALIVE_WITHIN_S:
            return "down"
        try:
            return "ok" if all(queue.workers for queue in self._queue.counts()) else "down"
        except QueueUnavailable:
            return "unknown"


def _state(ask: Callable[[], None], away: type[Exception]) -> str:
    try:
        ask()
    except away:
        return "down"
    return "ok"
