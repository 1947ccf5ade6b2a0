"""Lookup tables of probes, ISPs and servers, compressed engine output, roll-ups, and checks of impossible values.

Tables are renamed, created again and filled from the old ones, as are those that refer to them: SQLite cannot change a
check, and dropping a table that others refer to would delete their rows.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from alembic import op

if TYPE_CHECKING:
    from collections.abc import Iterator


revision = "0003"

down_revision = "0002"

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
    "plan_download_bps",
    "plan_upload_bps",
    "plan_latency_ms",
)

SERVER = ("id", "name", "location", "country", "host", "ip")

COUNTED = (
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

RATED = ("download_bps", "upload_bps", "latency_ms")

RULES = {
    "status": "status IN ('ok', 'failed', 'skipped', 'interrupted')",
    "trigger": "trigger IN ('cli', 'schedule', 'web', 'retry', 'import')",
    "path": "path IN ('ip4only', 'host')",
    "ip_family": "ip_family IN (4, 6)",
    **{column: f"{column} >= 0" for column in NEVER_NEGATIVE},
    "packet_loss_most": "packet_loss_pct <= 100",
    "finished_at": "finished_at >= started_at",
    "attempt": "attempt >= 1",
    "retry_of": "retry_of <> id",
    "no_rate_unless_ok": "status = 'ok' OR (download_bps IS NULL AND upload_bps IS NULL)",
    "no_health_unless_ok": "status = 'ok' OR healthy IS NULL",
    "no_failure_if_ok": "status <> 'ok' OR failure_kind IS NULL",
    "failure_scope": "(failure_kind IS NULL) = (failure_scope IS NULL)",
}

PARTS = {"count": "sum", "sum": "sum", "min": "min", "max": "max"}

BESIDE = ("raw_output", "findings", "traces", "events")

BATCH = 1000

ALL_PCT = 100


def upgrade() -> None:
    """Create the new tables, fill them from the old ones, and drop the old ones."""
    _put_away()
    _make_names()
    _make_runs()
    _make_beside()
    _make_rollups()
    _repair_impossible_values()
    _copy_runs()
    _copy_beside()
    _sum_up()
    for table in (*BESIDE, "runs"):
        op.drop_table(f"old_{table}")


def _put_away() -> None:
    """Rename the old tables; SQLite updates references to them, PostgreSQL keeps the names of their indexes."""
    for index, table in (("started_at", "runs"), ("at", "events"), ("run_pk", "events")):
        op.drop_index(f"ix_{table}_{index}", table)
    for table in ("runs", *BESIDE):
        op.rename_table(table, f"old_{table}")
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"ALTER INDEX pk_{table} RENAME TO pk_old_{table}")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX uq_runs_id RENAME TO uq_old_runs_id")


def _make_names() -> None:
    for table, column in (("probes", "name"), ("isps", "name"), ("servers", "digest")):
        op.create_table(
            table,
            sa.Column("pk", ROW_NUMBER, nullable=False),
            sa.Column(column, sa.String(32) if column == "digest" else sa.Text(), nullable=False),
            *(sa.Column(name, sa.Text()) for name in SERVER if table == "servers"),
            sa.PrimaryKeyConstraint("pk", name=f"pk_{table}"),
            sa.UniqueConstraint(column, name=f"uq_{table}_{column}"),
        )


def _make_runs() -> None:
    op.create_table(
        "runs",
        *_columns_of_runs(),
        sa.PrimaryKeyConstraint("pk", name="pk_runs"),
        sa.UniqueConstraint("id", name="uq_runs_id"),
        *(
            sa.ForeignKeyConstraint([f"{name}_pk"], [f"{name}s.pk"], name=f"fk_runs_{name}_pk")
            for name in ("probe", "isp", "server")
        ),
        *(sa.CheckConstraint(rule, name=op.f(f"ck_runs_{name}")) for name, rule in RULES.items()),
    )
    op.create_index("ix_runs_started_at", "runs", ["started_at"])
    op.create_index("ix_runs_probe_pk_path_started_at", "runs", ["probe_pk", "path", "started_at"])
    where = sa.text("retry_of IS NOT NULL")
    op.create_index("ix_runs_retry_of", "runs", ["retry_of"], sqlite_where=where)


def _columns_of_runs() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("pk", ROW_NUMBER, nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("probe_pk", ROW_NUMBER, nullable=False),
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
        sa.Column("isp_pk", ROW_NUMBER),
        sa.Column("external_ip", sa.Text()),
        sa.Column("ip_family", sa.Integer()),
        sa.Column("server_pk", ROW_NUMBER),
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
        sa.Column("attempt", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("retry_of", sa.String(64)),
        sa.Column("remarks", sa.Text()),
    )


def _make_beside() -> None:
    _beside_a_run("raw_output", sa.Column("output", sa.LargeBinary(), nullable=False))
    _beside_a_run("findings", sa.Column("document", sa.Text(), nullable=False))
    _beside_a_run(
        "traces",
        sa.Column("interval_ms", sa.Integer(), nullable=False),
        sa.Column("samples", sa.LargeBinary(), nullable=False),
    )
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


def _beside_a_run(name: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("run_pk", ROW_NUMBER, autoincrement=False, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("run_pk", name=f"pk_{name}"),
        sa.ForeignKeyConstraint(["run_pk"], ["runs.pk"], name=f"fk_{name}_run_pk", ondelete="CASCADE"),
    )


def _make_rollups() -> None:
    op.create_table(
        "rollups",
        sa.Column("probe_pk", ROW_NUMBER, autoincrement=False, nullable=False),
        sa.Column("path", sa.String(16), nullable=False),
        sa.Column("span", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTED),
        *(column for name in RATED for column in _summed(name)),
        sa.Column("frozen", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("probe_pk", "path", "span", "start", name="pk_rollups"),
        sa.ForeignKeyConstraint(["probe_pk"], ["probes.pk"], name="fk_rollups_probe_pk"),
        sqlite_with_rowid=False,
    )


def _summed(name: str) -> Iterator[sa.Column[Any]]:
    yield sa.Column(f"{name}_count", sa.Integer(), nullable=False)
    for part in ("sum", "min", "max"):
        yield sa.Column(f"{name}_{part}", sa.Double())


def _repair_impossible_values() -> None:
    """Correct rows that the old checks accepted but no release wrote; a remark keeps the values that are removed."""
    connection = op.get_bind()
    broken = " OR ".join(f"NOT ({rule})" for rule in RULES.values())
    for row in connection.execute(sa.text(f"SELECT * FROM old_runs WHERE {broken}")).mappings().all():
        changes = _repairs(dict(row))
        removed = ", ".join(f"{name}={row[name]}" for name in changes)
        remark = {"kind": "mended", "message": f"could not be true and was taken out: {removed}"}
        changes["remarks"] = json.dumps([*json.loads(row["remarks"] or "[]"), remark])
        places = ", ".join(f"{name} = :{name}" for name in changes)
        connection.execute(sa.text(f"UPDATE old_runs SET {places} WHERE pk = :pk"), changes | {"pk": row["pk"]})


def _repairs(row: dict[str, Any]) -> dict[str, Any]:
    """Return the columns to change so that the row satisfies every check."""
    measured = row["status"] == "ok"
    nonsense = [name for name in NEVER_NEGATIVE if (row[name] or 0) < 0]
    nonsense += [name for name in ("download_bps", "upload_bps", "healthy") if not measured and row[name] is not None]
    nonsense += ["packet_loss_pct"] * ((row["packet_loss_pct"] or 0) > ALL_PCT)
    nonsense += ["retry_of"] * (row["retry_of"] == row["id"])
    failure = ("failure_kind", "failure_scope")
    if measured or (row["failure_kind"] is None) != (row["failure_scope"] is None):
        nonsense += [name for name in failure if row[name] is not None]
    changes: dict[str, Any] = dict.fromkeys(nonsense)
    if row["finished_at"] < row["started_at"]:
        changes["finished_at"] = row["started_at"]
    if row["attempt"] < 1:
        changes["attempt"] = 1
    return changes


def _copy_runs() -> None:
    connection = op.get_bind()
    op.execute("INSERT INTO probes (name) SELECT DISTINCT probe FROM old_runs ORDER BY 1")
    op.execute("INSERT INTO isps (name) SELECT DISTINCT isp FROM old_runs WHERE isp IS NOT NULL ORDER BY 1")
    _fill_servers(connection)
    op.create_index("ix_servers_of_0003", "servers", list(SERVER))
    elsewhere = {"probe_pk": "p.pk", "isp_pk": "i.pk", "server_pk": "s.pk"}
    runs = sa.inspect(connection).get_columns("runs")
    into = ", ".join(column["name"] for column in runs)
    columns = ", ".join(elsewhere.get(column["name"], f"r.{column['name']}") for column in runs)
    same = "IS" if connection.dialect.name == "sqlite" else "IS NOT DISTINCT FROM"
    server = " AND ".join(f"s.{name} {same} r.server_{name}" for name in SERVER)
    op.execute(
        f"INSERT INTO runs ({into}) SELECT {columns} FROM old_runs r CROSS JOIN probes p"
        f" LEFT JOIN isps i ON i.name = r.isp LEFT JOIN servers s ON {server}"
        " WHERE p.name = r.probe ORDER BY r.pk"
    )
    op.drop_index("ix_servers_of_0003", "servers")
    _go_on_counting("runs")


def _fill_servers(connection: sa.Connection) -> None:
    columns = ", ".join(f"server_{name}" for name in SERVER)
    for values in connection.execute(sa.text(f"SELECT DISTINCT {columns} FROM old_runs")).all():
        if any(value is not None for value in values):
            digest = hashlib.blake2b(msgspec.json.encode(tuple(values)), digest_size=16).hexdigest()
            row = dict(zip(SERVER, values, strict=True)) | {"digest": digest}
            connection.execute(sa.table("servers", *map(sa.column, row)).insert(), row)


def _copy_beside() -> None:
    _compress(op.get_bind())
    for table in ("findings", "traces", "events"):
        columns = ", ".join(column["name"] for column in sa.inspect(op.get_bind()).get_columns(table))
        op.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM old_{table}")
    _go_on_counting("events")


def _compress(connection: sa.Connection) -> None:
    old = sa.table("old_raw_output", *map(sa.column, ("run_pk", "stdout", "stderr")))
    new = sa.table("raw_output", sa.column("run_pk"), sa.column("output", sa.LargeBinary))
    done = -1
    while rows := connection.execute(
        sa.select(old).where(old.c.run_pk > done).order_by(old.c.run_pk).limit(BATCH)
    ).all():
        done = rows[-1][0]
        kept = [{"run_pk": pk, "output": _deflated(out, err)} for pk, out, err in rows if out or err]
        if kept:
            connection.execute(new.insert(), kept)


def _deflated(stdout: str, stderr: str) -> bytes:
    return zlib.compress(msgspec.msgpack.encode((stdout, stderr)))


def _go_on_counting(table: str) -> None:
    """Set the sequences of PostgreSQL, which do not notice keys that were inserted explicitly."""
    if op.get_bind().dialect.name == "postgresql":
        sequence = f"pg_get_serial_sequence('{table}', 'pk')"
        op.execute(f"SELECT setval({sequence}, (SELECT coalesce(max(pk), 0) + 1 FROM {table}), false)")


def _sum_up() -> None:
    """Compute hourly roll-ups from the runs, those of six hours from the hourly ones, and daily ones from those."""
    place = "probe_pk, path, {span}, {at} - {at} % {span}"
    hours = place.format(span=3600, at="started_at")
    op.execute(f"INSERT INTO rollups SELECT {hours}, {', '.join(_of_runs())}, false FROM runs GROUP BY 1, 2, 4")
    for finer, span in ((3600, 21_600), (21_600, 86_400)):
        longer = place.format(span=span, at="start")
        values = ", ".join(_of_finer())
        op.execute(
            f"INSERT INTO rollups SELECT {longer}, {values}, false FROM rollups WHERE span = {finer} GROUP BY 1, 2, 4"
        )


def _of_runs() -> Iterator[str]:
    yield "count(*)"
    yield from (f"count(CASE WHEN status = '{status}' THEN 1 END)" for status in COUNTED[1:5])
    yield "count(CASE WHEN NOT healthy THEN 1 END)"
    scopes = ("line", "provider", "config", "local")
    known = ", ".join(f"'{scope}'" for scope in scopes)
    failed = "count(CASE WHEN status = 'failed' AND coalesce(failure_scope, '') {which} THEN 1 END)"
    yield from (failed.format(which=f"= '{scope}'") for scope in scopes)
    yield failed.format(which=f"NOT IN ({known})")
    for name in RATED:
        value = f"CAST(CASE WHEN status = 'ok' AND healthy IS NOT FALSE THEN {name} END AS DOUBLE PRECISION)"
        yield from (f"{part}({value})" for part in ("count", "sum", "min", "max"))


def _of_finer() -> Iterator[str]:
    yield from (f"sum({name})" for name in COUNTED)
    for name in RATED:
        yield from (f"{how}({name}_{part})" for part, how in PARTS.items())
