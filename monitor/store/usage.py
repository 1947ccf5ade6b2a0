"""How much data the tests have used: what engines told, else what the kernel counted, else rate times time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select

from monitor import zone
from monitor.memory import Spent
from monitor.model import Status
from monitor.months import month_of
from monitor.store.blobs import to_trace
from monitor.store.open import open_reader
from monitor.store.tables import runs, traces
from monitor.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row

    from monitor.months import Month
    from monitor.settings import Settings

# What speedtest-cli measures in each direction, where an engine tells neither bytes nor time.
USUAL_MS = 10_000
_DIRECTIONS = (("download", 0), ("upload", 1))


def of_months(settings: Settings, months: Iterable[Month]) -> list[Usage]:
    """Return what the tests of this probe used in each of the months.

    Raises:
        StoreError: the store cannot be read.
    """
    with open_reader(settings.database.url) as connection:
        return [_used(connection, settings.probe.name, month) for month in months]


def this_month(settings: Settings, now: datetime) -> Spent:
    """Return the bytes of the month so far, and when it ends.

    Raises:
        StoreError: the store cannot be read.
    """
    month = month_of(now, zone.resolve(settings.display.timezone))
    used = of_months(settings, [month])[0]
    return Spent(used.total_bytes, int(month.end.timestamp()))


def _used(connection: Connection, probe: str, month: Month) -> Usage:
    told = (runs.c.download_bytes, runs.c.upload_bytes)
    ours = (
        runs.c.probe == probe,
        runs.c.started_at >= int(month.begin.timestamp()),
        runs.c.started_at < int(month.end.timestamp()),
        runs.c.status != Status.SKIPPED,
    )
    sums = select(func.count(), func.coalesce(func.sum(told[0]), 0), func.coalesce(func.sum(told[1]), 0))
    tests, down, up = connection.execute(sums.where(*ours, told[0].is_not(None), told[1].is_not(None))).one()
    others = [(_moved(row, *_DIRECTIONS[0]), _moved(row, *_DIRECTIONS[1])) for row in _not_told(connection, ours)]
    estimated = (sum(each[0] for each in others), sum(each[1] for each in others))
    counted = sum(1 for each in others if any(each))
    return Usage(month.name, tests + counted, int(down) + estimated[0], int(up) + estimated[1], sum(estimated))


def _not_told(connection: Connection, ours: Iterable[ColumnElement[bool]]) -> Iterable[Row[tuple[object, ...]]]:
    """Return the runs whose engine did not tell both numbers, with the kernel's trace where there is one."""
    columns = [runs.c[f"{name}_{what}"] for name, _ in _DIRECTIONS for what in ("bytes", "bps", "ms")]
    query = select(*columns, traces.c.interval_ms, traces.c.samples).outerjoin(traces, traces.c.run_pk == runs.c.pk)
    return connection.execute(query.where(*ours, or_(runs.c.download_bytes.is_(None), runs.c.upload_bytes.is_(None))))


def _moved(row: Row[tuple[object, ...]], name: str, direction: int) -> int:
    """Return the bytes of one direction, 0 where nothing at all is known of them."""
    found = row._mapping  # noqa: SLF001  SQLAlchemy's public name
    if found[f"{name}_bytes"] is not None:
        return int(found[f"{name}_bytes"])
    if found["samples"] is not None:
        return sum(sample[direction] for sample in to_trace(found["interval_ms"], found["samples"]).samples)
    return int((found[f"{name}_bps"] or 0) * (found[f"{name}_ms"] or USUAL_MS) / 8000)
