"""Windows of any length as buckets: how many runs, how many failed, and least, mean, greatest and median numbers.

A bucket is put together from roll-ups as long as fit into it and from the runs of what is left at its ends, so that it
is right wherever its edges lie. All sums are made in SQL.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import JSON, BigInteger, and_, bindparam, cast, func, select

from monitor.edges import edges
from monitor.model import Path
from monitor.store.rollups import TRUSTED, of_finer, of_runs
from monitor.store.tables import COUNTED, RATED, SPANS, probes, rollups, runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime, tzinfo

    from sqlalchemy import CTE, ColumnElement, Connection, Table

MOST = 2000
_RAW = 0
_Piece = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Summary:
    """What the trusted numbers of a bucket come to; the median only where it was asked for."""

    count: int
    min: float
    mean: float
    max: float
    median: float | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """The runs that started in [start, end), epoch seconds; a number is None when no trusted run has it."""

    start: int
    end: int
    runs: int
    failed: int
    doubtful: int
    download_bps: Summary | None
    upload_bps: Summary | None
    latency_ms: Summary | None


def buckets(  # noqa: PLR0913  what a chart can choose
    connection: Connection,
    *,
    since: datetime,
    until: datetime,
    zone: tzinfo,
    most: int = MOST,
    probe: str | None = None,
    path: Path | None = None,
    medians: bool = False,
) -> list[Bucket]:
    """Return the buckets of [since, until) in which there are runs, oldest first, at most `most`.

    Edges are round times in the zone. Medians are of the runs themselves: they take a second for a million of them.
    """
    times = edges(math.ceil(since.timestamp()), math.ceil(until.timestamp()), zone, most)
    windows = list(pairwise(times))
    series = _Series(connection, probe, path)
    middles = series.medians(windows) if medians else {}
    return [
        _bucket(*windows[index], row, middles.get(index, {})) for index, row in sorted(series.sums(windows).items())
    ]


class _Series:
    """The runs of one probe or of all, over one path or both."""

    def __init__(self, connection: Connection, probe: str | None, path: Path | None) -> None:
        self._connection = connection
        named = select(probes.c.pk) if probe is None else select(probes.c.pk).where(probes.c.name == probe)
        self._probes = connection.scalars(named).all()
        self._paths = list(Path) if path is None else [path]

    def sums(self, windows: Sequence[tuple[int, int]]) -> dict[int, Sequence[Any]]:
        """Return the counts and sums of each bucket, by its index, in the order of the columns of a roll-up."""
        pieces = list(_cut_up(windows))
        found: dict[int, Sequence[Any]] = {}
        for index, *row in (*self._summed(runs, pieces), *self._summed(rollups, pieces)):
            if row[0]:
                found[index] = _added(found[index], row) if index in found else row
        return found

    def medians(self, windows: Sequence[tuple[int, int]]) -> dict[int, dict[str, float]]:
        """Return the medians of each bucket by its index and the name of the number."""
        found: dict[int, dict[str, float]] = {}
        for name in RATED:
            for index, value in self._medians(name, [(index, _RAW, *window) for index, window in enumerate(windows)]):
                found.setdefault(index, {})[name] = value
        return found

    def _summed(self, table: Table, pieces: Iterable[_Piece]) -> Sequence[Any]:
        mine = [piece for piece in pieces if (piece[1] == _RAW) == (table is runs)]
        if not mine:
            return ()
        given = _given(self._connection.dialect.name)
        values = of_runs() if table is runs else of_finer()
        # An outer join keeps SQLite from turning the loops around.
        joined = given.outerjoin(table, self._inside(table, given))
        query = select(given.c.bucket, *values).select_from(joined).group_by(given.c.bucket)
        return self._connection.execute(query, {"pieces": msgspec.json.encode(mine).decode()}).all()

    def _medians(self, name: str, pieces: Sequence[_Piece]) -> Sequence[Any]:
        given = _given(self._connection.dialect.name)
        value = runs.c[name]
        bucket = given.c.bucket
        place = func.row_number().over(partition_by=bucket, order_by=value).label("place")
        numbered = (
            select(given.c.bucket, value.label("value"), place, func.count().over(partition_by=bucket).label("count"))
            .select_from(given.outerjoin(runs, self._inside(runs, given)))
            .where(TRUSTED, value.is_not(None))
            .subquery()
        )
        middle = (numbered.c.place * 2).between(numbered.c["count"], numbered.c["count"] + 2)
        query = select(numbered.c.bucket, func.avg(numbered.c.value)).where(middle).group_by(numbered.c.bucket)
        return self._connection.execute(query, {"pieces": msgspec.json.encode(pieces).decode()}).all()

    def _inside(self, table: Table, given: CTE) -> ColumnElement[bool]:
        mine = and_(table.c.probe_pk.in_(self._probes), table.c.path.in_(self._paths))
        if table is runs:
            return and_(mine, runs.c.started_at >= given.c.since, runs.c.started_at < given.c.until)
        inside = and_(rollups.c.start >= given.c.since, rollups.c.start < given.c.until)
        return and_(mine, rollups.c.span == given.c.span, inside)


def _given(dialect: str) -> CTE:
    """Return the pieces, which come as one JSON parameter: thousands of bound values would be too many."""
    text: ColumnElement[Any] = bindparam("pieces")
    rows = func.json_array_elements(cast(text, JSON)) if dialect == "postgresql" else func.json_each(text)
    value = rows.table_valued("value").c.value
    parts = ("bucket", "span", "since", "until")
    columns = (cast(value.op("->>")(place), BigInteger).label(name) for place, name in enumerate(parts))
    return select(*columns).cte("pieces").prefix_with("MATERIALIZED")


def _cut_up(windows: Iterable[tuple[int, int]]) -> Iterator[_Piece]:
    """Yield bucket, span, start and end of stretches that the roll-ups of a span, or runs alone, make up."""
    for index, (since, until) in enumerate(windows):
        for span, start, end in _pieces(since, until, len(SPANS)):
            yield index, span, start, end


def _pieces(since: int, until: int, finer: int) -> Iterator[tuple[int, int, int]]:
    if since >= until:
        return
    if not finer:
        yield _RAW, since, until
        return
    span = SPANS[finer - 1]
    start, end = since + -since % span, until - until % span
    if start >= end:
        yield from _pieces(since, until, finer - 1)
        return
    yield from _pieces(since, start, finer - 1)
    yield span, start, end
    yield from _pieces(end, until, finer - 1)


def _added(one: Sequence[Any], other: Sequence[Any]) -> list[Any]:
    return [_ADD[place](one[place], other[place]) for place in range(len(one))]


def _unless_none(add: Any) -> Any:
    def added(one: Any, other: Any) -> Any:
        known = [value for value in (one, other) if value is not None]
        return add(known) if known else None

    return added


_ADD = [_unless_none(add) for add in (*[sum] * len(COUNTED), *[sum, sum, min, max] * len(RATED))]
_FAILED, _DOUBTFUL = COUNTED.index("failed"), COUNTED.index("doubtful")


def _bucket(start: int, end: int, row: Sequence[Any], medians: dict[str, float]) -> Bucket:
    numbers = {name: _summary(row, place, medians.get(name)) for place, name in enumerate(RATED)}
    return Bucket(start, end, row[0], row[_FAILED], row[_DOUBTFUL], **numbers)


def _summary(row: Sequence[Any], place: int, median: float | None) -> Summary | None:
    first = len(COUNTED) + 4 * place
    count, total, least, greatest = row[first : first + 4]
    return Summary(count, least, total / count, greatest, median) if count else None
