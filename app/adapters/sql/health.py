"""
From the database, how the service is: since when work is undone, what Recall and its providers
were like, what became of the last webhooks. For readiness, `/metrics`, `check` and `status`.

Reads only. Every question goes by an index or to a table of a few rows, and is asked once a second.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql import tables as t
from app.adapters.sql.announcements import EndpointState, endpoint_states
from app.adapters.sql.api_keys import status_of
from app.adapters.sql.inbox import ACCEPTED_AT, IS_UNREADABLE, REFUSED_AT
from app.adapters.sql.installation import FIRST_START, MARK, Installation
from app.adapters.sql.outbox import first_of_kind
from app.adapters.sql.tallies import DOWNLOAD_TROUBLE, TROUBLE, measures
from app.core import commands
from app.orchestrator.records import KEY_FOREIGN, KEY_UNSEEING, LIST_READ, MADE_UP_FOR, Pause

# Commands looked at for the oldest: those due first, and those made first. A backlog of a million is not read
# for it; the oldest wish is among the one or the other, or little older than the oldest there.
_DUE_FIRST, _MADE_FIRST = 2000, 500
_LAST_STORED = sa.select(t.artifacts.c.stored_at).order_by(t.artifacts.c.id.desc()).limit(1)
_LAST_RECEIVED = sa.select(t.deliveries.c.received_at).order_by(t.deliveries.c.id.desc()).limit(1)
_FIRST_UNREADABLE = sa.select(t.deliveries.c.id).where(IS_UNREADABLE).limit(1)
_FETCH = commands.FetchTranscript.NAME


@dataclass(frozen=True, slots=True)
class Facts:
    """As of `now`. Times are seconds since the epoch by the database's clock; None: never, or not now."""

    now: float
    # Process to (seconds since its last heartbeat, detail).
    heartbeats: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    oldest_undone_s: float | None = (
        None  # age of the oldest unapplied delivery or wanted command, put off or not
    )
    oldest_undone_of: str | None = None  # the recording it is about, where that is known
    pause: Pause | None = None
    recall_trouble_since: float | None = None  # Recall has refused everything, or kept silent
    download_trouble_since: float | None = None  # no download has succeeded, and one is still wanted
    first_start_at: float | None = None
    list_read_at: float | None = None  # the last page of Recall's list of recordings
    made_up_for_at: float | None = None  # the last recording found on it that no webhook had told of
    key_status: str | None = None  # see `app.orchestrator.ports_recall.ApiKeys.key_status`
    # Providers that fail: "open" ones are passed over, "half_open" ones are tried once.
    breakers: Mapping[str, str] = field(default_factory=dict)
    passed_over: frozenset[str] = frozenset()  # or were a moment ago, and have not worked since
    last_webhook_at: float | None = None  # by the web process's clock
    last_stored_at: float | None = None
    refused_at: float | None = (
        None  # the last webhook with complete, fresh signature headers that was refused
    )
    accepted_at: float | None = None  # the last one acknowledged
    unreadable: int | None = None  # id of the first rightly signed delivery that was not understood

    # What was learnt of endpoints, by their names.
    endpoints: Mapping[str, EndpointState] = field(default_factory=dict)

    @property
    def has_unreadable(self) -> bool:
        """Rightly signed deliveries that could not be understood stand here."""
        return self.unreadable is not None

    @property
    def is_key_foreign(self) -> bool:
        """The API key does not see the recordings that are known here."""
        return self.key_status == KEY_FOREIGN

    @property
    def is_key_unseeing(self) -> bool:
        """It did, and the latest pass over Recall's list saw none of them."""
        return self.key_status == KEY_UNSEEING


