"""What each attempt costs, and which commands wait for a day's budget. No row is rewritten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("LOCK TABLE transcriptions IN ACCESS EXCLUSIVE MODE")  # first, as in every commit
    op.add_column("attempts", sa.Column("cost", sa.BigInteger(), nullable=True))
    op.add_column("attempts", sa.Column("currency", sa.Text(), nullable=True))
    op.add_column("attempts", sa.Column("cost_day", sa.Integer(), nullable=True))
    is_known, is_waiting = sa.text("cost_day IS NOT NULL"), sa.text("waits_for = 'daily_budget'")
    op.create_index(
        "ix_attempts_cost",
        "attempts",
        ["cost_day", "currency", "workspace", "provider", "cost"],
        sqlite_where=is_known,
        postgresql_where=is_known,
    )
    op.create_index(
        "ix_commands_daily_budget",
        "commands",
        ["workspace"],
        sqlite_where=is_waiting,
        postgresql_where=is_waiting,
    )
