"""Why a person left a run out of all statistics; no run of before was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"

down_revision = "0008"

branch_labels = None

depends_on = None


def upgrade() -> None:
    """Add the column and its index. Roll-ups and packed days of runs that count are as before."""
    op.add_column("runs", sa.Column("excluded", sa.Text(), nullable=True))
    op.create_index("ix_runs_excluded", "runs", ["excluded"], sqlite_where=sa.text("excluded IS NOT NULL"))
