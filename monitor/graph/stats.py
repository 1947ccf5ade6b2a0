"""What the header of a graph counts: percentiles, runs, failures, providers. Pure; a missing number never counts."""

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
    """How results stand to the plan in force: the median share of it, and how many met it, both of a hundred."""

    median: float
    met: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Runs by status, failed and interrupted ones by scope, doubtful ones by remark, and what the trusted ones met."""

    statuses: Counter[Status] = field(default_factory=Counter)
    scopes: Counter[Scope] = field(default_factory=Counter)
    isps: Counter[str] = field(default_factory=Counter)
    servers: Counter[str] = field(default_factory=Counter)
    families: Counter[int] = field(default_factory=Counter)
    engines: Counter[str] = field(default_factory=Counter)
    doubts: Counter[str] = field(default_factory=Counter)

    @property
    def runs(self) -> int:
        """All attempts."""
        return self.statuses.total()

    @property
    def doubtful(self) -> int:
        """Results that do not speak for the line."""
        return self.statuses[Status.OK] - self.engines.total()

    @property
    def success_pct(self) -> float | None:
        """Successful runs per hundred that were started (skipped ones were not); None when none was started."""
        started = self.statuses.total() - self.statuses[Status.SKIPPED]
        return 100 * self.statuses[Status.OK] / started if started else None

    def add(self, attributes: Sort, count: int) -> None:
        """Count so many runs of a sort."""
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
    """Return all measured values of a metric, in no order."""
    parts = [series.runs.measured(metric) for series in all_series]
    return parts[0] if len(parts) == 1 else np.concatenate([np.array([]), *parts])


def standing(all_series: Sequence[Track], metric: Metric, median: float) -> Standing | None:
    """Return how the results, of which this is the median, stand to the plans in force; None without a promise."""
    promised_values = {
        metric.promised(attributes.plan)
        for series in all_series
        for attributes in series.runs.attributes
        if attributes.trusted
    }
    if len(promised_values) == 1:
        promised = promised_values.pop()
        if not promised:
            return None
        return Standing(100 * median / promised, _met(values(all_series, metric), metric, promised))
    shares = plan_shares(all_series, metric)
    return Standing(100 * float(np.median(shares)), _met(shares, metric, 1)) if len(shares) else None


def _met(measured: NDArray[Any], metric: Metric, promised: float) -> float:
    return 100 * float(np.mean(measured >= promised if metric.is_rate else measured <= promised))


def plan_shares(all_series: Sequence[Track], metric: Metric) -> NDArray[np.float64]:
    """Return what share of the plan in force each result that was promised anything is, in no order."""
    parts = [_shares(series, metric) for series in all_series]
    return parts[0] if len(parts) == 1 else np.concatenate([np.array([]), *parts])


def _shares(series: Track, metric: Metric) -> NDArray[np.float64]:
    first, *others = {
        metric.promised(attributes.plan) for attributes in series.runs.attributes if attributes.trusted
    } or {None}
    if not others:
        return series.runs.measured(metric) / first if first else np.array([])
    promised_values = sold(series.runs, metric)[series.runs.good(metric)]
    shares: NDArray[np.float64] = series.runs.measured(metric) / promised_values
    return shares[~np.isnan(shares)]


def tally(all_series: Sequence[Track]) -> Tally:
    """Count the runs of all tracks."""
    counts = Tally()
    for series in all_series:
        for attributes, count in series.runs.counts():
            counts.add(attributes, count)
    return counts
