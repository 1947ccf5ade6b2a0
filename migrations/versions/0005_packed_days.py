"""The runs of each day, probe and path as columns, so that ten years of them are read quickly.

All days with runs are packed, except the newest of each probe and path. A column holds integers in order of time,
little endian, all in the smallest of 1, 2, 4 or 8 bytes that fits; it is empty if all are 0.
"""

from __future__ import annotations

import math
import sys
from array import array
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from alembic import op

if TYPE_CHECKING:
    from collections.abc import Sequence


revision = "0005"

down_revision = "0004"

branch_labels = None

depends_on = None

ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

DAY_S = 86_400

BATCH = 1000

SAID = (
    "status",
    "engine",
    "healthy",
    "failure_kind",
    "failure_scope",
    "ip_family",
    "isp_pk",
    "server_pk",
    "plan_download_bps",
    "plan_upload_bps",
    "plan_latency_ms",
    "remarks",
)

# Rates are stored in units of 1, times and percentages in 1/1000; 1 is added, because 0 means "not measured".
UNITS = {
    "download_bps": 1,
    "upload_bps": 1,
    "latency_ms": 1000,
    "jitter_ms": 1000,
    "packet_loss_pct": 1000,
    "download_latency_ms": 1000,
    "upload_latency_ms": 1000,
}

MOST = 2**64 - 1

COLUMNS = ("started", "lasted", "sort", *UNITS)

TYPES = {size: next(code for code in "BHILQ" if array(code).itemsize == size) for size in (1, 2, 4, 8)}


def upgrade() -> None:
    """Create the table and pack the days of each probe and path in turn."""
    packed_days = _make_table()
    latest = sa.text("SELECT probe_pk, path, max(started_at) FROM runs GROUP BY 1, 2 ORDER BY 1, 2")
    for probe_pk, path, newest in op.get_bind().execute(latest).all():
        _pack_days(packed_days, probe_pk, path, newest - newest % DAY_S)


def _make_table() -> sa.Table:
    return op.create_table(
        "packed_days",
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("probe_pk", ROW_NUMBER, autoincrement=False, nullable=False),
        sa.Column("path", sa.String(16), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("frozen", sa.Boolean(), nullable=False),
        sa.Column("sorts", sa.Text(), nullable=False),
        *(sa.Column(name, sa.LargeBinary(), nullable=False) for name in COLUMNS),
        sa.PrimaryKeyConstraint("day", "probe_pk", "path", name="pk_packed_days"),
        sa.ForeignKeyConstraint(["probe_pk"], ["probes.pk"], name="fk_packed_days_probe_pk"),
    )


def _pack_days(packed_days: sa.Table, probe_pk: int, path: str, newest: int) -> None:
    columns: list[sa.ColumnClause[Any]] = [
        sa.column(name, sa.Boolean()) if name == "healthy" else sa.column(name)
        for name in ("started_at", "finished_at", *SAID, *UNITS)
    ]
    started = columns[0]
    older = sa.and_(sa.column("probe_pk") == probe_pk, sa.column("path") == path, started < newest)
    query = sa.select(*columns).select_from(sa.table("runs")).where(older).order_by(started, sa.column("pk"))
    rows = op.get_bind().execute(query, execution_options={"yield_per": BATCH})
    for _day, of_day in groupby(rows, key=lambda row: row[0] // DAY_S):
        values = {"probe_pk": probe_pk, "path": path, "frozen": False} | _packed(list(of_day))
        op.get_bind().execute(packed_days.insert(), values)


def _packed(rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    started, finished, *columns = zip(*rows, strict=True)
    day = started[0] - started[0] % DAY_S
    sorts, places = _sorted_out(list(zip(*columns[: len(SAID)], strict=True)))
    numbers = zip(UNITS.items(), columns[len(SAID) :], strict=True)
    return {
        "day": day,
        "runs": len(rows),
        "sorts": sorts,
        "started": _narrow([moment - day for moment in started]),
        "lasted": _narrow([end - begin for begin, end in zip(started, finished, strict=True)]),
        "sort": _narrow(places),
        **{name: _narrow([_whole(value, unit) for value in values]) for (name, unit), values in numbers},
    }


def _sorted_out(said: Sequence[tuple[Any, ...]]) -> tuple[str, list[int]]:
    """Return the distinct attributes of the runs of a day as a JSON array, and the index of each run in it."""
    written = {one: _written(one) for one in set(said)}
    places = {text: place for place, text in enumerate(sorted(set(written.values())))}
    return f"[{','.join(places)}]", [places[written[one]] for one in said]


def _written(said: tuple[Any, ...]) -> str:
    kinds = [remark["kind"] for remark in msgspec.json.decode(said[-1] or "[]")]
    return msgspec.json.encode((*said[:-1], kinds)).decode()


def _whole(value: float | None, unit: int) -> int:
    return 0 if value is None or not math.isfinite(value) else min(round(value * unit) + 1, MOST)


def _narrow(values: list[int]) -> bytes:
    highest = max(values)
    if not highest:
        return b""
    packed = array(next(code for size, code in TYPES.items() if highest < 1 << 8 * size), values)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()
