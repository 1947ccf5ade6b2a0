"""Percentiles, counts by status, scope and doubt, bufferbloat grade.

Counts and percentiles for the header of a graph. Pure; a missing number never counts.

The statistics of one window: of the report's own, and of the one before it if both are compared. Pure.

Attempts counted by outcome: trusted, doubtful, failed, skipped, and the reasons. Pure.

Which probes, engines, ISPs and servers the runs of a window name, and how often. Pure.

Bufferbloat: how much latency rises under load, and its grade. Pure; times in ms.

The grade is that of DSLReports (https://www.dslreports.com/faq/17930): the mean of the rise under download and the rise
under upload, or the one of them that was measured. A graph grades the median rise of its runs.

The median and the 5th and 95th percentile of values. Pure.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.analysis import plan
from monitor.analysis.availability import find_watched_time, sum_downtime
from monitor.analysis.calendar import RATE_METRICS
from monitor.analysis.metrics import LOADED_METRICS, UNITS, Metric
from monitor.analysis.plan import promised_values
from monitor.model import FailureKind, Scope, Status, describe_server, server_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from monitor.analysis.availability import Downtime, WatchedTime
    from monitor.analysis.columns import Columns, RunAttributes
    from monitor.analysis.outages import Incident
    from monitor.analysis.plan import PlanHistory, PlanMisses
    from monitor.analysis.series import RunSeries
    from monitor.localtime import Window
    from monitor.model import NetworkPath


GRADE_LIMITS = ((5, "A+"), (30, "A"), (60, "B"), (200, "C"), (400, "D"))

WORST_GRADE = "F"

FEW_TESTS = 20


@dataclass(frozen=True, slots=True)
class PlanComparison:
    """Results compared with the plan in force, in percent: the median of their shares, and how many met it."""

    median: float
    met: float


@dataclass(frozen=True, slots=True)
class RunCounts:
    """Runs by status, failed ones by scope, doubtful ones by remark, trusted ones by ISP, server, family and engine."""

    statuses: Counter[Status] = field(default_factory=Counter)
    scopes: Counter[Scope] = field(default_factory=Counter)
    isps: Counter[str] = field(default_factory=Counter)
    servers: Counter[str] = field(default_factory=Counter)
    families: Counter[int] = field(default_factory=Counter)
    engines: Counter[str] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)

    @property
    def runs(self) -> int:
        """The number of runs, skipped ones included."""
        return self.statuses.total()

    @property
    def doubtful(self) -> int:
        """The number of doubtful results."""
        return self.statuses[Status.OK] - self.engines.total()

    @property
    def success_pct(self) -> float | None:
        """Percentage of started runs that succeeded (skipped ones were not started); None if none was started."""
        started = self.statuses.total() - self.statuses[Status.SKIPPED]
        return 100 * self.statuses[Status.OK] / started if started else None

    def add(self, attributes: RunAttributes, count: int) -> None:
        """Add `count` runs with these attributes."""
        self.statuses[attributes.status] += count
        if attributes.broken:
            self.scopes[attributes.blamed] += count
        if attributes.doubtful:
            self.doubts.update(dict.fromkeys(attributes.doubts, count))
        if attributes.trusted:
            for counter, name in self._met(attributes):
                counter[name] += count

    def _met(self, attributes: RunAttributes) -> list[tuple[Counter[Any], Any]]:
        named_counts = (
            (self.isps, attributes.isp),
            (self.servers, server_name(attributes.server)),
            (self.families, attributes.ip_family),
            (self.engines, attributes.engine),
        )
        return [(counter, name) for counter, name in named_counts if name]


def measured_values(all_series: Sequence[RunSeries], metric: Metric) -> NDArray[np.float64]:
    """Return all trusted values of a metric, in no particular order."""
    parts = [series.runs.measured(metric) for series in all_series]
    return parts[0] if len(parts) == 1 else np.concatenate([np.array([]), *parts])


def compare_with_plan(all_series: Sequence[RunSeries], metric: Metric, median: float) -> PlanComparison | None:
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
        return PlanComparison(
            100 * median / promised, _share_meeting(measured_values(all_series, metric), metric, promised)
        )
    shares = shares_of_plan(all_series, metric)
    return PlanComparison(100 * float(np.median(shares)), _share_meeting(shares, metric, 1)) if len(shares) else None


def _share_meeting(measured: NDArray[Any], metric: Metric, promised: float) -> float:
    return 100 * float(np.mean(measured >= promised if metric.is_rate else measured <= promised))


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


def count_runs(all_series: Sequence[RunSeries]) -> RunCounts:
    """Count the runs of all series."""
    counts = RunCounts()
    for series in all_series:
        for attributes, count in series.runs.counts():
            counts.add(attributes, count)
    return counts


@dataclass(frozen=True, slots=True)
class WindowStatistics:
    """The statistics of a window.

    Attributes:
        counts: the attempts by outcome.
        spreads: median and percentiles by metric; a metric without trusted results is missing.
        below_plan: for each rate that the plan names, the tests below 50, 80 and 90 % of it.
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
    columns: Columns, window: Window, incidents: Iterable[Incident], plans: PlanHistory
) -> WindowStatistics:
    """Return the statistics of the runs of a window; metrics are those of trusted runs only."""
    trusted = columns.select(columns.where(lambda attributes: attributes.trusted))
    spreads = {name: compute_spread(trusted.measured(name)) for name in UNITS if name in columns.numbers}
    below = {
        name: plan.count_below_shares(trusted.values(name), plans.promised(trusted, name)) for name in RATE_METRICS
    }
    watched = find_watched_time(columns)
    return WindowStatistics(
        counts=count_attempts(columns),
        spreads={name: spread for name, spread in spreads.items() if spread},
        below_plan={name: misses for name, misses in below.items() if misses},
        above_plan=plan.count_above_plan(trusted.values("latency_ms"), plans.promised(trusted, "latency_ms")),
        watched=watched,
        downtime=sum_downtime(incidents, watched, window),
    )


