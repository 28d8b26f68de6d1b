"""
Announcements: rows by which endpoints are told what became of a recording, their leases, the log of tries.

A row is written in the commit of the state that it is about. At most two of one endpoint are leased at once,
counted under the lock of the endpoint's row. An endpoint that answered 410 under its present address, or
whose circuit breaker is open, has none that is due; what waits for it waits.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql.outgoing_tables import endpoints, outgoing, outgoing_tries
from app.adapters.sql.tables import is_free
from app.adapters.sql.tallies import RecallAnswers
from app.core.circuit_breaker import CircuitBreaker
from app.core.state import Transcription
from app.orchestrator.records import Announcement, AnnouncementOffer, TakenAnnouncement

MOST_IN_FLIGHT = 2
WAITING, DELIVERED, GIVEN_UP = "waiting", "delivered", "given_up"
WELL, FAILING, DISABLED = "ok", "failing", "disabled"
COUNTED = "outgoing:"  # and endpoint and result, in `tallies`
_EARLY_S = 0.05  # an announcement may be taken this much before its time: the offer was on its way
_STATE = sa.select(
    endpoints.c.digest,
    endpoints.c.failures,
    endpoints.c.open_until,
    endpoints.c.open_for_s,
    endpoints.c.probing_until,
)


@dataclass(frozen=True, slots=True)
class Try:
    """How one try ended. `answer`: a status, or a word for why there was none."""

    answer: str
    took_s: float
    is_taken: bool = False
    is_gone: bool = False  # 410: the endpoint is disabled
    body: str | None = None  # what was sent; kept while it may have to be sent again


@dataclass(frozen=True, slots=True)
class EndpointState:
    """What was learnt of an endpoint. `digest`: of the address that answered 410."""

    digest: str | None = None
    disabled_at: float | None = None
    breaker: CircuitBreaker = CircuitBreaker()
    delivered_at: float | None = None
    has_waiting: bool = False  # something is to be sent to it

    def said(self, digest: str) -> str:
        """`disabled`, `failing` (its breaker is open, and something waits) or `ok`, at this address."""
        if self.digest == digest:
            return DISABLED
        return FAILING if self.breaker.open_until is not None and self.has_waiting else WELL


@dataclass(frozen=True, slots=True)
class Delivered:
    """An announcement, and what became of it. `tries`: moment, answer, milliseconds of each."""

    id: int
    webhook_id: str
    endpoint: str
    event: str
    workspace: str
    recording_id: str
    status: str
    created_at: float
    due_at: float | None
    tries: tuple[tuple[float, str, int], ...] = ()


class Announcements(RecallAnswers):
    """Written by commits (`announce_in`), sent by the process `outgoing`."""

    def announce_in(
        self, connection: Connection, after: Transcription, news: Sequence[Announcement]
    ) -> tuple[AnnouncementOffer, ...]:
        """Within the commit of the state; the caller hands them to the queue at once."""
        offers = []
        for one in news:
            values: dict[str, Any] = {
                "endpoint": one.endpoint,
                "event": one.event,
                "workspace": after.workspace,
                "recording_id": after.recording_id,
                "transcript_id": one.transcript_id,
                "facts": one.facts,
                "created_at": self.db_now,
                **_anew(self.db_now, offered_at=self.db_now),
            }
            put = self.upsert(outgoing, {"webhook_id": one.webhook_id}, values).returning(outgoing.c.id)
            offers.append(AnnouncementOffer(int(connection.execute(put).scalar_one()), one.endpoint))
        return tuple(offers)

    def take_announcement(
        self, announcement_id: int, endpoint: str, digest: str, *, lease_s: float, probe_s: float
    ) -> TakenAnnouncement | None:
        """
        With a new token, when it is due, of this endpoint, not leased, and the endpoint may be asked.

        Args:
            digest: Of the endpoint's present address.
        """
        row = outgoing
        with self.writing() as connection:
            is_disabled, breaker, now = self._locked_endpoint(connection, endpoint, digest)
            if is_disabled or breaker.is_open(now):
                return None
            leased = sa.select(sa.func.count()).where(row.c.endpoint == endpoint, row.c.leased_until > now)
            if connection.execute(leased).scalar_one() >= MOST_IN_FLIGHT:
                again = row.update().where(row.c.id == announcement_id).values(offered_at=None)
                connection.execute(again)
                return None
            taken = row.update().where(row.c.id == announcement_id, row.c.endpoint == endpoint)
            taken = taken.where(row.c.due_at <= now + _EARLY_S, row.c.facts.is_not(None))
            taken = taken.where(is_free(row.c.leased_until, sa.literal(now, sa.Double)))
            token = secrets.token_hex(8)
            taken = taken.values(token=token, leased_until=now + lease_s, tries=row.c.tries + 1)
            columns = [row.c[name] for name in TakenAnnouncement.__slots__]
            found = connection.execute(taken.returning(*columns)).first()
            if found is not None and breaker.open_until is not None:
                _put_breaker(connection, endpoint, breaker.probed(now=now, probe_s=probe_s))
            return TakenAnnouncement(*found) if found is not None else None

    def settle_announcement(
        self, taken: TakenAnnouncement, ended: Try, *, digest: str, next_after_s: float | None, open_s: float
    ) -> None:
        """
        How a try ended: the log, the row, what it says of the endpoint.

        Args:
            next_after_s: Until it is sent again; None: never. Not asked of one that was taken.
        """
        row = outgoing
        is_over = ended.is_taken or (next_after_s is None and not ended.is_gone)
        values: dict[str, Any] = {
            "leased_until": None,
            "token": None,
            "offered_at": None,
            "answer": ended.answer,
        }
        if is_over:
            status = DELIVERED if ended.is_taken else GIVEN_UP
            values |= {"status": status, "due_at": None, "body": None, "ended_at": self.db_now}
        else:
            values |= {"due_at": self.db_now + (next_after_s or 0.0), "body": ended.body}
        log = {"answer": ended.answer, "took_ms": round(1000 * ended.took_s), "at": self.db_now}
        with self.writing() as connection:
            is_disabled, breaker, now = self._locked_endpoint(connection, taken.endpoint, digest)
            connection.execute(row.update().where(_is_ours(taken)).values(values))
            connection.execute(outgoing_tries.insert().values(outgoing_id=taken.id, **log))
            if ended.is_taken:
                healthy = {**asdict(CircuitBreaker()), "delivered_at": self.db_now}
                if not is_disabled:  # of another address; what was under way beside a 410 takes nothing back
                    healthy |= {"digest": None, "disabled_at": None}
                self._put_endpoint(connection, taken.endpoint, healthy)
            elif ended.is_gone:
                self._put_endpoint(connection, taken.endpoint, {"digest": digest, "disabled_at": self.db_now})
            else:
                _put_breaker(connection, taken.endpoint, breaker.failed(now=now, open_s=open_s))
            result = DELIVERED if ended.is_taken else GIVEN_UP if is_over else "failed"
            self.add_tallies(connection, {f"{COUNTED}{taken.endpoint}:{result}": 1})

    def put_off_announcement(self, taken: TakenAnnouncement, *, after_s: float) -> None:
        """Due again later, the try not counted: nothing was sent."""
        values = {"leased_until": None, "token": None, "offered_at": None, "tries": outgoing.c.tries - 1}
        self.write(outgoing.update().where(_is_ours(taken)).values(**values, due_at=self.db_now + after_s))

    def due_announcements(
        self, digests: Mapping[str, str], *, limit_each: int, offer_again_s: float
    ) -> list[AnnouncementOffer]:
        """
        Those that are due, neither leased nor offered within `offer_again_s`, of endpoints that may be asked.
        Reads only.

        Args:
            digests: Of their present addresses, by the names of the endpoints there are.
        """
        row, found = outgoing, list[AnnouncementOffer]()
        with self.reading() as connection:
            now = self.now_in(connection)
            states = endpoint_states(connection)
            for name, digest in digests.items():
                state = states.get(name, EndpointState())
                if state.digest == digest or state.breaker.is_open(now):
                    continue
                at = sa.literal(now, sa.Double)
                due = sa.select(row.c.id).where(row.c.endpoint == name, row.c.due_at <= now)
                due = due.where(is_free(row.c.leased_until, at))
                due = due.where(is_free(row.c.offered_at, at - offer_again_s))
                due = due.order_by(row.c.due_at, row.c.id).limit(limit_each)
                found += [AnnouncementOffer(id_, name) for id_ in connection.execute(due).scalars()]
        return found

    def mark_announcements_offered(self, ids: Iterable[int]) -> None:
        """They are in the queue now."""
        marked = outgoing.update().where(outgoing.c.id.in_(sorted(ids))).values(offered_at=self.db_now)
        self.write(marked)

    # -- by hand -----------------------------------------------------------------------------------

    def enable_endpoint(self, name: str) -> int:
        """It may be asked again at once; returns how many announcements wait for it, due from now on."""
        row = outgoing
        waiting = row.update().where(row.c.endpoint == name, row.c.due_at.is_not(None))
        with self.writing() as connection:
            connection.execute(endpoints.delete().where(endpoints.c.name == name))
            return connection.execute(waiting.values(due_at=self.db_now, offered_at=None)).rowcount

    def resend_announcement(self, announcement_id: int) -> str | None:
        """
        From its first try on, with the text as it is stored now. Returns its endpoint; None: there is no such
        announcement, or it is erased.
        """
        row = outgoing
        again = row.update().where(row.c.id == announcement_id, row.c.facts.is_not(None))
        again = again.values(**_anew(self.db_now, offered_at=None)).returning(row.c.endpoint)
        with self.writing() as connection:
            return connection.execute(again).scalar()

    def announcement_of(self, webhook_id: str) -> int | None:
        """Its number."""
        return self.read_value(sa.select(outgoing.c.id).where(outgoing.c.webhook_id == webhook_id))

    def endpoint_state(self, name: str) -> EndpointState:
        with self.reading() as connection:
            return endpoint_states(connection).get(name, EndpointState())

    def announcements_waiting(self) -> dict[str, int]:
        """How many are to be sent, by endpoint."""
        with self.reading() as connection:
            return announcements_waiting(connection)

    def delivered(self, *, endpoint: str | None, recording_id: str | None, limit: int) -> list[Delivered]:
        """The delivery log, the latest first."""
        row, log = outgoing, outgoing_tries
        wanted = sa.select(*(row.c[name] for name in Delivered.__slots__ if name != "tries"))
        wanted = wanted.where(*([row.c.endpoint == endpoint] if endpoint is not None else []))
        wanted = wanted.where(*([row.c.recording_id == recording_id] if recording_id is not None else []))
        with self.reading() as connection:
            found = connection.execute(wanted.order_by(row.c.id.desc()).limit(limit)).all()
            said = sa.select(log.c.outgoing_id, log.c.at, log.c.answer, log.c.took_ms).order_by(log.c.id)
            tries: dict[int, list[tuple[float, str, int]]] = {}
            for id_, *one in connection.execute(said.where(log.c.outgoing_id.in_([f.id for f in found]))):
                tries.setdefault(id_, []).append((one[0], one[1], one[2]))
        return [Delivered(**one._mapping, tries=tuple(tries.get(one.id, ()))) for one in found]

    # -- the endpoint's row ------------------------------------------------------------------------

    def _locked_endpoint(
        self, connection: Connection, name: str, digest: str
    ) -> tuple[bool, CircuitBreaker, float]:
        """Whether it is disabled, its breaker, and the time; locked until the transaction ends."""
        wanted = _STATE.where(endpoints.c.name == name).with_for_update()
        found = connection.execute(wanted).first()
        if found is None:
            new = self.insert(endpoints).values(name=name, failures=0).on_conflict_do_nothing()
            connection.execute(new)
            found = connection.execute(wanted).one()
        # Asked after the lock was got: the wait for it is part of the past.
        return found.digest == digest, _breaker_of(found), self.now_in(connection)

    def _put_endpoint(self, connection: Connection, name: str, values: Mapping[str, object]) -> None:
        connection.execute(endpoints.update().where(endpoints.c.name == name).values(values))


def endpoint_states(connection: Connection) -> dict[str, EndpointState]:
    """By their names; one of which nothing was learnt is well."""
    waits = sa.exists().where(outgoing.c.endpoint == endpoints.c.name, outgoing.c.due_at.is_not(None))
    return {
        row.name: EndpointState(row.digest, row.disabled_at, _breaker_of(row), row.delivered_at, row.waits)
        for row in connection.execute(sa.select(endpoints, waits.label("waits")))
    }


def announcements_waiting(connection: Connection) -> dict[str, int]:
    """How many are to be sent, by endpoint; from the index alone."""
    name = outgoing.c.endpoint
    counted = sa.select(name, sa.func.count()).where(outgoing.c.due_at.is_not(None)).group_by(name)
    return dict(connection.execute(counted).all())


def _anew(now: sa.ColumnElement[float], *, offered_at: sa.ColumnElement[float] | None) -> dict[str, Any]:
    """Of a row that is to be sent, from its first try on."""
    return {
        "status": WAITING,
        "due_at": now,
        "offered_at": offered_at,
        "leased_until": None,
        "token": None,
        "tries": 0,
        "body": None,
        "ended_at": None,
    }


def _is_ours(taken: TakenAnnouncement) -> sa.ColumnElement[bool]:
    return sa.and_(outgoing.c.id == taken.id, outgoing.c.token == taken.token)


def _breaker_of(row: Any) -> CircuitBreaker:
    return CircuitBreaker(row.failures, row.open_until, row.open_for_s, row.probing_until)


def _put_breaker(connection: Connection, name: str, breaker: CircuitBreaker) -> None:
    connection.execute(endpoints.update().where(endpoints.c.name == name).values(**asdict(breaker)))
