"""Buckets of a window of any length: counts of runs, and the least, mean, greatest and median of what was measured.

A bucket is summed up from the longest roll-ups that fit into it and, at its ends, from single runs, so that it is exact
wherever its edges lie. All sums are made in SQL.

Edges are round times of local time in any zone. Buckets of up to an hour have equal lengths, so the hour that is
repeated when clocks go back makes two. Longer ones follow local time: the day of a clock change has 23 or 25 hours.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import JSON, BigInteger, Double, and_, bindparam, cast, func, select

from monitor.model import NetworkPath
from monitor.store import postgres
from monitor.store.read import to_epoch
from monitor.store.rollups import IS_TRUSTED, LOST_COLUMNS, rollup_sums, run_sums
from monitor.store.tables import ROLLUP_SPANS_S, SUMMED_COLUMNS, probes, rollups, runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import tzinfo

    from sqlalchemy import CTE, ColumnElement, Connection, Select, Table

    from monitor.store.read import RunFilter


# The most buckets that a caller may ask for.
MAX_BUCKETS = 2000

DEFAULT_BUCKETS = 1000

MINUTE, HOUR, DAY = 60, 3600, 86_400

# The possible lengths of a bucket in seconds; each divides an hour or a day, or is a number of days.
BUCKET_WIDTHS_S = (
    *(minutes * MINUTE for minutes in (1, 2, 5, 10, 15, 20, 30)),
    *(hours * HOUR for hours in (1, 2, 3, 4, 6, 8, 12)),
    *(days * DAY for days in (1, 2, 7, 14, 28, 91, 364)),
)

# The columns of the sums of a bucket, in this order, which is that of the table.
_COUNTS = ("runs", "ok", "failed", "doubtful", *LOST_COLUMNS)

_PARTS = ("count", "sum", "min", "max")

_SUM_COLUMNS = (*_COUNTS, *(f"{name}_{part}" for name in SUMMED_COLUMNS for part in _PARTS))

# Start and end.
_Window = tuple[int, int]

# Index of the window, span of the roll-ups to sum (`_RAW`: sum runs), start and end.
_Piece = tuple[int, int, int, int]

_RAW = 0


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
    """The runs that started in [start, end), epoch seconds; a number is None when no trusted run has it.

    Shares are those of `counted` runs, of which `lost` failed; `failed` also has those that this machine prevented.
    """

    start: int
    end: int
    runs: int
    failed: int
    doubtful: int
    download_bps: Summary | None
    upload_bps: Summary | None
    latency_ms: Summary | None
    counted: int = 0
    lost: int = 0


def read_buckets(
    connection: Connection, selection: RunFilter, *, zone: tzinfo, most: int = DEFAULT_BUCKETS, medians: bool = False
) -> list[Bucket]:
    """Return at most `most` buckets, oldest first, without those in which no run started.

    Edges are round times in the zone. Medians are computed from single runs: about a second for a million of them.
    """
    since, until = to_epoch(selection.since), to_epoch(selection.until)
    windows = list(pairwise(bucket_edges(since, until, zone, min(most, MAX_BUCKETS))))
    query = _BucketQuery(connection, selection)
    medians_by_bucket = query.medians(windows) if medians else {}
    rows = sorted(query.sums(windows).items())
    return [_to_bucket(*windows[index], row, medians_by_bucket.get(index, {})) for index, row in rows]


def read_window(connection: Connection, selection: RunFilter, *, medians: bool = True) -> Bucket:
    """Return the whole window as one bucket; it may be empty. Medians take as long as in `read_buckets`."""
    window = to_epoch(selection.since), to_epoch(selection.until)
    query = _BucketQuery(connection, selection)
    sums = query.sums([window]).get(0)
    if sums is None:
        return Bucket(*window, 0, 0, 0, None, None, None)
    return _to_bucket(*window, sums, query.medians([window]).get(0, {}) if medians else {})


class _BucketQuery:
    """Sums and medians of the selected runs."""

    def __init__(self, connection: Connection, selection: RunFilter) -> None:
        self._connection = connection
        self._probes = selection.probes or connection.scalars(select(probes.c.pk)).all()
        self._paths = [selection.path] if selection.path else list(NetworkPath)

    def sums(self, windows: Sequence[_Window]) -> dict[int, Sequence[Any]]:
        """Return counts and sums of each bucket with runs, by the index of its window, as in `_SUM_COLUMNS`."""
        pieces = list(_split_windows(windows))
        sums: dict[int, Sequence[Any]] = {}
        for from_rollups in (False, True):
            same_source = [piece for piece in pieces if (piece[1] != _RAW) == from_rollups]
            for index, *row in self._execute(_sum_query(self._dialect, from_rollups=from_rollups), same_source):
                if row[0]:
                    sums[index] = _merge_rows(sums[index], row) if index in sums else row
        return sums

    def medians(self, windows: Sequence[_Window]) -> dict[int, dict[str, float]]:
        """Return the medians of each bucket, by the index of its window and the name of the number."""
        pieces = [(index, _RAW, *window) for index, window in enumerate(windows)]
        medians: dict[int, dict[str, float]] = {}
        for name in SUMMED_COLUMNS:
            for index, value in self._execute(_median_query(self._dialect, name), pieces):
                medians.setdefault(index, {})[name] = value
        return medians

    @property
    def _dialect(self) -> str:
        return self._connection.dialect.name

    def _execute(self, query: Select[Any], pieces: Sequence[_Piece]) -> Sequence[Any]:
        if not pieces or not self._probes:
            return ()
        if self._dialect == "postgresql":
            postgres.force_index_joins(self._connection)
        text = msgspec.json.encode(pieces).decode()
        return self._connection.execute(query, {"pieces": text, "probes": self._probes, "paths": self._paths}).all()


# Statements are cached: to build one takes longer than to run it for a day.
@functools.cache
def _sum_query(dialect: str, *, from_rollups: bool) -> Select[Any]:
    table, sums = (rollups, rollup_sums()) if from_rollups else (runs, run_sums())
    pieces = _pieces_cte(dialect)
    # An outer join keeps SQLite from swapping the inner and the outer loop.
    joined = pieces.outerjoin(table, _in_piece(table, pieces))
    values = (value for name, value in sums.items() if name in _SUM_COLUMNS)
    return select(pieces.c.bucket, *values).select_from(joined).group_by(pieces.c.bucket)


@functools.cache
def _median_query(dialect: str, name: str) -> Select[Any]:
    pieces, value = _pieces_cte(dialect), runs.c[name]
    bucket = pieces.c.bucket
    place = func.row_number().over(partition_by=bucket, order_by=value).label("place")
    numbered = (
        select(bucket, cast(value, Double).label("value"), place, func.count().over(partition_by=bucket).label("count"))
        .select_from(pieces.outerjoin(runs, _in_piece(runs, pieces)))
        .where(IS_TRUSTED, value.is_not(None))
        .subquery()
    )
    middle = (numbered.c.place * 2).between(numbered.c["count"], numbered.c["count"] + 2)
    return select(numbered.c.bucket, func.avg(numbered.c.value)).where(middle).group_by(numbered.c.bucket)


def _in_piece(table: Table, pieces: CTE) -> ColumnElement[bool]:
    """Return the condition that a run or a roll-up is of the chosen probes and paths and lies in a piece."""
    probe: ColumnElement[Any] = bindparam("probes", expanding=True)
    path: ColumnElement[Any] = bindparam("paths", expanding=True)
    chosen = and_(table.c.probe_pk.in_(probe), table.c.path.in_(path))
    if table is runs:
        return and_(chosen, runs.c.started_at >= pieces.c.since, runs.c.started_at < pieces.c.until)
    inside = and_(rollups.c.start >= pieces.c.since, rollups.c.start < pieces.c.until)
    return and_(chosen, rollups.c.span == pieces.c.span, inside)


def _pieces_cte(dialect: str) -> CTE:
    """Return the pieces as a table. They are bound as one JSON value, for databases limit the number of values."""
    text: ColumnElement[Any] = bindparam("pieces")
    rows = func.json_array_elements(cast(text, JSON)) if dialect == "postgresql" else func.json_each(text)
    value = rows.table_valued("value").c.value
    parts = ("bucket", "span", "since", "until")
    columns = (cast(value.op("->>")(place), BigInteger).label(name) for place, name in enumerate(parts))
    return select(*columns).cte("pieces").prefix_with("MATERIALIZED")


def _split_windows(windows: Iterable[_Window]) -> Iterator[_Piece]:
    """Yield pieces of the windows, which can be summed from roll-ups of one length or from runs."""
    for index, (since, until) in enumerate(windows):
        for span, start, end in _split_window(since, until, len(ROLLUP_SPANS_S)):
            yield index, span, start, end


def _split_window(since: int, until: int, finer: int) -> Iterator[tuple[int, int, int]]:
    if since >= until:
        return
    if not finer:
        yield _RAW, since, until
        return
    span = ROLLUP_SPANS_S[finer - 1]
    start, end = since + -since % span, until - until % span
    if start >= end:
        yield from _split_window(since, until, finer - 1)
        return
    yield from _split_window(since, start, finer - 1)
    yield span, start, end
    yield from _split_window(end, until, finer - 1)


def _merge_rows(one: Sequence[Any], other: Sequence[Any]) -> list[Any]:
    return [_MERGERS[place](one[place], other[place]) for place in range(len(one))]


def _ignoring_none(add: Any) -> Any:
    def merge(one: Any, other: Any) -> Any:
        known = [value for value in (one, other) if value is not None]
        return add(known) if known else None

    return merge


_MERGERS = [_ignoring_none({"min": min, "max": max}.get(name.rpartition("_")[2], sum)) for name in _SUM_COLUMNS]


def _to_bucket(start: int, end: int, row: Sequence[Any], medians: dict[str, float]) -> Bucket:
    of_bucket, ok, failed, doubtful, *lost = row[: len(_COUNTS)]
    numbers = {name: _to_summary(row, place, medians.get(name)) for place, name in enumerate(SUMMED_COLUMNS)}
    return Bucket(start, end, of_bucket, failed, doubtful, counted=ok + sum(lost), lost=sum(lost), **numbers)


def _to_summary(row: Sequence[Any], place: int, median: float | None) -> Summary | None:
    # `place` is that of the number in `SUMMED_COLUMNS`.
    first = len(_COUNTS) + len(_PARTS) * place
    count, total, least, greatest = row[first : first + len(_PARTS)]
    return Summary(count, least, total / count, greatest, median) if count else None


def bucket_edges(since: int, until: int, zone: tzinfo, most: int) -> list[int]:
    """Return the starts of at most `most` buckets of [since, until) (epoch seconds), and the end of the last.

    The first and the last bucket are cut to the window.
    """
    if until <= since:
        return []
    width = _choose_width(until - since, most)
    following = _edge_function(width, zone)
    return [*_walk_edges(since, until, following), until]


def _choose_width(length: int, most: int) -> int:
    """Return the shortest length with which at most `most` buckets, including two that are cut, fill a window."""
    wide_enough = (width for width in BUCKET_WIDTHS_S if _count_buckets(length, width) <= most)
    return next(wide_enough, BUCKET_WIDTHS_S[-1] * (1 + length // (BUCKET_WIDTHS_S[-1] * max(1, most - 2))))


def _count_buckets(length: int, width: int) -> int:
    # A clock change of half an hour cuts an hour in two.
    return length // width + 2 + (length // (DAY * 90) if width == HOUR else 0)


def _walk_edges(since: int, until: int, following: Callable[[int], int]) -> Iterator[int]:
    edge = since
    while edge < until:
        yield edge
        edge = following(edge)


def _edge_function(width: int, zone: tzinfo) -> Callable[[int], int]:
    """Return a function that gives the first edge after a moment."""
    if width <= HOUR:
        return lambda moment: moment + width - (moment + _utc_offset_s(moment, zone)) % width
    if width < DAY:
        return lambda moment: _next_edge_in_day(moment, width, zone)
    return lambda moment: _next_midnight(moment, width // DAY, zone)


def _utc_offset_s(moment: int, zone: tzinfo) -> int:
    offset = datetime.fromtimestamp(moment, zone).utcoffset() or timedelta(0)
    return round(offset.total_seconds())


def _next_edge_in_day(moment: int, width: int, zone: tzinfo) -> int:
    wall = datetime.fromtimestamp(moment, zone)
    since_midnight = (wall.hour * 60 + wall.minute) * 60 + wall.second
    midnight = datetime.combine(wall.date(), time())
    following = midnight + timedelta(seconds=since_midnight - since_midnight % width + width)
    return _to_epoch(following, zone)


def _next_midnight(moment: int, days: int, zone: tzinfo) -> int:
    """Return the midnight at which the next group of days begins; weeks begin on Monday, which 0001-01-01 was."""
    today = datetime.fromtimestamp(moment, zone).date().toordinal() - 1
    return _to_epoch(datetime.combine(date.fromordinal(today - today % days + days + 1), time()), zone)


def _to_epoch(wall: datetime, zone: tzinfo) -> int:
    """Return the moment of a local time: the first if it occurs twice, that of the clock change if it never occurs."""
    return int(wall.replace(tzinfo=zone).astimezone(UTC).timestamp())
