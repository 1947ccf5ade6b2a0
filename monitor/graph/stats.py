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

    def add(self, sort: Sort, count: int) -> None:
        """Count so many runs of a sort."""
        self.statuses[sort.status] += count
        if sort.broken:
            self.scopes[sort.blamed] += count
        if sort.doubtful:
            self.doubts.update(dict.fromkeys(sort.doubts, count))
        if sort.trusted:
            for counter, name in self._met(sort):
                counter[name] += count

    def _met(self, sort: Sort) -> list[tuple[Counter[Any], Any]]:
        found = (
            (self.isps, sort.isp),
            (self.servers, server_name(sort.server)),
            (self.families, sort.ip_family),
            (self.engines, sort.engine),
        )
        return [(counter, name) for counter, name in found if name]


def values(tracks: Sequence[Track], metric: Metric) -> NDArray[np.float64]:
    """Return all measured values of a metric, in no order."""
    parts = [track.runs.measured(metric) for track in tracks]
    return parts[0] if len(parts) == 1 else np.concatenate([np.array([]), *parts])


def standing(tracks: Sequence[Track], metric: Metric, median: float) -> Standing | None:
    """Return how the results, of which this is the median, stand to the plans in force; None without a promise."""
    promised = {metric.sold(sort.plan) for track in tracks for sort in track.runs.sorts if sort.trusted}
    if len(promised) == 1:
        whole = promised.pop()
        return Standing(100 * median / whole, _met(values(tracks, metric), metric, whole)) if whole else None
    shares = plan_shares(tracks, metric)
    return Standing(100 * float(np.median(shares)), _met(shares, metric, 1)) if len(shares) else None


def _met(measured: NDArray[Any], metric: Metric, sold: float) -> float:
    return 100 * float(np.mean(measured >= sold if metric.is_rate else measured <= sold))


def plan_shares(tracks: Sequence[Track], metric: Metric) -> NDArray[np.float64]:
    """Return what share of the plan in force each result that was promised anything is, in no order."""
    parts = [_shares(track, metric) for track in tracks]
    return parts[0] if len(parts) == 1 else np.concatenate([np.array([]), *parts])


def _shares(track: Track, metric: Metric) -> NDArray[np.float64]:
    first, *others = {metric.sold(sort.plan) for sort in track.runs.sorts if sort.trusted} or {None}
    if not others:
        return track.runs.measured(metric) / first if first else np.array([])
    promised = sold(track.runs, metric)[track.runs.good(metric)]
    shares: NDArray[np.float64] = track.runs.measured(metric) / promised
    return shares[~np.isnan(shares)]


def tally(tracks: Sequence[Track]) -> Tally:
    """Count the runs of all tracks."""
    counted = Tally()
    for track in tracks:
        for sort, count in track.runs.counts():
            counted.add(sort, count)
    return counted
