"""Runs and the engine's own output."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"

down_revision = None

branch_labels = None

depends_on = None

ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

NEVER_NEGATIVE = (
    "download_bps",
    "upload_bps",
    "latency_ms",
    "jitter_ms",
    "packet_loss_pct",
    "download_bytes",
    "upload_bytes",
    "download_ms",
    "upload_ms",
    "download_latency_ms",
    "upload_latency_ms",
    "cross_rx_bps",
    "cross_tx_bps",
)


def upgrade() -> None:
    """Create both tables."""
    _make_runs()
    op.create_index("ix_runs_started_at", "runs", ["started_at"])
    op.create_table(
        "raw_output",
        sa.Column("run_pk", ROW_NUMBER, autoincrement=False, nullable=False),
        sa.Column("stdout", sa.Text(), nullable=False),
        sa.Column("stderr", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_pk", name="pk_raw_output"),
        sa.ForeignKeyConstraint(["run_pk"], ["runs.pk"], name="fk_raw_output_run_pk", ondelete="CASCADE"),
    )


def _make_runs() -> None:
    op.create_table(
        "runs",
        *_columns_of_runs(),
        sa.PrimaryKeyConstraint("pk", name="pk_runs"),
        sa.UniqueConstraint("id", name="uq_runs_id"),
        sa.CheckConstraint("status IN ('ok', 'failed', 'skipped', 'interrupted')", name=op.f("ck_runs_status")),
        sa.CheckConstraint("trigger IN ('cli', 'schedule', 'web', 'retry', 'import')", name=op.f("ck_runs_trigger")),
        sa.CheckConstraint("path IN ('ip4only', 'host')", name=op.f("ck_runs_path")),
        sa.CheckConstraint("ip_family IN (4, 6)", name=op.f("ck_runs_ip_family")),
        *(sa.CheckConstraint(f"{column} >= 0", name=op.f(f"ck_runs_{column}")) for column in NEVER_NEGATIVE),
    )


def _columns_of_runs() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("pk", ROW_NUMBER, nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("probe", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("trigger", sa.String(16), nullable=False),
        sa.Column("path", sa.String(16), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("engine_version", sa.Text()),
        sa.Column("download_bps", sa.BigInteger()),
        sa.Column("upload_bps", sa.BigInteger()),
        sa.Column("latency_ms", sa.Double()),
        sa.Column("jitter_ms", sa.Double()),
        sa.Column("packet_loss_pct", sa.Double()),
        sa.Column("download_bytes", sa.BigInteger()),
        sa.Column("upload_bytes", sa.BigInteger()),
        sa.Column("download_ms", sa.BigInteger()),
        sa.Column("upload_ms", sa.BigInteger()),
        sa.Column("download_latency_ms", sa.Double()),
        sa.Column("upload_latency_ms", sa.Double()),
        sa.Column("isp", sa.Text()),
        sa.Column("external_ip", sa.Text()),
        sa.Column("ip_family", sa.Integer()),
        sa.Column("server_id", sa.Text()),
        sa.Column("server_name", sa.Text()),
        sa.Column("server_location", sa.Text()),
        sa.Column("server_country", sa.Text()),
        sa.Column("server_host", sa.Text()),
        sa.Column("server_ip", sa.Text()),
        sa.Column("result_url", sa.Text()),
        sa.Column("cross_rx_bps", sa.BigInteger()),
        sa.Column("cross_tx_bps", sa.BigInteger()),
        sa.Column("healthy", sa.Boolean()),
        sa.Column("failure_kind", sa.Text()),
        sa.Column("failure_scope", sa.Text()),
        sa.Column("failure_stage", sa.Text()),
        sa.Column("failure_message", sa.Text()),
        sa.Column("failure_exit_code", sa.Integer()),
        sa.Column("failure_signal", sa.Integer()),
        sa.Column("plan_download_bps", sa.BigInteger()),
        sa.Column("plan_upload_bps", sa.BigInteger()),
        sa.Column("plan_latency_ms", sa.Double()),
    )
