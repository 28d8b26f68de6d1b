"""
A database of a version before, stopped with an attempt in every state and an outbox under way, is migrated
and worked on, whatever names its records have: nothing is paid again, nothing hangs, everything ends. Recall
is the property test's model, the database is real, time is moved.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from app.adapters.sql import migrations
from app.adapters.sql import tables as t
from app.adapters.sql.store import SqlStore
from app.core.state import ENDS, RECORD_VERSION, Attempt, AttemptStatus, Phase, Transcription
from app.orchestrator.records import KEY_ACCEPTED, Begun, Leased, Presence
from tests.policies import built_in
from tests.property.bill import Transcript
from tests.property.surroundings import DURATIONS, TIMING
from tests.property.world import World
from tests.upgrade.before import data_of, of_the_version_before
from tests.upgrade.make import STOPPED, draft, recording, transcript
from workers.dispatcher import Dispatcher

pytestmark = pytest.mark.timeout(180)

# Made by `make`: 0002 has no bytes of requests, and records of version 1; 0006 is the last without costs.
_REVISIONS = ("0002", "0006")
_DAY_S = 86_400.0
_PROVIDERS = [choice.key for choice in built_in().providers]

# What Recall has, which the database may know or not: (recording, ordinal) -> how it ends.
AT_RECALL = {
    (4, 1): "spoken",  # `sending`: the worker was killed after the POST
    (6, 1): "spoken",  # `unknown`: the answer was lost
    (10, 1): "spoken",  # its webhook waits in the inbox
    (11, 1): "failed",
    (12, 1): "never",
    (13, 1): "never",
    (14, 1): "failed",
    (14, 2): "spoken",
    (16, 1): "spoken",
    (17, 1): "spoken",
    (18, 1): "empty",
    (18, 2): "spoken",
    (19, 1): "failed",
    (19, 2): "failed",
    (19, 3): "failed",
    (21, 1): "spoken",  # another party's
    (26, 1): "empty",
}
# recording -> its end, and how many transcripts of ours Recall has charged for in all. Not there: stored, 1.
ENDS_AS = {
    11: (Phase.STORED, 2),
    12: (Phase.FAILED, 1),
    13: (Phase.FAILED, 1),
    14: (Phase.STORED, 2),
    18: (Phase.STORED, 2),
    19: (Phase.FAILED, 3),
    20: (Phase.SKIPPED, 0),
    23: (Phase.FAILED, 0),
    26: (Phase.STORED, 2),
}
# Attempts that may or may not have reached Recall.
IN_DOUBT = (4, 5, 6, 7, 8, 9)


class ClockedStore(SqlStore):
    """The real store at the world's time."""

    def __init__(self, url: str, world: World) -> None:
        super().__init__(url)
        self._world = world

    @property
    def db_now(self) -> sa.ColumnElement[float]:
        return sa.literal(self._world.clock.at, sa.Double)

    def begin(self, command_id: int, presence: Presence, *, lease_s: float) -> Begun | None:
        begun = super().begin(command_id, presence, lease_s=lease_s)
        self._world.lease = begun.leased if begun is not None else None
        return begun

    def is_held(self, leased: Leased) -> bool:
        return self.renew(leased, lease_s=TIMING.lease_s)

    def moments(self) -> Iterable[float]:
        """When a command may be offered."""
        with self.reading() as connection:
            rows = connection.execute(sa.select(t.commands)).all()
            probes = list(connection.execute(sa.select(t.pauses.c.probe_at)).scalars())
        for row in rows:
            again_at = (row.offered_at or -math.inf) + TIMING.offer_again_s
            yield max(row.due_at, row.leased_until or 0.0, again_at, *probes)

    def states(self) -> dict[str, Transcription]:
        return {row.state.recording_id: row.state for row in self.list_transcriptions(limit=1000)}


class Upgraded(World):
    """The world of the property test around a migrated database."""

    store: Any

    def __init__(self, scratch: Path, url: str, revision: str) -> None:
        super().__init__(scratch, built_in())
        self.revision = revision
        self.clock.at = STOPPED + 120.0
        self.began_at = self.clock.at
        self.store = ClockedStore(url, self)
        self.store.set_key_status("default", "000key-1", KEY_ACCEPTED)
        self.service = self.open_service()
        self.dispatcher = Dispatcher(
            self.store, self.queue, sweep=lambda: None, clock=self.clock.now, log=self._log
        )
        for number in range(1, 31):
            self.add_recording(number, bot_id=f"cccccccc-0000-4000-8000-{number:012d}")
        for (number, ordinal), ending in AT_RECALL.items():
            self._has(number, ordinal, ending)
        if revision == "0002":  # a file then, a draft in its row since
            manifest = f"default/{recording(18)}/{transcript(18)}/manifest.json"
            self.blobs.files[manifest] = draft(18, transcript(18), _PROVIDERS[0]).encode()

    def _has(self, number: int, ordinal: int, ending: str) -> None:
        is_ours = number != 21
        made = Transcript(
            id=transcript(number, ordinal),
            recording_id=recording(number),
            provider=_PROVIDERS[ordinal - 1] if is_ours else "gladia_v2_async",
            marker=f"{recording(number)}/{ordinal}" if is_ours else None,
            created_at=STOPPED - 5.0,
            visible_at=0.0,
            ending=ending,
            ends_at=math.inf if ending == "never" else STOPPED + 60.0,
            is_announced=True,  # to nobody: the service was stopped
        )
        self.recall.transcripts[made.id] = made

    def has_nothing_ahead(self) -> bool:
        """No command, no delivery, nothing under way at Recall: time alone changes nothing any more."""
        ahead = (*self.store.moments(), *(m for m in self.recall.moments() if m < math.inf))
        return not ahead and not self.queue.ids and not self.store.has_unapplied()

    def paid(self) -> Counter[str]:
        return Counter(made.recording_id for made in self.recall.transcripts.values() if made.marker)

    def posts_of(self, number: int) -> list[float]:
        """When, in seconds after the beginning, a create of it was sent."""
        name = re.compile(rf"\[\s*(\d+):(\d+):([\d.]+)\].* POST for R{number}/\d+,")
        found = [match for line in self.story if (match := name.search(line))]
        since_start = STOPPED - self.began_at
        return [3600 * int(m[1]) + 60 * int(m[2]) + float(m[3]) + since_start for m in found]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'before.db'}"
        return
    server = request.getfixturevalue("postgresql_server")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS before WITH (FORCE)")
        connection.execute("CREATE DATABASE before")
    yield re.sub(r"/postgres(?=[?]|$)", "/before", server)


