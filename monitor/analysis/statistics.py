"""Percentiles of results, runs counted by outcome and by the names they carry, and the bufferbloat grade. Pure.

A number that was not measured never counts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.analysis.availability import find_watched_time, sum_downtime
from monitor.analysis.metrics import LOADED_METRICS, PLAN_MET_PCT, RATE_METRICS, UNITS, Metric
from monitor.analysis.plan import (
    count_above_plan,
    count_below_shares,
    promised_values,
    reaches_share,
    share_limits,
)
from monitor.model import FailureKind, Scope, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from monitor.analysis.availability import Downtime, WatchedTime
    from monitor.analysis.columns import Columns, RunAttributes
    from monitor.analysis.outages import Incident
    from monitor.analysis.plan import PlanHistory, PlanMisses
    from monitor.analysis.series import RunSeries
    from monitor.localtime import Window
    from monitor.model import NetworkPath, Server


# With fewer values than this the 5th percentile says little; reports mark it.
FEW_TESTS = 20

# The grades of DSLReports (https://www.dslreports.com/faq/17930): below so many ms of rise, this grade.
GRADE_LIMITS = ((5, "A+"), (30, "A"), (60, "B"), (200, "C"), (400, "D"))

WORST_GRADE = "F"


@dataclass(frozen=True, slots=True)
class Spread:
    """The median, 5th and 95th percentile of `tests` values, in their unit."""

    tests: int
    median: float
    p5: float
    p95: float

    @property
    def few(self) -> bool:
        """Whether there are too few for percentiles to say much."""
        return self.tests < FEW_TESTS


def compute_spread(values: NDArray[Any]) -> Spread | None:
    """Return the percentiles of values, which get reordered; None without any.

    Percentiles are those of definition 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American
    Statistician 50 (1996), the default of NumPy, R and Excel's PERCENTILE.INC.
    """
    if not len(values):
        return None
    p5, median, p95 = np.percentile(values, [5, 50, 95], overwrite_input=True).tolist()
    return Spread(len(values), median, p5, p95)


@dataclass(slots=True)
class AttemptCounts:
    """Attempts by status; failed and interrupted ones by scope and kind; doubtful ones by reason.

    Those that a person excluded are in `excluded` only. A doubtful result may have several reasons, so `doubts` may add
    up to more than `doubtful`. Of `faults`, `counted_faults` are those that count in shares, see
    `outages.counts_in_shares`.
    """

    statuses: Counter[Status] = field(default_factory=Counter)
    trusted: int = 0
    doubtful: int = 0
    faults: Counter[tuple[Scope, FailureKind]] = field(default_factory=Counter)
    counted_faults: Counter[tuple[Scope, FailureKind]] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)
    excluded: int = 0

    @property
    def attempts(self) -> int:
        """All attempts, skipped and excluded ones included."""
        return self.statuses.total() + self.excluded

    @property
    def started(self) -> int:
        """Attempts that were not skipped."""
        return self.attempts - self.statuses[Status.SKIPPED]

    @property
    def broken(self) -> int:
        """Attempts that failed or were interrupted."""
        return self.statuses[Status.FAILED] + self.statuses[Status.INTERRUPTED]

    @property
    def lost(self) -> int:
        """Attempts that failed and count in shares."""
        return self.counted_faults.total()

    @property
    def counted(self) -> int:
        """Attempts that count in shares: those that succeeded, doubtful ones included, and those that were lost."""
        return self.statuses[Status.OK] + self.lost

    @property
    def success_pct(self) -> float | None:
        """The percentage of counted attempts that succeeded; None if none counts."""
        return 100 * self.statuses[Status.OK] / self.counted if self.counted else None

    @property
    def lost_pct(self) -> float | None:
        """The percentage of counted attempts that failed; None if none counts."""
        return 100 * self.lost / self.counted if self.counted else None

    @property
    def scopes(self) -> Counter[Scope]:
        """Failed and interrupted attempts by scope."""
        scopes = Counter[Scope]()
        for (scope, _), count in self.faults.items():
            scopes[scope] += count
        return scopes


def count_attempts(*parts: Columns) -> AttemptCounts:
    """Count runs by outcome."""
    counts = AttemptCounts()
    for attributes, count in _all_counts(parts):
        if attributes.excluded:
            counts.excluded += count
        else:
            counts.statuses[attributes.status] += count
        counts.trusted += count * attributes.trusted
        counts.doubtful += count * attributes.doubtful
        if attributes.broken:
            fault = attributes.blamed, attributes.kind or _default_kind(attributes.status)
            counts.faults[fault] += count
            counts.counted_faults[fault] += count * attributes.counted
        if attributes.doubtful:
            counts.doubts.update(dict.fromkeys(("excluded",) if attributes.excluded else attributes.doubts, count))
    return counts


def _all_counts(parts: Iterable[Columns]) -> Iterator[tuple[RunAttributes, int]]:
    """Yield the attributes that occur in each part, with their number of runs."""
    return (pair for columns in parts for pair in columns.counts())


def _default_kind(status: Status) -> FailureKind:
    """Return the kind of a failure that is stored without one."""
    return FailureKind.INTERRUPTED if status is Status.INTERRUPTED else FailureKind.UNKNOWN


@dataclass(slots=True)
class RunSources:
    """Which probes, paths, engines, ISPs, address families and servers the runs name, and how many runs name each.

    Of all runs for probes, paths and engines, else of trusted ones. `first` and `last` are when the first and the last
    run started, UTC; None without runs.
    """

    probes: Counter[str] = field(default_factory=Counter)
    paths: Counter[NetworkPath] = field(default_factory=Counter)
    engines: Counter[str] = field(default_factory=Counter)
    trusted_engines: Counter[str] = field(default_factory=Counter)
    isps: Counter[str] = field(default_factory=Counter)
    families: Counter[int] = field(default_factory=Counter)
    servers: Counter[Server] = field(default_factory=Counter)
    first: datetime | None = None
    last: datetime | None = None

    def add(self, attributes: RunAttributes, count: int) -> None:
        """Add `count` runs with these attributes."""
        self.probes[attributes.probe] += count
        self.paths[attributes.path] += count
        self.engines[attributes.engine] += count
        if attributes.trusted:
            self.trusted_engines.update({attributes.engine: count} if attributes.engine else {})
            self.isps.update({attributes.isp: count} if attributes.isp else {})
            self.families.update({attributes.ip_family: count} if attributes.ip_family else {})
            self.servers.update({attributes.server: count} if attributes.server else {})

    def servers_by(self, name_of: Callable[[Server], str]) -> Counter[str]:
        """Return how many runs used the servers of each name; those without a name are left out."""
        names = Counter[str]()
        for server, count in self.servers.items():
            names.update({name: count} if (name := name_of(server)) else {})
        return names


def count_series(all_series: Sequence[RunSeries]) -> tuple[AttemptCounts, RunSources]:
    """Count the runs of all series, by outcome and by their names."""
    parts = [series.runs for series in all_series]
    return count_attempts(*parts), count_sources(*parts)


def count_sources(*parts: Columns) -> RunSources:
    """Count the runs by each of their names."""
    sources = RunSources()
    for attributes, count in _all_counts(parts):
        sources.add(attributes, count)
    ends = [int(at) for columns in parts if len(columns) for at in columns.started[[0, -1]]]
    if ends:
        sources.first, sources.last = (datetime.fromtimestamp(at, UTC) for at in (min(ends), max(ends)))
    return sources


@dataclass(frozen=True, slots=True)
class WindowStatistics:
    """The statistics of a window.

    Attributes:
        counts: the attempts by outcome.
        spreads: median and percentiles by metric; a metric without trusted results is missing.
        below_plan: for each rate that the plan names, the tests below 50 %, 80 % and the share of it that is enough.
        above_plan: the tests whose latency is above that of the plan; None without such a plan.
        watched: when the line was watched.
        downtime: how long it was down of that time.
    """

    counts: AttemptCounts
    spreads: dict[str, Spread]
    below_plan: dict[str, tuple[PlanMisses, ...]]
    above_plan: PlanMisses | None
    watched: WatchedTime
    downtime: Downtime


def compute_statistics(
    columns: Columns,
    window: Window,
    incidents: Iterable[Incident],
    plans: PlanHistory,
    met_pct: float = PLAN_MET_PCT,
) -> WindowStatistics:
    """Return the statistics of the runs of a window; metrics are those of trusted runs only.

    A test at or above `met_pct` percent of its plan met it.
    """
    trusted = columns.select(columns.where(lambda attributes: attributes.trusted))
    spreads = {name: compute_spread(trusted.measured(name)) for name in UNITS if name in columns.numbers}
    limits = share_limits(met_pct)
    below = {
        name: count_below_shares(trusted.values(name), plans.promised(trusted, name), limits) for name in RATE_METRICS
    }
    watched = find_watched_time(columns)
    return WindowStatistics(
        counts=count_attempts(columns),
        spreads={name: spread for name, spread in spreads.items() if spread},
        below_plan={name: misses for name, misses in below.items() if misses},
        above_plan=count_above_plan(trusted.values(Metric.LATENCY), plans.promised(trusted, Metric.LATENCY)),
        watched=watched,
        downtime=sum_downtime(incidents, watched, window),
    )


def measured_values(all_series: Sequence[RunSeries], metric: Metric) -> NDArray[np.float64]:
    """Return all trusted values of a metric, in no particular order."""
    parts = [series.runs.measured(metric) for series in all_series]
    return parts[0] if len(parts) == 1 else np.concatenate([np.array([]), *parts])


@dataclass(frozen=True, slots=True)
class PlanComparison:
    """Results compared with the plan in force, in percent: the median of their shares, and how many met it.

    A rate at or above `met_pct` percent of the plan meets it, and a latency that is not above the plan.
    """

    median: float
    met: float
    met_pct: float = PLAN_MET_PCT


def compare_with_plan(
    all_series: Sequence[RunSeries], metric: Metric, median: float, met_pct: float = PLAN_MET_PCT
) -> PlanComparison | None:
    """Compare results with this median with the plans in force; None if none promises anything."""
    plan_values = {
        metric.promised(attributes.plan)
        for series in all_series
        for attributes in series.runs.attributes
        if attributes.trusted
    }
    if len(plan_values) == 1:
        promised = plan_values.pop()
        if not promised:
            return None
        met = _percent_meeting(measured_values(all_series, metric), metric, promised, met_pct)
        return PlanComparison(100 * median / promised, met, met_pct)
    shares = shares_of_plan(all_series, metric)
    if not len(shares):
        return None
    return PlanComparison(100 * float(np.median(shares)), _percent_meeting(shares, metric, 1, met_pct), met_pct)


def _percent_meeting(measured: NDArray[Any], metric: Metric, promised: float, met_pct: float) -> float:
    if metric.is_rate:
        return 100 * float(np.mean(reaches_share(measured, promised, met_pct)))
    return 100 * float(np.mean(measured <= promised))


def shares_of_plan(all_series: Sequence[RunSeries], metric: Metric) -> NDArray[np.float64]:
    """Return each result as a share of the plan in force, unordered; those without a promise are left out."""
    parts = [_series_shares(series, metric) for series in all_series]
    return parts[0] if len(parts) == 1 else np.concatenate([np.array([]), *parts])


def _series_shares(series: RunSeries, metric: Metric) -> NDArray[np.float64]:
    first, *others = {
        metric.promised(attributes.plan) for attributes in series.runs.attributes if attributes.trusted
    } or {None}
    if not others:
        return series.runs.measured(metric) / first if first else np.array([])
    plan_values = promised_values(series.runs, metric)[series.runs.good(metric)]
    shares: NDArray[np.float64] = series.runs.measured(metric) / plan_values
    return shares[~np.isnan(shares)]


def latency_rises(runs: Columns) -> NDArray[np.float64]:
    """Return by how many ms latency rose under load, at least 0, in each run that measured it.

    It is the mean of the rise under download and the rise under upload, or the one of them that was measured.
    """
    idle, *loaded = (runs.values(metric) for metric in (Metric.LATENCY, *LOADED_METRICS))
    known = [~np.isnan(latencies) for latencies in loaded]
    measured = runs.where(lambda run: run.trusted) & ~np.isnan(idle) & (known[0] | known[1])
    busy = sum(np.nan_to_num(latencies[measured]) for latencies in loaded) / (known[0].astype(int) + known[1])[measured]
    return np.maximum(busy - idle[measured], 0.0)


def grade_bufferbloat(rise_ms: float) -> str:
    """Return the grade of a rise: A+ below 5 ms, F from 400 ms on."""
    return next((letter for limit, letter in GRADE_LIMITS if rise_ms < limit), WORST_GRADE)
