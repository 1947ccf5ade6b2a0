"""What notifications remember: the states of each probe, the messages, and the health of each address."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"

down_revision = "0006"

branch_labels = None

depends_on = None

ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create four tables, which are empty."""
    op.create_table(
        "notify_memories",
        sa.Column("watcher", sa.Text(), nullable=False),
        sa.Column("probe", sa.Text(), nullable=False),
        sa.Column("memory", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("watcher", "probe", name="pk_notify_memories"),
    )
    op.create_table(
        "notify_digests",
        sa.Column("watcher", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("watcher", name="pk_notify_digests"),
    )
    _make_messages()
    _make_addresses()


def _make_messages() -> None:
    op.create_table(
        "notify_messages",
        sa.Column("pk", ROW_NUMBER, nullable=False),
        sa.Column("watcher", sa.Text(), nullable=False),
        sa.Column("address", sa.String(32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("title", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("pk", name="pk_notify_messages"),
    )
    op.create_index("ix_notify_messages_watcher_status", "notify_messages", ["watcher", "status"])


def _make_addresses() -> None:
    op.create_table(
        "notify_addresses",
        sa.Column("watcher", sa.Text(), nullable=False),
        sa.Column("address", sa.String(32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.BigInteger()),
        sa.Column("sent_at", sa.BigInteger()),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("watcher", "address", name="pk_notify_addresses"),
    )
