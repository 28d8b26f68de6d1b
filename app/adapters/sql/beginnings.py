"""
What every job begins with: was this installation away, does its clock stand where it should, and the
deliveries to apply, or a command with all that is to be known before it is performed.

One short transaction takes, another one reads: SQLite's write lock, which acknowledgements wait for, is held
for one statement. An absence that was not noted yet is noted by `liveness`, in a transaction of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql import tables as t
from app.adapters.sql.inbox import DeliveryInbox
from app.adapters.sql.liveness import Liveness
from app.adapters.sql.loading import LoadedRows, loaded_of
from app.adapters.sql.outbox import leased_of
from app.adapters.sql.transitions import Transitions
from app.orchestrator.records import KEYS_IN_USE, Begun, Leased, Presence, Received

_Rows = tuple[LoadedRows, Sequence[sa.Row[str, str]]]
_T = TypeVar("_T")
_PAUSED, _KEY, _TRIPPED = "paused", "key", "tripped"


@dataclass(frozen=True, slots=True)
class _Seen(Generic[_T]):
    """What was read, when by the database's clock, and when the last absence ended."""

    found: _T
    at: float
    away_until: float
    is_noted: bool = False  # a heartbeat was due, and may have moved rows to another clock


class Beginnings(Transitions, DeliveryInbox, Liveness):
    """`receive` and `begin` of `app.orchestrator.ports`."""

    def receive(self, limit: int, presence: Presence) -> Received:
        """See `app.orchestrator.ports.DeliveryInbox.receive`."""
        unapplied = sa.select(t.deliveries.c.id).where(t.deliveries.c.applied_at.is_(None)).limit(limit + 1)
        # First: a delivery whose try is counted is applied, or the try is taken back.
        seen = self._present(presence, lambda connection: connection.execute(unapplied).all())
        if not seen.found:
            return Received([], seen.at, seen.away_until, has_more=False)
        with self.writing() as connection:
            taken, at = self.take_deliveries_in(connection, limit), self.now_in(connection)
        # More may have come since: a full batch has another one after it, which may be empty.
        has_more = 0 < len(taken) < len(seen.found) or len(taken) == limit
        return Received(taken, at, seen.away_until, has_more=has_more)

    def begin(self, command_id: int, presence: Presence, *, lease_s: float) -> Begun | None:
        """See `app.orchestrator.ports.Leases.begin`."""
        with self.writing() as connection:
            taken = self.take_in(connection, command_id, lease_s=lease_s)
        if taken is None:
            return None
        leased = leased_of(taken)
        # After the lease: what the worker before this one committed is seen.
        seen = self._present(presence, lambda connection: self._facts(connection, leased))
        # A clock that was set back has moved the lease as well, into the past.
        is_ours = not seen.is_noted or self.renew(leased, lease_s=lease_s)
        return _begun(leased, seen) if is_ours else None

    def _present(self, presence: Presence, read: Callable[[Connection], _T]) -> _Seen[_T]:
        with self.reading() as connection:
            reading, away_until = self.read_presence(connection, presence.boot)
            found = read(connection)
        if reading.is_ordinary(presence.quiet_s):
            return _Seen(found, reading.now, away_until)
        away_until = self.record_heartbeat(quiet_s=presence.quiet_s, boot=presence.boot)
        with self.reading() as connection:
            return _Seen(read(connection), self.now_in(connection), away_until, is_noted=True)

    def _facts(self, connection: Connection, leased: Leased) -> _Rows:
        loaded = self.load_in(connection, leased.workspace, leased.recording_id)
        return loaded, connection.execute(_standing(leased.workspace)).all()


def _begun(leased: Leased, seen: _Seen[_Rows]) -> Begun:
    loaded, standing = seen.found
    known = defaultdict[str, set[str]](set)
    for what, name in standing:
        known[what].add(name)
    return Begun(
        leased,
        loaded_of(leased.workspace, leased.recording_id, loaded),
        seen.at,
        is_paused=bool(known[_PAUSED]),
        keys=frozenset(known[_KEY]),
        tripped=frozenset(known[_TRIPPED]),
    )


def _standing(workspace: str) -> sa.CompoundSelect[str, str]:
    """What stands in the way of a workspace's commands, or does not: rows of (what, name)."""
    pause, key, breaker = t.pauses.c, t.recall_keys.c, t.breakers.c
    is_in_use = key.status.in_(sorted(KEYS_IN_USE))
    return sa.union_all(
        sa.select(sa.literal(_PAUSED), pause.cause).where(pause.workspace == workspace),
        sa.select(sa.literal(_KEY), key.fingerprint).where(key.workspace == workspace, is_in_use),
        sa.select(sa.literal(_TRIPPED), breaker.provider).where(
            breaker.workspace == workspace, breaker.open_until.is_not(None)
        ),
    )
