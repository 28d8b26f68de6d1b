"""
The tables of the record, and the clock, which SQLite and PostgreSQL spell differently.

In here: names, types, constraints. Not in here: what any of it means for a transcription.
What must change together: a change here is a new file in `migrations/versions/`; a contract test
compares the two on both databases.

Times are double precision seconds since the epoch, always written by the database's own clock
(`DbNow`); the one exception, `deliveries.received_at`, is for people and never decides anything.
"""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from app.core.policy import CEILING
from app.core.state import ENDS, Phase

# No lease and no offer lies this far ahead, unless the database's clock was set back since.
CLOCK_WAS_SET_BACK_S = 600.0

DAILY_BUDGET = "daily_budget"  # what a create waits for: `commands.waits_for`

_IDS = uuid.UUID("6f6a2c1e-2f0b-5d57-9f38-0b5d6f1d8a41")  # never change: ids of transcriptions hang on it


class DbNow(FunctionElement[float]):
    """Seconds since the epoch by the database's clock; at least millisecond resolution."""

    type = sa.Double()
    inherit_cache = True


@compiles(DbNow, "sqlite")
def _sqlite_now(_element: Any, _compiler: Any, **_kw: Any) -> str:
    # unixepoch('subsec') would be plainer, but needs SQLite 3.42; Debian 12 has 3.40.
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(DbNow, "postgresql")
def _postgresql_now(_element: Any, _compiler: Any, **_kw: Any) -> str:
    # Not now(): that is the start of the transaction, from before any wait for a lock.
    return "extract(epoch from clock_timestamp())::double precision"


def later(one: sa.ColumnElement[float], other: sa.ColumnElement[float]) -> sa.ColumnElement[float]:
    """The later of two times."""
    return sa.case((one > other, one), else_=other)


def transcription_id(workspace: str, recording_id: str) -> str:
    """`txn_` and 32 hex digits: the same for ever for this recording, also after a restored backup."""
    return f"txn_{uuid.uuid5(_IDS, f'{workspace}/{recording_id}').hex}"


def is_of(table: sa.Table, workspace: object, recording_id: object) -> sa.ColumnElement[bool]:
    """Rows of one recording, given by its ids or by the columns of another table."""
    return sa.and_(table.c.workspace == workspace, table.c.recording_id == recording_id)


def is_free(until: sa.ColumnElement[Any], now: sa.ColumnElement[float]) -> sa.ColumnElement[bool]:
    """A lease or an offer is over."""
    return sa.or_(until.is_(None), until < now, until > now + CLOCK_WAS_SET_BACK_S)


metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts up only an INTEGER


def _text(name: str, **kw: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=False, **kw)


def _time(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Double, nullable=False)


def _times(*names: str) -> list[sa.Column[Any]]:
    return [_time(name) for name in names]


def _number(name: str, **kw: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer, nullable=False, **kw)


