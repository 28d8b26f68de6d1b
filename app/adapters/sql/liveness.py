"""
Heartbeats of processes and of the installation: was it away for long, is the database a backup, did its
clock step?

One row has the time of the last heartbeat of this installation. All work begins with one, so that the
question is answered before money is spent. What a step is, is in `clock_steps`.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.adapters.sql import tables as t
from app.adapters.sql.clock_steps import Reading, judged
from app.adapters.sql.inbox import ACCEPTED_AT, REFUSED_AT
from app.adapters.sql.installation import INTERVAL, MARK, Installation
from app.adapters.sql.outgoing_tables import endpoints, outgoing
from app.adapters.sql.sends_and_rates import STEADY
from app.adapters.sql.tallies import DOWNLOAD_TROUBLE, TROUBLE
from app.core.state import Phase
from app.orchestrator.records import EVERY_WORKSPACE, LIST_READ, MADE_UP_FOR, BootClock, PauseSubject

RESUMED = "resumed"  # when a long silence last ended
_ALIVE = "alive"
_HEARTBEATS_KEPT_S = 7 * 86_400  # hosts come and go, with names of their own
_MOMENT_S = 0.001
_DISTANCE = "distance:"  # and the start of a machine: see `clock_steps.Reading`


class Liveness(Installation):
    """`app.orchestrator.ports.Liveness`, with `first_start` in `Installation`."""

    def record_heartbeat(self, *, quiet_s: float, boot: BootClock | None = None) -> float:
        """See the port. As a rule one read: written ten times per `quiet_s`."""
        with self.reading() as connection:
            reading, resumed_at = self.read_presence(connection, boot)
        if reading.is_ordinary(quiet_s):
            return resumed_at
        row = t.installation
        alive = sa.select(row.c.at).where(row.c.key == _ALIVE)
        with self.writing() as connection:
            first = self.insert(row).values(key=_ALIVE, at=self.db_now).on_conflict_do_nothing()
            connection.execute(first)
            connection.execute(alive.with_for_update()).one()
            reading, _ = self.read_presence(connection, boot)  # again: another may have been faster
            self._follow(connection, reading, quiet_s=quiet_s)
            self.put_moment(connection, _ALIVE, reading.now)
            if boot is not None and reading.distance is not None:
                self.put_moment(connection, f"{_DISTANCE}{boot.boot_id}", reading.distance)
            return float(connection.execute(sa.select(row.c.at).where(row.c.key == RESUMED)).scalar() or 0.0)

    def steady_since(self) -> float:
        """See `app.orchestrator.ports.Liveness.steady_since`."""
        return self.moment(STEADY) or 0.0

    def beat(self, name: str, *, detail: str = "") -> None:
        """A heartbeat of a process."""
        beat = self.upsert(t.heartbeats, {"name": name}, {"at": self.db_now, "detail": detail})
        long_gone = t.heartbeats.delete().where(t.heartbeats.c.at < self.db_now - _HEARTBEATS_KEPT_S)
        with self.writing() as connection:
            connection.execute(beat)
            connection.execute(long_gone)

    def heartbeats(self) -> dict[str, tuple[float, str]]:
        """
        Name to (seconds since the last heartbeat, detail). One that a clock set back since has put into
        the future is as old as it is early.
        """
        row = t.heartbeats
        found = self.read_all(sa.select(row.c.name, self.db_now - row.c.at, row.c.detail))
        return {name: (abs(age_s), detail) for name, age_s, detail in found}

    def read_presence(self, connection: Connection, boot: BootClock | None) -> tuple[Reading, float]:
        """What `judged` is asked about, and when the last long silence ended."""
        row, own = t.installation, f"{_DISTANCE}{boot.boot_id}" if boot is not None else ""
        begun_s = boot.now_s() if boot is not None else 0.0
        found = sa.select(row.c.key, row.c.at).where(row.c.key.in_((_ALIVE, RESUMED, own)))
        noted = {key: float(at) for key, at in connection.execute(found)}
        now = self.now_in(connection)
        distance = boot.distance_of(now, begun_s=begun_s) if boot is not None else None
        reading = Reading(now, noted.get(_ALIVE), distance, noted.get(own))
        return reading, noted.get(RESUMED, 0.0)

    def _follow(self, connection: Connection, reading: Reading, *, quiet_s: float) -> None:
        step = judged(reading, quiet_s=quiet_s)
        if step.back_s:
            _move_back(connection, step.back_s, now=reading.now)
        if step.lost_s:
            # Nothing is moved: what comes too early only asks, and ages of first sends must not get smaller.
            lost = {"began_at": reading.now - step.lost_s, "ended_at": reading.now}
            line = t.pause_log.insert().values(
                workspace=EVERY_WORKSPACE, cause=PauseSubject.LOST_TIME, **lost
            )
            connection.execute(line)  # patience stood still for that long
        if step.is_step:
            self.put_moment(connection, STEADY, reading.now)
            # What other machines measured holds no longer; they begin anew.
            of_machines = t.installation.c.key.startswith(_DISTANCE, autoescape=True)
            connection.execute(t.installation.delete().where(of_machines))
        if step.is_downtime:
            self.put_moment(connection, RESUMED, reading.now)


def _move_back(connection: Connection, by_s: float, *, now: float) -> None:
    """What was noted for the future, or as an age, by the clock as it was."""
    states = t.transcriptions
    is_open = states.c.phase.not_in((Phase.STORED.value, Phase.ERASED.value))
    # First, as in every commit. It is held against a silence, which moves as well and ends now at the latest:
    # a step that was not measured is short by the time since the last heartbeat.
    moved_at = states.c.updated_at - by_s
    in_the_past = sa.case((moved_at < now, moved_at), else_=now - _MOMENT_S)
    connection.execute(states.update().where(is_open).values(updated_at=in_the_past))
    moved = (
        (t.sends, t.sends.c.stamped_at),  # an age that is too small would send again under a dead key
        (t.rates, t.rates.c.next_at),
        (t.commands, t.commands.c.due_at),
        (t.commands, t.commands.c.wanted_since),
        (t.commands, t.commands.c.offered_at),
        (t.commands, t.commands.c.leased_until),
        (t.commands, t.commands.c.slot_at),
        (t.passes, t.passes.c.leased_until),
        (t.pauses, t.pauses.c.since),
        (t.pauses, t.pauses.c.probe_at),
        (t.pause_log, t.pause_log.c.began_at),
        (t.pause_log, t.pause_log.c.ended_at),
        (t.breakers, t.breakers.c.open_until),
        (t.breakers, t.breakers.c.probing_until),
        (outgoing, outgoing.c.due_at),
        (outgoing, outgoing.c.offered_at),
        (outgoing, outgoing.c.leased_until),
        (endpoints, endpoints.c.open_until),
        (endpoints, endpoints.c.probing_until),
    )
    for table, column in moved:
        connection.execute(table.update().where(column.is_not(None)).values({column: column - by_s}))
    key, at = t.installation.c.key, t.installation.c.at
    kinds = (INTERVAL, TROUBLE, DOWNLOAD_TROUBLE, MARK + LIST_READ, MARK + MADE_UP_FOR)
    begin = (key.startswith(kind, autoescape=True) for kind in kinds)
    is_ours = sa.or_(key.in_((RESUMED, ACCEPTED_AT, REFUSED_AT)), *begin)
    connection.execute(t.installation.update().where(is_ours).values(at=at - by_s))
