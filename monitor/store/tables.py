"""The schema, in SQLAlchemy Core, and how remarks, raw output and traces are encoded in it.

A change needs a script in `migrations/versions` and a new SCHEMA_VERSION, a change of an encoding too.

Moments are integer epoch seconds in UTC, rates bit/s, sizes bytes, times ms. NULL means not measured. Remarks are JSON,
so that SQL can read them. The rest is MessagePack compressed by zlib: a trace is a list of samples of four numbers, the
output of an engine a pair of texts.
"""

from __future__ import annotations

import zlib

import msgspec
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

from monitor.analysis.metrics import UNITS
from monitor.model import RawOutput, Remark, Trace

# The revision of the newest migration script; revisions are numbers of four digits, so that they compare as text.
SCHEMA_VERSION = "0009"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite assigns row numbers only in a column of type INTEGER.
_RowNumber = BigInteger().with_variant(Integer(), "sqlite")

# The columns of measured numbers; negative values, which some programs write for "unknown", are rejected.
MEASURED_COLUMNS = (
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

# The measured numbers that roll-ups and buckets contain.
SUMMED_COLUMNS = ("download_bps", "upload_bps", "latency_ms")

# What a roll-up counts: runs by status, doubtful runs, and failed runs by scope (whose fault it was).
COUNT_COLUMNS = (
    "runs",
    "ok",
    "failed",
    "skipped",
    "interrupted",
    "doubtful",
    "failed_line",
    "failed_provider",
    "failed_config",
    "failed_local",
    "failed_unknown",
)

# The lengths of roll-ups in seconds; each is a multiple of the one before.
ROLLUP_SPANS_S = (3600, 21_600, 86_400)

# The columns of the plan, which is what the ISP sold.
PLAN_COLUMNS = ("plan_download_bps", "plan_upload_bps", "plan_latency_ms")

probes = Table(
    "probes",
    metadata,
    Column("pk", _RowNumber, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    # In a fleet: the id of the store that forwards runs under this name.
    Column("installation", String(36)),
)

isps = Table(
    "isps",
    metadata,
    Column("pk", _RowNumber, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

servers = Table(
    "servers",
    metadata,
    Column("pk", _RowNumber, primary_key=True),
    # A digest of the other columns, because NULL is not unique in SQL; see `monitor.store.lookups`.
    Column("digest", String(32), nullable=False, unique=True),
    Column("id", Text),
    Column("name", Text),
    Column("location", Text),
    Column("country", Text),
    Column("host", Text),
    Column("ip", Text),
)

runs = Table(
    "runs",
    metadata,
    Column("pk", _RowNumber, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("probe_pk", _RowNumber, ForeignKey(probes.c.pk), nullable=False),
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
    Column("isp_pk", _RowNumber, ForeignKey(isps.c.pk)),
    Column("external_ip", Text),
    Column("ip_family", Integer),
    Column("server_pk", _RowNumber, ForeignKey(servers.c.pk)),
    Column("result_url", Text),
    Column("cross_rx_bps", BigInteger),
    Column("cross_tx_bps", BigInteger),
    Column("healthy", Boolean),
    # Kind and scope have no CHECK: a new kind must not require rebuilding the table.
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
    # Of a failed run: whether packets came back over the line while it lasted.
    Column("line_answered", Boolean),
    # Why a person left it out of all statistics; NULL: it counts.
    Column("excluded", Text),
    CheckConstraint("status IN ('ok', 'failed', 'skipped', 'interrupted')", name="status"),
    CheckConstraint("trigger IN ('cli', 'schedule', 'web', 'retry', 'import')", name="trigger"),
    CheckConstraint("path IN ('ip4only', 'host')", name="path"),
    CheckConstraint("ip_family IN (4, 6)", name="ip_family"),
    *(CheckConstraint(f"{column} >= 0", name=column) for column in (*MEASURED_COLUMNS, *PLAN_COLUMNS)),
    CheckConstraint("packet_loss_pct <= 100", name="packet_loss_most"),
    CheckConstraint("finished_at >= started_at", name="finished_at"),
    CheckConstraint("attempt >= 1", name="attempt"),
    CheckConstraint("retry_of <> id", name="retry_of"),
    CheckConstraint("status = 'ok' OR (download_bps IS NULL AND upload_bps IS NULL)", name="no_rate_unless_ok"),
    CheckConstraint("status = 'ok' OR healthy IS NULL", name="no_health_unless_ok"),
    CheckConstraint("status <> 'ok' OR failure_kind IS NULL", name="no_failure_if_ok"),
    CheckConstraint("(failure_kind IS NULL) = (failure_scope IS NULL)", name="failure_scope"),
)

Index(None, runs.c.started_at)
Index(None, runs.c.probe_pk, runs.c.path, runs.c.started_at)

# Partial on SQLite only: `postgresql_where` would load that dialect, 3 MiB, into each `collect`.
Index(None, runs.c.retry_of, sqlite_where=runs.c.retry_of.is_not(None))

Index(None, runs.c.excluded, sqlite_where=runs.c.excluded.is_not(None))

plan_columns = tuple(runs.c[name] for name in PLAN_COLUMNS)

raw_output = Table(
    "raw_output",
    metadata,
    Column("run_pk", _RowNumber, ForeignKey(runs.c.pk, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    # See `encode_output`; there is no row if the engine printed nothing.
    Column("output", LargeBinary, nullable=False),
)

findings = Table(
    "findings",
    metadata,
    Column("run_pk", _RowNumber, ForeignKey(runs.c.pk, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    # The findings of the diagnosis of a failed run, as encoded by `netns.probe.findings`.
    Column("document", Text, nullable=False),
)

traces = Table(
    "traces",
    metadata,
    Column("run_pk", _RowNumber, ForeignKey(runs.c.pk, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("interval_ms", Integer, nullable=False),
    # See `encode_trace`.
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

# The runs of a UTC day as columns, lossless, for reading many years quickly; see `monitor.store.packed_days`.
packed_days = Table(
    "packed_days",
    metadata,
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("probe_pk", _RowNumber, ForeignKey(probes.c.pk), primary_key=True, autoincrement=False),
    Column("path", String(16), primary_key=True),
    Column("runs", Integer, nullable=False),
    # Its runs were pruned: it can no longer be packed again.
    Column("frozen", Boolean, nullable=False),
    Column("sorts", Text, nullable=False),
    *(Column(name, LargeBinary, nullable=False) for name in ("started", "lasted", "sort", *UNITS)),
)

# One row, inserted by the migration: the unique id of this store.
identity = Table("identity", metadata, Column("id", String(36), primary_key=True))

# At most one row: the state of forwarding to a fleet, which is in the order of the primary keys of runs.
forwarding = Table(
    "forwarding",
    metadata,
    Column("pk", Integer, primary_key=True, autoincrement=False),
    # The id of the fleet's store; the last run that it acknowledged, and when.
    Column("target", String(36)),
    Column("run_pk", _RowNumber),
    Column("run_id", String(64)),
    Column("acknowledged_at", BigInteger),
    # Consecutive failed attempts, the time of the last one, and its error.
    Column("failures", Integer, nullable=False),
    Column("failed_at", BigInteger),
    Column("error", Text),
    CheckConstraint("pk = 1", name="one_row"),
)


# Which program, as its version line, brought the database to which schema, and when (UTC).
schema_history = Table(
    "schema_history",
    metadata,
    Column("revision", String(32), primary_key=True),
    Column("program", Text, nullable=False),
    Column("upgraded_at", BigInteger, nullable=False),
)

# Notifications; `watcher` is the name of the installation that sends them. The states of a probe as JSON, see
# `monitor.notify.states`.
notify_memories = Table(
    "notify_memories",
    metadata,
    Column("watcher", Text, primary_key=True),
    Column("probe", Text, primary_key=True),
    Column("memory", Text, nullable=False),
)

# The end of the period of the last digest.
notify_digests = Table(
    "notify_digests",
    metadata,
    Column("watcher", Text, primary_key=True),
    Column("until", BigInteger, nullable=False),
)

# One row for each message and address, written before it is sent; see `monitor.store.notifications`.
notify_messages = Table(
    "notify_messages",
    metadata,
    Column("pk", _RowNumber, primary_key=True),
    Column("watcher", Text, nullable=False),
    # A digest of the address, and what may be shown of it: addresses contain secrets.
    Column("address", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    # What it is about, as JSON.
    Column("document", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
    # When it was sent or dropped.
    Column("ended_at", BigInteger),
    Column("title", Text),
    # Why the last attempt failed.
    Column("error", Text),
)

Index(None, notify_messages.c.watcher, notify_messages.c.status)

notify_addresses = Table(
    "notify_addresses",
    metadata,
    Column("watcher", Text, primary_key=True),
    Column("address", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    # Failed attempts since the last that succeeded.
    Column("failures", Integer, nullable=False),
    Column("failed_at", BigInteger),
    Column("sent_at", BigInteger),
    Column("error", Text),
)


def _sum_columns(name: str) -> tuple[Column[int], Column[float], Column[float], Column[float]]:
    return (
        Column(f"{name}_count", Integer, nullable=False),
        Column(f"{name}_sum", Double),
        Column(f"{name}_min", Double),
        Column(f"{name}_max", Double),
    )


# Counts and sums of the runs of a span of time, recomputed when a run of it is stored; see `monitor.store.rollups`.
rollups = Table(
    "rollups",
    metadata,
    Column("probe_pk", _RowNumber, ForeignKey(probes.c.pk), primary_key=True, autoincrement=False),
    Column("path", String(16), primary_key=True),
    Column("span", Integer, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    *(Column(name, Integer, nullable=False) for name in COUNT_COLUMNS),
    *(column for name in SUMMED_COLUMNS for column in _sum_columns(name)),
    # Its runs were pruned: it can no longer be recomputed.
    Column("frozen", Boolean, nullable=False),
    sqlite_with_rowid=False,
)


_Samples = tuple[tuple[int, int, int, int], ...]


def encode_remarks(remarks: tuple[Remark, ...]) -> str | None:
    """Return remarks as a JSON array; None if there are none."""
    return msgspec.json.encode(remarks).decode() if remarks else None


def decode_remarks(text: str | None) -> tuple[Remark, ...]:
    """Return the remarks of a JSON array.

    Raises:
        msgspec.DecodeError: the text is not such an array.
    """
    return msgspec.json.decode(text, type=tuple[Remark, ...]) if text else ()


def encode_trace(trace: Trace) -> dict[str, int | bytes]:
    """Return a trace as its columns `interval_ms` and `samples`."""
    return {"interval_ms": trace.interval_ms, "samples": zlib.compress(msgspec.msgpack.encode(trace.samples), 9)}


def decode_trace(interval_ms: int, samples: bytes) -> Trace:
    """Return a trace, decoded from its columns.

    Raises:
        msgspec.DecodeError, zlib.error: the value is damaged.
    """
    return Trace(interval_ms, msgspec.msgpack.decode(zlib.decompress(samples), type=_Samples))


def encode_output(output: RawOutput) -> bytes:
    """Return the output of an engine, encoded."""
    return zlib.compress(msgspec.msgpack.encode((output.stdout, output.stderr)))


def decode_output(value: bytes) -> RawOutput:
    """Return the output of an engine, decoded.

    Raises:
        msgspec.DecodeError, zlib.error: the value is damaged.
    """
    return RawOutput(*msgspec.msgpack.decode(zlib.decompress(value), type=tuple[str, str]))