def _where(condition: str) -> dict[str, Any]:
    """Of an index over some rows only."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _key(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text, primary_key=True) for name in names]


def _texts(*names: str) -> list[sa.Column[Any]]:
    return [_text(name) for name in names]


def _of_transcription() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["workspace", "recording_id"], ["transcriptions.workspace", "transcriptions.recording_id"]
    )


deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    *_texts("workspace", "webhook_id"),
    _time("received_at"),  # by the clock of the web process
    sa.Column("sent_at", sa.BigInteger, nullable=False),  # as signed
    _text("secret_label"),
    sa.Column("body", sa.LargeBinary),  # NULL once retention took it: the row stays, dedup never expires
    sa.Column("applied_at", sa.Double),
    _number("tries", server_default="0"),
    sa.Column("kind", sa.Text),
    sa.Column("note", sa.Text),
    sa.Column("recording_id", sa.Text),  # known once it has been applied
    sa.UniqueConstraint("workspace", "webhook_id"),
    sa.Index("ix_deliveries_unapplied", "id", **_where("applied_at IS NULL")),
    sa.Index("ix_deliveries_noted", "kind", **_where("note IS NOT NULL")),
    sa.Index("ix_deliveries_recording", "workspace", "recording_id"),
    sa.Index("ix_deliveries_kept", "applied_at", **_where("body IS NOT NULL AND kind IS NOT NULL")),
)

transcriptions = sa.Table(
    "transcriptions",
    metadata,
    *_key("id"),
    *_texts("workspace", "recording_id"),
    _text("goal", key="phase"),
    _number("version"),
    _text("state"),  # JSON: `app.core.state.to_record`; the other columns are copies to search by
    *_times("first_heard_at", "updated_at"),
    sa.Column("completed_at", sa.Double),
    sa.Column("provider", sa.Text),
    sa.Column("reason", sa.Text),
    sa.UniqueConstraint("workspace", "recording_id"),
    sa.Index("ix_transcriptions_goal", "phase", "first_heard_at"),
    sa.Index("ix_transcriptions_first_heard", "first_heard_at", "id"),
    sa.Index(
        "ix_transcriptions_recording",
        "recording_id",
        postgresql_ops={"recording_id": "text_pattern_ops"},  # for LIKE 'beginning%', whatever the collation
    ),
)


def is_compared() -> sa.ColumnElement[bool]:
    """It is stored, and a transcript to compare with is being made: it is under way, and has an end."""
    row = transcriptions.c
    is_under_way = row.phase.in_([phase.value for phase in Phase if phase not in ENDS])
    return sa.and_(is_under_way, row.completed_at.is_not(None))


# The lines of the state once more, for one reason: a constraint that no program can argue with.
attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    *_texts("workspace", "recording_id"),
    _number("ordinal"),
    _text("provider"),
    _text("fate", key="status"),
    _number("generation", key="key_serial"),
    sa.Column("transcript_id", sa.Text),
    sa.Column("error", sa.Text),
    _number("budget"),  # how many attempts were allowed when this one was claimed
    sa.Column("cost", sa.BigInteger),  # millionths of the currency: `app.core.cost.Cost`
    sa.Column("currency", sa.Text),
    sa.Column("cost_day", sa.Integer),
    *_times("claimed_at", "updated_at"),
    sa.UniqueConstraint("workspace", "recording_id", "ordinal"),
    sa.CheckConstraint(f"ordinal BETWEEN 1 AND {CEILING}", name="ordinal"),
    sa.CheckConstraint("ordinal <= budget", name="budget"),
    _of_transcription(),
    sa.Index("ix_attempts_fate", "provider", "status"),
    sa.Index(
        "ix_attempts_cost",
        *("cost_day", "currency", "workspace", "provider", "cost"),
        **_where("cost_day IS NOT NULL"),
    ),
    sa.Index(
        "ix_attempts_transcript",
        "transcript_id",
        **_where("transcript_id IS NOT NULL"),
        postgresql_ops={"transcript_id": "text_pattern_ops"},
    ),
)

sends = sa.Table(
    "sends",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    *_texts("workspace", "recording_id"),
    _number("ordinal"),
    _number("generation", key="key_serial"),
    *_texts("key", "fingerprint", "bot"),
    _time("stamped_at"),
    sa.Column("outcome", sa.Text),
    sa.Column("settled_at", sa.Double),
    sa.Column("body", sa.LargeBinary),  # of the request, to repeat it; NULL once the attempt is settled
    _of_transcription(),
    sa.Index("ix_sends_attempt", "workspace", "recording_id", "ordinal"),
    sa.Index("ix_sends_bot", "workspace", "bot", "stamped_at"),
    sa.Index("ix_sends_stamped", "workspace", "stamped_at"),
    sa.Index("ix_sends_bodies", "workspace", "recording_id", **_where("body IS NOT NULL")),
)

commands = sa.Table(
    "commands",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    *_texts("workspace", "recording_id", "key", "kind"),
    _text("args"),  # JSON: `app.core.commands.to_record`
    _time("due_at"),
    sa.Column("offered_at", sa.Double),
    sa.Column("leased_until", sa.Double),
    sa.Column("token", sa.Text),
    _number("tries"),
    sa.Column("slot_at", sa.Double),
    sa.Column("slot_rate", sa.Text),  # the rate that the slot is of
    sa.Column("waits_for", sa.Text),  # why it was put off: a short code for people
    sa.Column("is_held", sa.Boolean, nullable=False),  # waits for the account, not for its time
    # When it first became due: unlike `due_at` it stays when the command is put off, and ages count from it.
    sa.Column("wanted_since", sa.Double, nullable=False, server_default="0"),
    sa.UniqueConstraint("workspace", "recording_id", "key"),
    _of_transcription(),
    sa.Index("ix_commands_due", "due_at", "id"),
    sa.Index("ix_commands_daily_budget", "workspace", **_where(f"waits_for = '{DAILY_BUDGET}'")),
    sqlite_autoincrement=True,  # rows come and go, and an id in Redis must never mean another command
)

history = sa.Table(
    "history",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    *_texts("workspace", "recording_id"),
    _time("at"),
    *_texts("event", "by", "goal_before", "goal_after"),
    _text("commands"),  # JSON list of keys
    sa.Column("ignored", sa.Text),
    sa.Column("alarm", sa.Text),
    _text("summary"),  # JSON: ids and codes of the event, see `history`
    sa.Index("ix_history_recording", "workspace", "recording_id", "id"),
    sa.Index("ix_history_alarm", "alarm", **_where("alarm IS NOT NULL")),
)

artifacts = sa.Table(
    "artifacts",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    *_texts("workspace", "recording_id", "transcript_id"),
    sa.Column("ordinal", sa.Integer),
    *_texts("provider", "verdict"),
    sa.Column("language", sa.Text),
    _text("folder"),
    _text("files"),  # JSON list of names
    _time("stored_at"),
    sa.Column("is_current", sa.Boolean, nullable=False),
    sa.Column("draft", sa.Text),  # JSON: the manifest that is not written yet; the other files are whole
    sa.UniqueConstraint("workspace", "recording_id", "transcript_id"),
    _of_transcription(),
    sa.Index(
        "ix_artifacts_transcript", "transcript_id", postgresql_ops={"transcript_id": "text_pattern_ops"}
    ),
)

rates = sa.Table("rates", metadata, *_key("workspace", "rate"), _time("next_at"))

pauses = sa.Table("pauses", metadata, *_key("workspace"), _text("cause"), *_times("since", "probe_at"))

# Pauses that ended: patience stood still meanwhile.
pause_log = sa.Table(
    "pause_log",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    *_texts("workspace", "cause"),
    *_times("began_at", "ended_at"),
    sa.Index("ix_pause_log_ended", "workspace", "ended_at"),
)

# See `CircuitBreaker`; a provider without a row is closed.
breakers = sa.Table(
    "breakers",
    metadata,
    *_key("workspace", "provider"),
    _number("failures"),
    sa.Column("shut_until", sa.Double, key="open_until"),
    sa.Column("shut_for_s", sa.Double, key="open_for_s"),
    sa.Column("probing_until", sa.Double),
)

# See `KnownForm`, as JSON; a provider without a row is not known.
provider_forms = sa.Table("provider_forms", metadata, *_key("workspace", "provider"), _text("known"))

heartbeats = sa.Table("heartbeats", metadata, *_key("name"), _time("at"), _text("detail"))

counters = sa.Table("counters", metadata, *_key("name"), sa.Column("value", sa.BigInteger, nullable=False))

# Kept by triggers of the database (see the migration 0002): rows by `goal:GOAL`, `fate:FATE:PROVIDER`,
# `alarm:NAME`, and `sends`. A count is the sum over the shards of its name.
tallies = sa.Table(
    "tallies",
    metadata,
    *_key("name"),
    sa.Column("shard", sa.Integer, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

# Keys: `first_start`; `write_check`, the row that readiness writes to; `turn:NAME`, when it was last taken.
installation = sa.Table("installation", metadata, *_key("key"), _time("at"))

# API keys by their fingerprint. `status`: "accepted" (seen to see this workspace's recordings) or "foreign".
recall_keys = sa.Table(
    "recall_keys", metadata, *_key("workspace", "fingerprint"), _text("status"), _time("at")
)

# Work over many pages that one job does not finish: at most one worker holds the lease of a pass; `progress`
# (JSON) is where the next job goes on, NULL between two passes.
passes = sa.Table(
    "passes",
    metadata,
    *_key("workspace", "name"),
    sa.Column("token", sa.Text),
    sa.Column("leased_until", sa.Double),
    sa.Column("progress", sa.Text),
)

# Texts about this installation, such as the random id in its queues' names.
identity = sa.Table("identity", metadata, *_key("name"), _text("value"))
