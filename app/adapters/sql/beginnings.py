"""
What every job begins with, in one transaction: was this installation away, does its clock stand where it
should, and then the deliveries to apply, or a command with all that is to be known before it is performed.

An absence that was not noted yet is noted first, by `liveness`, in a transaction of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql import tables as t
from app.adapters.sql.inbox import DeliveryInbox
from app.adapters.sql.liveness import Liveness
from app.adapters.sql.loading import LoadedRows, loaded_of
from app.adapters.sql.outbox import leased_of
from app.adapters.sql.transitions import Transitions
from app.orchestrator.records import KEYS_IN_USE, Begun, Presence, Received

_Rows = tuple[sa.Row[Any], LoadedRows, Sequence[sa.Row[str, str]]]
_T = TypeVar("_T")
_PAUSED, _KEY, _TRIPPED = "paused", "key", "tripped"


class Beginnings(Transitions, DeliveryInbox, Liveness):
    """`receive` and `begin` of `app.orchestrator.ports`."""

    def receive(self, limit: int, presence: Presence) -> Received:
        """See `app.orchestrator.ports.DeliveryInbox.receive`."""
        return self._present(presence, partial(self._receive, limit))

    def begin(self, command_id: int, presence: Presence, *, lease_s: float) -> Begun | None:
        """See `app.orchestrator.ports.Leases.begin`."""
        found, at = self._present(presence, partial(self._begin, command_id, lease_s))
        return _begun(found, at) if found is not None else None

    def _present(self, presence: Presence, work: Callable[[Connection, float, float], _T]) -> _T:
        """Work that is given a transaction, the database's clock, and when the last absence ended."""
        with self.writing() as connection:
            reading, away_until = self.read_presence(connection, presence.boot)
            if reading.is_ordinary(presence.quiet_s):
                return work(connection, reading.now, away_until)
        away_until = self.record_heartbeat(quiet_s=presence.quiet_s, boot=presence.boot)
        with self.writing() as connection:
            return work(connection, self.now_in(connection), away_until)

    def _receive(self, limit: int, connection: Connection, at: float, away_until: float) -> Received:
        found = self.take_deliveries_in(connection, limit)
        waiting = sa.select(t.deliveries.c.id).where(t.deliveries.c.applied_at.is_(None))
        others = connection.execute(waiting.limit(len(found) + 1)).all() if found else ()
        return Received(found, at, away_until, has_more=len(others) > len(found))

    def _begin(
        self, command_id: int, lease_s: float, connection: Connection, at: float, _: float
    ) -> tuple[_Rows | None, float]:
        taken = self.take_in(connection, command_id, lease_s=lease_s)
        if taken is None:
            return None, at
        loaded = self.load_in(connection, taken.workspace, taken.recording_id)
        return (taken, loaded, connection.execute(_standing(taken.workspace)).all()), at


def _begun(found: _Rows, at: float) -> Begun:
    taken, loaded, standing = found
    known = defaultdict[str, set[str]](set)
    for what, name in standing:
        known[what].add(name)
    return Begun(
        leased_of(taken),
        loaded_of(taken.workspace, taken.recording_id, loaded),
        at,
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
