"""
The search index on PostgreSQL: two tables of its own, empty. SQLite keeps its index in another file, see
`app.adapters.sql.search_sqlite`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    from sqlalchemy.dialects import postgresql  # not for SQLite: it is large

    op.create_table(
        "search_transcripts",
        sa.Column("id", sa.BigInteger(), primary_key=True),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("recording_id", sa.Text(), nullable=False),
        sa.Column("transcript_id", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("is_unreadable", sa.Boolean(), nullable=False),
        sa.UniqueConstraint("workspace", "recording_id"),
    )
    op.create_table(
        "search_sentences",
        sa.Column("id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("speaker", sa.Text(), nullable=False),
        sa.Column("start_s", sa.Double()),
        sa.Column("end_s", sa.Double()),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("terms", postgresql.TSVECTOR(), nullable=False),
    )
    # What is put in is found at once: a list of what is pending would be read through by every search.
    op.create_index(
        "ix_search_sentences_terms",
        "search_sentences",
        ["terms"],
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
