"""
What keeps a large database as quick as a small one: counts that are kept rather than taken, an index by
which the bodies of applied deliveries are found when their time is over, and (on PostgreSQL) one by which a
recording is found by the beginning of its id.

The counts are kept by triggers, because nothing that changes a row can then forget them. On PostgreSQL each
is spread over shards, so that two commits seldom want the same row, and taken in the order of their names,
so that two that do never want each other's. A later step that makes SQLite copy one of these tables
(`batch_alter_table`) must make its triggers again: they go with the old table.
"""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


class _Counted(NamedTuple):  # not a dataclass: Alembic loads this file under no name
    """Rows of a table, by a name made of the columns of a `{row}`; those without a name are not counted."""

    table: str
    name: str
    columns: str  # that the name is made of

    def name_of(self, row: str) -> str:
        return self.name.format(row=row)


_COUNTED = (
    _Counted("transcriptions", "'goal:' || {row}.goal", "goal"),
    _Counted("attempts", "'fate:' || {row}.fate || ':' || {row}.provider", "fate, provider"),
    _Counted("sends", "'sends'", "id"),
    _Counted("history", "'alarm:' || {row}.alarm", "alarm"),
)
_SHARDS = 64


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # Others may be at work. Every commit begins with this table: none deadlocks with what follows, and
        # none slips in between a count and its trigger.
        op.execute("LOCK TABLE transcriptions IN ACCESS EXCLUSIVE MODE")
    op.create_table(
        "tallies",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "shard", name=op.f("pk_tallies")),
    )
    is_kept = sa.text("body IS NOT NULL AND kind IS NOT NULL")
    op.create_index(
        "ix_deliveries_kept",
        "deliveries",
        ["applied_at"],
        unique=False,
        sqlite_where=is_kept,
        postgresql_where=is_kept,
    )
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("ix_transcriptions_recording", "transcriptions")
        op.create_index(
            "ix_transcriptions_recording",
            "transcriptions",
            ["recording_id"],
            postgresql_ops={"recording_id": "text_pattern_ops"},
        )
    for counted in _COUNTED:
        name = counted.name_of(counted.table)
        op.execute(
            f"INSERT INTO tallies (name, shard, value) SELECT {name}, 0, count(*) FROM {counted.table}"
            f" WHERE {name} IS NOT NULL GROUP BY 1"
        )
        (_on_sqlite if op.get_bind().dialect.name == "sqlite" else _on_postgresql)(counted)


def _on_sqlite(counted: _Counted) -> None:
    old, new, table = counted.name_of("OLD"), counted.name_of("NEW"), counted.table
    update, is_other = f"UPDATE OF {counted.columns}", f"{old} IS NOT {new}"
    changes = {
        "insert": ("INSERT", f"{new} IS NOT NULL", new, 1),
        "delete": ("DELETE", f"{old} IS NOT NULL", old, -1),
        "left": (update, f"{is_other} AND {old} IS NOT NULL", old, -1),
        "came": (update, f"{is_other} AND {new} IS NOT NULL", new, 1),
    }
    for change, (when, condition, name, by) in changes.items():
        op.execute(
            f"CREATE TRIGGER tally_{table}_{change} AFTER {when} ON {table} WHEN {condition} BEGIN"
            f" INSERT INTO tallies (name, shard, value) VALUES ({name}, 0, {by})"
            " ON CONFLICT (name, shard) DO UPDATE SET value = value + excluded.value; END"
        )


def _on_postgresql(counted: _Counted) -> None:
    old, new, table = counted.name_of("OLD"), counted.name_of("NEW"), counted.table
    left, came = f"SELECT {old} AS name, -1 AS by", f"SELECT {new} AS name, 1 AS by"
    bodies = {
        "insert": ("INSERT", "", came),
        "delete": ("DELETE", "", left),
        "update": (
            f"UPDATE OF {counted.columns}",
            f" WHEN ({old} IS DISTINCT FROM {new})",
            f"{left} UNION ALL {came}",
        ),
    }
    for change, (when, condition, counts) in bodies.items():
        op.execute(
            f"CREATE FUNCTION tally_{table}_{change}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " INSERT INTO tallies (name, shard, value)"
            f" SELECT name, pg_backend_pid() % {_SHARDS}, by FROM ({counts}) AS counts"
            " WHERE name IS NOT NULL ORDER BY name"
            " ON CONFLICT (name, shard) DO UPDATE SET value = tallies.value + excluded.value;"
            " RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER tally_{table}_{change} AFTER {when} ON {table}"
            f" FOR EACH ROW{condition} EXECUTE FUNCTION tally_{table}_{change}()"
        )
