"""Windows of any length as buckets: how many runs, how many failed, and least, mean, greatest and median numbers.

A bucket is put together from roll-ups as long as fit into it and from the runs of what is left at its ends, so that it
is right wherever its edges lie. All sums are made in SQL.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import JSON, BigInteger, Double, and_, bindparam, cast, func, select

from monitor.edges import edges
from monitor.model import Path
from monitor.store import postgres
from monitor.store.rollups import TRUSTED, of_finer, of_runs
from monitor.store.tables import RATED, SPANS, probes, rollups, runs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from datetime import datetime, tzinfo

    from sqlalchemy import CTE, ColumnElement, Connection, Select, Table

MOST = 2000
"""More buckets than this would be no summary."""

USUAL = 1000
_RAW = 0
_COUNTS = ("runs", "failed", "doubtful")
_PARTS = ("count", "sum", "min", "max")
_SUMMED = (*_COUNTS, *(f"{name}_{part}" for name in RATED for part in _PARTS))
_Window = tuple[int, int]
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
    most: int = USUAL,
    probe: str | Collection[str] | None = None,
    path: Path | None = None,
    medians: bool = False,
) -> list[Bucket]:
    """Return the buckets of [since, until) in which there are runs, oldest first, at most `most`.

    Edges are round times in the zone. Medians are of the runs themselves: they take a second for a million of them.
    """
    times = edges(math.ceil(since.timestamp()), math.ceil(until.timestamp()), zone, min(most, MOST))
    windows = list(pairwise(times))
    series = _Series(connection, probe, path)
    middles = series.medians(windows) if medians else {}
    return [
        _bucket(*windows[index], row, middles.get(index, {})) for index, row in sorted(series.sums(windows).items())
    ]


class _Series:
    """The runs of one probe, of some or of all, over one path or both."""

    def __init__(self, connection: Connection, probe: str | Collection[str] | None, path: Path | None) -> None:
        self._connection = connection
        names = [probe] if isinstance(probe, str) else probe
        found = select(probes.c.pk) if names is None else select(probes.c.pk).where(probes.c.name.in_(names))
        self._probes = connection.scalars(found).all()
        self._paths = list(Path) if path is None else [path]

    def sums(self, windows: Sequence[_Window]) -> dict[int, Sequence[Any]]:
        """Return the counts and sums of each bucket that has any, by its index, in the order of `_SUMMED`."""
        pieces = list(_cut_up(windows))
        found: dict[int, Sequence[Any]] = {}
        for by_hour in (False, True):
            mine = [piece for piece in pieces if (piece[1] != _RAW) == by_hour]
            for index, *row in self._ask(_sums(self._dialect, by_hour=by_hour), mine):
                if row[0]:
                    found[index] = _added(found[index], row) if index in found else row
        return found

    def medians(self, windows: Sequence[_Window]) -> dict[int, dict[str, float]]:
        """Return the medians of each bucket by its index and the name of the number."""
        whole = [(index, _RAW, *window) for index, window in enumerate(windows)]
        found: dict[int, dict[str, float]] = {}
        for name in RATED:
            for index, value in self._ask(_medians(self._dialect, name), whole):
                found.setdefault(index, {})[name] = value
        return found

    @property
    def _dialect(self) -> str:
        return self._connection.dialect.name

    def _ask(self, query: Select[Any], pieces: Sequence[_Piece]) -> Sequence[Any]:
        if not pieces or not self._probes:
            return ()
        if self._dialect == "postgresql":
            postgres.join_by_index(self._connection)
        text = msgspec.json.encode(pieces).decode()
        return self._connection.execute(query, {"pieces": text, "probes": self._probes, "paths": self._paths}).all()


# A statement is built once: that takes longer than to ask for a day.
@functools.cache
def _sums(dialect: str, *, by_hour: bool) -> Select[Any]:
    table, summed = (rollups, of_finer()) if by_hour else (runs, of_runs())
    given = _given(dialect)
    # An outer join keeps SQLite from turning the loops around.
    joined = given.outerjoin(table, _inside(table, given))
    values = (value for name, value in summed.items() if name in _SUMMED)
    return select(given.c.bucket, *values).select_from(joined).group_by(given.c.bucket)


@functools.cache
def _medians(dialect: str, name: str) -> Select[Any]:
    given, value = _given(dialect), runs.c[name]
    bucket = given.c.bucket
    place = func.row_number().over(partition_by=bucket, order_by=value).label("place")
    numbered = (
        select(bucket, cast(value, Double).label("value"), place, func.count().over(partition_by=bucket).label("count"))
        .select_from(given.outerjoin(runs, _inside(runs, given)))
        .where(TRUSTED, value.is_not(None))
        .subquery()
    )
    middle = (numbered.c.place * 2).between(numbered.c["count"], numbered.c["count"] + 2)
    return select(numbered.c.bucket, func.avg(numbered.c.value)).where(middle).group_by(numbered.c.bucket)


def _inside(table: Table, given: CTE) -> ColumnElement[bool]:
    probe: ColumnElement[Any] = bindparam("probes", expanding=True)
    path: ColumnElement[Any] = bindparam("paths", expanding=True)
    mine = and_(table.c.probe_pk.in_(probe), table.c.path.in_(path))
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


def _cut_up(windows: Iterable[_Window]) -> Iterator[_Piece]:
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


_ADD = [_unless_none({"min": min, "max": max}.get(name.rpartition("_")[2], sum)) for name in _SUMMED]


def _bucket(start: int, end: int, row: Sequence[Any], medians: dict[str, float]) -> Bucket:
    numbers = (_summary(row, place, medians.get(name)) for place, name in enumerate(RATED))
    return Bucket(start, end, *row[: len(_COUNTS)], *numbers)


def _summary(row: Sequence[Any], place: int, median: float | None) -> Summary | None:
    first = len(_COUNTS) + len(_PARTS) * place
    count, total, least, greatest = row[first : first + len(_PARTS)]
    return Summary(count, least, total / count, greatest, median) if count else None
