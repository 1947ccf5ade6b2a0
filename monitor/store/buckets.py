"""Buckets of a window of any length: counts of runs, and the least, mean, greatest and median of what was measured.

A bucket is summed up from the longest roll-ups that fit into it and, at its ends, from single runs, so that it is exact
wherever its edges lie. All sums are made in SQL.
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
"""The most buckets that a caller may ask for."""

USUAL = 1000
_RAW = 0
_COUNTS = ("runs", "failed", "doubtful")
_PARTS = ("count", "sum", "min", "max")
_SUMMED = (*_COUNTS, *(f"{name}_{part}" for name in RATED for part in _PARTS))
_Window = tuple[int, int]
_Piece = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Summary:
    """Statistics of one number over the trusted runs of a bucket; the median only if it was asked for."""

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


@dataclass(frozen=True, slots=True)
class RunFilter:
    """The runs that started in [since, until), over a path (None: any), of the probes named (None: all)."""

    since: datetime
    until: datetime
    path: Path | None = None
    probes: Collection[str] | None = None


def buckets(
    connection: Connection, chosen: RunFilter, *, zone: tzinfo, most: int = USUAL, medians: bool = False
) -> list[Bucket]:
    """Return at most `most` buckets, oldest first, without those in which no run started.

    Edges are round times in the zone. Medians are computed from single runs: about a second for a million of them.
    """
    since, until = math.ceil(chosen.since.timestamp()), math.ceil(chosen.until.timestamp())
    windows = list(pairwise(edges(since, until, zone, min(most, MOST))))
    query = _Series(connection, chosen)
    medians_by_bucket = query.medians(windows) if medians else {}
    rows = sorted(query.sums(windows).items())
    return [_bucket(*windows[index], row, medians_by_bucket.get(index, {})) for index, row in rows]


class _Series:
    """Sums and medians of the runs that a filter chooses."""

    def __init__(self, connection: Connection, chosen: RunFilter) -> None:
        self._connection = connection
        pks = select(probes.c.pk)
        if chosen.probes is not None:
            pks = pks.where(probes.c.name.in_(chosen.probes))
        self._probes = connection.scalars(pks).all()
        self._paths = list(Path) if chosen.path is None else [chosen.path]

    def sums(self, windows: Sequence[_Window]) -> dict[int, Sequence[Any]]:
        """Return counts and sums of each bucket with runs, by the index of its window, in the order of `_SUMMED`."""
        pieces = list(_cut_up(windows))
        sums: dict[int, Sequence[Any]] = {}
        for from_rollups in (False, True):
            same_source = [piece for piece in pieces if (piece[1] != _RAW) == from_rollups]
            for index, *row in self._execute(_sums(self._dialect, from_rollups=from_rollups), same_source):
                if row[0]:
                    sums[index] = _added(sums[index], row) if index in sums else row
        return sums

    def medians(self, windows: Sequence[_Window]) -> dict[int, dict[str, float]]:
        """Return the medians of each bucket, by the index of its window and the name of the number."""
        pieces = [(index, _RAW, *window) for index, window in enumerate(windows)]
        medians: dict[int, dict[str, float]] = {}
        for name in RATED:
            for index, value in self._execute(_medians(self._dialect, name), pieces):
                medians.setdefault(index, {})[name] = value
        return medians

    @property
    def _dialect(self) -> str:
        return self._connection.dialect.name

    def _execute(self, query: Select[Any], pieces: Sequence[_Piece]) -> Sequence[Any]:
        if not pieces or not self._probes:
            return ()
        if self._dialect == "postgresql":
            postgres.join_by_index(self._connection)
        text = msgspec.json.encode(pieces).decode()
        return self._connection.execute(query, {"pieces": text, "probes": self._probes, "paths": self._paths}).all()


# Statements are cached: to build one takes longer than to run it for a day.
@functools.cache
def _sums(dialect: str, *, from_rollups: bool) -> Select[Any]:
    table, sums = (rollups, of_finer()) if from_rollups else (runs, of_runs())
    pieces = _given(dialect)
    # An outer join keeps SQLite from swapping the inner and the outer loop.
    joined = pieces.outerjoin(table, _inside(table, pieces))
    values = (value for name, value in sums.items() if name in _SUMMED)
    return select(pieces.c.bucket, *values).select_from(joined).group_by(pieces.c.bucket)


@functools.cache
def _medians(dialect: str, name: str) -> Select[Any]:
    pieces, value = _given(dialect), runs.c[name]
    bucket = pieces.c.bucket
    place = func.row_number().over(partition_by=bucket, order_by=value).label("place")
    numbered = (
        select(bucket, cast(value, Double).label("value"), place, func.count().over(partition_by=bucket).label("count"))
        .select_from(pieces.outerjoin(runs, _inside(runs, pieces)))
        .where(TRUSTED, value.is_not(None))
        .subquery()
    )
    middle = (numbered.c.place * 2).between(numbered.c["count"], numbered.c["count"] + 2)
    return select(numbered.c.bucket, func.avg(numbered.c.value)).where(middle).group_by(numbered.c.bucket)


def _inside(table: Table, pieces: CTE) -> ColumnElement[bool]:
    """Return the condition that a run or a roll-up is of the chosen probes and paths and lies in a piece."""
    probe: ColumnElement[Any] = bindparam("probes", expanding=True)
    path: ColumnElement[Any] = bindparam("paths", expanding=True)
    chosen = and_(table.c.probe_pk.in_(probe), table.c.path.in_(path))
    if table is runs:
        return and_(chosen, runs.c.started_at >= pieces.c.since, runs.c.started_at < pieces.c.until)
    inside = and_(rollups.c.start >= pieces.c.since, rollups.c.start < pieces.c.until)
    return and_(chosen, rollups.c.span == pieces.c.span, inside)


def _given(dialect: str) -> CTE:
    """Return the pieces as a table. They are bound as one JSON value, for databases limit the number of values."""
    text: ColumnElement[Any] = bindparam("pieces")
    rows = func.json_array_elements(cast(text, JSON)) if dialect == "postgresql" else func.json_each(text)
    value = rows.table_valued("value").c.value
    parts = ("bucket", "span", "since", "until")
    columns = (cast(value.op("->>")(place), BigInteger).label(name) for place, name in enumerate(parts))
    return select(*columns).cte("pieces").prefix_with("MATERIALIZED")


def _cut_up(windows: Iterable[_Window]) -> Iterator[_Piece]:
    """Yield pieces of the windows: index of the window, span of the roll-ups to sum (`_RAW`: runs), start and end."""
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
    def merge(one: Any, other: Any) -> Any:
        known = [value for value in (one, other) if value is not None]
        return add(known) if known else None

    return merge


_ADD = [_unless_none({"min": min, "max": max}.get(name.rpartition("_")[2], sum)) for name in _SUMMED]


def _bucket(start: int, end: int, row: Sequence[Any], medians: dict[str, float]) -> Bucket:
    numbers = (_summary(row, place, medians.get(name)) for place, name in enumerate(RATED))
    return Bucket(start, end, *row[: len(_COUNTS)], *numbers)


def _summary(row: Sequence[Any], place: int, median: float | None) -> Summary | None:
    # `place` is that of the number in `RATED`.
    first = len(_COUNTS) + len(_PARTS) * place
    count, total, least, greatest = row[first : first + len(_PARTS)]
    return Summary(count, least, total / count, greatest, median) if count else None
