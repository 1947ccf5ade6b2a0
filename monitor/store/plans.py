"""Reads: which plan judged the runs of a window, and from when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from monitor.model import Plan
from monitor.store.tables import runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

_COLUMNS = tuple(runs.c[f"plan_{name}"] for name in Plan.__slots__)


def spells(connection: Connection, *, since: datetime, until: datetime) -> Iterator[tuple[datetime, Plan]]:
    """Yield the plan of the first run in [since, until), and each that differs from the one before, oldest first."""
    order = (runs.c.started_at, runs.c.pk)
    before = tuple(func.lag(column).over(order_by=order) for column in _COLUMNS)
    number = func.row_number().over(order_by=order)
    inside = (runs.c.started_at >= int(since.timestamp()), runs.c.started_at < int(until.timestamp()))
    window = select(
        runs.c.started_at,
        *_COLUMNS,
        number.label("number"),
        *(column.label(f"before_{index}") for index, column in enumerate(before)),
    )
    each = window.where(*inside).subquery()
    changed = [each.c[column.name].is_distinct_from(each.c[f"before_{index}"]) for index, column in enumerate(_COLUMNS)]
    wanted = select(each.c.started_at, *(each.c[column.name] for column in _COLUMNS))
    for at, *plan in connection.execute(
        wanted.where((each.c.number == 1) | changed[0] | changed[1] | changed[2]).order_by(each.c.number)
    ):
        yield datetime.fromtimestamp(at, UTC), Plan(*plan)
