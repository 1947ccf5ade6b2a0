"""Retries, remarks, findings of the diagnosis of a failure, kernel traces, and events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"

down_revision = "0001"

branch_labels = None

depends_on = None

ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add columns to `runs`, whose rows stay as they are, and create three tables that refer to it."""
    op.add_column("runs", sa.Column("attempt", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("runs", sa.Column("retry_of", sa.String(64)))
    op.add_column("runs", sa.Column("remarks", sa.Text()))
    _beside_a_run("findings", sa.Column("document", sa.Text(), nullable=False))
    _beside_a_run(
        "traces",
        sa.Column("interval_ms", sa.Integer(), nullable=False),
        sa.Column("samples", sa.LargeBinary(), nullable=False),
    )
    _make_events()


def _beside_a_run(name: str, *columns: sa.Column[object]) -> None:
    op.create_table(
        name,
        sa.Column("run_pk", ROW_NUMBER, autoincrement=False, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("run_pk", name=f"pk_{name}"),
        sa.ForeignKeyConstraint(["run_pk"], ["runs.pk"], name=f"fk_{name}_run_pk", ondelete="CASCADE"),
    )


def _make_events() -> None:
    op.create_table(
        "events",
        sa.Column("pk", ROW_NUMBER, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("probe", sa.Text(), nullable=False),
        sa.Column("path", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("before", sa.Text()),
        sa.Column("after", sa.Text()),
        sa.Column("run_pk", ROW_NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("pk", name="pk_events"),
        sa.ForeignKeyConstraint(["run_pk"], ["runs.pk"], name="fk_events_run_pk", ondelete="CASCADE"),
    )
    op.create_index("ix_events_at", "events", ["at"])
    op.create_index("ix_events_run_pk", "events", ["run_pk"])
