"""The plans that were in force in a window, and from when; each run is stored with its plan."""

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

    `path` and `probes` are as in `monitor.store.chosen`.
    """
    inside = chosen(since, until, path, probes)
    first_use = select(func.min(runs.c.started_at), *_COLUMNS).where(*inside).group_by(*_COLUMNS)
    rows = connection.execute(first_use).all()
    # Most windows have one plan, which this query finds in a fraction of the time.
    changed = connection.execute(_changes(inside)).all() if len(rows) > 1 else rows
    for at, *plan in changed:
        yield datetime.fromtimestamp(at, UTC), Plan(*plan)


def _changes(inside: Sequence[ColumnElement[bool]]) -> Select[tuple[Any, ...]]:
    """Return the query for the runs whose plan differs from that of the run before."""
    order = (runs.c.started_at, runs.c.pk)
    before = [func.lag(column).over(order_by=order).label(f"before_{column.name}") for column in _COLUMNS]
    number = func.row_number().over(order_by=order).label("number")
    numbered = select(runs.c.started_at, *_COLUMNS, number, *before).where(*inside).subquery()
    differs = [numbered.c[column.name].is_distinct_from(numbered.c[f"before_{column.name}"]) for column in _COLUMNS]
    columns = (numbered.c.started_at, *(numbered.c[column.name] for column in _COLUMNS))
    return select(*columns).where(or_(numbered.c.number == 1, *differs)).order_by(numbered.c.number)
