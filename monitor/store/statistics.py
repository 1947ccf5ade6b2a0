"""Figures straight from SQL: data used by month, servers, recent medians, and the plans and engines of a window.

The data that a test used is the engine's byte counts, else those of the kernel, else rate times duration.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, case, func, or_, select

from monitor import localtime
from monitor.analysis.outages import counts_in_shares
from monitor.localtime import month_of
from monitor.model import DataUsed, ExpectedRates, NetworkPath, Plan, Scope, Status, Usage
from monitor.store.connection import open_reader
from monitor.store.lookups import probe_condition, probe_pks
from monitor.store.read import RunFilter
from monitor.store.rollups import IS_INCLUDED, IS_TRUSTED
from monitor.store.tables import decode_trace, plan_columns, probes, runs, servers, traces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Row, RowMapping, Select

    from monitor.config.settings import Settings
    from monitor.localtime import Month
    from monitor.model import Run


# Duration of each direction if the engine reports neither bytes nor duration; that of speedtest-cli.
DEFAULT_TEST_MS = 10_000

_DIRECTIONS = ("download", "upload")

_SERVER_COLUMNS = [servers.c[name].label(f"server_{name}") for name in ("id", "name", "location", "country", "host")]

_RUN_COLUMNS = [
    runs.c[name] for name in ("engine", "status", "failure_scope", "download_bps", "upload_bps", "latency_ms")
]

# The results, and the days, from which `recent_medians` are taken, at most.
MAX_RECENT_RUNS = 50

RECENT_DAYS = 30

# With fewer results, a single bad evening would set the median.
MIN_RECENT_RUNS = 5


def monthly_usage(settings: Settings, months: Iterable[Month]) -> list[Usage]:
    """Return the data that the tests of this probe used, by month.

    Raises:
        StoreError: the store cannot be read.
    """
    with open_reader(settings.database.url) as connection:
        return [_month_usage(connection, month, probe_condition(settings.probe.name)) for month in months]


def data_used_this_month(settings: Settings, now: datetime) -> DataUsed:
    """Return the bytes of the month so far, and when it ends.

    Raises:
        StoreError: the store cannot be read.
    """
    month = month_of(now, localtime.resolve_zone(settings.display.timezone, "display.timezone"))
    used = monthly_usage(settings, [month])[0]
    return DataUsed(used.total_bytes, int(month.end.timestamp()))


def bytes_used_by_source(
    connection: Connection, month: Month, probe_names: Iterable[str]
) -> dict[tuple[str, NetworkPath], int]:
    """Return the bytes that the tests of a month used, by probe and path; of those that tested."""
    usage = {
        (probe, path): _month_usage(connection, month, probe_condition(probe), runs.c.path == path)
        for probe in probe_names
        for path in NetworkPath
    }
    return {source: used.total_bytes for source, used in usage.items() if used.tests}


def _month_usage(connection: Connection, month: Month, *where: ColumnElement[bool]) -> Usage:
    sizes = [runs.c[f"{name}_bytes"] for name in _DIRECTIONS]
    conditions = (
        *where,
        runs.c.started_at >= int(month.begin.timestamp()),
        runs.c.started_at < int(month.end.timestamp()),
        runs.c.status != Status.SKIPPED,
    )
    sums = select(func.count(), *(func.coalesce(func.sum(size), 0) for size in sizes))
    tests, down, up = connection.execute(sums.where(*conditions, *(size.is_not(None) for size in sizes))).one()
    reported = Usage(month.name, tests, int(down), int(up))
    return sum(
        (_estimate_usage(row, month.name) for row in _runs_without_bytes(connection, conditions)), start=reported
    )


def _runs_without_bytes(connection: Connection, conditions: Iterable[ColumnElement[bool]]) -> Iterable[RowMapping]:
    """Return the runs whose engine did not report both byte counts, with the kernel's trace if there is one."""
    columns = [runs.c[f"{name}_{unit}"] for name in _DIRECTIONS for unit in ("bytes", "bps", "ms")]
    query = select(*columns, traces.c.interval_ms, traces.c.samples).outerjoin(traces, traces.c.run_pk == runs.c.pk)
    without_bytes = or_(runs.c.download_bytes.is_(None), runs.c.upload_bytes.is_(None))
    return connection.execute(query.where(*conditions, without_bytes)).mappings()


def _estimate_usage(run: RowMapping, month: str) -> Usage:
    """Return the data that one run used; what the engine did not report is estimated."""
    down, up = (run[f"{name}_bytes"] for name in _DIRECTIONS)
    missing_down, missing_up = (
        0 if size is not None else _estimate_bytes(run, place) for place, size in enumerate((down, up))
    )
    used = Usage(month, 1, (down or 0) + missing_down, (up or 0) + missing_up, missing_down + missing_up)
    return used if used.total_bytes else Usage(month, 0, 0, 0)


