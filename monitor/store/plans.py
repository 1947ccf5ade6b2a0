"""Reads: which plan judged the runs of a window, and from when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, or_, select

from monitor.model import Plan
from monitor.store.chosen import chosen
from monitor.store.tables import runs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

    from monitor.model import Path

_COLUMNS = tuple(runs.c[f"plan_{name}"] for name in Plan.__slots__)


def spells(
    connection: Connection,
    *,
    since: datetime,
    until: datetime,
    path: Path | None = None,
    probes: Collection[int] = (),
) -> Iterator[tuple[datetime, Plan]]:
    """Yield the plan of the first run in [since, until), and each that differs from the one before, oldest first.

    Of which runs is as in `monitor.store.chosen`.
    """
    inside = chosen(since, until, path, probes)
    each = select(func.min(runs.c.started_at), *_COLUMNS).where(*inside).group_by(*_COLUMNS)
    rows = connection.execute(each).all()
    # Most windows have one plan, which a plain count finds in a fraction of the time.
    changed = connection.execute(_changes(inside)).all() if len(rows) > 1 else rows
    for at, *plan in changed:
        yield datetime.fromtimestamp(at, UTC), Plan(*plan)


def _changes(inside: Sequence[ColumnElement[bool]]) -> Select[tuple[Any, ...]]:
    """Return the statement for the runs whose plan is another than that of the run before."""
    order = (runs.c.started_at, runs.c.pk)
    before = [func.lag(column).over(order_by=order).label(f"before_{column.name}") for column in _COLUMNS]
    number = func.row_number().over(order_by=order).label("number")
    each = select(runs.c.started_at, *_COLUMNS, number, *before).where(*inside).subquery()
    differs = [each.c[column.name].is_distinct_from(each.c[f"before_{column.name}"]) for column in _COLUMNS]
    columns = (each.c.started_at, *(each.c[column.name] for column in _COLUMNS))
    return select(*columns).where(or_(each.c.number == 1, *differs)).order_by(each.c.number)
