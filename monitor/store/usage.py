"""How much data the tests have used: what engines told, else what the kernel counted, else rate times time."""

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

# What speedtest-cli measures in each direction, where an engine tells neither bytes nor time.
USUAL_MS = 10_000
_DIRECTIONS = ("download", "upload")


def of_months(settings: Settings, months: Iterable[Month]) -> list[Usage]:
    """Return what the tests of this probe used in each of the months.

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
    told = [runs.c[f"{name}_bytes"] for name in _DIRECTIONS]
    ours = (
        of_probe(probe),
        runs.c.started_at >= int(month.begin.timestamp()),
        runs.c.started_at < int(month.end.timestamp()),
        runs.c.status != Status.SKIPPED,
    )
    sums = select(func.count(), *(func.coalesce(func.sum(each), 0) for each in told))
    tests, down, up = connection.execute(sums.where(*ours, *(each.is_not(None) for each in told))).one()
    whole = Usage(month.name, tests, int(down), int(up))
    return sum((_reckoned(row, month.name) for row in _not_told(connection, ours)), start=whole)


def _not_told(connection: Connection, ours: Iterable[ColumnElement[bool]]) -> Iterable[Row[tuple[object, ...]]]:
    """Return the runs whose engine did not tell both numbers, with the kernel's trace where there is one."""
    columns = [runs.c[f"{name}_{what}"] for name in _DIRECTIONS for what in ("bytes", "bps", "ms")]
    query = select(*columns, traces.c.interval_ms, traces.c.samples).outerjoin(traces, traces.c.run_pk == runs.c.pk)
    return connection.execute(query.where(*ours, or_(runs.c.download_bytes.is_(None), runs.c.upload_bytes.is_(None))))


def _reckoned(row: Row[tuple[object, ...]], month: str) -> Usage:
    """Return what one run used, as far as that can be known."""
    down, up = (row._mapping[f"{name}_bytes"] for name in _DIRECTIONS)  # noqa: SLF001  SQLAlchemy's public name
    missing_down, missing_up = (0 if told is not None else _guess(row, way) for told, way in ((down, 0), (up, 1)))
    found = Usage(month, 1, (down or 0) + missing_down, (up or 0) + missing_up, missing_down + missing_up)
    return found if found.total_bytes else Usage(month, 0, 0, 0)


def _guess(row: Row[tuple[object, ...]], way: int) -> int:
    """Return the bytes of a direction by the kernel's count, else by rate and time, 0 where nothing is known."""
    name = _DIRECTIONS[way]
    known = row._mapping  # noqa: SLF001  the same
    counted = to_trace(row.interval_ms, row.samples).samples if row.samples is not None else ()
    by_rate = (known[f"{name}_bps"] or 0) * (known[f"{name}_ms"] or USUAL_MS) // 8000
    # A trace of nothing but zeros did not see the test's link.
    return sum(sample[way] for sample in counted) or int(by_rate)
