"""Counts and percentiles for the header of a graph. Pure; a missing number never counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.graph.data import Metric, server_name
from monitor.graph.promise import sold
from monitor.model import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from monitor.columns import Sort
    from monitor.graph.track import Track
    from monitor.model import Scope


@dataclass(frozen=True, slots=True)
class Standing:
    """Results compared with the plan in force, in percent: the median of their shares, and how many met it."""

    median: float
    met: float


@dataclass(frozen=True, slots=True)
class Tally:
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

    def add(self, attributes: Sort, count: int) -> None:
        """Add `count` runs with these attributes."""
        self.statuses[attributes.status] += count
        if attributes.broken:
            self.scopes[attributes.blamed] += count
        if attributes.doubtful:
            self.doubts.update(dict.fromkeys(attributes.doubts, count))
        if attributes.trusted:
            for counter, name in self._met(attributes):
                counter[name] += count

    def _met(self, attributes: Sort) -> list[tuple[Counter[Any], Any]]:
        named_counts = (
            (self.isps, attributes.isp),
            (self.servers, server_name(attributes.server)),
            (self.families, attributes.ip_family),
            (self.engines, attributes.engine),
        )
        return [(counter, name) for counter, name in named_counts if name]


def values(all_series: Sequence[Track], metric: Metric) -> NDArray[np.float64]:
    """Return all trusted values of a metric, in no particular order."""
    parts = [series.runs.measured(metric) for series in all_series]
    return parts[0] if len(parts) == 1 else np.concatenate([np.array([]), *parts])


def standing(all_series: Sequence[Track], metric: Metric, median: float) -> Standing | None:
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
        return Standing(100 * median / promised, _met(values(all_series, metric), metric, promised))
    shares = plan_shares(all_series, metric)
    return Standing(100 * float(np.median(shares)), _met(shares, metric, 1)) if len(shares) else None


def _met(measured: NDArray[Any], metric: Metric, promised: float) -> float:
    return 100 * float(np.mean(measured >= promised if metric.is_rate else measured <= promised))


def plan_shares(all_series: Sequence[Track], metric: Metric) -> NDArray[np.float64]:
    """Return each result as a share of the plan in force, unordered; those without a promise are left out."""
    parts = [_shares(series, metric) for series in all_series]
    return parts[0] if len(parts) == 1 else np.concatenate([np.array([]), *parts])


def _shares(series: Track, metric: Metric) -> NDArray[np.float64]:
    first, *others = {
        metric.promised(attributes.plan) for attributes in series.runs.attributes if attributes.trusted
    } or {None}
    if not others:
        return series.runs.measured(metric) / first if first else np.array([])
    plan_values = sold(series.runs, metric)[series.runs.good(metric)]
    shares: NDArray[np.float64] = series.runs.measured(metric) / plan_values
    return shares[~np.isnan(shares)]


def tally(all_series: Sequence[Track]) -> Tally:
    """Count the runs of all series."""
    counts = Tally()
    for series in all_series:
        for attributes, count in series.runs.counts():
            counts.add(attributes, count)
    return counts