@pytest.fixture(params=_REVISIONS)
def world(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> Iterator[Upgraded]:
    of_the_version_before(url, request.param)
    migrations.migrate(url)
    world = Upgraded(tmp_path / "scratch", url, request.param)
    world.scratch.mkdir()
    yield world
    world.store.close()


@pytest.mark.parametrize("revision", _REVISIONS)
def test_the_data_has_an_attempt_in_every_state_and_an_outbox_under_way(revision: str) -> None:
    text = data_of(revision)
    names = set(re.findall(r"INSERT INTO (\w+)", text))
    assert {"transcriptions", "attempts", "sends", "commands", "deliveries", "pauses"} <= names
    attempts = [line for line in text.splitlines() if line.startswith("INSERT INTO attempts")]
    for status in AttemptStatus:
        assert any(f"'{status.value}'" in line for line in attempts), status
    commands = [line for line in text.splitlines() if line.startswith("INSERT INTO commands")]
    for column in ("leased_until", "offered_at", "slot_at"):
        assert any(column in line for line in commands), column


@pytest.mark.slow
@pytest.mark.parametrize(  # the older one goes through all migrations of PostgreSQL
    ("url", "world"), [("sqlite", "0002"), ("sqlite", "0006"), ("postgresql", "0002")], indirect=True
)
def test_everything_of_the_version_before_ends_and_nothing_is_paid_again(world: Upgraded) -> None:
    until = world.clock.at + 4 * _DAY_S
    world.live(until, delivers=lambda message: True, is_over=world.has_nothing_ahead)
    assert world.clock.at < until
    assert not world.wrongs, world.told("paid too early")
    assert_in_doubt_is_looked_up_first(world)
    states, paid = world.store.states(), world.paid()
    for number in (*range(1, 29), *({30} & {int(known[-2:]) for known in states})):
        phase, times = ENDS_AS.get(number, (Phase.STORED, 1))
        state = states[recording(number)]
        times = 0 if number == 21 else times
        assert (state.phase, paid[recording(number)]) == (phase, times), world.told(f"R{number}: {state}")
    markers = Counter(made.marker for made in world.recall.transcripts.values() if made.marker)
    assert max(markers.values()) == 1, world.told("paid twice")
    assert set(states) <= {recording(number) for number in range(1, 31)}
    assert all(state.phase in ENDS for state in states.values())
    assert not world.store.has_unapplied()
    assert not world.store.due(10, offer_again_s=0)


def assert_in_doubt_is_looked_up_first(world: Upgraded) -> None:
    """Revision 0002 kept no bytes of a request: it is not repeated, and fresh after seventy minutes."""
    for number in IN_DOUBT:
        sent = world.posts_of(number)
        if (number, 1) in AT_RECALL:
            assert sent == [], world.told(f"R{number} is at Recall")
        elif world.revision == "0002":
            assert len(sent) == 1, world.told(f"R{number} is not at Recall")
            assert sent[0] >= DURATIONS.never_happened_after_s


@pytest.mark.slow
def test_what_was_paid_before_costs_were_known_has_none_and_is_counted_as_none(world: Upgraded) -> None:
    assert world.store.spent(days=100_000) == []
    lines = [line for state in world.store.states().values() for line in state.attempts]
    assert lines
    assert not any(line.cost for line in lines)


@pytest.mark.slow
def test_what_a_migrated_state_says_is_read_as_it_was_written(world: Upgraded) -> None:
    states = world.store.states()
    assert states[recording(17)].phase is Phase.STORED
    running = states[recording(14)].attempt_of(ordinal=2)
    assert isinstance(running, Attempt)
    assert (running.status, running.transcript_id) == (AttemptStatus.RUNNING, transcript(14, 2))


@pytest.mark.slow
@pytest.mark.parametrize(("url", "world"), [("sqlite", "0002")], indirect=True)  # records are text in both
def test_a_record_of_version_1_has_new_names_once_it_changed_and_not_before(world: Upgraded) -> None:
    records = records_of(world.store)
    assert {("version" in record, "goal" in record) for record in records.values()} == {(False, True)}
    world.live(world.clock.at + 600.0, delivers=lambda message: True)
    for name, record in records_of(world.store).items():
        is_old = record == records.get(name)
        assert (record.get("version"), "goal" in record) == (
            (None, True) if is_old else (RECORD_VERSION, False)
        ), record
    assert records_of(world.store)[recording(17)] == records[recording(17)], "what has ended is not rewritten"
    assert records_of(world.store)[recording(10)]["version"] == RECORD_VERSION


def records_of(store: SqlStore) -> dict[str, dict[str, Any]]:
    with store.reading() as connection:
        rows = connection.execute(sa.select(t.transcriptions.c.recording_id, t.transcriptions.c.state))
        return {recording_id: json.loads(state) for recording_id, state in rows}
