"""
Outgoing webhooks: announcements, the log of their tries, what was learnt of endpoints. New tables only.

On PostgreSQL the table that a foreign key leads to is locked against writes for a moment.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("LOCK TABLE transcriptions IN ACCESS EXCLUSIVE MODE")  # first, as in every commit
    op.create_table(
        "outgoing",
        sa.Column("id", _ID, nullable=False),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("recording_id", sa.Text(), nullable=False),
        sa.Column("transcript_id", sa.Text(), nullable=True),
        sa.Column("facts", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=True),
        sa.Column("offered_at", sa.Double(), nullable=True),
        sa.Column("leased_until", sa.Double(), nullable=True),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace", "recording_id"],
            ["transcriptions.workspace", "transcriptions.recording_id"],
            name=op.f("fk_outgoing_transcriptions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outgoing")),
        sa.UniqueConstraint("webhook_id", name=op.f("uq_outgoing_webhook_id")),
        sqlite_autoincrement=True,
    )
    _index("ix_outgoing_due", ["endpoint", "due_at"], "due_at IS NOT NULL")
    _index("ix_outgoing_leased", ["endpoint"], "leased_until IS NOT NULL")
    op.create_index("ix_outgoing_recording", "outgoing", ["workspace", "recording_id"])
    op.create_table(
        "outgoing_tries",
        sa.Column("id", _ID, nullable=False),
        sa.Column("outgoing_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("took_ms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outgoing_tries")),
    )
    op.create_index("ix_outgoing_tries_of", "outgoing_tries", ["outgoing_id", "id"])
    op.create_table(
        "endpoints",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("disabled_at", sa.Double(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("open_until", sa.Double(), nullable=True),
        sa.Column("open_for_s", sa.Double(), nullable=True),
        sa.Column("probing_until", sa.Double(), nullable=True),
        sa.Column("delivered_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_endpoints")),
    )


def _index(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "outgoing", columns, sqlite_where=where, postgresql_where=where)
