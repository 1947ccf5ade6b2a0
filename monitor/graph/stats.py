"""What the header of a graph counts: percentiles, runs, failures, providers. Pure; a missing number never counts."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING

from monitor.graph.data import BROKEN, is_doubtful, scope_of, server_name, trusted
from monitor.model import HARMLESS, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.graph.data import Metric, Track
    from monitor.model import Scope


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and the middle nine tenths of one metric, in its own unit."""

    median: float
    p5: float
    p95: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Runs by status, failed and interrupted ones by scope, doubtful ones by remark, and what the trusted ones met."""

    statuses: Counter[Status]
    scopes: Counter[Scope]
    isps: Counter[str]
    servers: Counter[str]
    families: Counter[int]
    engines: Counter[str]
    doubts: Counter[str]
    doubtful: int

    @property
    def runs(self) -> int:
        """All attempts."""
        return self.statuses.total()

    @property
    def success_pct(self) -> float | None:
        """Successful runs per hundred that were started (skipped ones were not); None when none was started."""
        started = self.statuses.total() - self.statuses[Status.SKIPPED]
        return 100 * self.statuses[Status.OK] / started if started else None


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return a percentile of ascending values by linear interpolation between the nearest two.

    Definition 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50 (1996):
    position (n - 1) p, counted from 0. The default of R, NumPy and Excel's PERCENTILE.INC.
    """
    position = (len(ordered) - 1) * percent / 100
    below = floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def values(tracks: Sequence[Track], metric: Metric) -> list[float]:
    """Return all measured values of a metric, ascending."""
    return sorted(value for track in tracks for segment in track.segments[metric] for value in segment.values)


def share_met(ordered: Sequence[float], metric: Metric, sold: float) -> float | None:
    """Return how many of a hundred ascending values are as good as sold; None without values."""
    if not ordered:
        return None
    met = len(ordered) - bisect_left(ordered, sold) if metric.is_rate else bisect_right(ordered, sold)
    return 100 * met / len(ordered)


def spread(track: Track, metric: Metric) -> Spread | None:
    """Return the percentiles of a metric; None when it was never measured."""
    return spread_of(values([track], metric))


def spread_of(ordered: Sequence[float]) -> Spread | None:
    """Return the percentiles of ascending values; None without any."""
    if not ordered:
        return None
    return Spread(median=percentile(ordered, 50), p5=percentile(ordered, 5), p95=percentile(ordered, 95))


def tally(tracks: Sequence[Track]) -> Tally:
    """Count the runs of all tracks."""
    runs = [run for track in tracks for run in track.runs]
    measured = [run for run in runs if trusted(run)]
    doubtful = [run for run in runs if is_doubtful(run)]
    return Tally(
        statuses=Counter(run.status for run in runs),
        scopes=Counter(scope_of(run) for run in runs if run.status in BROKEN),
        isps=Counter(run.isp for run in measured if run.isp),
        servers=Counter(name for run in measured if (name := server_name(run.server))),
        families=Counter(run.ip_family for run in measured if run.ip_family),
        engines=Counter(run.engine for run in measured),
        doubts=Counter(remark.kind for run in doubtful for remark in run.remarks if remark.kind not in HARMLESS),
        doubtful=len(doubtful),
    )
