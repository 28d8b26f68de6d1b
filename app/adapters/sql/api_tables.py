"""The tables of `/v1`, beside those of `tables`; made by the migration 0006."""

from __future__ import annotations

import sqlalchemy as sa

from app.adapters.sql import tables as t

# API keys made by `keys create`: only their SHA-256 is kept. One that is revoked keeps its name.
access_keys = sa.Table(
    "access_keys",
    t.metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),  # with + between them
    sa.Column("workspace", sa.Text),  # NULL: of all
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("revoked_at", sa.Double),
    sa.UniqueConstraint("digest"),
)

# What a key with config:write said of a workspace, above its policy; a workspace without a row: nothing.
processing = sa.Table(
    "processing",
    t.metadata,
    sa.Column("workspace", sa.Text, primary_key=True),
    sa.Column("is_enabled", sa.Boolean, nullable=False),
    sa.Column("provider", sa.Text),  # NULL: the policy's first
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("by", sa.Text, nullable=False),  # the key's name
)

# POST requests with an Idempotency-Key, for a day. `status` is NULL while the first is being done.
idempotency = sa.Table(
    "idempotency",
    t.metadata,
    sa.Column("access_key", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),  # SHA-256 of path and body
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Index("ix_idempotency_at", "at"),
)
