"""
`python -m tests.upgrade.make > tests/upgrade/vNNNN.sql`, run once with the code of a version that is
about to be followed by a migration, or by other names in its records: a database of that version with an
attempt in every state, an outbox under way and deliveries not yet applied, as INSERTs that SQLite and
PostgreSQL both read. The clock stands at `STOPPED`.
"""

# mypy: ignore-errors
# It is run with the code of the revision that it makes a database of, not with this one.

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog

from app.adapters.sql import migrations
from app.adapters.sql.store import SqlStore, open_store
from app.adapters.sql.tables import metadata
from app.clock import SystemClock
from app.core import events
from app.core.events import Refusal
from app.errors import QueueUnavailable
from app.orchestrator.effects.create_transcript import idempotency_key
from app.orchestrator.records import ArtifactRow, NewDelivery, Send, Slot, Source
from app.orchestrator.transitions import Advancer
from app.recall.endpoints import create_body
from app.recall.types import CreateOrder
from app.transcripts.manifest import Manifest, build_manifest
from app.transcripts.model import Summary
from tests.policies import built_in
from tests.taking import take

STOPPED = 1_800_000_000.0  # when the version before was stopped
_PROVIDERS = [choice.key for choice in built_in().providers]
_HAND, _HOUR = Source(by="webhook"), 3_600.0
_NOT_KEPT = {"tallies", "alembic_version"}  # counted by triggers; written by the migration


class _NoQueue:
    def room(self) -> int:
        raise QueueUnavailable("none here")


def recording(number: int) -> str:
    return f"aaaaaaaa-0000-4000-8000-{number:012d}"


def transcript(number: int, ordinal: int = 1) -> str:
    return f"bbbbbbbb-0000-4000-8000-{100 * number + ordinal:012d}"


def draft(number: int, tid: str, provider: str) -> str:
    nothing = Summary(0, 0, 0, 0, (), None)
    at = datetime.fromtimestamp(STOPPED, UTC)
    manifest = Manifest("default", recording(number), tid, None, {}, provider, (), nothing, at, ())
    return json.dumps(json.loads(build_manifest(manifest)))  # in one line


