"""Runs inside the transaction that `migrate` opened; Alembic executes this file by its name."""

from __future__ import annotations

from alembic import context

from app.adapters.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a column by copying the table
)
context.run_migrations()
