"""
Providers that are down: one breaker per workspace and provider, for all workers of all machines.

The rule is `core.circuit_breaker`'s; here it is applied to a locked row, by the database's clock. A provider
without a row is closed, as a rule: then nothing is written and no lock is taken.
"""

from __future__ import annotations

from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql import tables as t
from app.adapters.sql.engine import Database
from app.core.circuit_breaker import CircuitBreaker

_BREAKER = sa.select(
    t.breakers.c.failures, t.breakers.c.open_until, t.breakers.c.open_for_s, t.breakers.c.probing_until
)


class CircuitBreakers(Database):
    """`app.orchestrator.ports.CircuitBreakers`."""

    def record_result(self, workspace: str, provider: str, *, worked: bool, open_s: float) -> None:
        """A transcript of this provider was finished (`worked`) or failed by its fault."""
        is_it = _is_of(workspace, provider)
        if worked:
            # Read first: every transcript that works comes here, and hardly one finds something to remove.
            if self.read_first(_BREAKER.where(is_it)) is not None:
                self.write(t.breakers.delete().where(is_it))
            return
        with self.writing() as connection:
            nothing = self.insert(t.breakers).values(workspace=workspace, provider=provider, failures=0)
            connection.execute(nothing.on_conflict_do_nothing())
            breaker, now = self._locked(connection, is_it)
            if breaker is not None:
                _write(connection, is_it, breaker.failed(now=now, open_s=open_s))

    def tripped_providers(self, workspace: str) -> frozenset[str]:
        """Open now and not yet due for a probe, or half-open with a probe out."""
        row = t.breakers
        is_open = sa.or_(row.c.open_until > self.db_now, row.c.probing_until > self.db_now)
        tripped = sa.select(row.c.provider).where(row.c.workspace == workspace, is_open)
        return frozenset(provider for (provider,) in self.read_all(tripped))

    def allow_request(self, workspace: str, provider: str, *, probe_s: float) -> bool:
        """True when closed, or when this caller becomes the one probe of the next `probe_s` seconds."""
        is_it = _is_of(workspace, provider)
        found = self.read_first(_BREAKER.where(is_it))
        if found is None or found.open_until is None:
            return True
        with self.writing() as connection:
            breaker, now = self._locked(connection, is_it)
            if breaker is None or breaker.open_until is None:
                return True  # it was closed in this very moment
            if breaker.is_open(now):
                return False
            _write(connection, is_it, breaker.probed(now=now, probe_s=probe_s))
            return True

    def release_probe(self, workspace: str, provider: str) -> None:
        """Gives the place of the probe back; nothing where there is none."""
        is_probing = sa.and_(_is_of(workspace, provider), t.breakers.c.probing_until.is_not(None))
        if self.read_first(_BREAKER.where(is_probing)) is not None:
            self.write(t.breakers.update().where(is_probing).values(probing_until=None))

    def _locked(
        self, connection: Connection, is_it: sa.ColumnElement[bool]
    ) -> tuple[CircuitBreaker | None, float]:
        found = connection.execute(_BREAKER.where(is_it).with_for_update()).first()
        # Asked after the lock was got: the wait for it is part of the past.
        return (CircuitBreaker(*found) if found is not None else None), self.now_in(connection)


def _write(connection: Connection, is_it: sa.ColumnElement[bool], breaker: CircuitBreaker) -> None:
    connection.execute(t.breakers.update().where(is_it).values(**asdict(breaker)))


def _is_of(workspace: str, provider: str) -> sa.ColumnElement[bool]:
    return sa.and_(t.breakers.c.workspace == workspace, t.breakers.c.provider == provider)