class Health(Installation):
    """Questions about the whole service; see `Facts`."""

    def undone_elsewhere(self, known: Collection[str]) -> dict[str, int]:
        """Workspaces beside these that have something undone: how many commands and unapplied deliveries."""
        delivery = t.deliveries.c
        waiting = sa.select(delivery.workspace).where(delivery.applied_at.is_(None))
        undone = sa.union_all(sa.select(t.commands.c.workspace), waiting).subquery().c
        elsewhere = sa.select(undone.workspace, sa.func.count()).where(undone.workspace.not_in(known))
        return dict(self.read_all(elsewhere.group_by(undone.workspace)))

    def health(self, workspace: str, *, fingerprint: str) -> Facts:
        """
        Args:
            workspace: Whose Recall account and providers.
            fingerprint: Of the API key in use, see `app.orchestrator.ports.Recall`.

        Raises:
            StoreUnavailable: The database cannot be read.
        """
        beat = t.heartbeats
        paused = sa.select(t.pauses).where(t.pauses.c.workspace == workspace)
        with self.reading() as connection:
            now = self.now_in(connection)
            beats = connection.execute(sa.select(beat.c.name, beat.c.at, beat.c.detail)).all()
            at = _moments(connection, workspace)
            found = connection.execute(paused).first()
            breakers, passed_over = _breakers(connection, workspace, now)
            undone_s, undone_of = _oldest_undone(connection, now)
            return Facts(
                now=now,
                # One of a clock that was set back since is as old as it is early.
                heartbeats={name: (abs(now - moment), detail) for name, moment, detail in beats},
                oldest_undone_s=undone_s,
                oldest_undone_of=undone_of,
                pause=Pause.read(*found) if found is not None else None,
                recall_trouble_since=at.get(TROUBLE + workspace),
                download_trouble_since=at.get(DOWNLOAD_TROUBLE + workspace),
                first_start_at=at.get(FIRST_START),
                list_read_at=at.get(MARK + LIST_READ + workspace),
                made_up_for_at=at.get(MARK + MADE_UP_FOR + workspace),
                key_status=connection.execute(status_of(workspace, fingerprint)).scalar(),
                breakers=breakers,
                passed_over=passed_over,
                last_webhook_at=connection.execute(_LAST_RECEIVED).scalar(),
                last_stored_at=connection.execute(_LAST_STORED).scalar(),
                refused_at=at.get(REFUSED_AT),
                accepted_at=at.get(ACCEPTED_AT),
                unreadable=connection.execute(_FIRST_UNREADABLE).scalar(),
                endpoints=endpoint_states(connection),
            )

    def measures(self) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """See `app.adapters.sql.tallies.measures`."""
        with self.reading() as connection:
            return measures(connection)


def _moments(connection: Connection, workspace: str) -> dict[str, float]:
    """What `Facts` has from the table `installation`, by its keys."""
    kinds = (TROUBLE, DOWNLOAD_TROUBLE, MARK + LIST_READ, MARK + MADE_UP_FOR)
    wanted = (FIRST_START, ACCEPTED_AT, REFUSED_AT, *(kind + workspace for kind in kinds))
    row = t.installation.c
    moments = sa.select(row.key, row.at).where(row.key.in_(wanted))
    at = {key: float(moment) for key, moment in connection.execute(moments)}
    blocked = DOWNLOAD_TROUBLE + workspace
    if blocked in at and connection.execute(first_of_kind(workspace, _FETCH)).first() is None:
        del at[blocked]  # nothing is left by which the end of it could be seen
    return at


def _oldest_undone(connection: Connection, now: float) -> tuple[float | None, str | None]:
    """Its age, and the recording."""
    row, delivery = t.commands, t.deliveries
    times = sa.select(row.c.wanted_since, row.c.due_at, row.c.recording_id)
    looked_at = connection.execute(times.order_by(row.c.due_at, row.c.id).limit(_DUE_FIRST)).all()
    if len(looked_at) == _DUE_FIRST:
        looked_at = [*looked_at, *connection.execute(times.order_by(row.c.id).limit(_MADE_FIRST))]
    first = sa.select(delivery.c.received_at).where(delivery.c.applied_at.is_(None))
    received = connection.execute(first.order_by(delivery.c.id).limit(1)).scalar()
    wanted: list[tuple[float, str | None]] = [(since or due, of) for since, due, of in looked_at]
    past = [(since, of) for since, of in wanted if since <= now]
    past += [(min(received, now), None)] if received is not None else []  # web's clock may be ahead
    if not past:
        return None, None
    since, of = min(past, key=lambda wish: wish[0])
    return now - since, of


def _breakers(connection: Connection, workspace: str, now: float) -> tuple[dict[str, str], frozenset[str]]:
    row = t.breakers
    tripped = sa.select(row.c.provider, row.c.open_until, row.c.open_for_s, row.c.probing_until)
    found = connection.execute(
        tripped.where(row.c.workspace == workspace, row.c.open_until.is_not(None))
    ).all()
    states: dict[str, str] = {}
    passed_over = set()
    for provider, until, for_s, probing_until in found:
        states[provider] = "half_open" if until <= now else "open"
        # Once its time is over, what waits tries it at once: had it worked, the row would be gone.
        if now < max(until + (for_s or 0.0), probing_until or 0.0):
            passed_over.add(provider)
    return states, frozenset(passed_over)
