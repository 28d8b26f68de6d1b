"""
What `/v1` keeps: its API keys, their rates, their requests of the last day, and what they said of a
workspace's processing. Digests alone, never a key.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql import tables as t
from app.adapters.sql.api_tables import access_keys, idempotency, processing
from app.adapters.sql.engine import Database
from app.core.policy import Processing

REQUESTS_KEPT_S = 24 * 3600.0
# A request whose answer is not known after this long died on the way: the same key may try again.
REQUEST_TAKES_S = 60.0


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An API key as it is kept. `workspace`: the only one that it sees; None: all of them."""

    name: str
    digest: str
    scopes: frozenset[str]
    workspace: str | None = None
    created_at: float = 0.0
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class EarlierRequest:
    """What is known of a request with the same Idempotency-Key. `status`: None while it is being done."""

    digest: str
    status: int | None


class Access(Database):
    """Keys, requests, rates, processing."""

    def access_keys(self) -> list[AccessKey]:
        """All of them, revoked ones too, by name."""
        row = access_keys.c
        columns = (row.name, row.digest, row.scopes, row.workspace, row.created_at, row.revoked_at)
        return [
            AccessKey(name, digest, frozenset(scopes.split("+")), *rest)
            for name, digest, scopes, *rest in self.read_all(sa.select(*columns).order_by(row.name))
        ]

    def add_access_key(self, key: AccessKey) -> bool:
        """False when the name is taken, by a revoked key too."""
        values = {
            "name": key.name,
            "digest": key.digest,
            "scopes": "+".join(sorted(key.scopes)),
            "workspace": key.workspace,
            "created_at": self.db_now,
        }
        new = self.insert(access_keys).values(values).on_conflict_do_nothing()
        with self.writing() as connection:
            return connection.execute(new.returning(access_keys.c.name)).first() is not None

    def revoke_access_key(self, name: str) -> bool:
        """False when there is none of this name that is in use."""
        row = access_keys.c
        is_it = sa.and_(row.name == name, row.revoked_at.is_(None))
        return self.write(sa.update(access_keys).where(is_it).values(revoked_at=self.db_now)) == 1

    def take_requests(self, name: str, number: int, *, gap_s: float, burst_s: float) -> float | None:
        """
        Takes the right to so many requests of a key, a token each `gap_s` seconds and at most `burst_s`
        seconds of them at once. Returns None, or in how many seconds there are enough.
        """
        row, key = t.rates.c, {"workspace": "", "rate": f"api:{name}"}
        begins = t.later(row.next_at, self.db_now)
        is_free = row.next_at + number * gap_s <= self.db_now + burst_s
        first = self.insert(t.rates).values({**key, "next_at": self.db_now + number * gap_s})
        taken = first.on_conflict_do_update(
            index_elements=list(key), set_={"next_at": begins + number * gap_s}, where=is_free
        )
        with self.writing() as connection:
            if connection.execute(taken.returning(row.next_at)).first() is not None:
                return None
            its = sa.and_(row.workspace == "", row.rate == key["rate"])
            left = sa.select(row.next_at + number * gap_s - self.db_now - burst_s).where(its)
            return max(0.0, float(connection.execute(left).scalar_one()))

    def begin_request(self, access_key: str, key: str, *, digest: str) -> EarlierRequest | None:
        """
        None: nothing of it is known, and it is the caller's to do now and to `end_request`. An earlier one
        that never ended is taken over after `REQUEST_TAKES_S`.
        """
        row, its = idempotency.c, {"access_key": access_key, "key": key}
        is_dead = sa.and_(row.status.is_(None), row.at < self.db_now - REQUEST_TAKES_S, row.digest == digest)
        begun = self.upsert(idempotency, its, {"digest": digest, "at": self.db_now}, where=is_dead)
        with self.writing() as connection:
            connection.execute(sa.delete(idempotency).where(row.at < self.db_now - REQUESTS_KEPT_S))
            if connection.execute(begun.returning(row.at)).first() is not None:
                return None
            earlier = sa.select(row.digest, row.status).where(row.access_key == access_key, row.key == key)
            return EarlierRequest(*connection.execute(earlier).one())

    def end_request(self, access_key: str, key: str, *, status: int | None) -> None:
        """How it was answered; None: it was not, and may be sent again."""
        row = idempotency.c
        its = sa.and_(row.access_key == access_key, row.key == key)
        if status is None:
            self.write(sa.delete(idempotency).where(its))
        else:
            self.write(sa.update(idempotency).where(its).values(status=status))

    def processing(self, workspace: str) -> Processing | None:
        """What was said of its processing; None: nothing."""
        with self.reading() as connection:
            return processing_in(connection, workspace)

    def set_processing(self, workspace: str, *, is_enabled: bool, provider: str | None, by: str) -> None:
        """In place of what was said before."""
        values = {"is_enabled": is_enabled, "provider": provider, "by": by, "at": self.db_now}
        self.write(self.upsert(processing, {"workspace": workspace}, values))


def processing_in(connection: Connection, workspace: str) -> Processing | None:
    """`Access.processing` within a transaction."""
    row = processing.c
    wanted = sa.select(row.is_enabled, row.provider, row.by, row.at).where(row.workspace == workspace)
    found = connection.execute(wanted).first()
    return None if found is None else Processing(*found)
