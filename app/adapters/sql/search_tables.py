"""
The tables of the search index: in PostgreSQL beside the others (migration 0005), in SQLite in a file of their
own, which is made when it is first written to.

Must change together: these tables and the migration; on SQLite `search_sqlite.LAYOUT` as well.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.adapters.sql.tables import metadata as record

metadata = sa.MetaData(naming_convention=record.naming_convention)

# A sentence's id is its transcript's and its place counted from the end: the highest ids are the first
# sentences of the transcript that was indexed last.
SENTENCE_BITS = 24
MOST_SENTENCES = 1 << SENTENCE_BITS

transcripts = sa.Table(
    "search_transcripts",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("recording_id", sa.Text, nullable=False),
    sa.Column("transcript_id", sa.Text, nullable=False),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("format", sa.Text, nullable=False),  # `search_words.FORMAT`
    sa.Column("is_unreadable", sa.Boolean, nullable=False),
    sa.UniqueConstraint("workspace", "recording_id"),
)

sentences = sa.Table(
    "search_sentences",
    metadata,
    sa.Column(
        "id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False
    ),
    sa.Column("speaker", sa.Text, nullable=False),
    sa.Column("start_s", sa.Double),
    sa.Column("end_s", sa.Double),
    sa.Column("text", sa.Text, nullable=False),
)
