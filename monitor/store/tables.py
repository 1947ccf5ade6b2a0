"""The tables as SQLAlchemy Core. A change here needs a script in `migrations/versions` and a new SCHEMA_VERSION.

Moments are integer epoch seconds in UTC, rates bit/s, sizes bytes, times ms. NULL means not measured.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

SCHEMA_VERSION = "0002"
"""The revision of the newest migration script; revisions are numbers of four digits, so that they compare as text."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only in a column that is called INTEGER.
_RowNumber = BigInteger().with_variant(Integer(), "sqlite")

MEASURED = (
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
"""The columns that hold a measured number; a negative one is some program's word for "nothing" and is refused."""

runs = Table(
    "runs",
    metadata,
    Column("pk", _RowNumber, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("probe", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
    Column("trigger", String(16), nullable=False),
    Column("path", String(16), nullable=False),
    Column("engine", Text, nullable=False),
    Column("engine_version", Text),
    Column("download_bps", BigInteger),
    Column("upload_bps", BigInteger),
    Column("latency_ms", Double),
    Column("jitter_ms", Double),
    Column("packet_loss_pct", Double),
    Column("download_bytes", BigInteger),
    Column("upload_bytes", BigInteger),
    Column("download_ms", BigInteger),
    Column("upload_ms", BigInteger),
    Column("download_latency_ms", Double),
    Column("upload_latency_ms", Double),
    Column("isp", Text),
    Column("external_ip", Text),
    Column("ip_family", Integer),
    Column("server_id", Text),
    Column("server_name", Text),
    Column("server_location", Text),
    Column("server_country", Text),
    Column("server_host", Text),
    Column("server_ip", Text),
    Column("result_url", Text),
    Column("cross_rx_bps", BigInteger),
    Column("cross_tx_bps", BigInteger),
    Column("healthy", Boolean),
    # Kind and scope are not checked: a new kind must not rebuild the table.
    Column("failure_kind", Text),
    Column("failure_scope", Text),
    Column("failure_stage", Text),
    Column("failure_message", Text),
    Column("failure_exit_code", Integer),
    Column("failure_signal", Integer),
    Column("plan_download_bps", BigInteger),
    Column("plan_upload_bps", BigInteger),
    Column("plan_latency_ms", Double),
    Column("attempt", Integer, nullable=False, server_default="1"),
    Column("retry_of", String(64)),
    # A JSON array, as in the JSON of a run.
    Column("remarks", Text),
    CheckConstraint("status IN ('ok', 'failed', 'skipped', 'interrupted')", name="status"),
    CheckConstraint("trigger IN ('cli', 'schedule', 'web', 'retry', 'import')", name="trigger"),
    CheckConstraint("path IN ('ip4only', 'host')", name="path"),
    CheckConstraint("ip_family IN (4, 6)", name="ip_family"),
    *(CheckConstraint(f"{column} >= 0", name=column) for column in MEASURED),
)

Index(None, runs.c.started_at)

raw_output = Table(
    "raw_output",
    metadata,
    Column("run_pk", _RowNumber, ForeignKey(runs.c.pk, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("stdout", Text, nullable=False),
    Column("stderr", Text, nullable=False),
)

findings = Table(
    "findings",
    metadata,
    Column("run_pk", _RowNumber, ForeignKey(runs.c.pk, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    # What a probe found when the run failed, as `netns.findings` writes it.
    Column("document", Text, nullable=False),
)

traces = Table(
    "traces",
    metadata,
    Column("run_pk", _RowNumber, ForeignKey(runs.c.pk, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("interval_ms", Integer, nullable=False),
    # See `monitor.store.trace_code`.
    Column("samples", LargeBinary, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("pk", _RowNumber, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("probe", Text, nullable=False),
    Column("path", String(16), nullable=False),
    # What changed, such as isp; the values before and after.
    Column("kind", String(32), nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("run_pk", _RowNumber, ForeignKey(runs.c.pk, ondelete="CASCADE"), nullable=False),
)

Index(None, events.c.at)
Index(None, events.c.run_pk)
