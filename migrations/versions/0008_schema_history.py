"""Which version of the program brought the database to which schema, for the one that finds it too new."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"

down_revision = "0007"

branch_labels = None

depends_on = None


def upgrade() -> None:
    """Create the table, which is empty: what was done before is not known."""
    op.create_table(
        "schema_history",
        sa.Column("revision", sa.String(32), nullable=False),
        sa.Column("program", sa.Text(), nullable=False),
        sa.Column("upgraded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_schema_history"),
    )