class Maker:
    """Tells each recording's story in short words; `ago` is seconds before the stop."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        log = structlog.wrap_logger(None, processors=[_drop])
        policy = built_in()
        self._advancer = Advancer(store, _NoQueue(), SystemClock(), log, lambda _: policy)  # type: ignore[arg-type]

    def at(self, ago: float) -> float:
        self._store.clock_offset_s = STOPPED - ago - time.time()
        return STOPPED - ago

    def tell(self, number: int, event: events.Event, **more: Any) -> None:
        self._advancer.advance("default", recording(number), event, more.pop("source", _HAND), **more)

    def done(self, number: int, ago: float, **facts: Any) -> None:
        known = {"bot_id": f"cccccccc-0000-4000-8000-{number:012d}", "metadata": (("room", "7"),), **facts}
        self.tell(number, events.RecordingDone(self.at(ago), **known))

    def sends(self, number: int, ago: float, *, ordinal: int = 1, key_serial: int = 0) -> None:
        key = idempotency_key("default", recording(number), ordinal, key_serial)
        bot = f"cccccccc-0000-4000-8000-{number:012d}"
        provider = _PROVIDERS[ordinal - 1]
        order = CreateOrder(recording(number), provider, {}, True, f"{recording(number)}/{ordinal}", key)
        send = Send(ordinal, key_serial, key, "000key-1", bot, create_body(order))
        self.tell(number, events.Sending(self.at(ago), ordinal, provider, key_serial), send=send)

    def created(self, number: int, ago: float, *, ordinal: int = 1) -> None:
        self.sends(number, ago, ordinal=ordinal)
        created = events.Created(self.at(ago), ordinal, transcript(number, ordinal), _PROVIDERS[ordinal - 1])
        self.tell(number, created)

    def fails(self, number: int, ago: float, *, ordinal: int = 1) -> None:
        code = "provider_connection_failed"
        self.tell(number, events.TranscriptFailed(self.at(ago), transcript(number, ordinal), ordinal, code))

    def stored(self, number: int, ago: float, *, ordinal: int = 1, is_empty: bool = False) -> None:
        tid, provider = transcript(number, ordinal), _PROVIDERS[ordinal - 1]
        self.tell(number, events.TranscriptDone(self.at(ago), tid, ordinal))
        folder = f"default/{recording(number)}/{tid}"
        verdict = "empty" if is_empty else "spoken"
        row = ArtifactRow(
            "default",
            recording(number),
            tid,
            ordinal,
            provider,
            verdict,
            "en",
            folder,
            ("transcript.json",),
            draft(number, tid, provider) if is_empty else None,
        )
        self.tell(number, events.Stored(self.at(ago), tid, provider, "en", is_empty), artifact=row)

    def refused(self, number: int, ago: float, refusal: Refusal, detail: str, *, ordinal: int = 1) -> None:
        self.sends(number, ago, ordinal=ordinal)
        self.tell(number, events.CreateRefused(self.at(ago), ordinal, refusal, detail, 15.0))

    def unknown(self, number: int, ago: float) -> None:
        self.sends(number, ago)
        self.tell(number, events.CreateUnknown(self.at(ago), 1, "read_timeout"))

    def delivered(self, number: int, event: str, *, ordinal: int | None = None) -> None:
        data: dict[str, Any] = {
            "recording": {"id": recording(number), "metadata": {}},
            "data": {"code": "done"},
        }
        if ordinal is not None:
            marker = {"afterword": f"{recording(number)}/{ordinal}"}
            data["transcript"] = {"id": transcript(number, ordinal), "metadata": marker}
        body = json.dumps({"event": event, "data": data}).encode()
        at = self.at(2)
        self._store.add_deliveries(
            [NewDelivery("default", f"msg_{number}_{event}", at, int(at), "label", body)]
        )


def story(maker: Maker) -> None:
    """Numbers mean what `tests/upgrade/test_upgrade.py` says of them."""
    maker.done(1, 1)
    maker.done(2, 20)
    maker.sends(2, 20)
    maker.tell(2, events.CreateNotSent(maker.at(19), 1, "refused"))
    maker.done(3, 9)
    maker.refused(3, 9, Refusal.ACCOUNT, "http_402")
    for number, ago in ((4, 5.0), (5, 5.0)):
        maker.done(number, ago)
        maker.sends(number, ago)
    for number, ago in ((6, 900.0), (7, 900.0), (8, 1.2 * _HOUR), (9, 2 * _HOUR)):
        maker.done(number, ago)
        maker.unknown(number, ago)
    empty = events.Listed(maker.at(60), 1, (), 2 * _HOUR - 60, 2 * _HOUR - 60)
    maker.tell(9, empty)
    for number, ago in ((10, 1800.0), (11, 1800.0), (12, 1800.0)):
        maker.done(number, ago)
        maker.created(number, ago)
    maker.done(13, 30 * _HOUR)
    maker.created(13, 30 * _HOUR)
    for hours in (20, 15, 10, 6, 5, 4):
        maker.tell(13, events.StillProcessing(maker.at(hours * _HOUR), transcript(13)))
    maker.done(14, 900)
    maker.created(14, 900)
    maker.fails(14, 600)
    maker.created(14, 590, ordinal=2)
    maker.done(15, 300)
    maker.refused(15, 300, Refusal.PROVIDER, "http_400 provider")
    maker.done(16, 700)
    maker.created(16, 700)
    maker.tell(16, events.TranscriptDone(maker.at(4), transcript(16), 1))
    maker.done(17, 3000)
    maker.created(17, 3000)
    maker.stored(17, 2000)
    maker.done(18, 3000)
    maker.created(18, 3000)
    maker.stored(18, 2000, is_empty=True)
    maker.created(18, 1990, ordinal=2)
    maker.done(19, 3000)
    for ordinal, began in ((1, 2900.0), (2, 2800.0), (3, 2700.0)):
        maker.created(19, began, ordinal=ordinal)
        maker.fails(19, began - 50, ordinal=ordinal)
    maker.done(20, 500, metadata=(("afterword", "skip"),))
    maker.tell(21, events.TranscriptDone(maker.at(3), transcript(21)))
    maker.done(22, 400)
    maker.refused(22, 400, Refusal.RECORDING_NOT_DONE, "http_400")
    maker.done(23, 400)
    maker.refused(23, 400, Refusal.LIMIT, "http_400 (10 transcripts at Recall, 9 of them ours)")
    maker.done(24, 700, lookup_required=True)
    others = events.Seen(transcript(24), "processing", None, "gladia_v2_async")
    maker.tell(24, events.Listed(maker.at(650), 0, (others,)))
    maker.done(25, 400)
    maker.refused(25, 400, Refusal.BUSY, "http_429")
    maker.done(26, 400)
    maker.created(26, 390)
    maker.done(27, 60)
    maker.refused(27, 55, Refusal.UNEXPLAINED, "http_400")
    maker.tell(30, events.TranscriptFailed(maker.at(500), transcript(30), None, "provider_connection_failed"))
    maker.tell(30, events.RecordingAsked(maker.at(100), events.RecordingCondition.NOT_DONE))
    maker.delivered(28, "recording.done")
    maker.delivered(10, "transcript.done", ordinal=1)
    maker.delivered(29, "bot.in_call_recording")


def _outbox_under_way(store: SqlStore, maker: Maker) -> None:
    """One is in a worker's hands, one is in the queue, one brings a place in a rate along."""
    maker.at(1)
    first, second, third = [item.id for item in store.due(3, offer_again_s=15)]
    take(store, first, lease_s=15)
    store.mark_offered([second])
    leased = take(store, third, lease_s=15)
    assert leased is not None
    slot = Slot("list", store.reserve("default", "list", gap_s=1.03))
    store.defer(leased, after_s=1, cause="rate", slot=slot)
    store.pause("default", "creates_refused_402", probe_after_s=15)
    store.record_result("default", _PROVIDERS[2], worked=False, open_s=120)
    store.set_mark("reconcile:default", STOPPED - 4 * _HOUR)
    store.beat("dispatcher")
    store.record_heartbeat(quiet_s=600)


def _dump(store: SqlStore) -> None:
    revision = migrations.current_revision(store.url.render_as_string(hide_password=False))
    day = datetime.now(UTC).date().isoformat()
    say = sys.stdout.write
    say(f"-- Revision {revision}, made on {day} by tests/upgrade/make.py with that version's own code.\n")
    with store.reading() as connection:
        for table in metadata.sorted_tables:
            if table.name in _NOT_KEPT:
                continue
            for row in connection.execute(sa.select(table)).mappings():
                kept = {key: value for key, value in row.items() if value is not None}
                values = ", ".join(_literal(value) for value in kept.values())
                say(f"INSERT INTO {table.name} ({', '.join(kept)}) VALUES ({values});\n")


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(round(value, 3))


def _drop(*_: Any) -> str:
    raise structlog.DropEvent


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'made.db'}"
        migrations.migrate(url)
        store = open_store(url)
        with store.writing() as connection:  # by the real clock
            connection.execute(sa.text(f"UPDATE installation SET at = {STOPPED - 90 * 86_400}"))
        maker = Maker(store)
        maker.at(31 * _HOUR)
        story(maker)
        _outbox_under_way(store, maker)
        _dump(store)
        store.close()


if __name__ == "__main__":
    main()
