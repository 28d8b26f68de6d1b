"""
Stamped sends, and rates: who may ask Recall, and when, among all workers of all machines.

A rate is one row with the time of its next free slot, for all workers of all machines. Slots are
never given back: a worker that dies with one leaves a gap, which costs a fraction of a second.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.adapters.sql import tables as t
from app.adapters.sql.engine import Database
from app.orchestrator.records import NOT_SENT, SendOutcome, SendTimes
from app.recall.limits import FORBIDDEN

STEADY = "steady"  # since when the database's clock ran without a step
_REFUSED = SendOutcome("refused", FORBIDDEN)


class SendsAndRates(Database):
    """`app.orchestrator.ports.RateLimits` and `Sends`."""

    def send_times(self, workspace: str, recording_id: str, ordinal: int, *, key_serial: int) -> SendTimes:
        """
        Ages of one attempt's sends by the database's clock; None before the first.

        Of one generation: each has its own Idempotency-Key, and with it its own hour at Recall.
        """
        row = t.sends
        stamps = sa.select(self.db_now - row.c.stamped_at, row.c.fingerprint, row.c.body.is_not(None))
        stamps = stamps.where(
            _is_of_attempt(workspace, recording_id, ordinal), row.c.key_serial == key_serial, may_have_left()
        )
        with self.reading() as connection:
            found = connection.execute(stamps).all()
            steady = sa.select(self.db_now - t.installation.c.at).where(t.installation.c.key == STEADY)
            steady_s = connection.execute(steady).scalar()
        ages_s = [age_s for age_s, _, _ in found]
        # What is concluded from silence since the last send begins anew with each step of the clock.
        since_last_s = min([*ages_s, *([] if steady_s is None else [steady_s])]) if ages_s else None
        return SendTimes(
            since_first_s=max(ages_s, default=None),
            since_last_s=since_last_s,
            fingerprints=frozenset(fingerprint for _, fingerprint, _ in found),
            has_body=any(has_body for *_, has_body in found),
        )

    def send_body(self, workspace: str, recording_id: str, ordinal: int, *, key_serial: int) -> bytes | None:
        """See `app.orchestrator.ports.Sends.send_body`."""
        row = t.sends
        first = sa.select(row.c.body).order_by(row.c.id).limit(1)
        first = first.where(
            _is_of_attempt(workspace, recording_id, ordinal),
            row.c.key_serial == key_serial,
            row.c.body.is_not(None),
            may_have_left(),
        )
        return self.read_value(first)

    def record_send_outcome(self, send_id: int, *, outcome: SendOutcome) -> None:
        """Notes how this very request ended; `NOT_SENT` takes it out of `send_times` and the bot's rate."""
        settled = t.sends.update().where(t.sends.c.id == send_id)
        self.write(settled.values(outcome=outcome.stored, settled_at=self.db_now))

    def creates_refused_elsewhere(self, workspace: str, recording_id: str, *, within_s: float) -> bool:
        """
        Whether another recording was refused with 403 lately and nothing was created since.

        An answer counts from when its request was stamped. A send of that recording which is still
        without an answer says nothing yet; one answered otherwise takes its refusal back.
        """
        refused, later = t.sends.alias("refused"), t.sends.alias("later")
        has_another_answer = sa.or_(
            _is_created(later.c.outcome),
            sa.and_(later.c.recording_id == refused.c.recording_id, later.c.outcome.is_not(None)),
        )
        is_outdated = sa.exists().where(
            later.c.workspace == workspace, later.c.stamped_at > refused.c.stamped_at, has_another_answer
        )
        standing = sa.select(refused.c.id).where(
            refused.c.workspace == workspace,
            refused.c.recording_id != recording_id,
            refused.c.outcome == _REFUSED.stored,
            refused.c.stamped_at >= self.db_now - within_s,
            ~is_outdated,
        )
        return self.read_first(standing.limit(1)) is not None

    def reserve(self, workspace: str, rate: str, *, gap_s: float) -> float:
        """Takes the next slot of a rate; returns its time. One row for all workers of all machines."""
        first = {"next_at": self.db_now + gap_s}
        next_ = {"next_at": t.later(t.rates.c.next_at, self.db_now) + gap_s}
        taken = self.upsert(t.rates, {"workspace": workspace, "rate": rate}, first, changed=next_)
        with self.writing() as connection:
            return float(connection.execute(taken.returning(t.rates.c.next_at)).scalar_one()) - gap_s

    def push_rate(self, workspace: str, rate: str, *, after_s: float) -> None:
        """No slot before now + after_s; a later time already set stays."""
        first = {"next_at": self.db_now + after_s}
        later = {"next_at": t.later(t.rates.c.next_at, self.db_now + after_s)}
        self.write(self.upsert(t.rates, {"workspace": workspace, "rate": rate}, first, changed=later))


def may_have_left() -> sa.ColumnElement[bool]:
    """All sends but those that certainly never left: Recall cannot know of these."""
    return sa.or_(t.sends.c.outcome.is_(None), t.sends.c.outcome != NOT_SENT.stored)


def _is_of_attempt(workspace: str, recording_id: str, ordinal: int) -> sa.ColumnElement[bool]:
    return sa.and_(t.is_of(t.sends, workspace, recording_id), t.sends.c.ordinal == ordinal)


def _is_created(outcome: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """With or without a status."""
    return outcome.startswith(SendOutcome("created").stored)
