"""Roll-ups: counts and sums of the runs of each hour, six hours and day in UTC, for each probe and path.

They are always recomputed from the runs, so they do not depend on the order in which runs are stored. Doubtful runs
(healthy is false) are left out of count, sum, min and max of what was measured; `doubtful` counts them. Runs that were
excluded count in `runs` only, and in `doubtful` if they have numbers.
To include another number, add it to `SUMMED_COLUMNS` in `monitor.store.tables` and write a migration.
"""

from __future__ import annotations

import heapq
import math
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import Double, and_, case, cast, delete, false, func, literal, or_, select, true

from monitor.analysis.outages import counts_in_shares
from monitor.model import Scope, Status
from monitor.store.lookups import insert_if_new
from monitor.store.tables import ROLLUP_SPANS_S, SUMMED_COLUMNS, rollups, runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select

    from monitor.model import NetworkPath


# The condition that a run counts: nobody excluded it.
IS_INCLUDED = runs.c.excluded.is_(None)

# The condition that a run was measured and is not doubtful.
IS_TRUSTED = and_(runs.c.status == Status.OK, runs.c.healthy.is_not(False), IS_INCLUDED)

_IS_DOUBTFUL = and_(runs.c.status == Status.OK, or_(runs.c.healthy.is_(False), ~IS_INCLUDED))

_FAILED = and_(runs.c.status == Status.FAILED, IS_INCLUDED)

_KNOWN_SCOPES = [scope for scope in Scope if scope is not Scope.UNKNOWN]

# The counts of failed runs that count in shares.
LOST_COLUMNS = tuple(f"failed_{scope}" for scope in Scope if counts_in_shares(Status.FAILED, scope))

_COLUMNS = [column.name for column in rollups.c]

_KEY = slice(0, _COLUMNS.index("start") + 1)

_FROZEN = _COLUMNS.index("frozen")

_VALUES = [column.name for column in rollups.c if not column.primary_key and column.name != "frozen"]

# Rows that the driver holds at a time.
_BATCH = 1000


def recompute_rollups(connection: Connection, probe_pk: int, path: NetworkPath, since: int, until: int) -> None:
    """Update the roll-ups of the runs that started in [since, until] (epoch seconds)."""
    for span in ROLLUP_SPANS_S:
        start, end = since - since % span, until - until % span + span
        of_pair = (rollups.c.probe_pk == probe_pk, rollups.c.path == path, rollups.c.span == span)
        inside = (rollups.c.start >= start, rollups.c.start < end)
        connection.execute(delete(rollups).where(*of_pair, *inside, ~rollups.c.frozen))
        source, moment = _source(span)
        _insert_sums(
            connection, span, source.c.probe_pk == probe_pk, source.c.path == path, moment >= start, moment < end
        )


def rebuild_rollups(connection: Connection) -> None:
    """Recompute all roll-ups, except those whose runs were pruned."""
    connection.execute(delete(rollups).where(~rollups.c.frozen))
    for span in ROLLUP_SPANS_S:
        _insert_sums(connection, span, true())


def count_mismatches(connection: Connection) -> int:
    """Return how many roll-ups are missing, have no runs, or do not match their runs."""
    return sum(_count_span_mismatches(connection, span) for span in ROLLUP_SPANS_S)


def _count_span_mismatches(connection: Connection, span: int) -> int:
    order = ("probe_pk", "path", "start")
    stored = _stream_rows(
        connection, select(rollups).where(rollups.c.span == span).order_by(*(rollups.c[name] for name in order))
    )
    sums = _sum_query(span)
    expected = _stream_rows(connection, sums.order_by(*(sums.selected_columns[name] for name in order)))
    by_key = groupby(heapq.merge(stored, expected, key=lambda row: row[_KEY]), key=lambda row: row[_KEY])
    return sum(not _rows_agree(list(rows)) for _key, rows in by_key)


def _stream_rows(connection: Connection, query: Select[Any]) -> Iterator[Row[Any]]:
    yield from connection.execute(query, execution_options={"yield_per": _BATCH})


def _rows_agree(rows: list[Row[Any]]) -> bool:
    """Return whether a stored row and the expected one agree; a sum of floats depends on their order."""
    if any(row[_FROZEN] for row in rows):
        return True
    first, second = rows[0], rows[-1]
    return len(rows) > 1 and all(
        one == other or (isinstance(one, float) and isinstance(other, float) and math.isclose(one, other))
        for one, other in zip(first, second, strict=True)
    )


def _insert_sums(connection: Connection, span: int, *where: ColumnElement[bool]) -> None:
    connection.execute(insert_if_new(connection, rollups).from_select(_COLUMNS, _sum_query(span).where(*where)))


def _source(span: int) -> tuple[FromClause, ColumnElement[int]]:
    """Return the table that a roll-up sums, and its time: the runs, or the roll-ups of the next finer span."""
    return (runs, runs.c.started_at) if span == ROLLUP_SPANS_S[0] else (rollups, rollups.c.start)


def _sum_query(span: int) -> Select[Any]:
    source, moment = _source(span)
    start = moment - moment % span
    key = (source.c.probe_pk, source.c.path, literal(span).label("span"), start.label("start"))
    values = (run_sums() if source is runs else rollup_sums()).values()
    summed = select(*key, *values, false().label("frozen")).group_by(source.c.probe_pk, source.c.path, start)
    return summed if source is runs else summed.where(rollups.c.span == ROLLUP_SPANS_S[ROLLUP_SPANS_S.index(span) - 1])


def run_sums() -> dict[str, ColumnElement[Any]]:
    """Return the expressions that sum runs, by the columns of a roll-up and in their order."""
    return dict(zip(_VALUES, _run_sum_columns(), strict=True))


def rollup_sums() -> dict[str, ColumnElement[Any]]:
    """Return the expressions that sum roll-ups, likewise."""
    return {name: _merge_function(name)(rollups.c[name]) for name in _VALUES}


def _run_sum_columns() -> Iterator[ColumnElement[Any]]:
    yield func.count(runs.c.pk)
    yield from (_count_where(and_(runs.c.status == status, IS_INCLUDED)) for status in Status)
    yield _count_where(_IS_DOUBTFUL)
    yield from (_count_where(and_(_FAILED, runs.c.failure_scope == scope)) for scope in _KNOWN_SCOPES)
    yield _count_where(and_(_FAILED, func.coalesce(runs.c.failure_scope, "").not_in(_KNOWN_SCOPES)))
    for name in SUMMED_COLUMNS:
        # Rates are integers below 2^53, which a double adds exactly; a sum of BIGINT could overflow.
        value = cast(case((IS_TRUSTED, runs.c[name])), Double)
        yield from (func.count(value), func.sum(value), func.min(value), func.max(value))


def _count_where(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))


def _merge_function(name: str) -> Any:
    return {"min": func.min, "max": func.max}.get(name.rpartition("_")[2], func.sum)
