"""Data used by tests: byte counts of engines, else those of the kernel, else rate times duration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select

from monitor import zone
from monitor.model import DataUsed, Status
from monitor.months import month_of
from monitor.store.blobs import to_trace
from monitor.store.names import of_probe
from monitor.store.open import open_reader
from monitor.store.tables import runs, traces
from monitor.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row

    from monitor.months import Month
    from monitor.settings import Settings

# Duration of each direction if the engine reports neither bytes nor duration; that of speedtest-cli.
USUAL_MS = 10_000
_DIRECTIONS = ("download", "upload")


def of_months(settings: Settings, months: Iterable[Month]) -> list[Usage]:
    """Return the data that the tests of this probe used, by month.

    Raises:
        StoreError: the store cannot be read.
    """
    with open_reader(settings.database.url) as connection:
        return [_used(connection, settings.probe.name, month) for month in months]


def this_month(settings: Settings, now: datetime) -> DataUsed:
    """Return the bytes of the month so far, and when it ends.

    Raises:
        StoreError: the store cannot be read.
    """
    month = month_of(now, zone.resolve(settings.display.timezone))
    used = of_months(settings, [month])[0]
    return DataUsed(used.total_bytes, int(month.end.timestamp()))


def _used(connection: Connection, probe: str, month: Month) -> Usage:
    sizes = [runs.c[f"{name}_bytes"] for name in _DIRECTIONS]
    conditions = (
        of_probe(probe),
        runs.c.started_at >= int(month.begin.timestamp()),
        runs.c.started_at < int(month.end.timestamp()),
        runs.c.status != Status.SKIPPED,
    )
    sums = select(func.count(), *(func.coalesce(func.sum(size), 0) for size in sizes))
    tests, down, up = connection.execute(sums.where(*conditions, *(size.is_not(None) for size in sizes))).one()
    reported = Usage(month.name, tests, int(down), int(up))
    return sum((_reckoned(row, month.name) for row in _not_told(connection, conditions)), start=reported)


def _not_told(connection: Connection, conditions: Iterable[ColumnElement[bool]]) -> Iterable[Row[tuple[object, ...]]]:
    """Return the runs whose engine did not report both byte counts, with the kernel's trace if there is one."""
    columns = [runs.c[f"{name}_{unit}"] for name in _DIRECTIONS for unit in ("bytes", "bps", "ms")]
    query = select(*columns, traces.c.interval_ms, traces.c.samples).outerjoin(traces, traces.c.run_pk == runs.c.pk)
    return connection.execute(
        query.where(*conditions, or_(runs.c.download_bytes.is_(None), runs.c.upload_bytes.is_(None)))
    )


def _reckoned(row: Row[tuple[object, ...]], month: str) -> Usage:
    """Return the data that one run used; what the engine did not report is estimated."""
    down, up = (row._mapping[f"{name}_bytes"] for name in _DIRECTIONS)  # noqa: SLF001  SQLAlchemy's public name
    missing_down, missing_up = (0 if size is not None else _guess(row, place) for place, size in enumerate((down, up)))
    used = Usage(month, 1, (down or 0) + missing_down, (up or 0) + missing_up, missing_down + missing_up)
    return used if used.total_bytes else Usage(month, 0, 0, 0)


def _guess(row: Row[tuple[object, ...]], direction: int) -> int:
    """Return the bytes of a direction from the kernel's trace, else rate times duration; 0 if unknown."""
    name = _DIRECTIONS[direction]
    values = row._mapping  # noqa: SLF001  the same
    samples = to_trace(row.interval_ms, row.samples).samples if row.samples is not None else ()
    by_rate = (values[f"{name}_bps"] or 0) * (values[f"{name}_ms"] or USUAL_MS) // 8000
    # A trace of zeros only did not count the link that the test used.
    return sum(sample[direction] for sample in samples) or int(by_rate)
