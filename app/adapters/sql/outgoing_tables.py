"""The tables of outgoing webhooks, beside those of `tables`; made by the migration 0004."""

from __future__ import annotations

import sqlalchemy as sa

from app.adapters.sql import tables as t

# One row per announcement and endpoint. `due_at` is NULL once nothing is to be done about it any more.
outgoing = sa.Table(
    "outgoing",
    t.metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("webhook_id", "endpoint", "event")),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("workspace", "recording_id")),
    sa.Column("transcript_id", sa.Text),
    sa.Column("facts", sa.Text),  # JSON: the transcription as of the commit; NULL once it is erased
    sa.Column("body", sa.Text),  # what the first try sent, while it may have to be sent again
    sa.Column("status", sa.Text, nullable=False),  # waiting, delivered, given_up
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("due_at", sa.Double),
    sa.Column("offered_at", sa.Double),
    sa.Column("leased_until", sa.Double),
    sa.Column("token", sa.Text),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("answer", sa.Text),  # the last: a status, or a word for why there was none
    sa.Column("ended_at", sa.Double),
    sa.UniqueConstraint("webhook_id"),
    sa.ForeignKeyConstraint(
        ["workspace", "recording_id"], ["transcriptions.workspace", "transcriptions.recording_id"]
    ),
    sa.Index(
        "ix_outgoing_due",
        "endpoint",
        "due_at",
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    ),
    sa.Index(
        "ix_outgoing_leased",
        "endpoint",
        sqlite_where=sa.text("leased_until IS NOT NULL"),
        postgresql_where=sa.text("leased_until IS NOT NULL"),
    ),
    sa.Index("ix_outgoing_recording", "workspace", "recording_id"),
    sqlite_autoincrement=True,  # rows go with retention, and an id in Redis must never mean another one
)

# The delivery log: one row per try.
outgoing_tries = sa.Table(
    "outgoing_tries",
    t.metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("outgoing_id", sa.BigInteger, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("took_ms", sa.Integer, nullable=False),
    sa.Index("ix_outgoing_tries_of", "outgoing_id", "id"),
)

# What was learnt of endpoints, by their names; one without a row is well. `digest` is of the address that
# answered 410: a changed one ends that. The breaker's columns: see `core.circuit_breaker`.
endpoints = sa.Table(
    "endpoints",
    t.metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text),
    sa.Column("disabled_at", sa.Double),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("open_until", sa.Double),
    sa.Column("open_for_s", sa.Double),
    sa.Column("probing_until", sa.Double),
    sa.Column("delivered_at", sa.Double),
)