@dataclass(slots=True)
class AttemptCounts:
    """Attempts by status; failed and interrupted ones by scope and kind; doubtful ones by reason.

    A doubtful result may have several reasons, so `doubts` may add up to more than `doubtful`.
    """

    statuses: Counter[Status] = field(default_factory=Counter)
    trusted: int = 0
    doubtful: int = 0
    faults: Counter[tuple[Scope, FailureKind]] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)

    @property
    def attempts(self) -> int:
        """All attempts, skipped ones included."""
        return self.statuses.total()

    @property
    def started(self) -> int:
        """Attempts that were not skipped."""
        return self.attempts - self.statuses[Status.SKIPPED]

    @property
    def broken(self) -> int:
        """Attempts that failed or were interrupted."""
        return self.statuses[Status.FAILED] + self.statuses[Status.INTERRUPTED]

    def count_scope(self, scope: Scope) -> int:
        """Return how many failed or interrupted attempts have this scope."""
        return sum(count for (fault_scope, _), count in self.faults.items() if fault_scope is scope)


def count_attempts(columns: Columns) -> AttemptCounts:
    """Count runs by outcome."""
    counts = AttemptCounts()
    for attributes, count in columns.counts():
        counts.statuses[attributes.status] += count
        counts.trusted += count * attributes.trusted
        counts.doubtful += count * attributes.doubtful
        if attributes.broken:
            counts.faults[attributes.blamed, attributes.kind or _default_kind(attributes.status)] += count
        if attributes.doubtful:
            counts.doubts.update(dict.fromkeys(attributes.doubts, count))
    return counts


def _default_kind(status: Status) -> FailureKind:
    """Return the kind of a failure that is stored without one."""
    return FailureKind.INTERRUPTED if status is Status.INTERRUPTED else FailureKind.UNKNOWN


@dataclass(frozen=True, slots=True)
class RunSources:
    """Names and how many runs have each: of all runs for probes, paths and engines, else of trusted ones.

    `first` and `last` are when the first and the last run started, UTC; None without runs.
    """

    probes: Counter[str]
    paths: Counter[NetworkPath]
    engines: Counter[str]
    isps: Counter[str]
    families: Counter[int]
    servers: Counter[str]
    first: datetime | None
    last: datetime | None


def count_sources(columns: Columns) -> RunSources:
    """Count the runs by each of their names."""
    probes, paths, engines = Counter[str](), Counter["NetworkPath"](), Counter[str]()
    isps, families, servers = Counter[str](), Counter[int](), Counter[str]()
    for attributes, count in columns.counts():
        probes[attributes.probe] += count
        paths[attributes.path] += count
        engines[attributes.engine] += count
        if attributes.trusted:
            isps.update({attributes.isp: count} if attributes.isp else {})
            families.update({attributes.ip_family: count} if attributes.ip_family else {})
            servers.update({describe_server(attributes.server) or "not named": count} if attributes.server else {})
    ends = [datetime.fromtimestamp(int(at), UTC) for at in columns.started[[0, -1]]] if len(columns) else [None, None]
    return RunSources(probes, paths, engines, isps, families, servers, *ends)


def latency_rises(runs: Columns) -> NDArray[np.float64]:
    """Return the rise of latency under load, at least 0, of each run that measured it."""
    idle, *loaded = (runs.values(metric) for metric in (Metric.LATENCY, *LOADED_METRICS))
    known = [~np.isnan(latencies) for latencies in loaded]
    measured = runs.where(lambda run: run.trusted) & ~np.isnan(idle) & (known[0] | known[1])
    busy = sum(np.nan_to_num(latencies[measured]) for latencies in loaded) / (known[0].astype(int) + known[1])[measured]
    return np.maximum(busy - idle[measured], 0.0)


def grade_bufferbloat(rise_ms: float) -> str:
    """Return the grade of a rise: A+ below 5 ms, F from 400 ms on."""
    return next((letter for limit, letter in GRADE_LIMITS if rise_ms < limit), WORST_GRADE)


"""With fewer values than this the 5th percentile says little; reports mark it."""


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