def _estimate_bytes(run: RowMapping, direction: int) -> int:
    """Return the bytes of a direction from the kernel's trace, else rate times duration; 0 if unknown."""
    name = _DIRECTIONS[direction]
    samples = decode_trace(run["interval_ms"], run["samples"]).samples if run["samples"] is not None else ()
    by_rate = (run[f"{name}_bps"] or 0) * (run[f"{name}_ms"] or DEFAULT_TEST_MS) // 8000
    # A trace of zeros only did not count the link that the test used.
    return sum(sample[direction] for sample in samples) or int(by_rate)


class RunCount(NamedTuple):
    """What runs are counted by; `kind` and `scope` are empty without a failure."""

    probe: str
    path: str
    status: str
    kind: str
    scope: str


def count_by_outcome(connection: Connection, after: int) -> tuple[dict[RunCount, int], int]:
    """Return how many runs of each kind have primary keys above `after`, and where to go on.

    Where several processes store runs at once, in PostgreSQL, all are counted each time: their keys are not stored in
    order.
    """
    newest = connection.scalar(select(func.max(runs.c.pk))) or 0
    is_ordered = connection.dialect.name == "sqlite"
    columns = (runs.c.path, runs.c.status, runs.c.failure_kind, runs.c.failure_scope)
    query = select(probes.c.name, *columns, func.count()).join_from(runs, probes).group_by(probes.c.name, *columns)
    if is_ordered:
        query = query.where(runs.c.pk > after)
    rows = connection.execute(query.where(runs.c.pk <= newest))
    counts = {RunCount(*(value or "" for value in row[:-1])): row[-1] for row in rows}
    return counts, newest if is_ordered else 0


@dataclass(frozen=True, slots=True)
class ServerStats:
    """One server of an engine. A failed test counts for the server that it had chosen, unless this machine failed."""

    engine: str
    id: str | None
    name: str | None
    location: str | None
    country: str | None
    runs: int
    failures: int
    download_bps: int | None
    upload_bps: int | None
    latency_ms: float | None


def server_stats(settings: Settings, since: datetime) -> list[ServerStats]:
    """Return the servers that this probe has tested against since then, those with the most tests first.

    Raises:
        StoreError: the store cannot be read.
    """
    query = (
        select(*_RUN_COLUMNS, *_SERVER_COLUMNS)
        .join(servers)
        .where(runs.c.started_at >= int(since.timestamp()), probe_condition(settings.probe.name))
        .where(runs.c.status.in_((Status.OK, Status.FAILED)), IS_INCLUDED)
        .where(servers.c.id.is_not(None) | servers.c.name.is_not(None) | servers.c.host.is_not(None))
        .order_by(runs.c.started_at)
    )
    with open_reader(settings.database.url) as connection:
        counted = (row for row in connection.execute(query) if _is_counted(row))
        grouped = _group_by_server(counted)
    return sorted((_to_server_stats(rows) for rows in grouped), key=lambda server: -server.runs)


def _is_counted(row: Row[tuple[object, ...]]) -> bool:
    return counts_in_shares(Status(row.status), row.failure_scope and Scope(row.failure_scope))


def _group_by_server(rows: Iterable[Row[tuple[object, ...]]]) -> Iterable[list[Row[tuple[object, ...]]]]:
    """Group the rows by engine and server; a server without an id is known by its host or name."""
    groups: defaultdict[object, list[Row[tuple[object, ...]]]] = defaultdict(list)
    for row in rows:
        groups[row.engine, row.server_id or row.server_host or row.server_name].append(row)
    return groups.values()


def _to_server_stats(rows: list[Row[tuple[object, ...]]]) -> ServerStats:
    download, upload = _median_value(rows, "download_bps"), _median_value(rows, "upload_bps")
    return ServerStats(
        engine=rows[0].engine,
        id=rows[0].server_id,
        name=_newest_value(rows, "server_name") or _newest_value(rows, "server_host"),
        location=_newest_value(rows, "server_location"),
        country=_newest_value(rows, "server_country"),
        runs=len(rows),
        failures=sum(row.status == Status.FAILED for row in rows),
        download_bps=None if download is None else round(download),
        upload_bps=None if upload is None else round(upload),
        latency_ms=_median_value(rows, "latency_ms"),
    )


def _newest_value(rows: list[Row[tuple[object, ...]]], column: str) -> str | None:
    """Return the newest value of a column that is not empty; failed tests often have none."""
    return next((name for row in reversed(rows) if (name := getattr(row, column))), None)


def _median_value(rows: list[Row[tuple[object, ...]]], column: str) -> float | None:
    known = [value for row in rows if (value := getattr(row, column)) is not None]
    return median(known) if known else None


