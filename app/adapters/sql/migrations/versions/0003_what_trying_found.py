"""
What a day of trying found missing: the bytes of a request that may be repeated, since when a command is
wanted and for what it waits, manifests that are not written yet, which API keys have been seen to see this
workspace's recordings, passes over Recall's list that outlast a job, texts about the installation, and
indexes by which a bot or a transcript is found.

Nothing rewrites a large table: columns come with a constant default, indexes are built once.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    if is_postgresql:
        op.execute("LOCK TABLE transcriptions IN ACCESS EXCLUSIVE MODE")  # first, as in every commit
    op.add_column("sends", sa.Column("body", sa.LargeBinary(), nullable=True))
    op.add_column("commands", sa.Column("wanted_since", sa.Double(), nullable=False, server_default="0"))
    op.execute("UPDATE commands SET wanted_since = due_at")
    op.add_column("commands", sa.Column("slot_rate", sa.Text(), nullable=True))
    op.add_column("commands", sa.Column("waits_for", sa.Text(), nullable=True))
    op.execute("UPDATE commands SET slot_at = NULL")  # slots that do not say of which rate they are
    op.add_column("artifacts", sa.Column("draft", sa.Text(), nullable=True))
    op.execute(
        "INSERT INTO tallies (name, shard, value) SELECT 'failed:' || reason, 0, count(*) FROM transcriptions"
        " WHERE goal = 'failed' AND reason IS NOT NULL GROUP BY 1"
    )
    _tables()
    is_known = sa.text("transcript_id IS NOT NULL")
    for_beginnings = {"transcript_id": "text_pattern_ops"}  # LIKE 'beginning%', whatever the collation
    op.create_index(
        "ix_attempts_transcript",
        "attempts",
        ["transcript_id"],
        sqlite_where=is_known,
        postgresql_where=is_known,
        postgresql_ops=for_beginnings,
    )
    op.create_index("ix_artifacts_transcript", "artifacts", ["transcript_id"], postgresql_ops=for_beginnings)
    has_body = sa.text("body IS NOT NULL")
    op.create_index(
        "ix_sends_bodies",
        "sends",
        ["workspace", "recording_id"],
        sqlite_where=has_body,
        postgresql_where=has_body,
    )
    # An expression: a column of its own would have to be filled for a million rows.
    bot_id = (
        "(state::json ->> 'bot_id') text_pattern_ops" if is_postgresql else "json_extract(state, '$.bot_id')"
    )
    op.execute(f"CREATE INDEX ix_transcriptions_bot ON transcriptions ({bot_id})")


def _tables() -> None:
    op.create_table(
        "recall_keys",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "fingerprint", name=op.f("pk_recall_keys")),
    )
    op.create_table(
        "passes",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("leased_until", sa.Double(), nullable=True),
        sa.Column("progress", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "name", name=op.f("pk_passes")),
    )
    op.create_table(
        "identity",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_identity")),
    )
