"""
The first tables. A step that has been released is never edited: the next change is a new file.

Spelled out rather than taken from `sql.tables`, which has the tables as they are now, not as they were.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _breakers()
    _counters()
    _deliveries()
    _heartbeats()
    _history()
    _installation()
    _pause_log()
    _pauses()
    _rates()
    _transcriptions()
    _artifacts()
    _attempts()
    _commands()
    _sends()


def _breakers() -> None:
    op.create_table(
        "breakers",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("shut_until", sa.Double(), nullable=True),
        sa.Column("shut_for_s", sa.Double(), nullable=True),
        sa.Column("probing_until", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("workspace", "provider", name=op.f("pk_breakers")),
    )


def _counters() -> None:
    op.create_table(
        "counters",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counters")),
    )


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("secret_label", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("applied_at", sa.Double(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("recording_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("workspace", "webhook_id", name=op.f("uq_deliveries_workspace_webhook_id")),
    )
    op.create_index("ix_deliveries_recording", "deliveries", ["workspace", "recording_id"], unique=False)
    op.create_index(
        "ix_deliveries_noted",
        "deliveries",
        ["kind"],
        unique=False,
        sqlite_where=sa.text("note IS NOT NULL"),
        postgresql_where=sa.text("note IS NOT NULL"),
    )
    op.create_index(
        "ix_deliveries_unapplied",
        "deliveries",
        ["id"],
        unique=False,
        sqlite_where=sa.text("applied_at IS NULL"),
        postgresql_where=sa.text("applied_at IS NULL"),
    )


def _heartbeats() -> None:
    op.create_table(
        "heartbeats",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_heartbeats")),
    )


def _history() -> None:
    op.create_table(
        "history",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("recording_id", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("goal_before", sa.Text(), nullable=False),
        sa.Column("goal_after", sa.Text(), nullable=False),
        sa.Column("commands", sa.Text(), nullable=False),
        sa.Column("ignored", sa.Text(), nullable=True),
        sa.Column("alarm", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_history")),
    )
    op.create_index(
        "ix_history_alarm",
        "history",
        ["alarm"],
        unique=False,
        sqlite_where=sa.text("alarm IS NOT NULL"),
        postgresql_where=sa.text("alarm IS NOT NULL"),
    )
    op.create_index("ix_history_recording", "history", ["workspace", "recording_id", "id"], unique=False)


def _installation() -> None:
    op.create_table(
        "installation",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_installation")),
    )


def _pause_log() -> None:
    op.create_table(
        "pause_log",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("began_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pause_log")),
    )
    op.create_index("ix_pause_log_ended", "pause_log", ["workspace", "ended_at"], unique=False)


def _pauses() -> None:
    op.create_table(
        "pauses",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("probe_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", name=op.f("pk_pauses")),
    )


def _rates() -> None:
    op.create_table(
        "rates",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("rate", sa.Text(), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "rate", name=op.f("pk_rates")),
    )


def _transcriptions() -> None:
    op.create_table(
        "transcriptions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("recording_id", sa.Text(), nullable=False),
        sa.Column("goal", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("first_heard_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("completed_at", sa.Double(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transcriptions")),
        sa.UniqueConstraint(
            "workspace", "recording_id", name=op.f("uq_transcriptions_workspace_recording_id")
        ),
    )
    op.create_index("ix_transcriptions_first_heard", "transcriptions", ["first_heard_at", "id"], unique=False)
    op.create_index("ix_transcriptions_goal", "transcriptions", ["goal", "first_heard_at"], unique=False)
    op.create_index("ix_transcriptions_recording", "transcriptions", ["recording_id"], unique=False)


def _artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("recording_id", sa.Text(), nullable=False),
        sa.Column("transcript_id", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("stored_at", sa.Double(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace", "recording_id"],
            ["transcriptions.workspace", "transcriptions.recording_id"],
            name=op.f("fk_artifacts_transcriptions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artifacts")),
        sa.UniqueConstraint(
            "workspace",
            "recording_id",
            "transcript_id",
            name=op.f("uq_artifacts_workspace_recording_id_transcript_id"),
        ),
    )


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("recording_id", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("fate", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("transcript_id", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("budget", sa.Integer(), nullable=False),
        sa.Column("claimed_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.CheckConstraint("ordinal <= budget", name=op.f("ck_attempts_budget")),
        sa.CheckConstraint("ordinal BETWEEN 1 AND 9", name=op.f("ck_attempts_ordinal")),
        sa.ForeignKeyConstraint(
            ["workspace", "recording_id"],
            ["transcriptions.workspace", "transcriptions.recording_id"],
            name=op.f("fk_attempts_transcriptions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.UniqueConstraint(
            "workspace", "recording_id", "ordinal", name=op.f("uq_attempts_workspace_recording_id_ordinal")
        ),
    )
    op.create_index("ix_attempts_fate", "attempts", ["provider", "fate"], unique=False)


def _commands() -> None:
    op.create_table(
        "commands",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("recording_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("args", sa.Text(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("offered_at", sa.Double(), nullable=True),
        sa.Column("leased_until", sa.Double(), nullable=True),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("slot_at", sa.Double(), nullable=True),
        sa.Column("is_held", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace", "recording_id"],
            ["transcriptions.workspace", "transcriptions.recording_id"],
            name=op.f("fk_commands_transcriptions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commands")),
        sa.UniqueConstraint(
            "workspace", "recording_id", "key", name=op.f("uq_commands_workspace_recording_id_key")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_commands_due", "commands", ["due_at", "id"], unique=False)


def _sends() -> None:
    op.create_table(
        "sends",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("recording_id", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("bot", sa.Text(), nullable=False),
        sa.Column("stamped_at", sa.Double(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace", "recording_id"],
            ["transcriptions.workspace", "transcriptions.recording_id"],
            name=op.f("fk_sends_transcriptions"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sends")),
    )
    op.create_index("ix_sends_attempt", "sends", ["workspace", "recording_id", "ordinal"], unique=False)
    op.create_index("ix_sends_bot", "sends", ["workspace", "bot", "stamped_at"], unique=False)
    op.create_index("ix_sends_stamped", "sends", ["workspace", "stamped_at"], unique=False)