def plan_periods(connection: Connection, selection: RunFilter) -> Iterator[tuple[datetime, Plan]]:
    """Yield the plan of the first selected run, and each that differs from the one before, oldest first."""
    inside = selection.conditions()
    first_use = select(func.min(runs.c.started_at), *plan_columns).where(*inside).group_by(*plan_columns)
    rows = connection.execute(first_use).all()
    # Most windows have one plan, which this query finds in a fraction of the time.
    changed = connection.execute(_plan_changes_query(inside)).all() if len(rows) > 1 else rows
    for at, *plan in changed:
        yield datetime.fromtimestamp(at, UTC), Plan(*plan)


def plans_of_runs(connection: Connection, newest_first: Sequence[Run]) -> list[tuple[datetime, Plan]]:
    """Return the plans that runs of one probe were stored with, each with the start of the first, oldest first."""
    if not newest_first:
        return []
    pks = probe_pks(connection, [newest_first[0].probe])
    until = newest_first[0].started_at + timedelta(seconds=1)
    return [*plan_periods(connection, RunFilter(newest_first[-1].started_at, until, probes=pks))]


def _plan_changes_query(inside: Sequence[ColumnElement[bool]]) -> Select[tuple[Any, ...]]:
    """Return the query for the runs whose plan differs from that of the run before."""
    order = (runs.c.started_at, runs.c.pk)
    before = [func.lag(column).over(order_by=order).label(f"before_{column.name}") for column in plan_columns]
    number = func.row_number().over(order_by=order).label("number")
    numbered = select(runs.c.started_at, *plan_columns, number, *before).where(*inside).subquery()
    differs = [numbered.c[column.name].is_distinct_from(numbered.c[f"before_{column.name}"]) for column in plan_columns]
    columns = (numbered.c.started_at, *(numbered.c[column.name] for column in plan_columns))
    return select(*columns).where(or_(numbered.c.number == 1, *differs)).order_by(numbered.c.number)


@dataclass(frozen=True, slots=True)
class PlanMet:
    """How many of the `tests` that were stored with a plan for a rate met it."""

    met: int
    tests: int


def plan_met(connection: Connection, selection: RunFilter, met_pct: float) -> dict[str, PlanMet]:
    """Return by rate how many trusted results are at or above `met_pct` percent of the plan that they were stored with.

    A rate that no such run has a plan for is missing.
    """
    counts = [
        count
        for rate, promised in ((runs.c[f"{name}_bps"], runs.c[f"plan_{name}_bps"]) for name in _DIRECTIONS)
        for count in (
            func.count(case((100.0 * rate >= met_pct * promised, 1))),
            func.count(case((and_(rate.is_not(None), promised > 0), 1))),
        )
    ]
    row = connection.execute(select(*counts).where(*selection.conditions(), IS_TRUSTED)).one()
    pairs = zip(_DIRECTIONS, row[::2], row[1::2], strict=True)
    return {f"{name}_bps": PlanMet(met, tests) for name, met, tests in pairs if tests}


def recent_medians(settings: Settings, run: Run) -> ExpectedRates:
    """Return the median rates of this probe's newest results over the same path before `run`; None with too few.

    Raises:
        StoreError: the store cannot be read.
    """
    since = int((run.started_at - timedelta(days=RECENT_DAYS)).timestamp())
    query = (
        select(runs.c.download_bps, runs.c.upload_bps)
        .where(runs.c.started_at >= since, runs.c.status == Status.OK, runs.c.id != run.id)
        .where(probe_condition(run.probe), runs.c.path == run.path, IS_INCLUDED)
        .order_by(runs.c.started_at.desc())
        .limit(MAX_RECENT_RUNS)
    )
    with open_reader(settings.database.url) as connection:
        rows = connection.execute(query).all()
    return ExpectedRates(
        _median_rate([row.download_bps for row in rows]), _median_rate([row.upload_bps for row in rows])
    )


def _median_rate(rates: list[int | None]) -> int | None:
    known = [rate for rate in rates if rate is not None]
    return round(median(known)) if len(known) >= MIN_RECENT_RUNS else None


@dataclass(frozen=True, slots=True)
class WindowNames:
    """The distinct names in the runs of a window, sorted: engines as `ookla 1.2.0.84`, and external addresses."""

    engines: tuple[str, ...]
    addresses: tuple[str, ...]


def window_names(connection: Connection, selection: RunFilter) -> WindowNames:
    """Return the names in the selected runs."""
    query = select(runs.c.engine, runs.c.engine_version, runs.c.external_ip).distinct()
    rows = connection.execute(query.where(*selection.conditions())).all()
    engines = {f"{engine} {version}" if version else engine for engine, version, _ in rows}
    return WindowNames(tuple(sorted(engines)), tuple(sorted({address for *_, address in rows if address})))
